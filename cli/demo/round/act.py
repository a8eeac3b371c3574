"""A numbered round over every household of the street: two sweeps, three fevers, and a close."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from cli.demo.alerts import Alarm, Alerts
from cli.demo.asking import command, read, read_all
from cli.demo.load import until_read
from cli.demo.play import NOT_CLOSED, play, until, until_told
from cli.demo.round.crew import Crew
from cli.demo.round.ledger import Ledger
from cli.demo.round.script import Call, Script, newcomer
from cli.demo.round.summary import Summary, Told, compare, unlike
from cli.demo.round.view import line, table
from cli.demo.round.watch import Watch
from cli.demo.stage import Stage
from cli.demo.tail import tail
from cli.demo.view import show
from cli.demo.world import STREET_OFFICE
from cli.errors import UserError
from cli.stack.keys import OPERATOR
from shared.contracts.dispatch import DELIVERIES_TOPIC, DIRECTIVES_TOPIC
from shared.contracts.registry import HOUSEHOLDS_TOPIC, HouseholdFact, PutHousehold
from shared.contracts.screening import PROGRESS_TOPIC, ROUNDS_TOPIC
from shared.kernel.codes import desk_of

ISSUER = f"{STREET_OFFICE}/city-vertical:duty-desk"
TITLE = "崇文路街道入户摸排"
HOUSEHOLDS_READER = "screening.households"
SWEEP_S, AGAIN_S = 10.0, 3.0
COUNTED_WITHIN_S = 60.0
CLOSED_WITHIN_S = 300.0


@dataclass(frozen=True)
class Round:
    """Everybody and everything of one round."""

    stage: Stage
    id: str
    script: Script
    ledger: Ledger
    watch: Watch
    crew: Crew
    alerts: Alerts
    summary: Summary

    @property
    def path(self) -> str:
        return f"/rounds/{self.id}"

    async def read(self, part: str, **query: str) -> dict[str, Any]:
        """Ask screening about the round, as the post that opened it."""
        screening = self.stage.clients["screening"]
        return await read(screening, self.path + part, params=query, headers=self.stage.token(ISSUER))

    async def named(self, part: str, desk: str, kind: str = "households") -> list[str]:
        """Return a list of the round at a desk by name: its households, or its persons."""
        screening, params = self.stage.clients["screening"], {"desk": desk}
        params |= {} if part == "/revisits" else {"kind": kind}
        items = await read_all(screening, self.path + part, params=params, headers=self.stage.token(ISSUER))
        return [item["person" if kind == "persons" else "household"] for item in items]

    async def told(self) -> Told:
        """Return everything screening says of the round."""
        desks = tuple(self.stage.world.communities)
        answers = {desk: await self.read("/coverage", desk=desk) for desk in (STREET_OFFICE, *desks)}
        return Told(
            coverage={desk: answer["total"] for desk, answer in answers.items()},
            parts={desk: {part["part"]: part["total"] for part in answers[desk]["parts"]} for desk in desks},
            holes={desk: await self.named("/holes", desk) for desk in desks},
            persons={desk: await self.named("/holes", desk, kind="persons") for desk in desks},
        )


async def act(stage: Stage) -> Summary:
    """Open the round, visit everybody, visit again who was missed, close it, and compare."""
    round_ = _prepare(stage)
    homes = len(stage.world.households)
    servers = stage.stack.kafka
    names = {STREET_OFFICE: "all"} | stage.world.communities
    with stage.timing.phase("round", f"a round over {homes} households by {ISSUER}"):
        began = stage.timing.elapsed()
        round_.watch.elapsed = lambda: stage.timing.elapsed() - began
        async with (
            tail(servers, PROGRESS_TOPIC, ROUNDS_TOPIC) as counts,
            tail(servers, DELIVERIES_TOPIC, DIRECTIVES_TOPIC, from_now=True) as orders,
        ):
            await play(
                _go(round_),
                round_.watch.run(counts),
                round_.alerts.run(orders),
                show(partial(table, round_.watch, names), lambda: line(round_.watch, STREET_OFFICE)),
                seconds=CLOSED_WITHIN_S,
            )
    summary = round_.summary
    over = "closed" if summary.closed else NOT_CLOSED
    with stage.timing.phase("recount", f"{over}; comparing with the visitors' own count"):
        compare(summary, watch=round_.watch, ledger=round_.ledger, told=await round_.told())
        summary.alerts, differences = await round_.alerts.compare()
    summary.differences += differences
    return summary


def _prepare(stage: Stage) -> Round:
    script = Script(stage.world, stage.options.seed)
    ledger = Ledger(stage.world)
    id_ = stage.ulids.new()
    alarms = [Alarm(fever.home.household, fever.charge, fever.is_silent) for fever in script.fevers]
    return Round(
        stage=stage,
        id=id_,
        script=script,
        ledger=ledger,
        watch=Watch(id_, ledger, stage.timing.elapsed),
        crew=Crew(stage, ledger, id_),
        alerts=Alerts(stage, "fever", alarms),
        summary=Summary(id_),
    )


async def _go(round_: Round) -> None:
    """Play the round from its opening to a visit that comes too late."""
    speed = round_.stage.options.speed
    await _open(round_)
    moved_in = await _move_in(round_)
    calls = [*round_.script.first(), round_.script.moved_in(moved_in)]
    await round_.crew.sweep(calls, within_s=SWEEP_S / speed)
    await _counted(round_, "after the first sweep")
    await round_.crew.sweep(await _second_sweep(round_), within_s=AGAIN_S / speed)
    await _counted(round_, "after the second sweep")
    await round_.alerts.settle(seconds=COUNTED_WITHIN_S)
    await _close(round_)
    await _too_late(round_)


async def _open(round_: Round) -> None:
    """Open the round; the key makes it one round, however often it has to be sent."""
    stage = round_.stage
    body = {"issuer": ISSUER, "scope": STREET_OFFICE, "title": TITLE}
    await _command(round_, "/rounds", body, round_.id)
    told = {"households": len(stage.world.households)}
    if not await until(lambda: round_.watch.counts(STREET_OFFICE, told), seconds=COUNTED_WITHIN_S):
        raise UserError(f"the round counts {round_.watch.total(STREET_OFFICE).households} households")


async def _command(round_: Round, path: str, body: Mapping[str, str], id_: str) -> None:
    stage = round_.stage
    headers = {**stage.token(ISSUER), "Idempotency-Key": id_}
    reply = await command(stage.clients["screening"], path, json=dict(body), headers=headers)
    if reply.status_code != HTTPStatus.CREATED:
        raise UserError(f"POST {path} was not accepted: {reply.status_code} {reply.text[:300]}")


async def _move_in(round_: Round) -> PutHousehold:
    """Let a household move in, and wait until screening knows of it."""
    stage, home = round_.stage, newcomer(round_.script.world, round_.script.seed)
    round_.ledger.moved_in(home)
    async with tail(stage.stack.kafka, HOUSEHOLDS_TOPIC, from_now=True) as facts:
        body = {"rows": [home.model_dump(mode="json")]}
        headers = {**stage.tokens.of(OPERATOR), "Idempotency-Key": stage.ulids.new()}
        reply = await command(stage.clients["registry"], "/changes", json=body, headers=headers)
        if not reply.is_success or not all(row["accepted"] for row in reply.json()["results"]):
            raise UserError(f"nobody could move in: {reply.status_code} {reply.text[:300]}")
        async for fact in facts:
            if isinstance(fact.body, HouseholdFact) and fact.body.household == home.household:
                ends = {fact.origin.partition: fact.origin.offset + 1}
                break
    await until_read(stage.stack.kafka, HOUSEHOLDS_READER, ends)
    return home


async def _counted(round_: Round, when: str) -> None:
    """Wait until every visit acknowledged so far is counted, and no more than those."""
    told = round_.ledger.final(round_.ledger.at(STREET_OFFICE))
    if not await until(lambda: round_.watch.counts(STREET_OFFICE, told), seconds=COUNTED_WITHIN_S):
        total = round_.watch.total(STREET_OFFICE)
        round_.summary.differences += [
            f"{when}: {name} {getattr(total, name)}, the visitors know {number}"
            for name, number in told.items()
            if getattr(total, name) != number
        ]


async def _second_sweep(round_: Round) -> list[Call]:
    """Return whom the service sends the visitors to again: its revisits, its holes, and whom they missed."""
    calls: list[Call] = []
    ledger, script, found = round_.ledger, round_.script, round_.summary.differences
    for desk in round_.stage.world.communities:
        again = await round_.named("/revisits", desk)
        open_ = await round_.named("/holes", desk, kind="households")
        persons = await round_.named("/holes", desk, kind="persons")
        found += unlike(f"{desk}: to revisit", again, ledger.to_revisit(desk))
        found += unlike(f"{desk}: not covered", open_, ledger.holes(desk))
        found += unlike(f"{desk}: persons not seen", persons, ledger.persons_open(desk))
        round_.summary.revisited += len(again)
        for household in sorted({*again, *open_}):
            calls += filter(None, [script.again(ledger.homes[household])])
        for home in ledger.parts(desk).values():
            calls += _missed(script, home, set(persons), {*again, *open_})
    return calls


def _missed(script: Script, homes: list[PutHousehold], persons: set[str], open_: set[str]) -> list[Call]:
    """Return a visit to each household that was covered while a member of it was missed."""
    calls = []
    for home in homes:
        missing = [person for person in home.members if person in persons]
        if missing and home.household not in open_:
            calls.append(script.missed(home, missing))
    return calls


async def _close(round_: Round) -> None:
    await _command(round_, f"{round_.path}/closure", {"issuer": ISSUER}, round_.stage.ulids.new())

    def everywhere() -> bool:
        latest = round_.watch.latest
        desks = (STREET_OFFICE, *round_.stage.world.communities)
        return all(desk in latest and latest[desk].closed for desk in desks)

    round_.summary.closed = await until(everywhere, seconds=COUNTED_WITHIN_S)
    round_.ledger.close()


async def _too_late(round_: Round) -> None:
    """Let somebody visit an open household after the close: it is kept and listed, and counts nothing."""
    call = round_.script.too_late()
    home, desk = call.home, desk_of(call.home.unit)
    await round_.crew.one(call)

    async def is_listed() -> bool:
        listed = (await round_.read("/holes", desk=desk))["listed"]
        return any(item["why"] == "late" and item["household"] == home.household for item in listed)

    if await until_told(is_listed, seconds=COUNTED_WITHIN_S):
        round_.summary.late = 1
    else:
        round_.summary.differences.append(f"the late visit to {home.household} is not listed")
