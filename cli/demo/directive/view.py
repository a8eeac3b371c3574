"""What a person sees while the chain fills."""

from rich.table import Table

from cli.demo.directive.watch import SHARES, Watch
from shared.contracts.dispatch import Counts

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
