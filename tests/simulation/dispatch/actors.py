"""The people: they issue and cancel, answer late, twice, too early or never, and decide for others."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from services.dispatch.domain.directive import SYSTEM
from shared.contracts import dispatch as contract
from shared.contracts.directives import (
    AmendDirective,
    Audience,
    CancelDirective,
    Deadlines,
    DirectiveCommand,
    DirectiveFact,
    ExtendDirective,
    IssueDirective,
    Mode,
)
from shared.contracts.dispatch import Answer, AnsweredState, Delivery, Progress
from shared.contracts.outcomes import Outcome
from shared.contracts.registry import ROSTER, ROSTERS_TOPIC, Roster
from shared.flow.records import Arrival, Record
from tests.simulation.dispatch.world import World
from tests.simulation.log import Log
from tests.simulation.scheduler import Scheduler

STATES: tuple[AnsweredState, ...] = ("delivered", "read", "accepted", "relayed", "executed")
MOST_COMMANDS = 60


Said = IssueDirective | AmendDirective | CancelDirective | ExtendDirective


@dataclass(slots=True)
class Actors:
    """Everybody outside the service. They know only what they were told, or what they guess."""

    scheduler: Scheduler
    log: Log
    world: World
    orders: dict[str, IssueDirective] = field(default_factory=dict)
    commands: set[str] = field(default_factory=set)
    amended: int = 0
    _shown: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _children: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    _tries: dict[str, str] = field(default_factory=dict)
    _epochs: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))

    def begin(self) -> None:
        """Publish the rosters, early and late, and plan the orders."""
        rng = self.scheduler.random
        self.log.watchers.append(self._hear)
        for desk, versions in self.world.rosters.items():
            for number, roster in enumerate(versions):
                late = desk in self.world.late or number > 0
                self._publish(roster, rng.uniform(10, 400) if late else rng.uniform(0, 2))
        for number in range(rng.choice((1, 1, 2))):
            self._plan(number)
        for _ in range(rng.choice((0, 0, 1, 2))):
            self.scheduler.at(rng.uniform(0, 100), self._say_nonsense)

    def _publish(self, roster: Roster, seconds: float) -> None:
        def append() -> None:
            self.log.say(
                ROSTERS_TOPIC, ROSTER, roster.desk, roster, id_=self.scheduler.ulid(), actor="registry"
            )

        self.scheduler.at(seconds, append)

    def _plan(self, number: int) -> None:
        rng, world = self.scheduler.random, self.world
        desks = [
            (desk, seat)
            for desk, versions in world.rosters.items()
            if desk not in world.late
            for seat in versions[0].seats
            if seat.holder and seat.unit == desk and versions[0].children
        ]
        if not desks:
            return
        desk, seat = rng.choice(desks)
        scope = rng.choice((desk, desk, *world.below(desk)))
        if scope in world.late or scope == desk:
            scope = desk
        elif len(scope) == 12 and rng.random() < 0.4:
            scope = f"{scope}001"
        order = IssueDirective(
            directive=f"directive-{number}", issuer=seat.post, text="check every door", scope=scope,
            audience=Audience(types=("cw5:building-head",) if rng.random() < 0.1 else ()),
            mode=rng.choice(("relayed", "relayed", "straight-through")),
            deadlines=Deadlines(done=rng.choice((20, 60, 120)), step=rng.choice((30, 60))),
            dimensions=rng.choice((("level",), ("level", "type"), ("type",))),
        )  # fmt: skip
        self.orders[order.directive] = order
        self.scheduler.at(rng.uniform(1, 30), lambda: self._issue(order))
        for _ in range(rng.choice((0, 0, 1, 1, 2))):
            self.scheduler.at(rng.uniform(5, rng.choice((60, 200))), lambda: self._amend(order))
        if rng.random() < 0.4:
            self.scheduler.at(rng.uniform(5, 200), lambda: self._cancel(order))

    def _issue(self, order: IssueDirective) -> None:
        self._command(order, order, self._holder(order))
        for desk in self.world.below(order.issuer.partition("/")[0]):
            for post in [seat.post for seat in self.world.rosters[desk][0].seats]:
                if self.scheduler.chance(0.05):
                    self._answer_all(order.directive, 1, desk, post)

    def _amend(self, order: IssueDirective) -> None:
        """Say it otherwise: to others, faster, straight through; sometimes all over again."""
        rng = self.scheduler.random
        self.amended += 1
        audiences = (None, None, Audience(), Audience(types=("cw5:building-head",)))
        modes: tuple[Mode | None, ...] = (None, None, "relayed", "straight-through")
        amendment = AmendDirective(
            directive=order.directive, issuer=order.issuer, reason="it rains",
            text=f"check every door, {self.amended}" if rng.random() < 0.7 else None,
            audience=rng.choice(audiences), mode=rng.choice(modes), again=rng.random() < 0.4,
            deadlines=Deadlines(done=rng.choice((20, 60)), step=30) if rng.random() < 0.4 else None,
        )  # fmt: skip
        self._command(order, amendment, self._holder(order))

    def _cancel(self, order: IssueDirective) -> None:
        cancel = CancelDirective(directive=order.directive, issuer=order.issuer, reason="over")
        self._command(order, cancel, "nobody" if self.scheduler.chance(0.1) else self._holder(order))

    def _holder(self, order: IssueDirective) -> str:
        seat = self.world.seat(order.issuer.partition("/")[0], order.issuer)
        return (seat and seat.holder) or "nobody"

    def _command(self, order: IssueDirective, command: Said, actor: str) -> None:
        id_ = self.scheduler.ulid()
        self.commands.add(id_)
        self._tries[id_] = order.directive
        key = f"{order.issuer.partition('/')[0]}/{order.directive}"
        body = DirectiveCommand(command=command)
        for _ in range(self.scheduler.random.choice((1, 1, 2))):
            self.log.say(
                contract.COMMANDS_TOPIC, contract.COMMAND, key, body, id_=id_, actor=actor,
                stray=self.scheduler.chance(0.1),
            )  # fmt: skip

    def _hear(self, arrival: Arrival) -> None:
        """Take note of a record; a channel shows it some time later."""
        if not isinstance(arrival, Record):
            return
        body = arrival.body
        if isinstance(body, Delivery):
            self._epochs[body.directive, body.version] = body.epoch
        match body:
            case Delivery() if arrival.id not in self._seen or self.scheduler.chance(0.2):
                self._seen.add(arrival.id)
                delay = self.scheduler.random.expovariate(1 / 3)
                self.scheduler.at(delay, lambda: self._show(body))
            case Progress() if body.status == "open" and body.effect == "order":
                self._children[body.directive, body.desk] = body.children
                if body.all_reported and body.parent is None and self.scheduler.chance(0.5):
                    self._join_late(body)
            case DirectiveFact() if body.order.status == "closed" and arrival.id not in self._seen:
                self._seen.add(arrival.id)
                self._speak_after(body.order.directive, body.order.version)
            case Outcome() if body.command in self._tries:
                directive = self._tries.pop(body.command)
                unknown = body.results[0].code in {"unknown-issuer", "unknown-scope"}
                if (
                    unknown and len(self.commands) < MOST_COMMANDS
                ):  # the copy of the roster was not there yet: ask again
                    self.scheduler.at(5, lambda: self._issue(self.orders[directive]))
            case _:
                pass

    def _join_late(self, progress: Progress) -> None:
        """Let a desk come to owe the order while its close is on the way: another replica saw it."""
        order = self.orders[progress.directive]
        if order.scope != progress.desk:
            return
        for (directive, desk), children in sorted(self._children.items()):
            below = {child for child, above in self.world.parent.items() if above == desk}
            for child in sorted(below - {*children}) if directive == order.directive else ():
                extend = ExtendDirective(
                    directive=directive, issuer=order.issuer, version=progress.version, desk=desk, child=child
                )
                self._command(order, extend, SYSTEM)
                return

    def _show(self, delivery: Delivery) -> None:
        new = delivery.version, delivery.epoch
        for entry in delivery.entries:
            place = delivery.directive, entry.addressee
            if new < self._shown.get(place, (0, 0)):
                continue
            self._shown[place] = new
            if delivery.decide_for:
                self._decide(delivery, entry.addressee)
            else:
                self._react(delivery, entry.addressee)

    def _react(self, delivery: Delivery, post: str) -> None:
        mood = self.scheduler.random.random()
        if mood < 0.12:
            return
        if mood < 0.2:
            self._answer(delivery.directive, delivery.version, delivery.desk, post, "refused")
            if self.scheduler.chance(0.7):
                return
        self._answer_all(delivery.directive, delivery.version, delivery.desk, post)
        if self.scheduler.chance(0.04):  # second thoughts
            later = self.scheduler.random.uniform(60, 240)
            directive, version, desk = delivery.directive, delivery.version, delivery.desk
            self.scheduler.at(later, lambda: self._answer(directive, version, desk, post, "refused"))

    def _decide(self, delivery: Delivery, superior: str) -> None:
        """Decide for open entries; the issuer always does in the end, others may be silent."""
        rng = self.scheduler.random
        last = superior == self.orders[delivery.directive].issuer
        if delivery.sheet is None or (not last and rng.random() < 0.4):
            return
        for entry in delivery.decide_for:
            states: tuple[AnsweredState, ...] = rng.choice(
                (("executed",), ("excused",), ("accepted", "executed"))
            )
            for state in states[: 2 if last else rng.randint(1, 2)]:
                self._answer(
                    delivery.directive, delivery.version, delivery.sheet, entry.addressee, state, by=superior
                )

    def _answer_all(self, directive: str, version: int, desk: str, post: str) -> None:
        """Say how far one came, each state on its own, in any order."""
        furthest = self.scheduler.random.choice((1, 2, 3, 4, 5, 5, 5, 5))
        for state in STATES[:furthest]:
            if state == STATES[furthest - 1] or self.scheduler.chance(0.4):
                self._answer(directive, version, desk, post, state)
        if self.scheduler.chance(0.06):
            self._wrongly(directive, version, desk, post)

    def _wrongly(self, directive: str, version: int, desk: str, post: str) -> None:
        """Say what must be listed and never counted."""
        stranger = f"{desk}/cw5:passer-by"
        self._answer(directive, version, desk, stranger, "executed")
        self._answer(directive, version, desk, f"{desk}/*", "delivered")
        self._answer(directive, version, desk, post, "executed", by=stranger)
        self._answer(directive, version, desk, post, "excused")
        self._answer(directive, version, desk, post, "executed", by=post)

    def _answer(
        self,
        directive: str,
        version: int,
        desk: str,
        post: str,
        state: AnsweredState,
        *,
        by: str | None = None,
    ) -> None:
        rng = self.scheduler.random
        id_ = self.scheduler.ulid()
        said = Answer(
            directive=directive, version=version, epoch=self._epochs[directive, version], desk=desk,
            addressee=post, state=state, at=self.scheduler.now, by=by,
            reason="because" if by or state == "refused" else None,
        )  # fmt: skip
        stray = rng.random() < 0.05

        def append() -> None:
            self.log.say(contract.ACKS_TOPIC, contract.ANSWER, desk, said, id_=id_, stray=stray)

        for delay in self._delays():
            self.scheduler.at(delay, append)

    def _delays(self) -> Iterator[float]:
        yield self.scheduler.random.expovariate(1 / self.scheduler.random.choice((1, 8, 60)))
        if self.scheduler.chance(0.08):
            yield self.scheduler.random.uniform(0, 90)

    def _speak_after(self, directive: str, version: int) -> None:
        for desk in self.world.below(self.orders[directive].issuer.partition("/")[0]):
            for seat in self.world.rosters[desk][0].seats:
                if self.scheduler.chance(0.05):
                    self._answer(
                        directive, self.scheduler.random.randint(1, version), desk, seat.post, "refused"
                    )

    def _say_nonsense(self) -> None:
        topic = self.scheduler.random.choice((contract.ACKS_TOPIC, contract.COMMANDS_TOPIC))
        self.log.say_nonsense(topic, contract.ANSWER, self.world.parent[max(self.world.parent)], b"{}")
