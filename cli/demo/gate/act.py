"""A morning at one compound's exit: passes, twenty seconds without Kafka, a revocation and an overstay."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from cli.demo.alerts import Alarm, Alerts
from cli.demo.gate.crowd import Crowd
from cli.demo.gate.ledger import Ledger
from cli.demo.gate.morning import Compound, Resident
from cli.demo.gate.office import Office
from cli.demo.gate.outage import without_kafka
from cli.demo.gate.scenes import Scenes
from cli.demo.gate.summary import Summary, Told, compare
from cli.demo.gate.view import line, table
from cli.demo.gate.watch import Watch
from cli.demo.play import play, until, until_told
from cli.demo.stage import Stage
from cli.demo.tail import tail
from cli.demo.view import show
from shared.contracts.checkpoint import CROSSINGS_TOPIC
from shared.contracts.dispatch import DELIVERIES_TOPIC, DIRECTIVES_TOPIC
from shared.contracts.screening import READINGS_TOPIC

BEFORE_S, OUTAGE_S, AFTER_S = 5.0, 20.0, 3.0
OUTAGE_LEAST_S, WINDOW_LEAST_S, EMERGENCY_LEAST_S = 6.0, 6.0, 4.0
# Long enough to get out before the outage, over before it ends.
OVERSTAY_SHARE, EMERGENCY_SHARE = 0.6, 0.4
RECONCILED_WITHIN_S = 60.0
OVER_WITHIN_S = 240.0
OVERSTAYER = 5
REVOKED = (3, 4)


@dataclass(frozen=True)
class Morning:
    """Everybody and everything of one morning."""

    stage: Stage
    compound: Compound
    office: Office
    ledger: Ledger
    crowd: Crowd
    scenes: Scenes
    watch: Watch
    alerts: Alerts
    overstayer: Resident
    summary: Summary

    @property
    def outage_s(self) -> float:
        """How long Kafka stays away; a broker cannot come back any faster for a hurried audience."""
        return max(OUTAGE_S / self.stage.options.speed, OUTAGE_LEAST_S)

    @property
    def emergency_s(self) -> float:
        return max(EMERGENCY_SHARE * self.outage_s, EMERGENCY_LEAST_S)


async def act(stage: Stage) -> Summary:
    """Open the gate, let the morning pass with all that happens, and compare."""
    morning = _prepare(stage)
    servers, ledger, watch = stage.stack.kafka, morning.ledger, morning.watch
    area = morning.compound.area
    with stage.timing.phase("gate", f"a morning at the only exit of {area}"):
        began = stage.timing.elapsed()
        async with (
            tail(servers, CROSSINGS_TOPIC, READINGS_TOPIC, from_now=True) as crossings,
            tail(servers, DELIVERIES_TOPIC, DIRECTIVES_TOPIC, from_now=True) as orders,
        ):
            is_over = await play(
                _go(morning),
                watch.run(crossings),
                morning.alerts.run(orders),
                show(
                    partial(table, ledger, watch),
                    lambda: line(
                        ledger, watch, phase=morning.crowd.phase, elapsed=stage.timing.elapsed() - began
                    ),
                ),
                seconds=OVER_WITHIN_S,
            )
    summary = morning.summary
    over = "quiet again" if is_over else "time is up"
    with stage.timing.phase("reconciliation", f"{over}; comparing with the count of the gate's people"):
        restarts = stage.stack.state.children["checkpoint"].restarts
        compare(summary, ledger=ledger, watch=watch, told=await _told(morning), restarts=restarts)
        summary.alerts, differences = await morning.alerts.compare()
    summary.differences += differences
    return summary


def _prepare(stage: Stage) -> Morning:
    compound = Compound(stage.world, stage.options.seed)
    office, ledger = Office(stage, compound), Ledger()
    crowd = Crowd(stage, compound, office, ledger)
    overstayer = compound.other(OVERSTAYER, "movement")
    charge = stage.world.by_post[overstayer.home.charges["main"]]
    return Morning(
        stage=stage,
        compound=compound,
        office=office,
        ledger=ledger,
        crowd=crowd,
        scenes=Scenes(crowd),
        watch=Watch(compound.area),
        alerts=Alerts(stage, "overstay", [Alarm(overstayer.home.household, charge)]),
        overstayer=overstayer,
        summary=Summary(compound.area),
    )


async def _go(morning: Morning) -> bool:
    """Play the morning from the first pass to the last crossing; True, for it is over then."""
    await _issue(morning)
    stream = asyncio.ensure_future(morning.crowd.stream())
    try:
        await _before(morning)
        morning.summary.outage = await without_kafka(
            morning.stage.stack, morning.outage_s, partial(_meanwhile, morning)
        )
        await _after(morning)
        morning.crowd.done.set()
        await stream
    finally:
        stream.cancel()
    await morning.alerts.settle(seconds=RECONCILED_WITHIN_S)
    await morning.scenes.come_late(morning.overstayer)
    await _reconciled(morning)
    return True


async def _issue(morning: Morning) -> None:
    compound, office = morning.compound, morning.office
    await office.set_up()
    morning.summary.refusals = office.refusals
    home = [compound.other(number, "home") for number in range(min(REVOKED))]
    revoked = [compound.other(number, "movement") for number in REVOKED]
    await office.issue_all([*home, *revoked, *compound.residents])
    morning.summary.passes = len(office.texts) + 1


async def _before(morning: Morning) -> None:
    """Play what needs Kafka: a revocation, a short window, and an emergency that will end without it."""
    scenes, outage = morning.scenes, morning.outage_s
    pause = asyncio.ensure_future(asyncio.sleep(BEFORE_S / morning.stage.options.speed))
    await scenes.doubts()
    await scenes.revocation(REVOKED[0])
    await pause
    window = timedelta(seconds=max(OVERSTAY_SHARE * outage, WINDOW_LEAST_S))
    until = await morning.office.issue(morning.overstayer, window)
    # By the time the gate has heard of the emergency it has heard of the pass as well.
    await scenes.emergency(morning.emergency_s)
    await scenes.leave(morning.overstayer, until, window)


async def _meanwhile(morning: Morning) -> None:
    morning.crowd.phase = "without Kafka"
    # It was opened a moment before the broker went.
    await asyncio.sleep(morning.emergency_s)
    await morning.scenes.emergency_over()
    await morning.scenes.doubts()


async def _after(morning: Morning) -> None:
    morning.crowd.phase = "after"
    await morning.scenes.doubts()
    await morning.scenes.revocation(REVOKED[1])
    await asyncio.sleep(AFTER_S / morning.stage.options.speed)


async def _reconciled(morning: Morning) -> None:
    """Wait until every answer is on the topic and counted; what is not by then is a difference."""
    ledger, watch = morning.ledger, morning.watch
    exit_ = morning.compound.exit

    def all_there() -> bool:
        return len(watch.crossings) >= len(ledger.answered) and len(watch.readings) >= ledger.readings

    async def all_counted() -> bool:
        today = await _days(morning)
        is_out = {item["pass"] for item in await morning.office.outside()}
        return today[exit_]["crossings"] == ledger.day(exit_)["crossings"] and is_out == ledger.outside_now()

    await until(all_there, seconds=RECONCILED_WITHIN_S)
    await until_told(all_counted, seconds=RECONCILED_WITHIN_S)


async def _told(morning: Morning) -> Told:
    return Told(gates=await _days(morning), outside=await morning.office.outside())


async def _days(morning: Morning) -> dict[str, Mapping[str, int]]:
    gates = (morning.compound.exit, morning.compound.closed)
    return {gate: (await morning.office.state(gate))["today"] for gate in gates}
