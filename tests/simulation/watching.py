"""What the checks of all simulations share: nothing is said in two ways, goes astray for good or is lost."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from shared.contracts.base import Model
from shared.contracts.envelope import header
from shared.contracts.outcomes import Outcome
from shared.contracts.topics import Topic
from shared.flow.documents import Write
from shared.flow.records import Arrival, Record, Unreadable
from tests.simulation.applying import Applying
from tests.simulation.log import NONSENSE, Log, at_home
from tests.simulation.storage import Store, View
from tests.simulation.violation import require


@dataclass(slots=True)
class Watching(ABC):
    """Is told of every append, session and commit, and in the end asked whether all is well."""

    commands: ClassVar[tuple[Topic, ...]] = ()
    """Where what is said has an outcome."""

    store: Store
    outcomes: dict[str, str] = field(init=False, default_factory=dict)
    applying: Applying = field(init=False)
    _told: dict[str, Model] = field(init=False, default_factory=dict)
    _bad: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.applying = Applying(self.store)

    def appended(self, arrival: Arrival) -> None:
        """Check a record the moment it stands in the log."""
        if isinstance(arrival, Unreadable):
            origin = arrival.origin
            self._bad.add(f"{origin.topic}/{origin.partition}/{origin.offset}")
            said = header(origin.headers, "ce_id").startswith(NONSENSE)
            require(
                said, "no service writes what cannot be read", f"{origin} {arrival.code} {arrival.detail}"
            )
        elif isinstance(arrival.body, Outcome):
            outcome = arrival.body.model_dump_json()
            known = self.outcomes.setdefault(arrival.body.command, outcome)
            require(known == outcome, "one outcome a command", arrival.body.command)
        else:
            self.said(arrival)

    @abstractmethod
    def said(self, record: Record) -> None:
        """Check a readable record that is no outcome."""

    def same(self, name: str, body: Model) -> None:
        """Require that what has a name and a version is told as it was the first time."""
        require(self._told.setdefault(name, body) == body, "one version, one content", name)

    def began(self, view: View) -> None:
        """Take note that a flow opens a session: it reads what is stored from now on."""
        del view

    @abstractmethod
    def committing(self, view: View, writes: Sequence[Write]) -> None:
        """Check what a transaction is about to write."""

    def final(self, log: Log) -> None:
        """Check a quiet system."""
        for topic in log.topics():
            _nothing_strays(log, topic)
        dead = set(log.dead)
        require(dead == self._bad, "dead letters are exactly the bad records", f"{dead ^ self._bad}")
        self._answered(log)
        self.quiet(log)

    @abstractmethod
    def quiet(self, log: Log) -> None:
        """Check what must hold of this service once nothing is left to do."""

    def _answered(self, log: Log) -> None:
        sent = {record.id for topic in self.commands for record in log.all(topic.name) if record.id}
        require(sent == set(self.outcomes), "each command has its outcome", f"{sent ^ set(self.outcomes)}")
        for command, outcome in self.outcomes.items():
            stored = self.store.get("outcomes", command)
            told = Outcome.model_validate_json(outcome).model_dump(mode="json", exclude={"command"})
            kept = {key: value for key, value in (stored or {}).items() if key in told}
            require(kept == told, "the outcome told is the one stored", command)


def _nothing_strays(log: Log, topic: str) -> None:
    home: set[str] = set()
    strays: set[str] = set()
    for record in log.all(topic):
        (home if at_home(record) else strays).add(record.id)
    require(strays <= home, "a record on the wrong partition is moved", f"{topic} {strays - home}")
