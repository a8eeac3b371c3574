"""Who crosses: residents with passes, in time and too late, by two gates, in cars, and without any pass."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from shared.contracts import checkpoint as contract
from shared.contracts import registry
from shared.contracts.checkpoint import Crosser, Crossing, Direction, PassKind, Verdict
from shared.contracts.registry import HouseholdFact
from tests.simulation.gate.process import Gate
from tests.simulation.log import Log
from tests.simulation.scheduler import START, Scheduler

AREAS = ("610102001001001", "610102001002001")
KINDS: tuple[PassKind, ...] = ("movement", "movement", "movement", "home", "medic")


@dataclass(frozen=True, slots=True)
class Pass:
    """What a pass's text says."""

    pass_id: str
    kind: PassKind
    area: str
    household: str
    subject: str
    until: datetime

    @property
    def desk(self) -> str:
        """The community of its area."""
        return self.area[:12]


@dataclass(slots=True)
class People:
    """Everybody who comes to a gate, and registry, which knows their households."""

    scheduler: Scheduler
    log: Log
    gates: list[Gate]
    passes: dict[str, Pass] = field(default_factory=dict)

    def begin(self) -> None:
        """Plan who crosses when, and let registry say who lives where."""
        rng = self.scheduler.random
        for number in range(rng.randint(2, 7)):
            area = rng.choice(AREAS)
            made = Pass(
                f"pass-{number:04}", rng.choice(KINDS), area, f"household-{number // 2}",
                f"subject-{number:04}", START + timedelta(seconds=rng.randint(15, 160)),
            )  # fmt: skip
            self.passes[made.pass_id] = made
            self._live(made)
            self._plan(made)
        for _ in range(rng.randint(0, 6)):
            self.scheduler.at(rng.uniform(0, 250), self._unknown_comes)
        for _ in range(rng.choice((0, 1, 3))):
            self.scheduler.at(rng.uniform(0, 250), self._integration_says)

    def _live(self, made: Pass) -> None:
        fact = HouseholdFact(
            household=made.household, v=1, desk=made.desk, unit=made.area, within=(made.area,),
            charges={"main": f"{made.area}/cw5:building-head"},
        )  # fmt: skip
        id_ = self.scheduler.ulid()
        self.scheduler.at(
            self.scheduler.random.choice((0.0, 100.0)),
            lambda: self.log.say(
                registry.HOUSEHOLDS_TOPIC, registry.HOUSEHOLD, fact.household, fact, id_=id_
            ),
        )

    def _plan(self, made: Pass) -> None:
        rng = self.scheduler.random
        direction: Direction = "out"
        when = rng.uniform(0, 60)
        for _ in range(rng.randint(0, 6)):
            self.scheduler.at(when, partial(self._come, made, direction))
            if rng.random() < 0.85:  # else it is said twice in the same direction
                direction = "in" if direction == "out" else "out"
            when += rng.expovariate(1 / rng.choice((10, 60)))

    def _come(self, made: Pass, direction: Direction) -> None:
        """Come to a gate: alone, or in a car with others; the verdict is the gate's affair."""
        rng = self.scheduler.random
        gate = rng.choice(self.gates)
        verdict: Verdict = rng.choice(("allow",) * 8 + ("deny", "refer"))
        people = [self._crosser(made, verdict)]
        if rng.random() < 0.15:
            others = [each for each in self.passes.values() if each.area == made.area and each is not made]
            people += [self._crosser(each, verdict) for each in rng.sample(others, min(1, len(others)))]
        self._decide(gate, made.area, direction, people, verdict)

    def _crosser(self, made: Pass, verdict: Verdict) -> Crosser:
        rng = self.scheduler.random
        return Crosser(
            pass_id=made.pass_id, kind=made.kind, subject=made.subject, household=made.household,
            until=made.until, temperature=rng.choice((None, 36.5, 38.2)), verdict=verdict, code="movement",
        )  # fmt: skip

    def _unknown_comes(self) -> None:
        rng = self.scheduler.random
        stranger = Crosser(verdict="deny", code="no-pass")
        self._decide(rng.choice(self.gates), rng.choice(AREAS), "in", [stranger], "deny")

    def _decide(
        self, gate: Gate, area: str, direction: Direction, people: list[Crosser], verdict: Verdict
    ) -> None:
        if gate.down:
            return
        crossing = self._crossing(gate.now(), area, direction, people, verdict)
        gate.decide(self.scheduler.ulid(), crossing)

    def _crossing(
        self, at: datetime, area: str, direction: Direction, people: list[Crosser], verdict: Verdict
    ) -> Crossing:
        return Crossing(
            gate=f"{area}.k{self.scheduler.random.choice((1, 2))}", desk=area[:12], area=area,
            direction=direction, at=at, vehicle=len(people) > 1, people=tuple(people), verdict=verdict,
            rules="2020-01-01",
        )  # fmt: skip

    def _integration_says(self) -> None:
        """Say a crossing straight to the topic, twice, with a clock of its own, and beside its partition."""
        rng = self.scheduler.random
        made = rng.choice(list(self.passes.values()))
        at = self.scheduler.now + timedelta(seconds=rng.choice((-60, 0, 50)))
        crossing = self._crossing(at, made.area, "in", [self._crosser(made, "allow")], "allow")
        id_ = self.scheduler.ulid()
        for delay in (0.0, rng.uniform(0, 60)):
            say = partial(
                self.log.say, contract.CROSSINGS_TOPIC, contract.CROSSING, crossing.desk, crossing,
                id_=id_, stray=rng.random() < 0.2,
            )  # fmt: skip
            self.scheduler.at(delay, say)
