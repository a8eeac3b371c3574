"""What a sheet still has to send: released and not yet marked. Whatever is sent twice has the same id."""

from collections.abc import Iterator

from services.dispatch.domain.escalation import MOST, climbing
from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.sheet import Flag, Sheet
from shared.contracts.dispatch import Delivered, Delivery, LinePost, Relay


def undelivered(sheet: Sheet, frozen: Frozen) -> list[int]:
    """Return the held seats that were released and not yet delivered to."""
    flags = sheet.entries.flags
    # Nearly every touch of a sheet finds nothing to send: the few values that occur say so at once.
    if not any(_waits(kind) for kind in set(flags)):
        return []
    return [position for position, kind in enumerate(flags) if _waits(kind) and frozen.live(position)]


def _waits(flags: int) -> bool:
    return flags & (Flag.RELEASED | Flag.SENT) == Flag.RELEASED


def deliveries(sheet: Sheet, frozen: Frozen) -> Iterator[Delivery]:
    """Yield the order for everybody it was released to, at most 200 addressees a message."""
    order = sheet.order
    positions = undelivered(sheet, frozen)
    if order is None or sheet.closed:
        return
    for start in range(0, len(positions), MOST):
        held = ((frozen.posts[at], frozen.holders[at]) for at in positions[start : start + MOST])
        yield Delivery(
            directive=sheet.directive,
            version=order.version,
            epoch=order.epoch,
            desk=sheet.desk,
            effect=order.effect,
            text=order.text,
            due=order.due_at,
            entries=tuple(
                Delivered(addressee=post, holder=holder) for post, holder in held if holder is not None
            ),
        )


def unrelayed(sheet: Sheet) -> list[str]:
    """Return the child desks that were released and do not have this order as it is now."""
    order = sheet.order
    if order is None:
        return []
    return [
        child
        for child, released in sorted(sheet.children.items())
        if released and sheet.children_sent.get(child) != order.rank
    ]


def relays(sheet: Sheet, frozen: Frozen | None) -> Iterator[Relay]:
    """Yield the order for every child desk that must have it."""
    if sheet.order is None:
        return
    commanders = {child.desk: child.commander for child in frozen.children} if frozen else {}
    for child in unrelayed(sheet):
        yield Relay(
            order=sheet.order,
            to=child,
            sender=sheet.desk,
            line=_line(sheet, frozen, commanders.get(child)),
        )


def _line(sheet: Sheet, frozen: Frozen | None, commander: str | None) -> tuple[LinePost, ...]:
    """Return the line with everybody of this desk who stands above the child: the highest first."""
    known = {post.post for post in sheet.line}
    if frozen is None or commander is None or commander not in frozen.index:
        return sheet.line
    position = frozen.index[commander]
    here = map(frozen.line_post, (*reversed(frozen.climb(position)), position))
    return (*sheet.line, *(post for post in here if post.post not in known))


def mark_sent(sheet: Sheet, frozen: Frozen | None) -> bool:
    """Note that everything above was sent; return whether that changed anything."""
    order = sheet.order
    if order is None:
        return False
    before = bytes(sheet.entries.flags), bytes(sheet.entries.rung_sent), dict(sheet.children_sent)
    for position, kind in enumerate(sheet.entries.flags):
        if _waits(kind):
            sheet.entries.flags[position] |= Flag.SENT
    for positions in climbing(sheet, frozen, unsent=True).values():
        for position in positions:
            sheet.entries.rung_sent[position] = sheet.entries.rung[position]
    for child in unrelayed(sheet):
        sheet.children_sent[child] = order.rank
    return before != (bytes(sheet.entries.flags), bytes(sheet.entries.rung_sent), sheet.children_sent)
