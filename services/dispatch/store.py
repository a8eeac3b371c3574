"""How dispatch's values are stored: one collection a kind, and their indexes."""

import zlib
from array import array
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from pydantic import TypeAdapter

from services.dispatch.domain.directive import Directive, Issuer
from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.sheet import Early, Entries, Listed, Note, Sheet
from shared.contracts.directives import Order
from shared.contracts.dispatch import Answer, LinePost, Tally
from shared.contracts.registry import ChildDesk, Seat, Superior
from shared.flow.documents import Body, Collection
from shared.kernel.clock import from_ms, utc_ms
from shared.service import rosters
from shared.service.rollup import rolls_of


def _dump(model: Any, exclude: set[str] | None = None) -> Body:
    return dict(model.model_dump(mode="json", exclude_none=True, exclude=exclude))


# --- directives ---


def _encode_directive(directive: Directive) -> Body:
    order = directive.order
    return {
        "order": _dump(order),
        "line": [_dump(post) for post in directive.line],
        "reason": directive.reason,
        "closed_at": directive.closed_at and utc_ms(directive.closed_at),
        "issuer": order.issuer,
        "status": order.status,
    }


def _decode_directive(body: Body) -> Directive:
    closed_at = body["closed_at"]
    return Directive(
        Order.model_validate(body["order"]),
        tuple(LinePost.model_validate(post) for post in body["line"]),
        body["reason"],
        from_ms(closed_at) if closed_at else None,
    )


DIRECTIVES: Collection[Directive] = Collection("directives", _encode_directive, _decode_directive)
ISSUERS: Collection[Issuer] = Collection(
    "issuers",
    encode=lambda issuer: {"open": sorted(issuer.open)},
    decode=lambda body: Issuer(set(body["open"])),
)

# --- audiences: in columns, so that an answer is counted without reading what only an escalation needs ---

_SEATS = TypeAdapter(tuple[Seat, ...])


def _encode_frozen(frozen: Frozen) -> Body:
    kinds = sorted(set(frozen.cells))
    return {
        "desk": frozen.desk,
        "version": frozen.version,
        "roster_v": frozen.roster_v,
        "children": [_dump(child) for child in frozen.children],
        "cancels": frozen.cancels,
        "dimensions": list(frozen.dimensions),
        "posts": "\n".join(frozen.posts),
        "holders": "\n".join(holder or "" for holder in frozen.holders),
        "kinds": kinds,
        "cells": array("H", map(kinds.index, frozen.cells)).tobytes(),
        "done_at": bytes(frozen.done_at),
        "above": array("i", frozen.above).tobytes(),
        "superiors": [[at, above.desk, above.post] for at, above in sorted(frozen.superiors.items())],
        "seats": zlib.compress(_SEATS.dump_json(frozen.seats, exclude_defaults=True), 1),
    }


def _decode_frozen(body: Body) -> Frozen:
    posts = tuple(body["posts"].splitlines())
    cells, above = array("H"), array("i")
    cells.frombytes(body["cells"])
    above.frombytes(body["above"])
    return Frozen(
        desk=body["desk"],
        version=body["version"],
        roster_v=body["roster_v"],
        children=tuple(ChildDesk.model_validate(child) for child in body["children"]),
        cancels=body["cancels"],
        dimensions=tuple(body["dimensions"]),
        posts=posts,
        holders=tuple(holder or None for holder in body["holders"].split("\n")) if posts else (),
        cells=tuple(map(body["kinds"].__getitem__, cells)),
        done_at=body["done_at"],
        above=above,
        superiors={at: Superior(desk=desk, post=post) for at, desk, post in body["superiors"]},
        unpack=partial(_unpack, body["seats"]),
    )


def _unpack(seats: bytes) -> tuple[Seat, ...]:
    return _SEATS.validate_json(zlib.decompress(seats))


FROZEN: Collection[Frozen] = Collection("frozen", _encode_frozen, _decode_frozen, owned=True)


# --- sheets: arrays by frozen position, so that a write is small and a read is a copy ---


@lru_cache(maxsize=1_000)
def _order(text: str) -> Order:
    """Read a sheet's order: all desks of a directive hold the same text, so it is read once."""
    return Order.model_validate_json(text)


def _encode_sheet(sheet: Sheet) -> Body:
    entries = sheet.entries
    return {
        "directive": sheet.directive,
        "desk": sheet.desk,
        "order": sheet.order.model_dump_json(exclude_none=True) if sheet.order else None,
        "sender": sheet.sender,
        "line": [_dump(post) for post in sheet.line],
        "frozen": sheet.frozen,
        "roster_v": sheet.roster_v,
        "state": bytes(entries.state),
        "reached": bytes(entries.reached),
        "flags": bytes(entries.flags),
        "rung": bytes(entries.rung),
        "rung_sent": bytes(entries.rung_sent),
        # Eight times of eight bytes an entry, most of them never: a tenth of the size for a few µs.
        "first": zlib.compress(entries.first.tobytes(), 1),
        "notes": [[slot, *note] for slot, note in sorted(entries.notes.items())],
        "children": sorted(sheet.children.items()),
        "children_sent": [[desk, list(rank)] for desk, rank in sorted(sheet.children_sent.items())],
        "next_due": sheet.next_due,
        "early": [[early.id, early.at, _dump(early.answer)] for early in sheet.early],
        "listed": [list(listed) for listed in sheet.listed],
        "orphaned": sheet.orphaned,
        "asked": sheet.asked,
    }


def _decode_sheet(body: Body) -> Sheet:
    first = array("q")
    first.frombytes(zlib.decompress(body["first"]))
    parts = (bytearray(body[name]) for name in ("state", "reached", "flags", "rung", "rung_sent"))
    state, reached, flags, rung, rung_sent = parts
    notes = {slot: Note(*note) for slot, *note in body["notes"]}
    return Sheet(
        directive=body["directive"],
        desk=body["desk"],
        order=_order(body["order"]) if body["order"] else None,
        sender=body["sender"],
        line=tuple(LinePost.model_validate(post) for post in body["line"]),
        frozen=body["frozen"],
        roster_v=body["roster_v"],
        entries=Entries(state, reached, flags, rung, rung_sent, first, notes),
        children={desk: bool(released) for desk, released in body["children"]},
        children_sent={desk: (rank[0], bool(rank[1]), rank[2]) for desk, rank in body["children_sent"]},
        next_due=body["next_due"],
        early=[Early(id_, at, Answer.model_validate(answer)) for id_, at, answer in body["early"]],
        listed=[Listed(*listed) for listed in body["listed"]],
        orphaned=body["orphaned"],
        asked=list(body["asked"]),
    )


def _lookup_sheet(sheet: Sheet) -> Body:
    return {
        "directive": sheet.directive,
        "desk": sheet.desk,
        "version": sheet.order.version if sheet.order else 1,
        "roster_v": sheet.roster_v,
        "next_due": sheet.next_due,
        "asked": list(sheet.asked),
        "live": sheet.order is not None and sheet.order.status == "open",
    }


SHEETS: Collection[Sheet] = Collection(
    "sheets", _encode_sheet, _decode_sheet, owned=True, lookup=_lookup_sheet
)

ROLLS = rolls_of("progress", "directive", Tally)

INDEXES: Mapping[str, Sequence[Sequence[str]]] = {
    "outcomes": [],
    "positions": [],
    rosters.ROSTERS.name: rosters.INDEXES,
    "directives": [["issuer", "status"], ["status"], ["order.desk"]],
    "issuers": [],
    "frozen": [],
    "sheets": [],
    SHEETS.found_in: [["next_due"], ["live"], ["desk", "live"], ["asked", "live"]],
    "progress": [],
    ROLLS.found_in: [["next_due"]],
}
