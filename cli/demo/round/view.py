"""What a person sees while the households are visited."""

from rich.table import Table

from cli.demo.round.watch import Watch

COLUMNS = {
    "homes": "households",
    "covered": "covered",
    "screened": "screened",
    "empty": "vacant",
    "moved": "moved_away",
    "not in": "nobody_home",
    "refused": "refused",
    "persons": "persons_covered",
}


def table(watch: Watch, names: dict[str, str]) -> Table:
    """Return one row a desk: how many of its households were found how."""
    shown = Table(box=None, padding=(0, 0, 0, 1), caption=f"round {watch.number or ''}: households")
    shown.add_column("", no_wrap=True)
    for column in (*COLUMNS, "%"):
        shown.add_column(column, justify="right")
    for desk, name in names.items():
        total = watch.total(desk)
        share = f"{100 * total.covered / total.households:.1f}" if total.households else ""
        shown.add_row(name, *(str(getattr(total, counted) or "") for counted in COLUMNS.values()), share)
    return shown


def line(watch: Watch, top: str) -> str:
    """Return where the whole round stands, in one line."""
    total = watch.total(top)
    return (
        f"{watch.elapsed():6.1f} s  covered {total.covered} of {total.households} households, "
        f"{total.persons_covered} persons: nobody home {total.nobody_home}, refused {total.refused}, "
        f"vacant {total.vacant}, moved away {total.moved_away}"
    )
