"""What a person sees of a gate's morning: how it answers, before, without and after Kafka."""

from rich.table import Table

from cli.demo.gate.ledger import Ledger
from cli.demo.gate.morning import shares
from cli.demo.gate.watch import Watch


def table(ledger: Ledger, watch: Watch) -> Table:
    """Return one row a phase: how many answers and how soon they came."""
    waiting = len(ledger.answered) - len(watch.crossings)
    outside = len(ledger.outside_now())
    caption = f"{outside} outside; {waiting} crossings wait for Kafka; {len(ledger.errors)} without an answer"
    shown = Table(box=None, padding=(0, 0, 0, 1), caption=caption)
    for column in ("", "answers", "p50 ms", "p99 ms", "max ms"):
        shown.add_column(column, justify="right")
    for phase, latencies in ledger.latencies.items():
        shown.add_row(phase, str(len(latencies)), *(f"{ms:.1f}" for ms in shares(latencies).values()))
    return shown


def line(ledger: Ledger, watch: Watch, *, phase: str, elapsed: float) -> str:
    """Return where the morning stands, in one line."""
    took = shares(ledger.latencies[phase])
    return (
        f"{elapsed:6.1f} s  {phase}: {len(ledger.answered)} answered, {len(ledger.errors)} not, "
        f"p99 {took.get('p99', 0.0):.1f} ms, {len(ledger.outside_now())} outside, "
        f"{len(ledger.answered) - len(watch.crossings)} waiting for Kafka"
    )
