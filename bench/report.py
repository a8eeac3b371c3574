"""Both arms side by side: medians and ranges of one run, ratios pair by pair, and the conditions."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil
from pymongo import MongoClient

from bench.sample import Figures, Run
from cli.stack.local import LocalStack
from shared.messaging import consumer

LIBRARIES: Final = ("aiokafka", "faststream", "pydantic", "motor", "pymongo")
UNITS: Final = {
    "answers_per_s": "answers/s, order given → city exact",
    "answers_back_per_s": "answers/s, first answer → city exact",
    "wall_s": "wall, order given → city exact (s)",
    "fan_out_s": "  fan-out: order → last delivery read (s)",
    "back_s": "  back: first answer → city exact (s)",
    "cpu_us_per_answer": "service CPU per answer (µs)",
    "cpu_back_us_per_answer": "  of which after the first answer (µs)",
    "kafka_cpu_us_per_answer": "Kafka CPU per answer (µs)",
    "mongo_cpu_us_per_answer": "database CPU per answer (µs)",
    "writes_per_answer": "database writes per answer",
    "messages_per_answer": "messages per answer, the answer included",
    "growth_mb_per_100k": "memory growth per 100,000 open entries (MB)",
}


def conditions(stack: LocalStack, *, posts: int, pairs: int) -> dict[str, Any]:
    """Return what a figure means nothing without."""
    with MongoClient[dict[str, Any]](stack.mongo) as client:
        server = client.server_info()
    mongo = psutil.Process(stack.state.pids["mongo"]).cmdline()
    is_secantus = any("secantus" in part for part in mongo)
    return {
        "posts": posts,
        "pairs": pairs,
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
            "acks=all, idempotent producer, linger 2 ms; polls of at most 2,000 records, 20 ms; "
            f"range assignor, session {consumer.SESSION_S:.0f} s; one transaction a poll, w: majority"
        ),
    }


def _kafka_version(stack: LocalStack) -> str:
    """Read the version off the jars the broker was started with."""
    command = " ".join(psutil.Process(stack.state.pids["kafka"]).cmdline())
    for folder in command.split(os.pathsep):
        for jar in Path(folder.split(" ")[0].rstrip("*")).glob("kafka-clients-*.jar"):
            return jar.stem.removeprefix("kafka-clients-")
    return "unknown"


def table(pairs: Sequence[tuple[Run, Run]]) -> str:
    """Return a table of every figure: median (least to greatest) of each arm and of the pairs' ratios."""
    whole = [(ours.figures, raw.figures) for ours, raw in pairs if ours.figures and raw.figures]
    lines = ["| figure | gridloop | raw | gridloop ÷ raw |", "|---|---|---|---|"]
    if not whole:
        return "\n".join(lines)
    for name in (field.name for field in fields(Figures)):
        ours = [getattr(pair[0], name) for pair in whole]
        raw = [getattr(pair[1], name) for pair in whole]
        ratios = [one / other for one, other in zip(ours, raw, strict=True) if other]
        lines.append(f"| {UNITS[name].strip()} | {_spread(ours)} | {_spread(raw)} | {_spread(ratios)} |")
    return "\n".join(lines)


def as_json(circumstances: dict[str, Any], pairs: Sequence[tuple[Run, Run]]) -> dict[str, Any]:
    """Return everything, for programs."""
    return {"conditions": circumstances, "runs": [asdict(run) for pair in pairs for run in pair]}


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "–"
    middle = _short(median(values))
    return middle if len(values) == 1 else f"{middle} ({_short(min(values))}–{_short(max(values))})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits say enough
