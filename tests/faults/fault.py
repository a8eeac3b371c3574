"""What a fault is: something that is done to the stage, and the end of it, both while everything flows."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from aiokafka.admin import AIOKafkaAdminClient

from shared.flow.partitions import partition_of
from tests.faults.load import Load
from tests.faults.stage import Stage
from tests.faults.watch import Watch
from tests.harness.waiting import until

LONG_S = 90.0


class Skipped(Exception):  # noqa: N818 - not an error: this machine cannot do it, and that is the reason
    """The fault cannot be injected here."""


@dataclass
class Scene:
    """The stage with what flows over it, as a fault sees it."""

    stage: Stage
    load: Load
    watch: Watch

    async def everybody_works(self) -> None:
        """Wait until every replica holds a partition of a community: what happens to it then matters."""
        partitions = self.watch.partitions
        worth = {partition_of(desk.encode(), partitions) for desk in self.communities}
        admin = AIOKafkaAdminClient(bootstrap_servers=self.stage.servers.kafka)

        async def shared() -> bool:
            shares = await self.stage.shares(admin)
            return len(shares) == len(self.stage.replicas) and all(share & worth for share in shares)

        await admin.start()
        try:
            await until(shared, what="every replica has work", within_s=LONG_S)
        finally:
            await admin.close()

    async def heard_everywhere(self) -> None:
        """Wait until somebody was newly spoken for in every community: all of its partitions have work."""
        before = self.load.spoken_for.copy()
        await until(
            lambda: all(self.load.spoken_for[desk] > before[desk] for desk in self.communities),
            what="something said in every community",
            within_s=LONG_S,
        )

    @property
    def communities(self) -> list[str]:
        """Where people answer: the desks with none below them."""
        return [roster.desk for roster in self.stage.loop.rosters if not roster.children]

    async def all_counted(self, *, within_s: float = LONG_S) -> None:
        """Wait until everything said up to now is counted at every desk."""
        said = self.load.given.copy()
        await until(lambda: self.watch.caught_up(said), what="all counted", within_s=within_s)


class Fault(ABC):
    """A row of the table. Its state belongs to one run of the row."""

    name: ClassVar[str]
    says: ClassVar[str]
    """What is done, for the table."""

    reliability: ClassVar[str] = ""
    """The rows of the reliability reference that this is."""

    replicas: ClassVar[int] = 1
    times: int = 3

    def prepare(self, scene: Scene) -> None:  # noqa: B027 - most faults need nothing beforehand
        """Make what the fault needs; raises `Skipped` where it cannot be had."""

    async def ready(self, scene: Scene) -> None:  # noqa: B027 - most faults hit whatever there is
        """Wait until the fault hits something that works; each time, before its time is taken."""

    @abstractmethod
    async def inject(self, scene: Scene) -> None:
        """Do it, and return once it is seen to have happened; anything else raises."""

    @abstractmethod
    async def end(self, scene: Scene) -> None:
        """Undo it, or see it over: from here on recovery is measured."""

    def clean(self, scene: Scene) -> None:  # noqa: B027 - most faults leave nothing behind
        """Remove what `prepare` made, however the run ended."""
