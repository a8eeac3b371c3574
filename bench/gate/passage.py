"""One row of questions put to one server, and what must be true of it afterwards."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import psutil
from pymongo import MongoClient

from bench.gate.samples import Phase
from bench.meter import tree_cpu
from services.checkpoint.domain.gate_day import counted
from services.checkpoint.store import GATE_DAYS

LOOK_S: Final = 0.2
DATABASE: Final = "gridloop_checkpoint"
TOKEN_FOR: Final = timedelta(hours=8)


@dataclass(frozen=True, slots=True)
class Passage:
    """What came back: figures by phase, and every decision answered."""

    arm: str
    load_before: float
    sent: int
    answered: int
    allowed: int
    phases: dict[str, dict[str, float]]
    cpu_us: float
    drained_s: float = 0.0
    merged: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """How many questions were not answered 200."""
        return int(sum(phase["errors"] for phase in self.phases.values()))

    def figures(self) -> dict[str, float]:
        """Return every figure under one name."""
        named = {f"{name}_{figure}": value for name, phase in self.phases.items()
                 for figure, value in phase.items()}  # fmt: skip
        return {**named, "errors": self.errors, "cpu_us": self.cpu_us}


async def pass_through(
    arm: str,
    servers: Mapping[int, psutil.Process],
    *,
    requests: Path,
    first: int,
    phases: Sequence[Phase],
) -> Passage:
    """Put the questions, from a process of its own, to servers by their ports."""
    load, cpu = os.getloadavg()[0], sum(map(tree_cpu, servers.values()))
    asked = (",".join(map(str, servers)), str(requests), str(first), json.dumps(phases))
    generator = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.gate.generator", *asked, stdout=asyncio.subprocess.PIPE
    )
    try:
        out, _ = await generator.communicate()
    finally:
        if generator.returncode is None:
            generator.kill()
    if generator.returncode:
        raise RuntimeError(f"the generator ended with {generator.returncode}")
    said: dict[str, Any] = json.loads(out)
    used = (sum(map(tree_cpu, servers.values())) - cpu) / max(said["answered"], 1) * 1e6
    return Passage(arm, load, said["sent"], said["answered"], said["allowed"], said["phases"], used)


def merged(mongo: str) -> int:
    """Return how many different crossings checkpoint has counted at all its gates."""
    with MongoClient[dict[str, Any]](mongo) as client:
        days = client[DATABASE][GATE_DAYS.name].find({})
        return sum(counted(GATE_DAYS.decode(day)).crossings for day in days)
