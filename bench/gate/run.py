"""The gate beside the bare handler: normally, and with Kafka and MongoDB stopped."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import psutil

from bench.dispatch.pairs import PARTITIONS, wait_for_copies
from bench.gate.costs import Costs, steady_rss, verification
from bench.gate.generator import write_requests
from bench.gate.passage import DATABASE, LOOK_S, TOKEN_FOR, Passage, merged, pass_through
from bench.gate.place import Place, build_place
from bench.gate.samples import Phase
from bench.report import Measured, Void, paired, single, spread
from bench.tested import QUICK_SETTLE_S, SETTLE_S, Tested
from cli.stack.keys import GATE_DEVICE, token_for
from cli.stack.local import LocalStack
from cli.stack.paths import RunDir
from cli.stack.processes import die_with_parent
from services.checkpoint.keys import KeySet, SigningKey, read_keys
from shared.kernel.clock import SystemClock
from shared.messaging.admin import TopicAdmin, wanted
from shared.messaging.producer import Producer

STEP: Final = 10
AT_A_TIME: Final = 5_000
PHASES: Final = ("before", "step", "after")
SERVERS: Final = ("kafka", "mongo")
LATENCY: Final = {
    **{f"{phase}_{name}_ms": f"{phase}: {name} (ms)" for phase in PHASES for name in ("p50", "p99", "max")},
    "cpu_us": "server CPU per decision (µs)",
    "errors": "not answered 200",
}
COSTS: Final = {
    "projection_mb": "memory of what the gate knows by heart (MB)",
    "rss_empty_mb": "resident memory without it (MB)",
    "verify_p50_us": "verifying a pass never seen, median (µs)",
    "verify_p99_us": "verifying a pass never seen, p99 (µs)",
}


@dataclass(frozen=True)
class Plan:
    """How many live there, and how often and how long the gate is asked, of how many processes."""

    rate: int = 500
    processes: int = 2
    residents: int = 57_125
    steady_s: float = 10.0
    step_s: float = 10.0
    settle_s: float = SETTLE_S

    @property
    def phases(self) -> list[Phase]:
        """Steady, ten times as much, steady again."""
        return [
            Phase("before", self.rate, self.steady_s),
            Phase("step", self.rate * STEP, self.step_s),
            Phase("after", self.rate, self.steady_s),
        ]


QUICK: Final = Plan(rate=50, processes=1, residents=2_000, steady_s=2.0, step_s=2.0, settle_s=QUICK_SETTLE_S)


@dataclass(frozen=True)
class Arms:
    """Both servers, and what is put to them."""

    stack: LocalStack
    processes: Mapping[int, psutil.Process]
    bare: Mapping[int, psutil.Process]
    requests: Path
    plan: Plan
    within_s: float

    async def beside(self, first: int) -> Passage:
        """Put a row of questions to the bare handler."""
        return await pass_through(
            "bare", self.bare, requests=self.requests, first=first, phases=self.plan.phases
        )

    async def ours(self, arm: str, first: int, *, away: bool) -> Passage:
        """Put a row of questions to checkpoint, and wait until every crossing is merged."""
        before = merged(self.stack.mongo)
        for name in SERVERS if away else ():
            self.stack.stop(name)
        passage = await pass_through(
            arm, self.processes, requests=self.requests, first=first, phases=self.plan.phases
        )
        for name in reversed(SERVERS) if away else ():
            self.stack.resume(name)
        began = time.perf_counter()
        there = await self._merged(before, passage.answered)
        passage = replace(passage, drained_s=time.perf_counter() - began, merged=there)
        return replace(passage, wrong=wrong_with(passage))

    async def _merged(self, before: int, expected: int) -> int:
        """Wait until as many are merged as were answered, and then until no more come."""
        deadline = time.monotonic() + self.within_s
        there, last = merged(self.stack.mongo) - before, -1
        while (there < expected or there != last) and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_S)
            there, last = merged(self.stack.mongo) - before, there
        return there


def wrong_with(passage: Passage) -> list[str]:
    """Return what may not be: a decision that is not merged once, or a good pass that was not let through.

    A question without an answer may have been decided all the same; nothing that was not asked can be.
    """
    wrong = []
    if not passage.answered <= passage.merged <= passage.sent:
        wrong.append(f"{passage.merged} crossings merged, {passage.answered} decisions answered")
    if passage.allowed != passage.answered:
        wrong.append(f"{passage.answered - passage.allowed} good passes were not allowed")
    return wrong


async def run(stack: LocalStack, plan: Plan, *, pairs: int, within_s: float) -> Measured:
    """Measure memory and verification, then decisions beside the bare handler, as often as asked for."""
    place = build_place(plan.residents, SystemClock().now())
    service = Tested(stack, "checkpoint")
    replicas = [Tested(stack, f"checkpoint-{number}") for number in range(2, plan.processes + 1)]
    async with TopicAdmin(stack.kafka) as admin:
        await admin.apply(wanted(PARTITIONS), replication=1)
    empty_mb = await _empty(service, plan.settle_s)
    keys, key = _keys(stack)
    await _publish(stack, service, place)
    process = service.start()
    await asyncio.sleep(plan.settle_s)
    full_mb = await steady_rss(process)
    processes = {service.port: process}
    for replica in replicas:
        started = replica.start()
        processes[replica.port] = started
        await steady_rss(started)
    costs = Costs(empty_mb, full_mb, full_mb - empty_mb, *verification(place, keys, key))
    requests = stack.run_dir / "requests"
    write_requests(
        requests, place.requests(key, token_for(GATE_DEVICE, RunDir(stack.run_dir).keys, TOKEN_FOR))
    )
    async with _bare(plan.processes) as bare:
        arms = Arms(stack, processes, bare, requests, plan, within_s)
        passages = await _passages(arms, pairs)
    for each in (*replicas, service):
        each.stop()
    return _measured(plan, pairs, passages, costs)


async def _passages(arms: Arms, pairs: int) -> list[tuple[Passage, Passage]]:
    done: list[tuple[Passage, Passage]] = []
    first = 0
    for number in range(pairs):
        for arm in ("normal", "away"):
            bare = await arms.beside(first)
            ours = await arms.ours(arm, first, away=arm == "away")
            done.append((ours, bare))
            first += sum(phase.questions for phase in arms.plan.phases)
            print(f"pair {number + 1} {arm}: {_short(ours)}; bare: {_short(bare)}", flush=True)
    return done


async def _empty(service: Tested, settle_s: float) -> float:
    """Return the memory of a process that knows nothing by heart."""
    process = service.start()
    await asyncio.sleep(settle_s)
    empty = await steady_rss(process)
    service.stop()
    return empty


async def _publish(stack: LocalStack, service: Tested, place: Place) -> None:
    """Append the facts and let a process copy them: the next one then only learns them by heart."""
    producer = Producer(stack.kafka, client_id="bench")
    await producer.start()
    facts = list(place.facts())
    for at in range(0, len(facts), AT_A_TIME):
        await producer.append(facts[at : at + AT_A_TIME])
    await producer.stop()
    service.start()
    await wait_for_copies(stack, DATABASE, "households", len(place.households))
    service.stop()


def _keys(stack: LocalStack) -> tuple[KeySet, SigningKey]:
    """Return the keys the stack gave checkpoint, to sign passes with."""
    keys = read_keys(RunDir(stack.run_dir).pass_keys, generation=1)
    key = keys.signer(SystemClock().now())
    if key is None:
        raise Void("no key signs passes")
    return keys, key


@asynccontextmanager
async def _bare(processes: int) -> AsyncIterator[dict[int, psutil.Process]]:
    """Have as many processes of the bare handler, by their ports, for the length of the block."""
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.gate.bare", stdout=subprocess.PIPE, preexec_fn=die_with_parent()
        )
        for _ in range(processes)
    ]
    try:
        yield {
            int(await child.stdout.readline() if child.stdout else b""): psutil.Process(child.pid)
            for child in children
        }
    finally:
        for child in children:
            child.terminate()
            await child.wait()


def _measured(plan: Plan, pairs: int, passages: Sequence[tuple[Passage, Passage]], costs: Costs) -> Measured:
    tables = []
    for arm, title in (("normal", "Kafka and MongoDB answer"), ("away", "Kafka and MongoDB are stopped")):
        those = [pair for pair in passages if pair[0].arm == arm and not pair[0].wrong]
        both = [(ours.figures(), bare.figures()) for ours, bare in those]
        tables.append(f"{title}:\n\n{paired(both, LATENCY, ('checkpoint', 'bare'))}")
        drained = [ours.drained_s for ours, _ in those]
        tables.append(f"Every crossing merged {spread(drained)} s after the last question.")
    tables.append(single([asdict(costs)], COSTS))
    runs: list[dict[str, Any]] = [asdict(passage) for pair in passages for passage in pair]
    return Measured(
        name="gate",
        sizes={**asdict(plan), "pairs": pairs},
        text="\n\n".join(tables),
        runs=[*runs, {"arm": "costs", **asdict(costs)}],
        void=[f"{ours.arm}: {'; '.join(ours.wrong)}" for ours, _ in passages if ours.wrong],
    )


def _short(passage: Passage) -> str:
    said = ", ".join(
        f"{name} p50 {phase['p50_ms']:.1f} p99 {phase['p99_ms']:.1f} ms (late {phase['late_p99_ms']:.1f})"
        for name, phase in passage.phases.items()
    )
    return f"{said}, {passage.errors} errors"
