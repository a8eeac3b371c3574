"""What must hold whatever was killed: the whole log is read and judged, and any reason fails the test."""

from collections.abc import Iterable, Iterator, Sequence

from aiokafka import ConsumerRecord
from pydantic import ValidationError

from shared.contracts import dispatch as contract
from shared.contracts.dispatch import Answer, Progress
from shared.contracts.topics import Topic
from tests.harness import judging
from tests.harness.judging import Reason
from tests.harness.log import Log, header


def fail_for(reasons: Sequence[Reason]) -> None:
    """Fail if there is any reason to."""
    assert not reasons, "; ".join(reason.text for reason in reasons)


async def never_above_the_truth(log: Log, directive: str) -> list[Progress]:
    """Fail if any progress ever counted more than had been answered by then; returns all of them."""
    answered = judging.first_said(_answers(await log.read(contract.ACKS_TOPIC), directive))
    records = [
        record
        for record in await log.read(contract.PROGRESS_TOPIC, directive)
        if header(record, "ce_type") == contract.PROGRESS
    ]
    shown = []
    for record in records:
        progress = Progress.model_validate_json(record.value)
        shown.append(progress)
        counted = judging.answers_in(progress.total.model_dump())
        what = f"{directive} at {progress.desk} v{progress.v}"
        fail_for(judging.counted_by_then(what, counted, record.timestamp, answered.values()))
    assert shown, "no progress was published"
    return shown


async def decided_once(log: Log, *commands: str, topic: Topic = contract.OUTCOMES_TOPIC) -> None:
    """Fail unless each command has outcomes, all of them the same bytes."""
    fail_for(judging.decided_once(commands, await log.read(topic)))


async def told_once(log: Log, directive: str) -> set[str]:
    """Fail if a recipient's order came under two ids, or with two texts; returns who was told."""
    told = judging.told(await log.read(contract.DELIVERIES_TOPIC), {directive})
    fail_for(judging.told_once(told))
    return {addressee for _, addressee, *_ in told}


def _answers(records: Iterable[ConsumerRecord], directive: str) -> Iterator[tuple[str, int]]:
    for record in records:
        if header(record, "ce_type") != contract.ANSWER or directive.encode() not in (record.value or b""):
            continue
        try:
            answer = Answer.model_validate_json(record.value)
        except ValidationError:
            continue  # bad data is nobody's answer
        yield answer.addressee, record.timestamp
