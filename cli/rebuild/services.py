"""What to run of each service, and in which order: outcomes, then copies, then what is merged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cli.rebuild.audiences import Audiences
from cli.rebuild.denominators import Denominators
from cli.rebuild.replay import Needs, Replay, Settle
from cli.rebuild.running import Instead, Lane, Replayed
from cli.verify.log import Log
from services.checkpoint import store as checkpoint_store
from services.checkpoint import subscribers as checkpoint_subscribers
from services.checkpoint.handlers.commands import PASS_CHANGED
from services.checkpoint.settings import CheckpointSettings
from services.dispatch import store as dispatch_store
from services.dispatch import subscribers as dispatch_subscribers
from services.dispatch.settings import DispatchSettings
from services.registry import store as registry_store
from services.registry import subscribers as registry_subscribers
from services.registry.domain.households import HOUSEHOLD_PUT
from services.registry.handlers import RegistryDecider
from services.registry.schemes import load_schemes
from services.registry.settings import RegistrySettings
from services.screening import store as screening_store
from services.screening import subscribers as screening_subscribers
from services.screening.handlers.rounds import CRITERION_CHANGED
from services.screening.settings import ScreeningSettings
from shared.contracts import checkpoint, dispatch, registry, screening
from shared.contracts.outcomes import Event
from shared.contracts.topics import Topic
from shared.flow.decide import Decide
from shared.flow.documents import Collection
from shared.runtime.settings import ServiceSettings
from shared.service.process import Group

Need = Iterator[tuple[Collection[Any], str]]
Indexes = Mapping[str, Sequence[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """How one service is rebuilt.

    `lanes` names its groups: those of one lane are taken together by time. `volatile` names, by collection,
    fields of documents that depend on how records came in batches, or on what was sent when.
    """

    settings: Callable[..., ServiceSettings]
    groups: Callable[[Any], Sequence[Group]]
    commands: str
    outcomes: Topic
    needs: Needs
    lanes: Sequence[Sequence[str]]
    indexes: Indexes
    also_read: Sequence[Topic] = ()
    freezes: Mapping[str, Callable[[Log], Instead]] = field(default_factory=dict)
    volatile: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def topics(self, groups: Sequence[Group]) -> list[Topic]:
        """Return what has to be read of the log."""
        read = [topic for names in self.lanes for name in names for topic in _named(groups, name).topics]
        return list({topic.name: topic for topic in (self.outcomes, *read, *self.also_read)}.values())

    def plan(self, groups: Sequence[Group], log: Log) -> list[Lane]:
        """Return what to run."""
        decide = _named(groups, self.commands).handler
        if not isinstance(decide, Decide):
            raise TypeError(self.commands)
        settle: Settle | None = None
        if isinstance(decide.decider, RegistryDecider):
            settle = decide.decider.settle
        outcomes = Replayed(self.commands, (self.outcomes,), Replay(decide.decider, self.needs, settle))
        return [
            [outcomes],
            *([self._replayed(_named(groups, name), log) for name in lane] for lane in self.lanes),
        ]

    def _replayed(self, group: Group, log: Log) -> Replayed:
        if group.name not in self.freezes:
            return Replayed(group.name, group.topics, group.handler)
        return Replayed(group.name, group.topics, group.handler, self.freezes[group.name](log))


def _named(groups: Sequence[Group], name: str) -> Group:
    return next(group for group in groups if group.name == name)


def _registry_groups(settings: RegistrySettings) -> list[Group]:
    return registry_subscribers.groups(settings, load_schemes(*settings.scheme_folders))


def _registry_needs(event: Event, desk: str) -> Need:
    yield registry_store.DESKS, desk
    yield registry_store.ROSTERS, desk
    yield registry_store.CHARGES, desk
    yield registry_store.FINDINGS, desk
    if event.type == HOUSEHOLD_PUT:
        yield registry_store.HOUSEHOLDS, event.data["household"]


def _dispatch_needs(event: Event, desk: str) -> Need:
    del desk
    order = event.data["order"]
    yield dispatch_store.DIRECTIVES, order["directive"]
    yield dispatch_store.ISSUERS, order["issuer"]


def _screening_needs(event: Event, desk: str) -> Need:
    del desk
    if event.type == CRITERION_CHANGED:
        yield screening_store.SCOPES, event.data["scope"]
        return
    yield screening_store.SCOPES, event.data["scope"]["unit"]
    yield screening_store.ROUNDS, event.data["round"]


def _checkpoint_needs(event: Event, desk: str) -> Need:
    del desk
    if event.type == PASS_CHANGED:
        yield checkpoint_store.PASSES, event.data["pass_id"]
    else:
        yield checkpoint_store.DESKS, event.data["desk"]


SERVICES: Final = {
    "registry": Rebuilding(
        settings=RegistrySettings,
        groups=_registry_groups,
        commands="registry.commands",
        outcomes=registry.OUTCOMES_TOPIC,
        needs=_registry_needs,
        lanes=(),
        indexes=registry_store.INDEXES,
        # A finding carries the version of its document, which counts transactions.
        volatile={"findings": ["items.v"]},
    ),
    "dispatch": Rebuilding(
        settings=DispatchSettings,
        groups=dispatch_subscribers.groups,
        commands="dispatch.commands",
        outcomes=dispatch.OUTCOMES_TOPIC,
        needs=_dispatch_needs,
        lanes=(("dispatch.rosters",), ("dispatch.sheets",), ("dispatch.progress",)),
        indexes=dispatch_store.INDEXES,
        also_read=(dispatch.PROGRESS_TOPIC,),
        freezes={"dispatch.sheets": lambda log: Audiences(log).instead},
        # Of several rungs climbed in one batch only the last was sent.
        volatile={"sheets": ["rung_sent"]},
    ),
    "screening": Rebuilding(
        settings=ScreeningSettings,
        groups=screening_subscribers.groups,
        commands="screening.commands",
        outcomes=screening.OUTCOMES_TOPIC,
        needs=_screening_needs,
        lanes=(
            ("screening.rosters",),
            ("screening.charges",),
            # A visit to a household that is not on the denominator asks whether it was known by then.
            ("screening.households", "screening.sheets"),
            ("screening.progress",),
        ),
        indexes=screening_store.INDEXES,
        also_read=(screening.PROGRESS_TOPIC,),
        freezes={"screening.sheets": lambda log: Denominators(log).instead},
    ),
    "checkpoint": Rebuilding(
        settings=CheckpointSettings,
        groups=checkpoint_subscribers.groups,
        commands="checkpoint.commands",
        outcomes=checkpoint.OUTCOMES_TOPIC,
        needs=_checkpoint_needs,
        lanes=(
            ("checkpoint.rosters",),
            ("checkpoint.households",),
            ("checkpoint.units",),
            ("checkpoint.crossings",),
        ),
        indexes=checkpoint_store.INDEXES,
    ),
}
