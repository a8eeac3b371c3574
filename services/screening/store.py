"""How screening's values are stored: one collection a kind, and their indexes."""

import json
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from services.screening.domain.denominator import Denominator, Household, build
from services.screening.domain.round import Scopes
from services.screening.domain.sheet import Early, Head, Later, Listed, Sheet
from shared.contracts.registry import Charges, HouseholdFact
from shared.contracts.screening import CoverageTally, Criterion, Round
from shared.flow.documents import Body, Collection
from shared.service import rosters
from shared.service.rollup import rolls_of

# --- copies of registry's facts; a nested one is a single text, which costs a write the least ---

ROSTERS = rosters.ROSTERS
HOUSEHOLDS: Collection[HouseholdFact] = Collection(
    "households",
    encode=lambda fact: {"desk": fact.desk, "fact": fact.model_dump_json(exclude_defaults=True)},
    decode=lambda body: HouseholdFact.model_validate_json(body["fact"]),
)
CHARGES: Collection[Charges] = Collection(
    "charges",
    encode=lambda fact: {
        "households": fact.households,
        "charges_v": fact.v,
        "fact": fact.model_dump_json(exclude_defaults=True),
    },
    decode=lambda body: Charges.model_validate_json(body["fact"]),
)

# --- what is decided ---


@lru_cache(maxsize=1_000)
def _terms(text: str) -> Round:
    """Read a round: all desks it reaches hold the same text, so it is read once."""
    return Round.model_validate_json(text)


ROUNDS: Collection[Round] = Collection(
    "rounds",
    encode=lambda round_: {
        "round": round_.model_dump_json(exclude_none=True),
        "scope": round_.scope.unit,
        "desk": round_.scope.desk,
        "number": round_.number,
        "status": round_.status,
    },
    decode=lambda body: _terms(body["round"]),
)
SCOPES: Collection[Scopes] = Collection(
    "scopes",
    encode=lambda scopes: {
        "number": scopes.number,
        "live": scopes.live,
        "criteria": [each.model_dump_json() for _, each in sorted(scopes.criteria.items())],
    },
    decode=lambda body: Scopes(body["number"], body["live"], _criteria(body["criteria"])),
)


def _criteria(texts: Sequence[str]) -> dict[str, Criterion]:
    read = [Criterion.model_validate_json(text) for text in texts]
    return {criterion.name: criterion for criterion in read}


# --- heads ---


def _encode_head(head: Head) -> Body:
    return {
        "round": head.round,
        "desk": head.desk,
        "terms": head.terms.model_dump_json(exclude_none=True) if head.terms else None,
        "sender": head.sender,
        "children": None if head.children is None else list(head.children),
        "children_sent": [list(item) for item in sorted(head.children_sent.items())],
        "frozen": head.frozen,
        "parts": list(head.parts),
        "facts_sent": head.facts_sent,
        "early": _packed([list(early) for _, early in sorted(head.early.items())]) if head.early else b"",
        "later": [[*key, *later] for key, later in sorted(head.later.items())],
        "listed": [list(listed) for listed in head.listed],
        "status": head.status,
        "waiting": head.waiting,
    }


def _decode_head(body: Body) -> Head:
    early = [Early(*item) for item in (_unpacked(body["early"]) if body["early"] else [])]
    return Head(
        round=body["round"],
        desk=body["desk"],
        terms=_terms(body["terms"]) if body["terms"] else None,
        sender=body["sender"],
        children=None if body["children"] is None else tuple(body["children"]),
        children_sent=dict(body["children_sent"]),
        frozen=body["frozen"],
        parts=tuple(body["parts"]),
        facts_sent=body["facts_sent"],
        early={(each.id, each.at): each for each in early},
        later={(household, slot): Later(found, last) for household, slot, found, last in body["later"]},
        listed=[Listed(*listed) for listed in body["listed"]],
    )


HEADS: Collection[Head] = Collection("heads", _encode_head, _decode_head)

# --- denominators: written once, read by every visit, so that they are kept in memory ---


def _encode_denominator(denominator: Denominator) -> Body:
    by_part = [
        [part.part, [denominator.households[position] for position in part.households]]
        for part in denominator.parts
    ]
    return {
        "round": denominator.round,
        "desk": denominator.desk,
        "charges_v": denominator.charges_v,
        "parts": _packed(by_part),
    }


def _decode_denominator(body: Body) -> Denominator:
    by_part = [
        (part, [Household(id_, unit, charge, tuple(members)) for id_, unit, charge, members in households])
        for part, households in _unpacked(body["parts"])
    ]
    return build(body["round"], body["desk"], body["charges_v"], by_part)


DENOMINATORS: Collection[Denominator] = Collection(
    "denominators", _encode_denominator, _decode_denominator, immutable=True
)

# --- sheets: arrays by frozen position; of many days most are noughts, which pack to nothing ---


def _encode_sheet(sheet: Sheet) -> Body:
    return {
        "round": sheet.round,
        "desk": sheet.desk,
        "part": sheet.part,
        "found": bytes(sheet.found),
        "last": zlib.compress(sheet.last.tobytes(), 1),
        "seen": bytes(sheet.seen),
        "heat": zlib.compress(sheet.heat, 1),
        "confirmed": zlib.compress(sheet.confirmed.tobytes(), 1),
        "closed": sheet.closed,
    }


def _decode_sheet(body: Body) -> Sheet:
    return Sheet(
        round=body["round"],
        desk=body["desk"],
        part=body["part"],
        found=bytearray(body["found"]),
        last=_times(body["last"]),
        seen=bytearray(body["seen"]),
        heat=bytearray(zlib.decompress(body["heat"])),
        confirmed=_times(body["confirmed"]),
        closed=body["closed"],
    )


def _times(stored: bytes) -> "array[int]":
    times = array("q")
    times.frombytes(zlib.decompress(stored))
    return times


SHEETS: Collection[Sheet] = Collection("sheets", _encode_sheet, _decode_sheet, owned=True)


@dataclass(slots=True)
class Desk:
    """The open rounds of a desk that have days: a reading counts in each; with none open it is not kept."""

    live: set[str] = field(default_factory=set)


DESKS: Collection[Desk] = Collection(
    "desks",
    encode=lambda desk: {"live": sorted(desk.live)},
    decode=lambda body: Desk(set(body["live"])),
)
ROLLS = rolls_of("progress", "round", CoverageTally)


def _packed(value: Any) -> bytes:
    return zlib.compress(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), 1)


def _unpacked(stored: bytes) -> Any:
    return json.loads(zlib.decompress(stored))


INDEXES: Mapping[str, Sequence[Sequence[str]]] = {
    "outcomes": [],
    "positions": [],
    "rosters": rosters.INDEXES,
    "households": [["desk"]],
    "charges": [],
    "rounds": [["scope", "status"], ["desk"]],
    "scopes": [],
    "heads": [["waiting", "_id"]],
    "denominators": [],
    "sheets": [],
    "desks": [],
    "progress": [],
    ROLLS.found_in: [["next_due"]],
}
