"""A small piece of everything, on four services: orders, rounds and a gate in one community of a street."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.contracts import dispatch, registry
from shared.contracts.checkpoint import IssuePass, MoveExit, OpenEmergency, OpenGate
from shared.contracts.directives import AmendDirective, CancelDirective
from shared.contracts.dispatch import SheetFrozen
from shared.contracts.envelope import Context, Message, message
from shared.contracts.registry import Changes, Roster
from shared.contracts.screening import PersonSeen, Reading, Visit
from shared.kernel.clock import local_day
from tests.builders.registry import ZONE, community, households, unit, vertical
from tests.harness import gates, rounds
from tests.harness.log import Log, answer, new_id, of_answer, of_command, of_issue, raw
from tests.harness.services import Service
from tests.harness.store import stored
from tests.harness.waiting import until
from tests.harness.world import Entry, holder

STREET = "610802006"
DESK = f"{STREET}003"
GRID = f"{DESK}007"
COMPOUND = f"{GRID}.c1"
GATES = (f"{COMPOUND}.k1", f"{COMPOUND}.k2")
DUTY = f"{STREET}/city-vertical:duty-desk"
CHIEF = f"{DESK}/cw5:area-chief"
MEMBER = f"{GRID}/cw5:grid-member"
FLOOR = f"{COMPOUND}.b1.f1/cw5:floor-head"
HOUSES = tuple(f"household-{number}" for number in range(5))
POSTS = 12
WITHIN_S = 60.0


@dataclass
class Story:
    """What was said, by the ids it has on the log."""

    log: Log
    services: Mapping[str, Service]
    closed: str = field(default_factory=lambda: new_id("closed"))
    amended: str = field(default_factory=lambda: new_id("amended"))
    cancelled: str = field(default_factory=lambda: new_id("cancelled"))
    round: str = field(default_factory=lambda: new_id("round"))
    daily: str = field(default_factory=lambda: new_id("daily"))
    home: str = field(default_factory=lambda: new_id("home"))
    errand: str = field(default_factory=lambda: new_id("errand"))
    crossings: int = 0

    async def play(self) -> None:
        """Say everything, each thing once what it rests on is known."""
        await self._settle()
        await self._order()
        await self._amend_and_cancel()
        await self._go_from_door_to_door()
        await self._man_a_gate()

    def kept(self, service: str, collection: str, id_: str) -> dict[str, Any]:
        """Return a stored document; {} where there is none."""
        return stored(self.services[service], collection, id_)

    async def _settle(self) -> None:
        rows = {**vertical(), DESK: [*community(DESK), *(unit(gate) for gate in GATES), *households(GRID)]}
        await self.log.append(*(_changes(desk, each) for desk, each in rows.items()))
        copying = ("dispatch", "screening", "checkpoint")
        await until(
            lambda: (
                all(self._commands_below(name) and self.kept(name, "rosters", DESK) for name in copying)
                and all(self.kept("screening", "households", house) for house in HOUSES)
                and self.kept("screening", "charges", DESK)
                and all(self.kept("checkpoint", "households", house) for house in HOUSES)
                and all(self.kept("checkpoint", "units", gate) for gate in GATES)
            ),
            what="everybody knows the street",
            within_s=WITHIN_S,
        )

    def _commands_below(self, service: str) -> bool:
        kept = self.kept(service, "rosters", STREET)
        children = Roster.model_validate_json(kept["roster"]).children if kept else ()
        return any(child.desk == DESK and child.commander and child.posts == POSTS for child in children)

    async def _order(self) -> None:
        """An order to all, which one refuses, a superior decides, and the loop closes."""
        await self.log.append(_issue(self.closed))
        entries = await self._entries(self.closed)
        refusal = answer(self.closed, entries[FLOOR], "refused", reason="nobody opens")
        decided = answer(self.closed, entries[FLOOR], "excused", by=CHIEF, reason="they moved out")
        stranger = answer(self.closed, Entry(DESK, f"{DESK}/cw5:nobody", "read"))
        others = [entry for post, entry in entries.items() if post != FLOOR]
        answers = [answer(self.closed, entry) for entry in others]
        bad = raw(dispatch.ACKS_TOPIC, DESK.encode(), b"{", of_answer(refusal).headers)
        await self.log.append(
            *map(of_answer, (refusal, decided, stranger, *answers)), bad, of_answer(answers[0])
        )
        await until(
            lambda: self.kept("dispatch", "directives", self.closed).get("status") == "closed",
            what="the loop closes",
            within_s=WITHIN_S,
        )

    async def _amend_and_cancel(self) -> None:
        for directive in (self.amended, self.cancelled):
            await self.log.append(_issue(directive))
            entries = await self._entries(directive)
            await self.log.append(*(of_answer(answer(directive, each, "read")) for each in entries.values()))
        more = {"issuer": DUTY, "reason": "the weather"}
        amend = AmendDirective(directive=self.amended, text="明日再报", **more)
        cancel = CancelDirective(directive=self.cancelled, **more)
        await self.log.append(*(of_command(each, new_id("more"), holder(DUTY)) for each in (amend, cancel)))
        for directive in (self.amended, self.cancelled):
            entries = await self._entries(directive, version=2)
            newer = answer(directive, entries[MEMBER], "read", version=2)
            executed = answer(directive, entries[FLOOR], "executed", version=2)
            await self.log.append(*map(of_answer, (newer, executed)))

    async def _entries(self, directive: str, version: int = 1) -> dict[str, Entry]:
        async def frozen() -> list[SheetFrozen]:
            told = await self.log.bodies(dispatch.PROGRESS_TOPIC, dispatch.FROZEN, directive)
            return [each for each in told if (each.desk, each.version) == (DESK, version)]

        fact, *_ = await until(
            frozen, what=f"version {version} of {directive} reaches the community", within_s=WITHIN_S
        )
        assert len(fact.seats) == POSTS
        return {seat.post: Entry(DESK, seat.post, seat.done_at) for seat in fact.seats}

    async def _go_from_door_to_door(self) -> None:
        """A whole round, closed with a hole; then one by days, with a reading by telephone."""
        await self.log.append(rounds.open_round(self.round, STREET, DUTY))
        await self.log.append(
            _visit(self.round, HOUSES[0]),
            _visit(self.round, HOUSES[1], "nobody-home"),
            _visit(self.round, HOUSES[1], "vacant"),
            _visit(self.round, HOUSES[2], "refused"),
            _visit(self.round, HOUSES[3]),
            _visit(self.round, "household-99"),
        )
        await until(lambda: self._sheets(self.round), what="the round is counted", within_s=WITHIN_S)
        await self.log.append(rounds.close_round(self.round, STREET, DUTY))
        await until(
            lambda: self.kept("screening", "heads", f"{self.round}/{DESK}")["status"] == "closed",
            what="the round is closed",
            within_s=WITHIN_S,
        )
        today = local_day(datetime.now(UTC), ZONE)
        days = (today, today + timedelta(days=1))
        await self.log.append(
            _visit(self.round, HOUSES[4]), rounds.open_round(self.daily, STREET, DUTY, days=days)
        )
        await until(lambda: self._sheets(self.daily), what="the daily round is counted", within_s=WITHIN_S)
        await self.log.append(
            _visit(self.daily, HOUSES[0]), _reading(HOUSES[2], 36.8), _reading(HOUSES[3], 37.0)
        )

    def _sheets(self, round_: str) -> bool:
        return bool(self.kept("screening", "sheets", f"{round_}/{DESK}/{GRID}"))

    async def _man_a_gate(self) -> None:
        """The exit is moved, somebody goes in and out, and somebody else is not back in time."""
        now = datetime.now(UTC)
        by = {"issuer": CHIEF}
        await self.log.append(
            gates.of_command(OpenGate(gate=GATES[0], duty=MEMBER, **by)),
            gates.of_command(MoveExit(gate=GATES[1], duty=MEMBER, reason="roadworks", **by)),
            gates.of_command(
                OpenEmergency(gate=GATES[0], kind="fire", reason="smoke", until=now + gates.HOUR, **by)
            ),
            gates.of_command(_pass(self.home, HOUSES[0], "home", now + gates.HOUR)),
            gates.of_command(_pass(self.errand, HOUSES[1], "movement", now + gates.HOUR)),
        )
        await until(
            lambda: self.kept("checkpoint", "passes", self.errand),
            what="the passes are issued",
            within_s=WITHIN_S,
        )
        gone = gates.crosser(self.errand, HOUSES[1], kind="movement", until=now, temperature=36.9)
        refused = gates.crosser(self.home, verdict="refer", code="seen-elsewhere")
        here = {"gate": GATES[1], "desk": DESK, "area": COMPOUND}
        crossings = [
            gates.crossing("out", gates.crosser(self.home), ago=timedelta(seconds=3), **here),
            gates.crossing("in", gates.crosser(self.home), **here),
            gates.crossing("out", gone, **here),
            gates.crossing("in", refused, verdict="refer", vehicle=True, **here),
        ]
        sent = [gates.of_crossing(each) for each in crossings]
        await self.log.append(*sent, sent[0])
        self.crossings = len(crossings)
        await until(
            lambda: self.kept("checkpoint", "presence", f"{DESK}/{self.errand}").get("overdue"),
            what="somebody is not back in time",
            within_s=WITHIN_S,
        )


def _changes(desk: str, rows: list[Any]) -> Message:
    context = Context(new_id("bulk"), "/test", datetime.now(UTC), "clerk")
    body = Changes(rows=tuple(rows))
    return message(registry.COMMANDS_TOPIC, registry.CHANGES, desk, body, context)


def _issue(directive: str) -> Message:
    return of_issue(directive, DUTY, STREET, mode="straight-through")


def _visit(round_: str, house: str, found: str = "screened") -> Message:
    number = house.rpartition("-")[2]
    members = [PersonSeen(person=f"m-{number}-{n}", temperature=36.5) for n in range(2)]
    body = Visit(
        round=round_, desk=DESK, household=house, found=found, by=MEMBER, at=datetime.now(UTC),
        members=members if found == "screened" else (),
    )  # fmt: skip
    return rounds.of_visit(body)


def _reading(house: str, temperature: float) -> Message:
    person = f"m-{house.rpartition('-')[2]}-2"
    body = Reading(
        desk=DESK, household=house, person=person, temperature=temperature, means="phone", by=MEMBER,
        at=datetime.now(UTC),
    )  # fmt: skip
    return rounds.of_reading(body)


def _pass(id_: str, house: str, kind: str, until_: datetime) -> IssuePass:
    return IssuePass(
        pass_id=id_, issuer=CHIEF, kind=kind, area=COMPOUND, household=house, subject=f"ps-{house}",
        since=datetime.now(UTC) - gates.HOUR, until=until_,
    )  # fmt: skip
