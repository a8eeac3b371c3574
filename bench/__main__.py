"""`python -m bench [dispatch] [visits] [gate] [rivals]`: all without a name.

The exit code is 1 if any run is void or an arm could not be run.
"""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

from bench import report
from bench.dispatch import pairs as dispatch
from bench.gate import run as gate
from bench.report import Measured
from bench.rivals import run as rivals
from bench.tested import QUICK_SETTLE_S, SETTLE_S
from bench.visits import run as visits
from cli.stack.local import LocalStack

Measure = Callable[[LocalStack, argparse.Namespace], Coroutine[Any, Any, Measured]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit code whether every run counts."""
    options = _options(arguments)
    # A partition that was created a moment ago has no leader yet; the client warns at every try.
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    circumstances: dict[str, Any] = {}
    done: list[Measured] = []
    for name in options.names or MEASUREMENTS:
        # A stack each: what one leaves in the store and the log is no load on the next.
        with LocalStack() as stack:
            circumstances = circumstances or _said(report.conditions(stack))
            done.append(asyncio.run(MEASUREMENTS[name](stack, options)))
        print(f"\n{name}: {done[-1].sizes}\n\n{done[-1].text}\n", flush=True)
        # After each: a later one that fails takes nothing with it.
        if options.json:
            options.json.write_text(_as_json(circumstances, done))
    return verdict(done)


def verdict(done: Sequence[Measured]) -> int:
    """Return the exit code: one run that is void makes the whole so."""
    for measured in done:
        for why in measured.void:
            print(f"VOID {measured.name}: {why}", file=sys.stderr)
    return 0 if done and all(measured.counts for measured in done) else 1


async def _dispatch(stack: LocalStack, options: argparse.Namespace) -> Measured:
    posts = 2_000 if options.quick else options.posts
    return await dispatch.run(
        stack, posts=posts, pairs=_pairs(options), replicas=options.replicas, **_waits(options)
    )


async def _visits(stack: LocalStack, options: argparse.Namespace) -> Measured:
    posts, households = (1_000, 2_000) if options.quick else (options.beside, options.households)
    return await visits.run(
        stack, posts=posts, households=households, pairs=_pairs(options), **_waits(options)
    )


async def _gate(stack: LocalStack, options: argparse.Namespace) -> Measured:
    plan = (
        gate.QUICK
        if options.quick
        else gate.Plan(rate=options.rate, residents=options.residents, processes=options.processes)
    )
    return await gate.run(stack, plan, pairs=_pairs(options), within_s=options.within)


async def _rivals(stack: LocalStack, options: argparse.Namespace) -> Measured:
    posts = 2_000 if options.quick else options.posts
    return await rivals.run(
        stack, posts=posts, rounds=_pairs(options), may_miss=options.quick, **_waits(options)
    )


MEASUREMENTS: Final[dict[str, Measure]] = {
    "dispatch": _dispatch,
    "visits": _visits,
    "gate": _gate,
    "rivals": _rivals,
}


def _waits(options: argparse.Namespace) -> dict[str, float]:
    return {"within_s": options.within, "settle_s": QUICK_SETTLE_S if options.quick else SETTLE_S}


def _pairs(options: argparse.Namespace) -> int:
    return 1 if options.quick else int(options.pairs)


def _said(circumstances: dict[str, Any]) -> dict[str, Any]:
    for name, value in circumstances.items():
        print(f"{name}: {value}", flush=True)
    return circumstances


def _as_json(circumstances: dict[str, Any], done: Sequence[Measured]) -> str:
    measured = {each.name: {"sizes": each.sizes, "runs": each.runs, "void": each.void} for each in done}
    return json.dumps({"conditions": circumstances, **measured}, indent=1, ensure_ascii=False)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*MEASUREMENTS, []], metavar="|".join(MEASUREMENTS))
    parser.add_argument("--posts", type=int, default=50_000, help="dispatch, rivals: posts of the city")
    parser.add_argument(
        "--replicas", type=int, default=1, help="dispatch: beside one replica instead of the raw loop"
    )
    parser.add_argument("--households", type=int, default=20_000, help="visits: households of the round")
    parser.add_argument("--beside", type=int, default=10_000, help="visits: posts of the order beside it")
    parser.add_argument("--rate", type=int, default=500, help="gate: decisions a second; the step is tenfold")
    parser.add_argument("--processes", type=int, default=2, help="gate: processes that decide")
    parser.add_argument("--residents", type=int, default=57_125, help="gate: residents, each with a pass")
    parser.add_argument("--pairs", type=int, default=3, help="how often each pair or round is run")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--within", type=float, default=300, metavar="SECONDS", help="a later run is void")
    parser.add_argument(
        "--quick", action="store_true", help="one small pair each: does the measurement work?"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
