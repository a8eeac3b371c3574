"""What the whole log says afterwards: nothing lost, nothing twice, no count above the truth at any time."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka import ConsumerRecord

from shared.contracts import catalog
from shared.contracts.dispatch import Delivery
from tests.faults.loops import Loop
from tests.harness.log import Log, header


@dataclass
class Verdict:
    """Counts of what must not be, each with its reasons."""

    lost: int = 0
    doubled: int = 0
    above: int = 0
    samples: int = 0
    why: list[str] = field(default_factory=list)


async def judged(log: Log, loop: Loop, given: Mapping[tuple[str, str], int]) -> Verdict:
    """Read every topic of the loop and compare; `given`: entries by (task, desk), of whoever said them."""
    tasks = {task for task, _ in given}
    verdict = Verdict()
    said = await log.read(loop.facts)
    shown = [each for each in await log.read(loop.progress) if header(each, "ce_type") == loop.progress_type]
    compare_counts(verdict, loop, given, said=said, shown=shown)
    decided_once(verdict, tasks, await log.read(loop.outcomes))
    if loop.deliveries is not None:
        told_once(verdict, loop, tasks, await log.read(loop.deliveries))
    for topic in catalog.dead_letter_topics():
        if letters := await log.read(topic):
            verdict.lost += len(letters)
            verdict.why.append(f"{len(letters)} good records set aside in {topic}")
    return verdict


def compare_counts(
    verdict: Verdict,
    loop: Loop,
    given: Mapping[tuple[str, str], int],
    *,
    said: Iterable[ConsumerRecord],
    shown: Iterable[ConsumerRecord],
) -> None:
    """Compare every progress ever published with what the log held by then, and the last with all given.

    Every clock here is the broker's: a topic stamps its records when it takes them.
    """
    moments = _moments(loop, said)
    newest: dict[tuple[str, str], tuple[int, int]] = {}
    for record in shown:
        task, desk, v, counted = _shown(loop, record.value)
        at = moments.get((task, desk), ())
        truth = sum(moment <= record.timestamp for moment in at)
        verdict.samples += 1
        if counted > truth:
            verdict.above += 1
            verdict.why.append(f"{task} at {desk} v{v}: {counted} counted, {truth} said by then")
        newest[task, desk] = max(newest.get((task, desk), (0, 0)), (v, counted))
    for (task, desk), truth in given.items():
        if desk != loop.top:
            continue  # an entry counts at every desk above its own: the top one has them all
        counted = newest.get((task, desk), (0, 0))[1]
        verdict.lost += max(truth - counted, 0)
        verdict.doubled += max(counted - truth, 0)
        if counted != truth:
            verdict.why.append(f"{task}: {counted} counted at the end, {truth} given")


def decided_once(verdict: Verdict, tasks: Iterable[str], outcomes: Iterable[ConsumerRecord]) -> None:
    """See that each command has one outcome, however often it was published."""
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for record in outcomes:
        bodies[record.key.decode().rpartition("/")[2]].add(record.value)
    for task in tasks:
        many = len(bodies[task])
        verdict.lost += many == 0
        verdict.doubled += max(many - 1, 0)
        if many != 1:
            verdict.why.append(f"{task} has {many} outcomes")


def told_once(
    verdict: Verdict, loop: Loop, tasks: Iterable[str], deliveries: Iterable[ConsumerRecord]
) -> None:
    """See that everybody was told of each order, under one id and with one text."""
    told: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for record in deliveries:
        delivery = Delivery.model_validate_json(record.value)
        if not delivery.decide_for:
            for entry in delivery.entries:
                told[delivery.directive, entry.addressee].add((header(record, "ce_id"), delivery.text))
    for task in tasks:
        for post in loop.addressees():
            many = len(told[task, post])
            verdict.lost += many == 0
            verdict.doubled += max(many - 1, 0)
            if many != 1:
                verdict.why.append(f"{post} was told {task} under {many} ids")


def _moments(loop: Loop, said: Iterable[ConsumerRecord]) -> Mapping[tuple[str, str], list[int]]:
    """Return when each entry of (task, desk), all below it included, was first said."""
    above = {roster.desk: (*roster.path, roster.desk) for roster in loop.rosters}
    first: dict[tuple[str, str, str], int] = {}
    for record in said:
        fact = loop.said(record.value)
        if fact is not None and fact.entry:
            name = fact.task, fact.desk, fact.entry
            first[name] = min(first.get(name, record.timestamp), record.timestamp)
    moments: dict[tuple[str, str], list[int]] = defaultdict(list)
    for (task, desk, _), at in first.items():
        for each in above[desk]:
            moments[task, each].append(at)
    return moments


def _shown(loop: Loop, value: bytes) -> tuple[str, str, int, int]:
    shown: dict[str, Any] = loop.progress.models[loop.progress_type].model_validate_json(value).model_dump()
    task = shown.get("directive") or shown["round"]
    return task, shown["desk"], shown["v"], loop.counted(shown)
