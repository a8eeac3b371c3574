"""What a measurement says: figures side by side with their ranges, and the conditions they hold under."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final, Generic, TypeVar

import psutil
from pymongo import MongoClient

from cli.stack.local import LocalStack
from shared.messaging import consumer

LIBRARIES: Final = (
    "aiokafka",
    "faststream",
    "pydantic",
    "motor",
    "pymongo",
    "starlette",
    "uvicorn",
    "uvloop",
)
F = TypeVar("F")
Pair = tuple[Mapping[str, float], Mapping[str, float]]


class Void(Exception):  # noqa: N818 - named by what it makes of a run
    """The run does not count: something was late or not exact."""


@dataclass(frozen=True)
class RunOf(Generic[F]):
    """A run of one arm with its conditions; without figures it is void."""

    arm: str
    load_before: float
    figures: F | None
    wrong: list[str] = field(default_factory=list)

    @property
    def void(self) -> str:
        """Why the run does not count; empty for one that does."""
        return "" if self.figures else f"{self.arm}: {'; '.join(self.wrong[:5])}"


@dataclass(frozen=True)
class Measured:
    """One measurement: its sizes, its tables, every run for programs, and why runs do not count."""

    name: str
    sizes: dict[str, Any]
    text: str
    runs: list[dict[str, Any]]
    void: list[str] = field(default_factory=list)

    @property
    def counts(self) -> bool:
        """Whether there were runs and all of them were exact."""
        return bool(self.runs) and not self.void


def conditions(stack: LocalStack) -> dict[str, Any]:
    """Return what a figure means nothing without."""
    with MongoClient[dict[str, Any]](stack.mongo) as client:
        server = client.server_info()
    mongo = psutil.Process(stack.state.pids["mongo"]).cmdline()
    is_secantus = any("secantus" in part for part in mongo)
    return {
        "cores": os.cpu_count(),
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
        "load average before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        "kafka": f"Apache Kafka {_kafka_version(stack)}, one broker, 12 partitions a topic",
        "database": f"SecantusDB {version('secantusdb')} (PyPI build)"
        if is_secantus
        else f"mongod {server['version']}",
        "database flags": " ".join(part for part in mongo if part.startswith("--sync") or part.endswith("M")),
        "fsync": "on commit" if "--sync-on-commit" in mongo else "the server's default journal",
        "clients": (
            "acks=all, idempotent producer, linger 2 ms; transactions of at most 4,000 facts, w: majority; "
            f"range assignor, session {consumer.SESSION_S:.0f} s"
        ),
    }


def _kafka_version(stack: LocalStack) -> str:
    """Read the version off the jars the broker was started with."""
    command = " ".join(psutil.Process(stack.state.pids["kafka"]).cmdline())
    for folder in command.split(os.pathsep):
        for jar in Path(folder.split(" ")[0].rstrip("*")).glob("kafka-clients-*.jar"):
            return jar.stem.removeprefix("kafka-clients-")
    return "unknown"


def paired(pairs: Sequence[Pair], units: Mapping[str, str], heads: tuple[str, str]) -> str:
    """Return a table: median (least to greatest) of both sides, and of the ratios pair by pair."""
    one, other = heads
    lines = [f"| figure | {one} | {other} | {one} ÷ {other} |", "|---|---|---|---|"]
    for name, unit in units.items():
        ours, theirs = [pair[0][name] for pair in pairs], [pair[1][name] for pair in pairs]
        ratios = [mine / yours for mine, yours in zip(ours, theirs, strict=True) if yours]
        if pairs:
            lines.append(f"| {unit} | {spread(ours)} | {spread(theirs)} | {spread(ratios)} |")
    return "\n".join(lines)


def single(runs: Sequence[Mapping[str, float]], units: Mapping[str, str]) -> str:
    """Return a table of figures that stand beside nothing."""
    lines = ["| figure | |", "|---|---|"]
    lines += [f"| {unit} | {spread([run[name] for run in runs])} |" for name, unit in units.items() if runs]
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    """Return a median with its range."""
    if not values:
        return "–"
    middle = _short(median(values))
    return middle if len(values) == 1 else f"{middle} ({_short(min(values))}–{_short(max(values))})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits say enough
