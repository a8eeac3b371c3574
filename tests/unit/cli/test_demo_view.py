"""What a person sees of a directive on its way: the table of a terminal, and the plain line of a log."""

from io import StringIO

from rich.console import Console

from cli.demo.directive.ledger import Ledger
from cli.demo.directive.view import line, table
from cli.demo.directive.watch import Watch
from cli.demo.world import CITY, World
from shared.contracts.dispatch import Counts, Progress

COMMUNITY = "610802006001"
COUNTS = Counts(total=10, delivered=9, read=8, relayed=7, executed=5, refused=1, overdue=2, done=6)


def watch() -> Watch:
    world = World.__new__(World)
    seen = Watch(world, Ledger(world), lambda: 2.5, "directive-1", {CITY: 12, COMMUNITY: 10})
    seen.latest[CITY] = Progress(
        directive="directive-1", desk=CITY, v=1, version=1, changes=0, effect="order", status="open",
        total=COUNTS, cells={}, own=COUNTS, desks=1, missing=0, all_reported=False, complete=False,
    )  # fmt: skip
    seen.reached[CITY] = {50: 2.5}
    return seen


def test_the_table_fits_a_terminal_and_shows_each_desk() -> None:
    out = StringIO()
    Console(file=out, width=80).print(table(watch(), {CITY: "all", COMMUNITY: "聚财社区"}))
    header, everybody, community, *_ = (row.split() for row in out.getvalue().splitlines() if row.strip())
    assert header[:6] == ["posts", "read", "relayed", "executed", "refused", "overdue"]
    assert everybody == ["all", "12", "8", "7", "5", "1", "2", "6", "2.5"]
    assert community == ["聚财社区", "10"]


def test_the_line_says_how_much_is_done_of_what_is_expected() -> None:
    assert line(watch(), CITY, 3.0) == (
        "   3.0 s  done 6 of 12: read 8, relayed 7, executed 5, refused 1, overdue 2, answered for 0"
    )
