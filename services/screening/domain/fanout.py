"""What a head still has to send: not yet marked. Whatever is sent twice has the same id."""

from collections.abc import Iterator

from services.screening.domain.sheet import Head
from shared.contracts.screening import Opening


def unopened(head: Head) -> list[str]:
    """Return the child desks that do not know how far the round has got."""
    return [child for child in head.children or () if head.children_sent.get(child, 0) < head.rank]


def openings(head: Head) -> Iterator[Opening]:
    """Yield the round for every child desk that must have it: straight through, open or closed."""
    if head.terms is not None:
        for child in unopened(head):
            yield Opening(round=head.terms, to=child, sender=head.desk)


def unpublished(head: Head) -> bool:
    """Return whether the denominator is still to be published."""
    return head.frozen and not head.facts_sent


def mark_sent(head: Head) -> bool:
    """Note that everything above was sent; return whether that changed anything."""
    children, facts = unopened(head), unpublished(head)
    head.children_sent |= dict.fromkeys(children, head.rank)
    head.facts_sent = head.facts_sent or facts
    return bool(children) or facts
