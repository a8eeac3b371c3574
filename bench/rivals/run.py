"""Rounds: the real service, then each rival, in turn on one machine; ratios are taken round by round."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from typing import Any, Final

from bench.dispatch import pairs as dispatch
from bench.dispatch.arms import OURS, DispatchArm
from bench.dispatch.world import build
from bench.report import Measured, spread
from bench.rivals.figures import Rival, Run, Task, measure, of_dispatch
from bench.rivals.servers import Missing
from cli.stack.local import LocalStack
from shared.kernel.ids import derived_id

# By name, because each needs libraries that only `make bench` installs.
RIVALS: Final = {
    "celery chord": ("bench.rivals.celery_chord", "CeleryChord"),
    "postgres deltas": ("bench.rivals.postgres", "Postgres.deltas"),
    "postgres recount": ("bench.rivals.postgres", "Postgres.recount"),
}
LIBRARIES: Final = {"celery", "redis", "psycopg"}
UNITS: Final = {
    "answers_per_s": "answers/s, order given → root exact",
    "wall_s": "wall, order given → root exact (s)",
    "fan_out_s": "of which order → all delivered (s)",
    "cpu_us_per_answer": "CPU per answer, all processes (µs)",
    "own_cpu_us_per_answer": "of which its own (µs)",
    "server_cpu_us_per_answer": "of which its servers' (µs)",
    "growth_mb_per_100k": "memory growth of its own per 100,000 open entries (MB)",
    "server_growth_mb_per_100k": "of its servers (MB)",
}
Round = Mapping[str, Run]


async def run(
    stack: LocalStack, *, posts: int, rounds: int, within_s: float, settle_s: float, may_miss: bool
) -> Measured:
    """Measure one order there and back through every arm there is, as often as asked for.

    An arm whose server or library is missing is named; the measurement counts without it only if it may miss.
    """
    rivals, missing = found()
    for name, why in missing.items():
        print(f"{name}: not run: {why}", flush=True)
    world = build(posts)
    await dispatch.prepare(stack, world)
    ours = DispatchArm(stack, settle_s)
    ours.start()
    await dispatch.wait_for_copies(stack, "gridloop_dispatch", "rosters", len(world.rosters))
    ours.stop()
    done: list[Round] = []
    for number in range(rounds):
        order = await dispatch.one(stack, ours, world, number, within_s)
        runs = {OURS: of_dispatch(order)}
        for rival in rivals:
            task = Task(world, posts, derived_id("bench", rival.name, number), number, within_s)
            # Synchronous, in the main thread: a child of another thread would die with that thread.
            runs[rival.name] = measure(rival, task)
            _say(number, runs[rival.name])
        done.append(runs)
    return Measured(
        name="rivals",
        sizes={"posts": posts, "rounds": rounds, **_versions(rivals), "not run": missing},
        text="\n".join([table(done), *(f"\n{name}: not run: {why}" for name, why in missing.items())]),
        runs=[asdict(run) for runs in done for run in runs.values()],
        void=verdict(done, {} if may_miss else missing),
    )


def found() -> tuple[list[Rival], dict[str, str]]:
    """Return the rivals that can run here, and why the others cannot."""
    rivals: list[Rival] = []
    missing: dict[str, str] = {}
    for name, (module, path) in RIVALS.items():
        try:
            made: Any = import_module(module)
            for step in path.split("."):
                made = getattr(made, step)
            rivals.append(made())
        except ModuleNotFoundError as library:
            if library.name not in LIBRARIES:
                raise
            missing[name] = f"{library.name} is not installed (requirements/rivals.lock)"
        except Missing as server:
            missing[name] = str(server)
    return rivals, missing


def verdict(done: Sequence[Round], missing: Mapping[str, str]) -> list[str]:
    """Return why the measurement does not count: a run that is void, or an arm that was not run."""
    void = [why for runs in done for run in runs.values() if (why := run.void)]
    return [*void, *(f"{name}: not run: {why}" for name, why in missing.items())]


def table(done: Sequence[Round]) -> str:
    """Return median (least to greatest) of every arm that ran, then ours ÷ each; void runs give nothing."""
    names = [name for name in (OURS, *RIVALS) if any(name in runs for runs in done)]
    heads = ["figure", *names, *(f"÷ {name}" for name in names[1:])]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for figure, unit in UNITS.items():
        cells = [spread(_values(done, name, figure)) for name in names]
        cells += [spread(_ratios(done, name, figure)) for name in names[1:]]
        lines.append(f"| {unit} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _ratios(done: Sequence[Round], rival: str, figure: str) -> list[float]:
    both = [(_value(runs, OURS, figure), _value(runs, rival, figure)) for runs in done]
    return [ours / theirs for ours, theirs in both if ours is not None and theirs]


def _values(done: Sequence[Round], name: str, figure: str) -> list[float]:
    return [value for runs in done if (value := _value(runs, name, figure)) is not None]


def _value(runs: Round, name: str, figure: str) -> float | None:
    figures = runs[name].figures if name in runs else None
    value: float | None = getattr(figures, figure) if figures else None
    return value


def _versions(rivals: Sequence[Rival]) -> dict[str, str]:
    return {name: what for rival in rivals for name, what in rival.versions().items()}


def _say(number: int, run: Run) -> None:
    wall = f"{run.figures.wall_s:.2f} s" if run.figures else "VOID"
    print(f"round {number + 1} {run.arm}: {wall}, load before {run.load_before:.2f}", flush=True)
