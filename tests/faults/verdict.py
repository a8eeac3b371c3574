"""What the whole log says afterwards: nothing lost, nothing twice, no count above the truth at any time."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

from aiokafka import ConsumerRecord

from shared.contracts import catalog
from tests.faults.loops import Loop
from tests.harness import judging
from tests.harness.judging import Reason
from tests.harness.log import Log, header


@dataclass
class Verdict:
    """Counts of what must not be, each with its reasons."""

    lost: int = 0
    doubled: int = 0
    above: int = 0
    samples: int = 0
    why: list[str] = field(default_factory=list)

    def add(self, reasons: Iterable[Reason]) -> None:
        for reason in reasons:
            setattr(self, reason.kind, getattr(self, reason.kind) + reason.many)
            self.why.append(reason.text)


async def judged(log: Log, loop: Loop, given: Mapping[tuple[str, str], int]) -> Verdict:
    """Read every topic of the loop and compare; `given`: entries by (task, desk), of whoever said them."""
    tasks = {task for task, _ in given}
    verdict = Verdict()
    said = await log.read(loop.facts)
    shown = [each for each in await log.read(loop.progress) if header(each, "ce_type") == loop.progress_type]
    compare_counts(verdict, loop, given, said=said, shown=shown)
    verdict.add(judging.decided_once(tasks, await log.read(loop.outcomes)))
    if loop.deliveries is not None:
        told = judging.told(await log.read(loop.deliveries), tasks)
        verdict.add(judging.told_once(told, product(tasks, loop.addressees())))
    for topic in catalog.dead_letter_topics():
        if letters := await log.read(topic):
            verdict.add([Reason("lost", len(letters), f"{len(letters)} good records set aside in {topic}")])
    return verdict


def compare_counts(
    verdict: Verdict,
    loop: Loop,
    given: Mapping[tuple[str, str], int],
    *,
    said: Iterable[ConsumerRecord],
    shown: Iterable[ConsumerRecord],
) -> None:
    """Compare every progress ever published with what the log held by then, and the last with all given."""
    moments = _moments(loop, said)
    newest: dict[tuple[str, str], tuple[int, int]] = {}
    for record in shown:
        task, desk, v, counted = _shown(loop, record.value)
        verdict.samples += 1
        said_here = moments.get((task, desk), ())
        what = f"{task} at {desk} v{v}"
        verdict.add(judging.counted_by_then(what, counted, record.timestamp, said_here))
        newest[task, desk] = max(newest.get((task, desk), (0, 0)), (v, counted))
    for (task, desk), truth in given.items():
        if desk != loop.top:
            continue  # an entry counts at every desk above its own: the top one has them all
        counted = newest.get((task, desk), (0, 0))[1]
        if counted != truth:
            kind: Literal["lost", "doubled"] = "lost" if counted < truth else "doubled"
            told = f"{task}: {counted} counted at the end, {truth} given"
            verdict.add([Reason(kind, abs(truth - counted), told)])


def _moments(loop: Loop, said: Iterable[ConsumerRecord]) -> Mapping[tuple[str, str], list[int]]:
    """Return when each entry of (task, desk), all below it included, was first said."""
    above = {roster.desk: (*roster.path, roster.desk) for roster in loop.rosters}
    first = judging.first_said(
        ((fact.task, fact.desk, fact.entry), record.timestamp)
        for record in said
        if (fact := loop.said(record.value)) is not None and fact.entry
    )
    moments: dict[tuple[str, str], list[int]] = defaultdict(list)
    for (task, desk, _), at in first.items():
        for each in above[desk]:
            moments[task, each].append(at)
    return moments


def _shown(loop: Loop, value: bytes) -> tuple[str, str, int, int]:
    shown: dict[str, Any] = loop.progress.models[loop.progress_type].model_validate_json(value).model_dump()
    task = shown.get("directive") or shown["round"]
    return task, shown["desk"], shown["v"], loop.counted(shown)
