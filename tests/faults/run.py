"""One row: everything flows, the fault is injected and ends, and what came of it is measured and judged."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cli.errors import UserError
from cli.stack.probes import service_is_ready
from tests.faults.fault import LONG_S, Fault, Scene, Skipped
from tests.faults.load import Load, Outside
from tests.faults.loops import Loop
from tests.faults.stage import Stage
from tests.faults.verdict import judged
from tests.faults.watch import Asking, Watch
from tests.harness.log import Log
from tests.harness.waiting import until


@dataclass(frozen=True, slots=True)
class Recovery:
    """One injection, in seconds: how long it lasted, and what came after its end.

    `first_s` is when something was newly counted at the top; `all_s` when all was that had been said by then.
    """

    lasted_s: float
    first_s: float
    all_s: float


@dataclass
class Result:
    """What a row came to. Everything but `wrong` is a figure; `wrong` is empty in a good run."""

    name: str
    service: str
    reliability: str
    says: str
    skipped: str = ""
    wanted: int = 0
    injected: int = 0
    tasks: int = 0
    said: int = 0
    acknowledged: int = 0
    distinct: int = 0
    published: int = 0
    sampled: int = 0
    asked: int = 0
    unanswered: int = 0
    producers_recreated: int = 0
    lost: int = 0
    doubled: int = 0
    above_truth: int = 0
    longest_gap_s: float = 0.0
    took_s: float = 0.0
    recoveries: list[Recovery] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether the fault was really injected, and nothing that must not be happened."""
        counts = self.lost or self.doubled or self.above_truth or self.wrong
        return bool(self.skipped) or (0 < self.injected == self.wanted and not counts)

    def times(self, figure: str) -> list[float]:
        """Return one figure of all recoveries."""
        return [getattr(each, figure) for each in self.recoveries]


def result_of(fault: Fault, loop: Loop) -> Result:
    """Return what a row has come to before it begins: nothing was injected."""
    return Result(fault.name, loop.service, fault.reliability, fault.says, wanted=fault.times)


async def run(stage: Stage, fault: Fault, *, rate: float) -> Result:
    """Run one row on a stage; whatever goes wrong is in the result."""
    result = result_of(fault, stage.loop)
    began = time.perf_counter()
    outside = Outside(stage.servers.kafka)
    load = Load(stage.loop, outside, rate=rate)
    watch = Watch(stage.servers.kafka, stage.loop, load)
    scene = Scene(stage, load, watch)
    try:
        await asyncio.to_thread(fault.prepare, scene)
        await stage.have(fault.replicas)
        await _row(scene, fault, outside, result)
    except Skipped as reason:
        result.skipped = str(reason)
    except (AssertionError, UserError) as failed:
        result.wrong.append(str(failed))
    except Exception as failed:  # noqa: BLE001 - what a client raises is the end of this row, not of the others
        result.wrong.append(repr(failed))
    finally:
        await asyncio.to_thread(fault.clean, scene)
        # Once more, for a row that ended before anything flowed.
        await watch.stop()
        await outside.stop()
    result.took_s = time.perf_counter() - began
    return result


async def _row(scene: Scene, fault: Fault, outside: Outside, result: Result) -> None:
    load, watch, stage = scene.load, scene.watch, scene.stage
    asking = Asking(stage.loop, load, watch)
    try:
        async with _flowing(scene, outside, asking, result):
            await until(lambda: watch.rises, what="something is counted", within_s=LONG_S)
            for _ in range(fault.times):
                result.recoveries.append(await _once(scene, fault))
                result.injected += 1
        await until(lambda: not watch.differences(load.tasks), what="exact everywhere", within_s=LONG_S)
        ports = [each.port for each in stage.running]
        await until(lambda: all(map(service_is_ready, ports)), what="every replica ready", within_s=LONG_S)
    finally:
        _figures(result, scene, outside, asking)
        result.wrong += watch.wrong[:20]
        result.wrong += watch.differences(load.tasks)[:10]
        result.wrong += [
            f"replica {each.instance} ended: {each.exit}" for each in stage.replicas if each.ended()
        ]
        await watch.stop()
        await outside.stop()
    async with Log(stage.servers.kafka) as log:
        verdict = await judged(log, stage.loop, load.given)
    result.lost, result.doubled, result.above_truth = (
        verdict.lost,
        verdict.doubled,
        watch.above + verdict.above,
    )
    result.published = verdict.samples
    result.wrong += verdict.why[:20]


@asynccontextmanager
async def _flowing(scene: Scene, outside: Outside, asking: Asking, result: Result) -> AsyncIterator[None]:
    """Have everything flow during the block, and all that was begun said after it."""
    await outside.start()
    await scene.watch.start()
    saying = asyncio.create_task(scene.load.run())
    asks = asyncio.create_task(
        asking.run(lambda: [each.port for each in scene.stage.running], scene.stage.headers)
    )
    try:
        yield
        scene.load.end()
        await saying
        await until(lambda: outside.is_settled, what="the broker has all that was said", within_s=LONG_S)
    finally:
        for task in (saying, asks):
            task.cancel()
        await asyncio.wait([saying, asks])
        # What ended by itself gave no load, or no samples: a row that proves nothing.
        result.wrong += [
            f"the harness failed: {failed!r}"
            for task in (saying, asks)
            if not task.cancelled() and (failed := task.exception())
        ]


async def _once(scene: Scene, fault: Fault) -> Recovery:
    """Inject once and wait until all is counted; the time is taken from the fault's end."""
    watch = scene.watch
    await fault.ready(scene)
    begun = time.perf_counter()
    await fault.inject(scene)
    await fault.end(scene)
    ended = time.perf_counter()
    await scene.all_counted(within_s=LONG_S)
    everything = time.perf_counter()
    first = await until(lambda: watch.first_rise(ended), what="something is newly counted", within_s=LONG_S)
    return Recovery(ended - begun, first - ended, max(everything, first) - ended)


def _figures(result: Result, scene: Scene, outside: Outside, asking: Asking) -> None:
    load = scene.load
    result.tasks, result.said, result.distinct = len(load.tasks), load.said, load.distinct
    result.acknowledged, result.producers_recreated = outside.acknowledged, outside.recreated
    result.sampled = scene.watch.samples
    result.asked, result.unanswered = asking.answered, asking.unanswered
    result.longest_gap_s = scene.watch.longest_gap()
