"""Who must decide for an open entry: the chain above it, rung by rung, never above the issuer (F-04).

Vacant superiors, and those whose post the same person holds, are skipped at once: nobody waits for them.
"""

from collections.abc import Iterator
from itertools import takewhile

from services.dispatch.domain.frozen import Frozen
from services.dispatch.domain.sheet import Flag, Sheet, open_positions, unfilled_entry
from services.dispatch.domain.states import State
from shared.contracts.dispatch import Escalate, LinePost, OpenEntry, OpenWhy

MOST = 200


def targets(sheet: Sheet, position: int, frozen: Frozen | None) -> list[LinePost]:
    """Return the posts above an entry that may decide for it, nearest first; the issuer is the last."""
    holder = frozen.holders[position] if frozen else None
    chain = [*_here(position, frozen), *_elsewhere(sheet, position, frozen)]
    issuer = sheet.order.issuer if sheet.order else ""
    able = [post for post in chain if post.holder is not None and (post.holder != holder or holder is None)]
    last = [post for post in sheet.line if post.post == issuer]
    return able if able and able[-1].post == issuer else [*able, *last]


def _here(position: int, frozen: Frozen | None) -> list[LinePost]:
    return [frozen.line_post(above) for above in frozen.climb(position)] if frozen else []


def _elsewhere(sheet: Sheet, position: int, frozen: Frozen | None) -> list[LinePost]:
    """Return the line above this desk, nearest first, from the named superior upward if it is on it."""
    own = frozen.posts[position] if frozen else None
    # An addressee that is on the line itself, as in an alert's chain, has only those before it above.
    above = reversed(list(takewhile(lambda post: post.post != own, sheet.line)))
    line = [post for post in above if frozen is None or post.post not in frozen.index]
    named = frozen.leaves_by(position) if frozen else None
    places = [at for at, post in enumerate(line) if named is not None and post.post == named.post]
    return line[places[0] :] if places else line


def asked(sheet: Sheet, position: int, frozen: Frozen | None) -> LinePost | None:
    """Return who is asked to decide for an entry now; None while it has climbed no rung."""
    rung = sheet.entries.rung[position]
    chain = targets(sheet, position, frozen) if rung else []
    return chain[min(rung, len(chain)) - 1] if chain else None


def climbing(sheet: Sheet, frozen: Frozen | None, *, unsent: bool) -> dict[LinePost, list[int]]:
    """Return the open entries by the superior who must decide; `unsent`: only those not yet told."""
    by_target: dict[LinePost, list[int]] = {}
    entries = sheet.entries
    if sheet.order is None or sheet.closed or not any(entries.rung):
        return by_target
    for position in open_positions(sheet, frozen):
        if not entries.flags[position] & Flag.RELEASED:
            continue  # the superior who would be asked has not got the order yet
        if unsent and entries.rung[position] <= entries.rung_sent[position]:
            continue
        target = asked(sheet, position, frozen)
        if target is not None:
            by_target.setdefault(target, []).append(position)
    return by_target


def escalations(sheet: Sheet, frozen: Frozen | None) -> Iterator[Escalate]:
    """Yield what must be said to superiors and was not said yet, at most 200 entries a message."""
    order = sheet.order
    if order is None:
        return
    for target, positions in climbing(sheet, frozen, unsent=True).items():
        for start in range(0, len(positions), MOST):
            yield Escalate(
                directive=sheet.directive,
                version=order.version,
                epoch=order.epoch,
                sheet=sheet.desk,
                to=target,
                effect=order.effect,
                text=order.text,
                entries=tuple(
                    OpenEntry(addressee=addressee(sheet, at, frozen), why=why(sheet, at, frozen))
                    for at in positions[start : start + MOST]
                ),
            )


def addressee(sheet: Sheet, position: int, frozen: Frozen | None) -> str:
    """Return the name of an entry."""
    return frozen.posts[position] if frozen else unfilled_entry(sheet.desk)


def why(sheet: Sheet, position: int, frozen: Frozen | None) -> OpenWhy:
    """Return the plainest reason why an entry is open."""
    if frozen is None:
        return "unreached"
    if not frozen.live(position):
        return "vacant"
    if sheet.entries.state[position] == State.REFUSED:
        return "refused"
    if sheet.entries.flags[position] & Flag.OVERDUE:
        return "overdue"
    return "unreached" if sheet.entries.first_at(position, State.REFUSED) is None else "refused"
