"""The count the people at the gate keep themselves: every answer they were given, and what it comes to.

What a gate answered is binding: every answer is a crossing on the topic, each allowed one moves its holder,
and the gate's day counts all of them.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.contracts.checkpoint import Direction

DAY = (
    "crossings", "allowed", "denied", "referred", "vehicles", "people_in", "people_out", "incomplete",
    "no_pass", "no_temperature", "no_driver",
)  # fmt: skip
NO_DATA = "stale"
"""The code of a gate that has no data to answer from."""

_VERDICTS = {"allow": "allowed", "deny": "denied", "refer": "referred"}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at the gate: `text` is what they show, `pass_id` names it if it is a pass of ours."""

    text: str | None = None
    pass_id: str | None = None
    temperature: float | None = None
    household: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to a gate: a person on foot, or a vehicle with or without a driver."""

    gate: str
    direction: Direction
    people: tuple[Person, ...]
    vehicle: bool = False
    driver: bool = True


@dataclass(slots=True)
class Ledger:
    """Answers by the id of the crossing.

    `errors` are questions that got none, `again` is how often one had to be sent again: not once, unless the
    gate's own process ended meanwhile.
    """

    answered: dict[str, tuple[Asked, str]] = field(default_factory=dict)
    codes: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    again: int = 0
    surprises: list[str] = field(default_factory=list)
    outside: dict[str, bool] = field(default_factory=dict)
    readings: int = 0
    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def note(self, crossing: str, asked: Asked, answer: Mapping[str, str], wanted: Sequence[str]) -> None:
        """Note an answer, and whether its code is one that must come here."""
        verdict, code = answer["verdict"], answer["code"]
        self.answered[crossing] = asked, verdict
        self.codes[code] += 1
        if code not in wanted:
            self.surprises.append(f"{asked.gate} {asked.direction}: {code}, expected {' or '.join(wanted)}")
        for person in asked.people:
            self.readings += person.pass_id is not None and person.temperature is not None
            if verdict == "allow" and person.pass_id is not None:
                self.outside[person.pass_id] = asked.direction == "out"

    def day(self, gate: str) -> dict[str, int]:
        """Return what one gate must count of the day."""
        sums = dict.fromkeys(DAY, 0)
        for asked, verdict in self.answered.values():
            if asked.gate != gate:
                continue
            missing = _missing(asked)
            sums["crossings"] += 1
            sums[_VERDICTS[verdict]] += 1
            sums["vehicles"] += asked.vehicle
            sums["incomplete"] += bool(missing)
            for name in missing:
                sums[name] += 1
            if verdict == "allow":
                sums[f"people_{asked.direction}"] += len(asked.people)
        return sums

    def outside_now(self) -> set[str]:
        """Return the passes whose holders are out."""
        return {pass_id for pass_id, is_out in self.outside.items() if is_out}


def _missing(asked: Asked) -> set[str]:
    missing = set()
    if any(person.pass_id is None for person in asked.people):
        missing.add("no_pass")
    if any(person.temperature is None for person in asked.people):
        missing.add("no_temperature")
    if asked.vehicle and not asked.driver:
        missing.add("no_driver")
    return missing
