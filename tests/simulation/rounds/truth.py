"""How much can be true by now: what was appended, before anybody has processed it, counted per desk."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from shared.contracts.screening import FrozenHousehold, OpenRound, Reading, Visit
from shared.flow.records import Record
from shared.kernel.clock import local_day
from shared.kernel.ids import derived_id
from tests.simulation.rounds.world import FEVER
from tests.simulation.scheduler import ZONE

GONE = {"vacant", "moved-away"}
COVERING = {"screened", "vacant", "moved-away"}
COUNTED_AS = {
    "nobody-home": "nobody_home",
    "refused": "refused",
    "vacant": "vacant",
    "moved-away": "moved_away",
    "screened": "screened",
}
Frozen = Mapping[str, FrozenHousehold]


@dataclass(slots=True)
class Truth:
    """An upper bound of every count, and exactly the fevers there are."""

    opened: Mapping[str, OpenRound]
    fevers: set[str] = field(default_factory=set)
    _doors: dict[tuple[str, str, str], dict[str, set[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )
    _persons: dict[tuple[str, str, str], set[tuple[str, str]]] = field(
        default_factory=lambda: defaultdict(set)
    )
    _gone: dict[tuple[str, str, str], set[str]] = field(default_factory=lambda: defaultdict(set))

    def told(self, record: Record) -> None:
        """Take a visit or a reading as it is appended."""
        body = record.body
        if not isinstance(body, Visit | Reading) or local_day(body.at, ZONE) > local_day(record.at, ZONE):
            return
        day = local_day(min(body.at, record.at), ZONE)
        if isinstance(body, Reading):
            self._fever(body.person, body.temperature, day)
            for round_, opening in self.opened.items():
                if day in opening.days:
                    self._persons[round_, body.desk, day.isoformat()].add((body.household, body.person))
            return
        for seen in body.members:
            self._fever(seen.person, seen.temperature, day)
        opening = self.opened.get(body.round)
        if opening is None or (opening.days and day not in opening.days):
            return
        place = body.round, body.desk, day.isoformat() if opening.days else ""
        self._doors[place][COUNTED_AS[body.found]].add(body.household)
        if body.found in COVERING:
            self._doors[place]["covered"].add(body.household)
        if body.found in GONE:
            self._gone[place].add(body.household)
        self._persons[place] |= {(body.household, seen.person) for seen in body.members if not seen.is_blank}

    def bounds(self, round_: str, slot: str, frozen: Iterable[tuple[str, Frozen]]) -> dict[str, int]:
        """Return the most that may be shown for a slot, over these desks with what each has frozen."""
        sums = dict.fromkeys(("households", "persons", "covered", "persons_covered", *COUNTED_AS.values()), 0)
        for desk, households in frozen:
            place = round_, desk, slot
            sums["households"] += len(households)
            sums["persons"] += sum(len(each.members) for each in households.values())
            for name in ("covered", *COUNTED_AS.values()):
                sums[name] += len(self._doors[place][name] & households.keys())
            sums["persons_covered"] += sum(
                household in self._gone[place] or (household, person) in self._persons[place]
                for household, each in households.items()
                for person in each.members
            )
        return sums

    def _fever(self, person: str, temperature: float | None, day: date) -> None:
        if temperature is not None and temperature >= FEVER:
            self.fevers.add(derived_id("fever", person, day.isoformat()))
