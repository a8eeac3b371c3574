"""Dispatch's groups on one storage in memory: whatever one of them publishes, the others read."""

from collections.abc import Sequence

from shared.contracts import dispatch as contract
from shared.contracts import screening
from shared.contracts.alerts import Alert
from shared.contracts.base import Model
from shared.contracts.catalog import MODELS
from shared.contracts.directives import DirectiveCommand
from shared.contracts.dispatch import Answer, Progress, Relay, Tick
from shared.contracts.envelope import Context, Message, header, message
from shared.contracts.registry import Roster
from shared.contracts.topics import Topic
from shared.flow.documents import Write
from shared.kernel.clock import from_ms
from shared.service.rosters import ROSTERS
from tests.builders.dispatch import DESK, DIRECTIVE, NOON, STREET
from tests.contract.consumers import Consumer
from tests.fakes.storage import MemoryStorage

GROUPS = {
    contract.COMMANDS_TOPIC.name: "dispatch.commands",
    contract.DESKS_TOPIC.name: "dispatch.sheets",
    contract.ACKS_TOPIC.name: "dispatch.sheets",
    contract.TALLIES_TOPIC.name: "dispatch.progress",
    screening.ALERTS_TOPIC.name: "dispatch.alerts",
}


class Dispatch:
    """What one group publishes the next one reads, until nothing is left to say.

    `twice` feeds every record twice, as after a crash between publishing and the offset commit.
    """

    def __init__(self, *rosters: Roster, twice: bool = False) -> None:
        self.storage = MemoryStorage()
        self.twice = twice
        for each in rosters:
            self.storage.put(Write(ROSTERS.name, each.desk, 0, ROSTERS.encode(each)))
        self.consumers = {group: Consumer(group, self.storage) for group in set(GROUPS.values())}
        self.said: list[Message] = []
        self.numbers = 0

    async def tell(self, body: Model, *, actor: str = "boss", id_: str | None = None) -> None:
        """Append one message of the outside world, and let everything follow from it."""
        topic, type_, key = _address(body)
        self.numbers += 1
        context = Context(id_ or f"message-{self.numbers:04}", "/test", NOON, actor)
        await self.settle([message(topic, type_, key, body, context)])

    async def settle(self, records: Sequence[Message]) -> None:
        waiting = list(records)
        while waiting:
            record = waiting.pop(0)
            consumer = self.consumers.get(GROUPS.get(record.topic, ""))
            if consumer is None:
                continue
            before = len(consumer.watch.published)
            await consumer.take(record)
            if self.twice:
                await consumer.take(record, again=True)
            assert not consumer.watch.letters
            fresh = [each for each in consumer.watch.published[before:] if each not in self.said]
            self.said.extend(fresh)
            waiting.extend(fresh)

    def bodies(self, type_: str) -> list[Model]:
        return [
            MODELS[type_].model_validate_json(each.value or b"")
            for each in self.said
            if header(each.headers, "ce_type") == type_
        ]

    def progress(self, desk: str = STREET) -> Progress:
        shown = [
            each
            for each in self.bodies(contract.PROGRESS)
            if isinstance(each, Progress) and each.desk == desk
        ]
        return max(shown, key=lambda each: each.v)

    async def silence(self, desk: str = DESK, directive: str = DIRECTIVE) -> None:
        """Let a sheet's due time pass."""
        due = from_ms((self.storage.body("sheets_lookup", f"{directive}/{desk}") or {})["next_due"])
        tick = Tick(directive=directive, desk=desk, version=1, due=due)
        await self.tell(tick, actor="dispatch")

    def asked(self) -> list[list[str]]:
        """Return who was asked to decide for others, in turn."""
        return [
            [entry.addressee for entry in each.entries]
            for each in self.bodies(contract.DELIVERY)
            if isinstance(each, contract.Delivery) and each.decide_for
        ]

    def told(self) -> list[str]:
        """Return who was told of the order itself, in turn."""
        return [
            entry.addressee
            for each in self.bodies(contract.DELIVERY)
            if isinstance(each, contract.Delivery) and not each.decide_for
            for entry in each.entries
        ]


def _address(body: Model) -> tuple[Topic, str, str]:
    match body:
        case DirectiveCommand():
            return contract.COMMANDS_TOPIC, contract.COMMAND, f"{body.desk}/{DIRECTIVE}"
        case Relay():
            return contract.DESKS_TOPIC, contract.RELAY, body.to
        case Answer():
            return contract.ACKS_TOPIC, contract.ANSWER, body.desk
        case Tick():
            return contract.ACKS_TOPIC, contract.TICK, body.desk
        case Alert():
            return screening.ALERTS_TOPIC, "gridloop.screening.alert.v1", body.desk
        case _:
            raise TypeError(type(body).__name__)
