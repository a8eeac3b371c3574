"""What must hold whatever was killed: checked on the whole log, record by record."""

from collections import defaultdict

from aiokafka import ConsumerRecord
from pydantic import ValidationError

from shared.contracts import dispatch as contract
from shared.contracts.dispatch import Answer, Delivery, Progress
from shared.contracts.topics import Topic
from tests.harness.log import Log, header


async def never_above_the_truth(log: Log, directive: str) -> list[Progress]:
    """Fail if any progress ever counted more than had been answered by then; returns all of them.

    Every clock here is the broker's: a topic stamps its records when it takes them.
    """
    answered = _first_answers(await log.read(contract.ACKS_TOPIC), directive)
    records = [
        record
        for record in await log.read(contract.PROGRESS_TOPIC, directive)
        if header(record, "ce_type") == contract.PROGRESS
    ]
    shown = []
    for record in records:
        progress = Progress.model_validate_json(record.value)
        shown.append(progress)
        truth = sum(1 for at in answered.values() if at <= record.timestamp)
        counted = max(progress.total.delivered + progress.total.excused, progress.total.done)
        assert counted <= truth, f"{counted} counted at {progress.desk} v{progress.v}, {truth} answered"
    assert shown, "no progress was published"
    return shown


async def decided_once(log: Log, *commands: str, topic: Topic = contract.OUTCOMES_TOPIC) -> None:
    """Fail unless each command has outcomes, all of them the same bytes."""
    outcomes: dict[str, set[bytes]] = defaultdict(set)
    for record in await log.read(topic):
        outcomes[record.key.decode().rpartition("/")[2]].add(record.value)
    for command in commands:
        assert len(outcomes[command]) == 1, f"{command} has {len(outcomes[command])} outcomes"


async def told_once(log: Log, directive: str) -> set[str]:
    """Fail if a recipient's order came under two ids, or with two texts; returns who was told."""
    told: dict[tuple[str, int, int], set[tuple[str, str]]] = defaultdict(set)
    for record in await log.read(contract.DELIVERIES_TOPIC):
        delivery = Delivery.model_validate_json(record.value)
        if delivery.directive != directive or delivery.decide_for:
            continue
        for entry in delivery.entries:
            name = entry.addressee, delivery.version, delivery.epoch
            told[name].add((header(record, "ce_id"), delivery.text))
    twice = {name: ids for name, ids in told.items() if len(ids) > 1}
    assert not twice, f"told under more than one id: {twice}"
    return {addressee for addressee, _, _ in told}


def _first_answers(records: list[ConsumerRecord], directive: str) -> dict[str, int]:
    first: dict[str, int] = {}
    for record in records:
        if header(record, "ce_type") != contract.ANSWER or directive.encode() not in (record.value or b""):
            continue
        try:
            answer = Answer.model_validate_json(record.value)
        except ValidationError:
            continue  # bad data is nobody's answer
        first[answer.addressee] = min(first.get(answer.addressee, record.timestamp), record.timestamp)
    return first
