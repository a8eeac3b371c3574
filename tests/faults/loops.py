"""What flows while faults are injected: a loop of orders and answers, and one of rounds and visits.

Both are the measured worlds of `bench`, made small: what every desk must show in the end is a plain sum.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bench.dispatch import outsider as orders
from bench.dispatch import world as city
from bench.visits import outsider as rounds
from bench.visits import town as homes
from shared.contracts import dispatch, screening
from shared.contracts.envelope import Message
from shared.contracts.registry import Roster
from shared.contracts.topics import Topic
from shared.kernel.clock import SystemClock
from tests.harness.judging import answers_in


@dataclass(frozen=True, slots=True)
class Said:
    """What a fact says; `entry` is what it counts once, empty where it counts nothing."""

    task: str
    desk: str
    entry: str


class Loop(Protocol):
    """One service's loop: tasks go down from `top`, facts about their entries come back and are counted.

    `collection` and `copies` say what the service must have heard before the first task.
    """

    service: str
    top: str
    person: str
    collection: str
    copies: int
    facts: Topic
    progress: Topic
    progress_type: str
    outcomes: Topic
    deliveries: Topic | None
    one_task: bool
    """Whether there can be but one task at a time, so that it is as long as a row."""

    rosters: tuple[Roster, ...]

    def world(self) -> Iterator[Message]:
        """Yield what registry would have published."""

    def opening(self, task: str) -> Message:
        """Return the command that opens a task; its id is the task's."""

    def sayings(self, task: str, seed: int) -> list[Message]:
        """Return every fact of a task in random order, some twice."""

    def said(self, value: bytes) -> Said | None:
        """Return what a record of `facts` says; None for one that nobody outside has said."""

    def counted(self, shown: Mapping[str, Any]) -> int:
        """Return how many entries a progress counts."""

    def exact(self, desk: str, shown: Mapping[str, Any], given: int) -> bool:
        """Return whether it says exactly what was given, of all that there is at the desk and below it."""

    def addressees(self) -> Iterable[str]:
        """Return who must be told of every task."""

    def path(self, task: str) -> str:
        """Return where the service shows the task over HTTP."""


class Orders:
    """Dispatch: the city gives orders to some hundred posts, and every one of them answers."""

    service = "dispatch"
    top = city.CITY
    person = city.ISSUER_HOLDER
    collection = "rosters"
    facts = dispatch.ACKS_TOPIC
    progress = dispatch.PROGRESS_TOPIC
    progress_type = dispatch.PROGRESS
    outcomes = dispatch.OUTCOMES_TOPIC
    deliveries: Topic | None = dispatch.DELIVERIES_TOPIC
    one_task = False

    def __init__(self, posts: int) -> None:
        self._world = city.build(posts)
        self.rosters = self._world.rosters
        self.copies = len(self.rosters)

    def world(self) -> Iterator[Message]:
        yield from self._world.facts()

    def opening(self, task: str) -> Message:
        return self._world.order(task)

    def sayings(self, task: str, seed: int) -> list[Message]:
        return self._world.answers(task, seed)

    def said(self, value: bytes) -> Said | None:
        body = json.loads(value)
        # What has no addressee is one of dispatch's own ticks.
        return Said(body["directive"], body["desk"], body["addressee"]) if "addressee" in body else None

    def counted(self, shown: Mapping[str, Any]) -> int:
        return answers_in(shown["total"])

    def exact(self, desk: str, shown: Mapping[str, Any], given: int) -> bool:
        """Everybody has answered, at every level of posts, and the loop is closed."""
        truth = self._world.truth[desk]
        return given == truth.total() and orders.is_exact(shown, truth) and bool(shown["complete"])

    def addressees(self) -> Iterable[str]:
        return self._world.addressees

    def path(self, task: str) -> str:
        return f"/directives/{task}/progress"


class Rounds:
    """Screening: the city opens a round over some thousand households, and door after door is visited."""

    service = "screening"
    top = homes.CITY
    person = homes.ISSUER_HOLDER
    collection = "households"
    facts = screening.VISITS_TOPIC
    progress = screening.PROGRESS_TOPIC
    progress_type = screening.COVERAGE
    outcomes = screening.OUTCOMES_TOPIC
    deliveries: Topic | None = None
    one_task = True

    def __init__(self, households: int) -> None:
        self._town = homes.build_town(households)
        self.rosters = self._town.world.rosters
        self.copies = households

    def world(self) -> Iterator[Message]:
        yield from self._town.world.facts()
        yield from self._town.homes()

    def opening(self, task: str) -> Message:
        return self._town.opening(task)

    def sayings(self, task: str, seed: int) -> list[Message]:
        return self._town.visits(task, seed, SystemClock().now())

    def said(self, value: bytes) -> Said | None:
        body = json.loads(value)
        return Said(body["round"], body["desk"], body["household"] if body["found"] == "screened" else "")

    def counted(self, shown: Mapping[str, Any]) -> int:
        return int(shown["total"].get("covered", 0))

    def exact(self, desk: str, shown: Mapping[str, Any], given: int) -> bool:
        """The denominators are right, and every door that was visited is covered."""
        return rounds.is_frozen(shown, self._town.truth[desk]) and self.counted(shown) == given

    def addressees(self) -> Iterable[str]:
        return ()

    def path(self, task: str) -> str:
        return f"/rounds/{task}/coverage"
