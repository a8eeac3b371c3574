"""What one gate counted on one of the city's days: every crossing once, however often it arrives (U-25).

A counter cannot tell a repetition; a set of ids can. Ids stand here as sorted 8-byte hashes with one byte of
what is counted and one with how many people passed: 200 KB for 20,000 crossings.
"""

import hashlib
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from shared.contracts.checkpoint import Crossing, Verdict

_VERDICTS: Final[tuple[Verdict, ...]] = ("allow", "deny", "refer")
_VERDICT: Final = 0b0000_0011
_OUT: Final = 0b0000_0100
_VEHICLE: Final = 0b0000_1000
_MISSING: Final = {"no-pass": 0b0001_0000, "no-temperature": 0b0010_0000, "no-driver": 0b0100_0000}


@dataclass(slots=True)
class GateDay:
    """One gate on one day."""

    gate: str
    day: str
    ids: "array[int]" = field(default_factory=lambda: array("Q"))
    what: bytearray = field(default_factory=bytearray)
    people: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class DayCounts:
    """Crossings by verdict and by what was missing, and the people who passed, by direction."""

    crossings: int = 0
    allowed: int = 0
    denied: int = 0
    referred: int = 0
    vehicles: int = 0
    people_in: int = 0
    people_out: int = 0
    incomplete: int = 0
    no_pass: int = 0
    no_temperature: int = 0
    no_driver: int = 0


def gate_day_id(gate: str, day: date) -> str:
    """Return the id of a gate's day; `day` is the city's."""
    return f"{gate}/{day.isoformat()}"


def merge_crossing(held: GateDay, id_: str, crossing: Crossing) -> None:
    """Count a crossing; one seen before changes nothing."""
    hashed = int.from_bytes(hashlib.blake2b(id_.encode(), digest_size=8).digest())
    place = bisect_left(held.ids, hashed)
    passed = (
        sum(person.verdict == "allow" for person in crossing.people) if crossing.verdict == "allow" else 0
    )
    seen = (_what(crossing), passed)
    if place < len(held.ids) and held.ids[place] == hashed:
        # One id with two bodies is somebody's fault; the same one of them wins in any order.
        held.what[place], held.people[place] = max(seen, (held.what[place], held.people[place]))
        return
    held.ids.insert(place, hashed)
    held.what.insert(place, seen[0])
    held.people.insert(place, seen[1])


def counted(held: GateDay) -> DayCounts:
    """Return a day in numbers."""
    kinds: Counter[int] = Counter(held.what)
    passed: Counter[bool] = Counter()
    for what, people in zip(held.what, held.people, strict=True):
        passed[bool(what & _OUT)] += people

    def having(bits: int) -> int:
        return sum(number for what, number in kinds.items() if what & bits)

    by_verdict = [
        sum(number for what, number in kinds.items() if what & _VERDICT == verdict)
        for verdict in range(len(_VERDICTS))
    ]
    return DayCounts(
        crossings=len(held.ids),
        allowed=by_verdict[0],
        denied=by_verdict[1],
        referred=by_verdict[2],
        vehicles=having(_VEHICLE),
        people_in=passed[False],
        people_out=passed[True],
        incomplete=having(sum(_MISSING.values())),
        no_pass=having(_MISSING["no-pass"]),
        no_temperature=having(_MISSING["no-temperature"]),
        no_driver=having(_MISSING["no-driver"]),
    )


def total_of(days: Iterable[DayCounts]) -> DayCounts:
    """Add days or gates up: the numbers of an area."""
    each = list(days)
    return DayCounts(**{name: sum(getattr(counts, name) for counts in each) for name in DayCounts.__slots__})


def _what(crossing: Crossing) -> int:
    what = _VERDICTS.index(crossing.verdict)
    what |= _OUT if crossing.direction == "out" else 0
    what |= _VEHICLE if crossing.vehicle else 0
    for missing in crossing.incomplete:
        what |= _MISSING[missing]
    return what
