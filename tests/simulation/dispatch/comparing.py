"""A stored sheet against brute force's, field by field: each difference breaks a named rule."""

import zlib
from array import array
from collections.abc import Mapping
from typing import Any

from shared.flow.documents import Body
from tests.simulation.dispatch.ladder import LADDER, Entry, height
from tests.simulation.dispatch.oracle import OracleSheet
from tests.simulation.violation import require

ANSWERED_FOR, RELEASED, OVERDUE = 1, 2, 8


def compare(id_: str, stored: Body, frozen: Body | None, sheet: OracleSheet) -> None:
    """Require that a sheet is exactly what the records applied to it add up to."""
    _order(id_, stored, sheet)
    require((frozen is None) == (sheet.seats is None), "frozen and filled as the log says", id_)
    require({early[0] for early in stored["early"]} == set(sheet.waiting), "waiting answers are kept", id_)
    listed = {entry[0]: entry[1] for entry in stored["listed"]}
    require(listed == sheet.listed, "uncounted answers are listed", f"{id_} {listed} {sheet.listed}")
    require(stored["orphaned"] == sheet.orphaned, "an order that never came is reported", id_)
    if sheet.order is not None:
        _entries(id_, stored, frozen, sheet)
        _children(id_, stored, sheet)
    due = stored["next_due"]
    require(due == sheet.due, "a due time moves by its ticks alone", f"{id_} {due} {sheet.due}")


def _order(id_: str, stored: Body, sheet: OracleSheet) -> None:
    right = None if sheet.order is None else sheet.order.model_dump_json(exclude_none=True)
    require(stored["order"] == right, "the newest order is held", f"{id_} {stored['order']} {right}")


def _entries(id_: str, stored: Body, frozen: Body | None, sheet: OracleSheet) -> None:
    posts = frozen["posts"].splitlines() if frozen else [sheet.whole]
    names = sheet.addressees()
    same = len(posts) == len(stored["state"]) and sorted(posts) == sorted(names)
    require(same, "the audience is exact", f"{id_} {posts} {sorted(names)}")
    first = array("q")
    first.frombytes(zlib.decompress(stored["first"]))
    notes = {slot: tuple(note) for slot, *note in stored["notes"]}
    for at, post in enumerate(posts):
        entry, flags, name = sheet.entries[post], stored["flags"][at], f"{id_} {post}"
        kept = stored["state"][at], stored["reached"][at], bool(flags & ANSWERED_FOR)
        right = entry.state, entry.reached, entry.answered_for
        require(kept == right, "each entry is what its answers say", f"{name} {kept} {right}")
        told = sheet.seats is None or post in sheet.told
        require(bool(flags & RELEASED) == told, "told once the superior has passed it on", f"{name} {told}")
        times = {state: first[at * len(LADDER) + height(state)] for state in LADDER}
        _times(name, {state: time for state, time in times.items() if time}, post, sheet)
        said = {slot - at * len(LADDER): note for slot, note in notes.items() if slot // len(LADDER) == at}
        _notes(name, said, entry)
        kept_rung = stored["rung"][at], bool(flags & OVERDUE)
        right_rung = entry.rung, entry.overdue
        require(kept_rung == right_rung, "silence climbs once a due", f"{name} {kept_rung} {right_rung}")


def _times(name: str, kept: Mapping[str, int], post: str, sheet: OracleSheet) -> None:
    right = dict(sheet.entries[post].first)
    if post in sheet.told:
        right["addressed"] = sheet.told[post]
    require(kept == right, "the first time of each state is kept", f"{name} {kept} {right}")


def _notes(name: str, kept: Mapping[int, tuple[Any, ...]], entry: Entry) -> None:
    right = {height(state): note for state, note in entry.notes.items()}
    require(kept == right, "the first reason of each state is kept", f"{name} {kept} {right}")


def _children(id_: str, stored: Body, sheet: OracleSheet) -> None:
    kept = {child: bool(released) for child, released in stored["children"]}
    require(kept.keys() == sheet.children.keys(), "the right desks are owed", f"{id_} {kept}")
    require(kept == sheet.children, "a desk hears once its commander has passed it on", f"{id_} {kept}")
