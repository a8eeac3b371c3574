"""What a person sees while the chain fills: a live table on a terminal, plain lines anywhere else."""

import asyncio
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.table import Table

from cli.demo.watch import SHARES, Watch
from shared.contracts.dispatch import Counts

REDRAW_S = 0.25
LINE_EVERY_S = 3.0
COLUMNS = {
    "posts": "total",
    "read": "read",
    "relayed": "relayed",
    "executed": "executed",
    "refused": "refused",
    "overdue": "overdue",
    "for": "answered_for",
    "done": "done",
}


def table(watch: Watch, names: dict[str, str]) -> Table:
    """Return one row a desk: how many of its posts stand where, and how soon they got there."""
    shown = Table(box=None, padding=(0, 0, 0, 1), caption="seconds to 50, 90 and 100 % done")
    shown.add_column("", no_wrap=True)
    for column in COLUMNS:
        shown.add_column(column, justify="right")
    for share in SHARES:
        shown.add_column(f"{share} %", justify="right")
    for desk, name in names.items():
        counts = watch.latest[desk].total if desk in watch.latest else Counts()
        reached = watch.reached.get(desk, {})
        shown.add_row(
            name,
            # A desk counts its posts once the order has arrived; what it will count is known before.
            str(watch.expected[desk]),
            *(str(getattr(counts, counted) or "") for counted in list(COLUMNS.values())[1:]),
            *(f"{reached[share]:.1f}" if share in reached else "" for share in SHARES),
        )
    return shown


def line(watch: Watch, top: str, elapsed: float) -> str:
    """Return where the whole order stands, in one line."""
    counts = watch.latest[top].total if top in watch.latest else Counts()
    return (
        f"{elapsed:6.1f} s  done {counts.done} of {watch.expected[top]}: read {counts.read}, "
        f"relayed {counts.relayed}, executed {counts.executed}, refused {counts.refused}, "
        f"overdue {counts.overdue}, answered for {counts.answered_for}"
    )


async def show(watch: Watch, names: dict[str, str], *, top: str, elapsed: Callable[[], float]) -> None:
    """Show the chain filling in until cancelled."""
    console = Console()
    if not console.is_terminal:
        while True:
            await asyncio.sleep(LINE_EVERY_S)
            print(line(watch, top, elapsed()), flush=True)
    with Live(table(watch, names), console=console, auto_refresh=False) as live:
        try:
            while True:
                await asyncio.sleep(REDRAW_S)
                live.update(table(watch, names), refresh=True)
        finally:
            live.update(table(watch, names), refresh=True)
