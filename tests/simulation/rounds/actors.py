"""The people: they open and close rounds, knock twice, too early, too late, at the wrong door, tomorrow."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from shared.contracts import registry
from shared.contracts import screening as contract
from shared.contracts.base import Model
from shared.contracts.outcomes import Outcome
from shared.contracts.registry import Charges, HouseholdFact, Roster
from shared.contracts.screening import (
    CloseRound,
    Found,
    OpenRound,
    PersonSeen,
    PutCriterion,
    Reading,
    ScreeningCommand,
    Visit,
)
from shared.contracts.topics import Topic
from shared.flow.records import Arrival, Record
from shared.kernel.codes import desk_of
from tests.simulation.log import Log
from tests.simulation.rounds.world import STREET, TODAY, World
from tests.simulation.scheduler import Scheduler

FOUND: tuple[Found, ...] = ("nobody-home", "nobody-home", "refused", "vacant", "moved-away", "screened")
MOST_COMMANDS = 25
TRY_AGAIN = {"unknown-issuer", "unknown-scope"}


@dataclass(slots=True)
class Actors:
    """Everybody outside screening: registry, the people at the doors, the gates, careless clients."""

    scheduler: Scheduler
    log: Log
    world: World
    opened: dict[str, OpenRound] = field(default_factory=dict)
    commands: set[str] = field(default_factory=set)
    _tries: dict[str, OpenRound] = field(default_factory=dict)

    def begin(self) -> None:
        """Say what registry says, and plan rounds, visits and readings."""
        rng = self.scheduler.random
        self.log.watchers.append(self._hear)
        for said in self.world.said:
            self.scheduler.at(said.after, self._registry_says(said.fact))
        for number in range(rng.choice((1, 1, 2, 3))):
            self._plan(number, rng.uniform(1, 40) if number == 0 else rng.uniform(20, 200))
        for _ in range(rng.choice((0, 5, 20))):
            self.scheduler.at(rng.uniform(0, 250), self._measure)
        for _ in range(rng.choice((0, 0, 1))):
            self.scheduler.at(rng.uniform(0, 100), self._say_nonsense)

    def _registry_says(self, fact: Model) -> Callable[[], None]:
        match fact:
            case HouseholdFact():
                return self._append(registry.HOUSEHOLDS_TOPIC, registry.HOUSEHOLD, fact.household, fact)
            case Charges():
                return self._append(registry.CHARGES_TOPIC, registry.CHARGES, fact.desk, fact)
            case Roster():
                return self._append(registry.ROSTERS_TOPIC, registry.ROSTER, fact.desk, fact)
            case _:
                raise TypeError(type(fact).__name__)

    # --- rounds ---

    def _plan(self, number: int, after: float) -> None:
        rng = self.scheduler.random
        scope = rng.choice(self.world.scopes())
        days = (TODAY - timedelta(days=1), TODAY, TODAY + timedelta(days=1), TODAY + timedelta(days=3))
        opening = OpenRound(
            round=f"round-{number:04}", issuer=self.world.issuer(scope).post, scope=scope, title="every door",
            days=tuple(day for day in days if rng.random() < 0.6) if rng.random() < 0.5 else (),
        )  # fmt: skip
        self.opened[opening.round] = opening
        self.scheduler.at(after, lambda: self._open(opening))
        if rng.random() < 0.8:
            self.scheduler.at(
                after + rng.choice((rng.uniform(2, 60), rng.uniform(60, 400), rng.uniform(60, 400))),
                lambda: self._close(opening),
            )
        self._plan_visits(opening, after)

    def _open(self, opening: OpenRound) -> None:
        stranger = self.scheduler.chance(0.05)
        self._command(opening, "person-nobody" if stranger else self.world.issuer(opening.scope).holder or "")

    def _close(self, opening: OpenRound) -> None:
        closing = CloseRound(round=opening.round, issuer=opening.issuer, scope=opening.scope)
        self._command(closing, self.world.issuer(opening.scope).holder or "")

    def _command(self, command: OpenRound | CloseRound | PutCriterion, actor: str) -> None:
        id_ = self.scheduler.ulid()
        self.commands.add(id_)
        if isinstance(command, OpenRound):
            self._tries[id_] = command
        for _ in range(self.scheduler.random.choice((1, 1, 2))):
            self.log.say(
                contract.COMMANDS_TOPIC, contract.COMMAND, desk_of(command.scope),
                ScreeningCommand(command=command), id_=id_, actor=actor, stray=self.scheduler.chance(0.1),
            )  # fmt: skip

    def _hear(self, arrival: Arrival) -> None:
        """Ask again where a copy of the roster was not there yet."""
        if not isinstance(arrival, Record) or not isinstance(arrival.body, Outcome):
            return
        opening = self._tries.pop(arrival.body.command, None)
        if opening is None or len(self.commands) >= MOST_COMMANDS:
            return
        if arrival.body.results and arrival.body.results[0].code in TRY_AGAIN:
            self.scheduler.at(5, lambda: self._open(opening))

    # --- visits and readings ---

    def _plan_visits(self, opening: OpenRound, after: float) -> None:
        """Knock at every door that ever was, some not at all and some again and again."""
        rng = self.scheduler.random
        eager = rng.random() < 0.3
        for household, versions in self.world.households.items():
            inside = opening.scope in (
                STREET,
                *(code for fact in versions for code in (fact.desk, *fact.within)),
            )
            if not inside and rng.random() < 0.8:
                continue
            for _ in range(rng.choice((0, 1, 2, 4, 7))):
                when = max(0.0, after + (rng.uniform(-10, 10) if eager else rng.expovariate(1 / 40)))
                self.scheduler.at(when, partial(self._knock, opening, household))
        for _ in range(rng.choice((0, 1, 3))):
            self.scheduler.at(after + rng.uniform(0, 200), lambda: self._knock_wrongly(opening))

    def _knock(self, opening: OpenRound, household: str) -> None:
        """Visit a household where it lives now or lived before."""
        rng, versions = self.scheduler.random, self.world.households[household]
        fact = rng.choice((versions[0], versions[0], versions[-1]))
        found = rng.choice(FOUND)
        members = tuple(
            self._seen(person) for person in fact.members if found == "screened" and rng.random() < 0.8
        )
        if found == "screened" and rng.random() < 0.05:
            members = (*members, self._seen("person-visiting"))
        self._visit(opening.round, fact.desk, household, found, members)

    def _knock_wrongly(self, opening: OpenRound) -> None:
        """Say what must be kept and never counted: another desk's door, nobody's door, no such round."""
        rng, known = self.scheduler.random, list(self.world.households)
        desk = rng.choice((*self.world.communities, STREET))
        household = rng.choice((*known, "household-nobody")) if known else "household-nobody"
        self._visit(rng.choice((opening.round, "round-never")), desk, household, "screened", ())

    def _seen(self, person: str) -> PersonSeen:
        rng = self.scheduler.random
        kind = rng.random()
        if kind < 0.1:
            return PersonSeen(person=person)
        if kind < 0.3:
            return PersonSeen(person=person, answers={"symptoms": rng.random() < 0.5})
        return PersonSeen(person=person, temperature=self._degrees())

    def _degrees(self) -> float:
        return self.scheduler.random.choice((36.1, 36.6, 37.0, 37.2, 37.3, 38.4))

    def _visit(
        self, round_: str, desk: str, household: str, found: Found, members: tuple[PersonSeen, ...]
    ) -> None:
        visit = Visit(
            round=round_, desk=desk, household=household, found=found, members=members,
            by=f"{desk}/cw5:area-chief", at=self._claimed(),
        )  # fmt: skip
        self._send(self._append(contract.VISITS_TOPIC, contract.VISIT, desk, visit, careless=True))

    def _measure(self) -> None:
        """Take a temperature: of somebody who lives there, of a pass's pseudonym, or of nobody known."""
        rng, known = self.scheduler.random, list(self.world.households)
        if not known:
            return
        fact = self.world.households[rng.choice(known)][0]
        person = rng.choice((*fact.members, "pseudonym-at-gate"))
        reading = Reading(
            desk=fact.desk, household=fact.household if rng.random() < 0.95 else "household-nobody",
            person=person, temperature=self._degrees(), means=rng.choice(("gate", "self", "phone")),
            at=self._claimed(),
        )  # fmt: skip
        self._send(self._append(contract.READINGS_TOPIC, contract.READING, fact.desk, reading, careless=True))

    def _claimed(self) -> datetime:
        """Return when somebody says it was: mostly now, now and then another hour, yesterday or tomorrow."""
        rng, now = self.scheduler.random, self.scheduler.now
        kind = rng.random()
        if kind < 0.75:
            return now - timedelta(seconds=rng.uniform(0, 30))
        if kind < 0.87:
            return now - timedelta(days=rng.choice((1, 1, 2)))
        return now + timedelta(seconds=rng.choice((5, 90, 86_400)))

    def _send(self, append: Callable[[], None]) -> None:
        rng = self.scheduler.random
        self.scheduler.at(rng.expovariate(1 / rng.choice((1, 8, 60))), append)
        if rng.random() < 0.1:  # the client did not hear that it was taken
            self.scheduler.at(rng.uniform(0, 90), append)

    def _say_nonsense(self) -> None:
        """A temperature nobody has, in a record that cannot be read for it."""
        desk = self.world.communities[0]
        value = (
            b'{"desk":"%s","household":"household-x","person":"person-x","temperature":77}' % desk.encode()
        )
        self.log.say_nonsense(contract.READINGS_TOPIC, contract.READING, desk, value)

    def _append(
        self, topic: Topic, type_: str, key: str, body: Model, *, careless: bool = False
    ) -> Callable[[], None]:
        """Return what appends a record, always under one id; a careless one lands beside its partition."""
        id_, stray = self.scheduler.ulid(), careless and self.scheduler.chance(0.04)
        return partial(self.log.say, topic, type_, key, body, id_=id_, stray=stray)
