"""What is taken of a run of a rival, and when the run counts."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, Protocol, TypeVar

import psutil

from bench.dispatch.sample import PER_OPEN
from bench.dispatch.sample import Run as Order
from bench.dispatch.world import World
from bench.meter import MEGABYTE, tree_cpu
from bench.report import RunOf, Void
from bench.rivals.servers import Server
from bench.rivals.talk import ANSWER, DELIVERED, ORDER, Client

T = TypeVar("T")
TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class Figures:
    """What is compared. Only growth of servers is not known of every arm."""

    answers_per_s: float
    wall_s: float
    fan_out_s: float
    cpu_us_per_answer: float
    own_cpu_us_per_answer: float
    server_cpu_us_per_answer: float
    growth_mb_per_100k: float
    server_growth_mb_per_100k: float | None = None


Run = RunOf[Figures]


@dataclass(frozen=True, slots=True)
class Task:
    """One order: the clients build city and answers from the same numbers, as everybody else does."""

    world: World
    posts: int
    directive: str
    seed: int
    within_s: float

    @property
    def arguments(self) -> tuple[str, str, str]:
        """Return what a client's command line says of it."""
        return str(self.posts), self.directive, str(self.seed)


@dataclass(frozen=True, slots=True)
class Standing:
    """A rival that is up and ready: whom to tell, whom to meter, how an outsider reads what it counted."""

    client: Client
    own: tuple[psutil.Process, ...]
    server: Server
    counted: Callable[[float], Mapping[str, int]]
    """Wait, until the given moment at most, for the root to be written; return the count of every unit."""


class Rival(Protocol):
    """An arm that is not on Kafka."""

    name: str

    def standing(self, task: Task) -> AbstractContextManager[Standing]:
        """Start everything afresh, prepared but idle."""

    def versions(self) -> dict[str, str]:
        """Return what of it a figure means nothing without."""


def measure(rival: Rival, task: Task) -> Run:
    """Run one order through a rival. A run that is late or inexact comes back void, with what was wrong."""
    load = os.getloadavg()[0]
    try:
        with rival.standing(task) as standing:
            figures, wrong = _there_and_back(standing, task)
    except Void as late:
        return Run(rival.name, load, None, [str(late)])
    return Run(rival.name, load, None if wrong else figures, wrong)


def _there_and_back(standing: Standing, task: Task) -> tuple[Figures, list[str]]:
    own, server = standing.own, (standing.server.process,)
    memory, server_memory = _memory(own), _memory(server)
    cpu, server_cpu = _cpu(own), _cpu(server)
    began = perf_counter()
    standing.client.say(ORDER)
    delivered = standing.client.hear(DELIVERED, began + task.within_s)
    grown, server_grown = _memory(own) - memory, _memory(server) - server_memory
    standing.client.say(ANSWER)
    counted = standing.counted(perf_counter() + task.within_s)
    exact = perf_counter()
    cpu, server_cpu = _cpu(own) - cpu, _cpu(server) - server_cpu
    posts = len(task.world.addressees)
    figures = Figures(
        answers_per_s=posts / (exact - began),
        wall_s=exact - began,
        fan_out_s=delivered - began,
        cpu_us_per_answer=(cpu + server_cpu) / posts * 1e6,
        own_cpu_us_per_answer=cpu / posts * 1e6,
        server_cpu_us_per_answer=server_cpu / posts * 1e6,
        growth_mb_per_100k=grown / MEGABYTE / posts * PER_OPEN,
        server_growth_mb_per_100k=server_grown / MEGABYTE / posts * PER_OPEN,
    )
    return figures, wrong_units(counted, task.world.truth)


def of_dispatch(order: Order) -> Run:
    """Return a run of the real service under the names of this comparison."""
    if order.figures is None:
        return Run(order.arm, order.load_before, None, order.wrong)
    taken = order.figures
    servers = taken.kafka_cpu_us_per_answer + taken.mongo_cpu_us_per_answer
    figures = Figures(
        answers_per_s=taken.answers_per_s,
        wall_s=taken.wall_s,
        fan_out_s=taken.fan_out_s,
        cpu_us_per_answer=taken.cpu_us_per_answer + servers,
        own_cpu_us_per_answer=taken.cpu_us_per_answer,
        server_cpu_us_per_answer=servers,
        growth_mb_per_100k=taken.growth_mb_per_100k,
    )
    return Run(order.arm, order.load_before, figures)


def wrong_units(counted: Mapping[str, int], truth: Mapping[str, Counter[str]]) -> list[str]:
    """Return every unit whose count is not the truth, and every count of a unit there is not."""
    wrong = [
        f"{unit}: {counted.get(unit, 'no count')}, truth {posts.total()}"
        for unit, posts in truth.items()
        if counted.get(unit) != posts.total()
    ]
    return wrong + [f"{unit}: counted, but no unit" for unit in sorted(counted.keys() - truth.keys())]


def rolled_up(by_desk: Mapping[str, int], world: World) -> dict[str, int]:
    """Return the counts of desks summed into every unit above them; an unknown desk stays as it is."""
    above = {roster.desk: (*roster.path, roster.desk) for roster in world.rosters}
    counted = dict.fromkeys(above, 0)
    for desk, count in by_desk.items():
        for unit in above.get(desk, (desk,)):
            counted[unit] = counted.get(unit, 0) + count
    return counted


def _cpu(processes: Iterable[psutil.Process]) -> float:
    return _steady(lambda: sum(tree_cpu(process) for process in processes))


def _memory(processes: Iterable[psutil.Process]) -> int:
    """Return the memory of process trees; what several of them share is counted once."""
    return _steady(lambda: sum(_proportional(process) for process in processes))


def _proportional(root: psutil.Process) -> int:
    infos: list[Any] = [each.memory_full_info() for each in (root, *root.children(recursive=True))]
    return sum(int(getattr(info, "pss", info.rss)) for info in infos)


def _steady(read: Callable[[], T]) -> T:
    """Read a tree of processes again when one of them ended meanwhile: its parent has its times by then."""
    for _ in range(TRIES):
        try:
            return read()
        except psutil.NoSuchProcess:
            continue
    raise Void("its processes come and go too fast to be metered")
