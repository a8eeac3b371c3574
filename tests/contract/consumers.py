"""Every consumer group with the handler that its service runs, on a storage of its own in memory."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from services.checkpoint.domain.ground import SYSTEM as CHECKPOINT
from services.checkpoint.settings import CheckpointSettings
from services.checkpoint.subscribers import groups as checkpoint_groups
from services.dispatch.domain.deadlines import DefaultDeadlines
from services.dispatch.domain.directive import SYSTEM, Limits
from services.dispatch.handlers.alerts import Alerts
from services.dispatch.handlers.directives import Directives
from services.dispatch.handlers.progress import ProgressRoll
from services.dispatch.handlers.sheets import Sheets
from services.registry.handlers import RegistryCommands, RegistryDecider
from services.registry.schemes import load_schemes
from services.screening.settings import ScreeningSettings
from services.screening.subscribers import groups as screening_groups
from shared.contracts import dispatch
from shared.contracts.base import Model
from shared.contracts.checkpoint import CheckpointCommand
from shared.contracts.directives import (
    CloseDirective,
    Deadlines,
    DirectiveCommand,
    ExtendDirective,
    RaiseDirective,
)
from shared.contracts.envelope import Context, Message, message
from shared.contracts.registry import Changes, Recompile, SummariseChild
from shared.contracts.screening import CloseRound, OpenRound, PutCriterion, ScreeningCommand
from shared.contracts.topics import Topic
from shared.domain.dated import Dated
from shared.flow.batch import Flow
from shared.flow.decide import Decide
from shared.flow.handler import Handler
from shared.kernel.codes import desk_of, desk_of_post
from shared.kernel.ids import derived_id
from shared.messaging.reading import read
from shared.runtime.settings import ServiceSettings
from shared.service import rosters
from shared.service.process import Group
from tests.contract.examples import VALID, Example
from tests.fakes.log import NOON_MS, PARTITIONS, Watch, arriving
from tests.fakes.storage import MemoryStorage

SOURCE = "/city/6108/test"
HOLDERS = {
    "610802006/city-vertical:duty-desk": "p-duty",
    "610802006003/cw5:area-chief": "p-area",
    "610802006003001/cw5:grid-chief": "p-grid",
}
"""Who holds the posts that the example commands come from."""
SCHEMES = Path(__file__).parents[2] / "schemes"


PATIENCE = DefaultDeadlines(done=7200, step=1800, alert=Deadlines(done=600, step=60))
DEADLINES = Dated([(datetime(2020, 1, 1, tzinfo=UTC), PATIENCE)])


def _directives() -> Handler:
    limits = Limits(audience=100, open_directives=10)
    decider = Directives(source=SOURCE, limits=limits, deadlines=DEADLINES)
    return Decide(decider, outcomes=dispatch.OUTCOMES_TOPIC, outcome_type=dispatch.OUTCOME, source=SOURCE)


def _registry() -> Handler:
    return RegistryCommands(RegistryDecider(load_schemes(SCHEMES), ZoneInfo("Asia/Shanghai")))


def _of_service(
    groups: Callable[[Any], list[Group]], settings: Callable[[], ServiceSettings]
) -> dict[str, Callable[[], Handler]]:
    """Return the handlers that a service runs itself, each made anew whenever it is asked for."""
    names = [group.name for group in groups(settings())]

    def handler(name: str) -> Handler:
        (found,) = [group.handler for group in groups(settings()) if group.name == name]
        return found

    return {name: partial(handler, name) for name in names}


HANDLERS: Mapping[str, Callable[[], Handler]] = {
    "registry.commands": _registry,
    "dispatch.commands": _directives,
    "dispatch.sheets": lambda: Sheets(source=SOURCE, deadlines=DEADLINES),
    "dispatch.progress": lambda: ProgressRoll(source=SOURCE),
    "dispatch.alerts": lambda: Alerts(source=SOURCE),
    "dispatch.rosters": rosters.copies,
    **_of_service(screening_groups, ScreeningSettings),
    **_of_service(checkpoint_groups, CheckpointSettings),
}


class Consumer:
    """One group's process: records come in by `take`, one at a time, at rising offsets."""

    def __init__(self, group: str, storage: MemoryStorage | None = None) -> None:
        self.storage = storage or MemoryStorage()
        self.watch = Watch()
        self._offset = 0
        self._flow = Flow(
            group,
            HANDLERS[group](),
            storage=self.storage,
            publish=self.watch.publish,
            partitions=lambda _topic: PARTITIONS,
            observer=self.watch,
        )

    async def take(self, record: Message, *, again: bool = False) -> None:
        """Apply one record, at a new offset or (`again`) as a redelivery of the last one."""
        self._offset += not again
        raw = arriving(record, offset=self._offset, timestamp=NOON_MS + self._offset)
        await self._flow([read(raw)])

    def documents(self) -> dict[tuple[str, str], dict[str, object]]:
        """Return what is stored, but for positions and the number of times it was written."""
        stored = self.storage.all(but=frozenset({"positions"}))
        return {key: {k: v for k, v in body.items() if k != "v"} for key, body in stored.items()}


def example(topic: str, scenario: str) -> Example:
    """Return one valid example by topic and scenario."""
    (found,) = [each for each in VALID if (each.topic.name, each.path.stem) == (topic, scenario)]
    return found


def on_the_wire(given: Example) -> Message:
    """Return the record of an example, byte for byte, with the key and actor its producer would give."""
    body = given.parsed()
    context = Context(derived_id(str(given)), SOURCE, datetime(2026, 1, 1, tzinfo=UTC), actor=_actor(body))
    framed = message(given.topic, given.type_, _key(given.topic, body), body, context)
    return Message(framed.topic, framed.key, given.value, framed.headers)


def _key(topic: Topic, body: Model) -> str:
    if topic.routing is not None:
        return topic.routing(body)
    if isinstance(body, Changes):
        row = body.rows[0]
        place = getattr(row, "code", None) or getattr(row, "unit", None)
        return desk_of(place) if place else desk_of_post(getattr(row, "post"))  # noqa: B009 - rows differ
    return "610802006003"


def _actor(body: Model) -> str:
    internal = isinstance(body, Changes) and isinstance(body.rows[0], SummariseChild | Recompile)
    if internal:
        return "registry"
    if isinstance(body, CheckpointCommand):
        return HOLDERS.get(getattr(body.command, "issuer", None) or "", CHECKPOINT)
    command = body.command if isinstance(body, DirectiveCommand | ScreeningCommand) else None
    if isinstance(command, OpenRound | CloseRound | PutCriterion):
        return HOLDERS.get(command.issuer, "p-stranger")
    return SYSTEM if isinstance(command, CloseDirective | ExtendDirective | RaiseDirective) else "p-duty"
