"""One order from the city's desk to every post of the street, and back."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from cli.demo.actors import Actors, Holder
from cli.demo.asking import command, read
from cli.demo.behaviour import behaviour, verdict
from cli.demo.directive.ledger import Ledger
from cli.demo.directive.summary import Summary, compare
from cli.demo.directive.view import line, table
from cli.demo.directive.watch import Watch
from cli.demo.play import NOT_CLOSED, play
from cli.demo.stage import Stage
from cli.demo.tail import tail
from cli.demo.view import show
from cli.demo.voice import Voice
from cli.demo.world import CITY, STREET_OFFICE, Seat, World
from cli.errors import UserError
from shared.contracts.dispatch import DELIVERIES_TOPIC, DIRECTIVES_TOPIC, PROGRESS_TOPIC

ISSUER = f"{CITY}/city-vertical:duty-desk"
TEXT = "今晚八时前逐级传达到每一岗位，入户核对，办结即报。"
DONE_S, STEP_S = 12.0, 4.0
CLOSED_WITHIN_S = 270.0


async def act(stage: Stage) -> Summary:
    """Issue the order, let everybody answer, wait for the close, and compare."""
    world, timing = stage.world, stage.timing
    addressed = [seat for seat in world.seats if _is_addressed(seat)]
    ledger = Ledger(world)
    voice = Voice(
        producer=stage.producer, lines=stage.lines["dispatch"], tokens=stage.tokens,
        ledger=ledger, ulids=stage.ulids, clock=stage.clock,
    )  # fmt: skip
    holders = [_holder(seat, stage) for seat in world.seats]
    actors = Actors(holders, voice, stage.clock)
    directive = stage.ulids.new()
    stage.played.add(directive)
    watch = Watch(world, ledger, timing.elapsed, directive, _expected(world, addressed))
    with timing.phase("directive", f"one order from {ISSUER} to {len(addressed)} posts"):
        began = timing.elapsed()
        watch.elapsed = lambda: timing.elapsed() - began
        await _play(stage, watch, actors)
    summary = Summary(directive)
    over = "closed" if watch.complete.is_set() else NOT_CLOSED
    with timing.phase("comparison", f"{over}; comparing with the actors' own count"):
        summary.closed = await _is_closed(stage, directive)
        answers = {desk: await _progress(stage, directive, desk) for desk in watch.expected}
        compare(summary, watch=watch, ledger=ledger, addressed=addressed, answers=answers)
    summary.findings = list(stage.findings)
    summary.seconds = {phase: timing.phases[phase] for phase in ("directive", "comparison")}
    summary.restarts = {name: child.restarts for name, child in stage.stack.state.children.items()}
    summary.differences += [f"delivered to the wrong person: {each}" for each in actors.misdelivered]
    summary.silent = sum(_is_silent(holder) for holder in holders)
    summary.vacant = sum(seat.holder is None for seat in addressed)
    return summary


async def _play(stage: Stage, watch: Watch, actors: Actors) -> None:
    """Run actors, observer and view until every desk has heard that the loop is closed."""
    names = {CITY: "all"} | stage.world.communities
    servers = stage.stack.kafka
    async with (
        tail(servers, DELIVERIES_TOPIC) as deliveries,
        tail(servers, PROGRESS_TOPIC, DIRECTIVES_TOPIC) as counts,
    ):
        await play(
            _order(stage, watch, actors),
            actors.run(deliveries),
            watch.run(counts),
            show(partial(table, watch, names), lambda: line(watch, CITY, watch.elapsed())),
            seconds=CLOSED_WITHIN_S,
        )


async def _order(stage: Stage, watch: Watch, actors: Actors) -> None:
    await _issue(stage, watch.directive)
    await actors.answer_early(watch.directive)
    await watch.complete.wait()
    await actors.settle()


async def _issue(stage: Stage, directive: str) -> None:
    """Give the order; the key makes it one order, however often it has to be sent."""
    speed = stage.options.speed
    order = {
        "issuer": ISSUER,
        "text": TEXT,
        "scope": STREET_OFFICE,
        "mode": "relayed",
        "deadlines": {"done": DONE_S / speed, "step": STEP_S / speed},
        "dimensions": ["level"],
    }
    headers = {**stage.token(ISSUER), "Idempotency-Key": directive}
    reply = await command(stage.clients["dispatch"], "/directives", json=order, headers=headers)
    if reply.status_code != HTTPStatus.CREATED:
        raise UserError(f"the order was not accepted: {reply.status_code} {reply.text[:300]}")


async def _is_closed(stage: Stage, directive: str) -> bool:
    dispatch, path = stage.clients["dispatch"], f"/directives/{directive}"
    stored = await read(dispatch, path, headers=stage.token(ISSUER))
    return stored["status"] == "closed" and stored["closed_at"] is not None


async def _progress(stage: Stage, directive: str, desk: str) -> Mapping[str, Any]:
    dispatch, path = stage.clients["dispatch"], f"/directives/{directive}/progress"
    return await read(dispatch, path, params={"desk": desk}, headers=stage.token(ISSUER))


def _holder(seat: Seat, stage: Stage) -> Holder:
    options = stage.options
    return Holder(
        seat,
        behaviour(seat, seed=options.seed, silent=options.silent, speed=options.speed),
        verdict(seat.post, seed=options.seed, speed=options.speed),
    )


def _is_addressed(seat: Seat) -> bool:
    """Whether the order goes to a post: below the issuer's desk, all of them."""
    return seat.desk.startswith(CITY) and seat.desk != CITY


def _is_silent(holder: Holder) -> bool:
    return holder.seat.holder is not None and holder.behaviour.manner == "silent"


def _expected(world: World, addressed: Sequence[Seat]) -> dict[str, int]:
    """Return how many posts an order from the city counts at each desk with those below it."""
    own = Counter(seat.desk for seat in addressed)
    return {desk: sum(own[each] for each in world.below[desk]) for desk in world.below[CITY]}
