"""Every consumer group with the handler that its service runs, on a storage of its own in memory."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from services.dispatch.domain.deadlines import DatedDeadlines
from services.dispatch.domain.directive import SYSTEM, Limits
from services.dispatch.handlers.directives import Directives
from services.dispatch.handlers.progress import ProgressRoll
from services.dispatch.handlers.sheets import Sheets
from services.dispatch.store import ROSTERS
from services.registry.handlers import RegistryCommands, RegistryDecider
from services.registry.schemes import load_schemes
from shared.contracts import dispatch
from shared.contracts.base import Model
from shared.contracts.dispatch import CloseDirective, Deadlines, DirectiveCommand, ExtendDirective
from shared.contracts.envelope import Context, Message, message
from shared.contracts.registry import ROSTERS_TOPIC, Changes, Recompile, Roster, SummariseChild
from shared.contracts.topics import Topic
from shared.flow.batch import Flow
from shared.flow.decide import Decide
from shared.flow.documents import Write
from shared.flow.handler import Handler
from shared.flow.merge import KeepNewest
from shared.kernel.codes import desk_of, desk_of_post
from shared.kernel.ids import derived_id
from shared.messaging.reading import read
from tests.contract.examples import VALID, Example
from tests.fakes.log import NOON_MS, PARTITIONS, Watch, arriving
from tests.fakes.storage import MemoryStorage

SOURCE = "/city/6108/test"
SCHEMES = Path(__file__).parents[2] / "schemes"


DEADLINES = DatedDeadlines([(datetime(2020, 1, 1, tzinfo=UTC), Deadlines(done=7200, step=1800))])


def _directives() -> Handler:
    limits = Limits(audience=100, open_directives=10)
    decider = Directives(source=SOURCE, limits=limits, deadlines=DEADLINES)
    return Decide(decider, outcomes=dispatch.OUTCOMES_TOPIC, outcome_type=dispatch.OUTCOME, source=SOURCE)


def _rosters() -> Handler:
    return KeepNewest(Roster, ROSTERS, id_of=lambda copy: copy.desk, version_of=lambda copy: copy.v)


def _registry() -> Handler:
    return RegistryCommands(RegistryDecider(load_schemes(SCHEMES), ZoneInfo("Asia/Shanghai")))


HANDLERS: Mapping[str, Callable[[], Handler]] = {
    "registry.commands": _registry,
    "dispatch.commands": _directives,
    "dispatch.sheets": lambda: Sheets(source=SOURCE, deadlines=DEADLINES),
    "dispatch.progress": lambda: ProgressRoll(source=SOURCE),
    "dispatch.rosters": _rosters,
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


def with_rosters() -> MemoryStorage:
    """Return dispatch's storage as it is once the example rosters were read."""
    storage = MemoryStorage()
    for scenario in ("a-community-with-a-vacancy", "a-street-with-two-communities"):
        roster = Roster.model_validate_json(example(ROSTERS_TOPIC.name, scenario).value)
        storage.put(Write(ROSTERS.name, roster.desk, 0, ROSTERS.encode(roster)))
    return storage


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
    command = body.command if isinstance(body, DirectiveCommand) else None
    return SYSTEM if isinstance(command, CloseDirective | ExtendDirective) else "p-duty"
