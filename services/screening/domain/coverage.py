"""Where a round stands at one desk with everything below it, and what that says to the desk above."""

from services.screening.domain.denominator import is_desk
from shared.contracts.screening import Coverage, CoverageCounts, CoverageTally, RoundStatus
from shared.domain.roll import Roll, summed


def view(roll: Roll[CoverageTally], v: int) -> Coverage | None:
    """Return what is shown; nothing while the desk's own tally is on its way."""
    own, all_ = roll.own, summed(roll, CoverageCounts)
    if own is None or all_ is None:
        return None
    unreported = roll.unreported()
    return Coverage(
        round=roll.subject,
        desk=roll.desk,
        v=v,
        parent=own.parent,
        total=all_.total,
        cells=all_.cells,
        own=all_.own,
        children=tuple(child for child in own.children if is_desk(child)),
        unreported=unreported,
        unreported_overdue=roll.overdue and bool(unreported),
        desks=all_.desks,
        missing=all_.missing,
        closed=all_.missing == 0
        and all(tally.status == "closed" for tally in (own, *roll.current().values())),
    )


def upward(roll: Roll[CoverageTally], coverage: Coverage) -> CoverageTally | None:
    """Return the subtree's absolute tally for the desk above; the scope's desk has none above."""
    own = roll.own
    if own is None or own.parent is None:
        return None
    status: RoundStatus = "closed" if coverage.closed else "open"
    return CoverageTally(
        round=roll.subject,
        desk=roll.desk,
        to=own.parent,
        covers="subtree",
        v=coverage.v,
        cells=coverage.cells,
        desks=coverage.desks,
        missing=coverage.missing,
        due=own.due,
        status=status,
    )
