"""What a desk must count: visits and readings folded in the order they were applied, apart from the rules."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from shared.contracts.screening import Census, FrozenHousehold, Opening, Reading, Round, Visit
from shared.flow.records import Record
from shared.kernel.clock import local_day
from tests.simulation.rounds.truth import COUNTED_AS, COVERING, GONE
from tests.simulation.scheduler import ZONE

LADDER = ("nobody-home", "refused", "vacant", "moved-away", "screened")
Frozen = Mapping[str, FrozenHousehold]
Freezes = Mapping[tuple[str, str], Frozen]
"""(round, desk) → what a transaction has frozen."""


@dataclass(slots=True)
class OracleDesk:
    """One round at one desk, by brute force."""

    round: Round | None = None
    frozen: Frozen | None = None
    doors: dict[tuple[str, str], int] = field(default_factory=dict)
    persons: set[tuple[str, str, str]] = field(default_factory=set)
    early: dict[str, Record] = field(default_factory=dict)
    listed: set[tuple[str, str]] = field(default_factory=set)
    aside: dict[str, str] = field(default_factory=dict)

    @property
    def closed(self) -> bool:
        """Whether the close has come."""
        return self.round is not None and self.round.status == "closed"

    def opening(self, opening: Opening, frozen: Frozen | None) -> None:
        """Take a round, open or closed; closed stays closed."""
        if not self.closed:
            self.round = opening.round
        if self.closed and self.frozen is None:
            self.listed |= {(id_, "late") for id_ in self.early}
            self.early = {}
        self.freeze(frozen)

    def freeze(self, frozen: Frozen | None) -> None:
        """Take the denominator, once, and count what came before it."""
        if frozen is None or self.frozen is not None:
            return
        self.frozen = frozen
        early, self.early = self.early, {}
        for record in early.values():
            self.said(record)

    def said(self, record: Record) -> None:
        """Count, keep or list one visit or reading."""
        body = record.body
        if not isinstance(body, Visit | Reading):
            return
        if local_day(body.at, ZONE) > local_day(record.at, ZONE):
            self.listed.add((record.id, "future"))
        elif self.closed:
            self.listed.add((record.id, "late"))
        elif self.round is None or self.frozen is None:
            self.early[record.id] = record
        else:
            self._count(record.id, body, local_day(min(body.at, record.at), ZONE))

    def _count(self, id_: str, body: Visit | Reading, day: date) -> None:
        if self.round is None or self.frozen is None:
            return
        slot = day.isoformat() if self.round.days else ""
        household = self.frozen.get(body.household)
        if slot not in self.round.slots:
            self.listed.add((id_, "outside-window"))
        elif household is None:
            self.aside[id_] = body.household
        elif isinstance(body, Visit):
            key = household.household, slot
            self.doors[key] = max(self.doors.get(key, -1), LADDER.index(body.found))
            seen = [seen.person for seen in body.members if not seen.is_blank]
            self._seen(household, household.members if body.found in GONE else seen, slot)
        elif self.round.days:
            self._seen(household, [body.person], slot)

    def _seen(self, household: FrozenHousehold, persons: Iterable[str], slot: str) -> None:
        self.persons |= {
            (household.household, person, slot) for person in persons if person in household.members
        }

    def cells(self) -> dict[str, dict[str, int]]:
        """Return every slot's counts."""
        if self.round is None or not self.frozen:
            return {}
        cells = {}
        units: dict[str, list[bool]] = defaultdict(list)
        for household in self.frozen.values():
            units[household.unit].append(household.charge is not None)
        for slot in self.round.slots:
            cells[slot] = counts = dict.fromkeys(("covered", *COUNTED_AS.values()), 0)
            counts["households"] = len(self.frozen)
            counts["in_care"] = sum(each.charge is not None for each in self.frozen.values())
            counts["persons"] = sum(len(each.members) for each in self.frozen.values())
            counts["persons_covered"] = sum(at == slot for _, _, at in self.persons)
            counts["units"], counts["watched"] = len(units), sum(map(all, units.values()))
            for (_, at), height in self.doors.items():
                if at == slot:
                    counts[COUNTED_AS[LADDER[height]]] += 1
                    counts["covered"] += LADDER[height] in COVERING
        return cells

    def open_doors(self) -> set[tuple[str, str]]:
        """Return each household × slot that is not covered."""
        slots = self.round.slots if self.round else ()
        done = {key for key, height in self.doors.items() if LADDER[height] in COVERING}
        return {(household, slot) for household in self.frozen or () for slot in slots} - done

    def open_persons(self) -> set[tuple[str, str]]:
        """Return each person × slot that is not covered."""
        slots = self.round.slots if self.round else ()
        done = {(person, slot) for _, person, slot in self.persons}
        people = {person for each in (self.frozen or {}).values() for person in each.members}
        return {(person, slot) for person in people for slot in slots} - done


class Oracle:
    """All desks of all rounds, folded from what each committed transaction says it has applied."""

    def __init__(self) -> None:
        self.desks: dict[tuple[str, str], OracleDesk] = defaultdict(OracleDesk)

    def apply(self, record: Record, froze: Freezes) -> None:
        """Fold one record of the group that keeps the sheets."""
        body = record.body
        match body:
            case Opening():
                place = body.round.round, body.to
                self.desks[place].opening(body, froze.get(place))
            case Census():
                self.desks[body.round, body.desk].freeze(froze.get((body.round, body.desk)))
            case Visit():
                self.desks[body.round, body.desk].said(record)
            case Reading():
                for (_, desk), at in list(self.desks.items()):
                    if desk == body.desk and at.round is not None and at.round.days:
                        at.said(record)
            case _:
                pass
