"""`python -m tests.faults [NAME …]`: every row without a name; exit code 1 if any row is not good."""

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench import report as bench
from shared.kernel.clock import SystemClock
from tests.faults import report
from tests.faults.fault import Fault
from tests.faults.loops import Loop, Orders, Rounds
from tests.faults.rows import ROWS, VISITED
from tests.faults.run import Result, run
from tests.faults.stage import fresh_servers, staged

RATE: Final = 40.0
POSTS: Final = 300
HOUSEHOLDS: Final = 6_000
LOOPS: Final[Mapping[str, Callable[[], Loop]]] = {
    "dispatch": lambda: Orders(POSTS),
    "screening": lambda: Rounds(HOUSEHOLDS),
}
LOAD: Final = f"""\
- **Dispatch**: one order after another from a city to {POSTS} posts and the duty desks above them, four
  levels of desks; {RATE:.0f} answers a second.
- **Screening**: one round over {HOUSEHOLDS:,} households, door after door; {RATE:.0f} visits a second, one
  in eleven of them in vain."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write what was asked for, and say by the exit code whether every row is good."""
    options = _options(arguments)
    # A broker that is away is what the clients here are for; they would say so a hundred times a second.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    conditions: dict[str, Any] = {}
    results = []
    for name, service in _wanted(options.names):
        result, found = one(ROWS[name](), LOOPS[service]())
        conditions = conditions or {"date": SystemClock().now().date().isoformat(), **found}
        results.append(result)
        sys.stdout.write("\n  ".join([report.line(result), *result.wrong]) + "\n")
        sys.stdout.flush()
    if options.json:
        options.json.write_text(report.as_json(conditions, results), encoding="utf-8")
    if options.table:
        options.table.write_text(report.page(conditions, LOAD, results), encoding="utf-8")
    return 0 if all(each.good for each in results) else 1


def one(fault: Fault, loop: Loop) -> tuple[Result, dict[str, Any]]:
    """Run one row on servers of its own: what one fault leaves is nothing to the next."""
    with fresh_servers() as servers, tempfile.TemporaryDirectory(prefix="gridloop-faults-") as folder:
        conditions = bench.conditions(servers.local)
        with staged(servers, Path(folder), loop) as stage:
            result = asyncio.run(run(stage, fault, rate=RATE))
        if not result.good:
            kept = Path(tempfile.mkdtemp(prefix=f"gridloop-faults-{fault.name}-"))
            shutil.copytree(folder, kept / "services", dirs_exist_ok=True)
            shutil.copytree(servers.local.run_dir / "logs", kept / "servers", dirs_exist_ok=True)
            result.wrong.append(f"logs are in {kept}")
    return result, conditions


def _wanted(names: Sequence[str]) -> list[tuple[str, str]]:
    chosen = names or list(ROWS)
    return [(name, "dispatch") for name in chosen] + [
        (name, "screening") for name in chosen if name in VISITED
    ]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*ROWS, []], metavar="NAME", help=", ".join(ROWS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every row for programs")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the page with the table")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
