"""Where a directive stands at one desk with everything below it, and what follows from that."""

from shared.contracts.dispatch import Counts, Progress, Tally
from shared.domain.roll import Roll, summed


def view(roll: Roll[Tally], v: int) -> Progress | None:
    """Return what is shown; nothing while the own tally, or that of this version, is on its way."""
    own, all_ = roll.own, summed(roll, Counts)
    if own is None or all_ is None:
        return None
    unreported = roll.unreported()
    return Progress(
        directive=roll.subject,
        desk=roll.desk,
        v=v,
        version=own.version,
        epoch=own.epoch,
        changes=all_.changes,
        effect=own.effect,
        status=own.status,
        parent=own.parent,
        total=all_.total,
        cells=all_.cells,
        own=all_.own,
        children=own.children,
        unreported=unreported,
        unreported_overdue=roll.overdue and bool(unreported),
        desks=all_.desks,
        missing=all_.missing,
        all_reported=all_.missing == 0 and all_.total.done == all_.total.total,
        complete=own.status == "closed",
    )


def upward(roll: Roll[Tally], progress: Progress) -> Tally | None:
    """Return the subtree's absolute tally for the desk above; the issuing desk has none above."""
    own = roll.own
    if own is None or own.parent is None:
        return None
    return Tally(
        directive=roll.subject,
        desk=roll.desk,
        to=own.parent,
        covers="subtree",
        version=own.version,
        v=progress.v,
        changes=progress.changes,
        epoch=own.epoch,
        effect=own.effect,
        status=own.status,
        issuer=own.issuer,
        cells=progress.cells,
        desks=progress.desks,
        missing=progress.missing,
        due=own.due,
    )


def closable(progress: Progress) -> bool:
    """Return whether the issuing desk may ask for the close."""
    return progress.parent is None and progress.all_reported and progress.status == "open"
