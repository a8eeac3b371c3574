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
from tests.faults.run import Result, result_of, run
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
        if found and not conditions:
            conditions = {"date": SystemClock().now().date().isoformat(), **found}
        results.append(result)
        sys.stdout.write("\n  ".join([report.line(result), *result.wrong]) + "\n")
        sys.stdout.flush()
        # Whatever ends the run, what came before is kept.
        if options.json:
            options.json.write_text(report.as_json(conditions, results), encoding="utf-8")
        if options.table:
            options.table.write_text(report.page(conditions, LOAD, results), encoding="utf-8")
    return 0 if all(each.good for each in results) else 1


def one(fault: Fault, loop: Loop) -> tuple[Result, dict[str, Any]]:
    """Run one row on servers of its own: what one fault leaves is nothing to the next.

    Where not even servers or a service could be had, that is what is wrong with the row.
    """
    result, conditions = result_of(fault, loop), {}
    try:
        with fresh_servers() as servers, tempfile.TemporaryDirectory(prefix="gridloop-faults-") as folder:
            conditions = bench.conditions(servers.local)
            try:
                with staged(servers, Path(folder), loop) as stage:
                    result = asyncio.run(run(stage, fault, rate=RATE))
            finally:
                if not result.good:
                    result.wrong.append(
                        f"logs are in {_kept(fault.name, Path(folder), servers.local.run_dir)}"
                    )
    except Exception as failed:  # noqa: BLE001 - the end of this row, not of the others
        result.wrong.append(repr(failed))
    return result, conditions


def _kept(name: str, services: Path, servers: Path) -> Path:
    kept = Path(tempfile.mkdtemp(prefix=f"gridloop-faults-{name}-"))
    shutil.copytree(services, kept / "services", dirs_exist_ok=True)
    shutil.copytree(servers / "logs", kept / "servers", dirs_exist_ok=True)
    return kept


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
