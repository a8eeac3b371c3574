"""Bad data, set aside: the record as it came, with where it stood and why it could not be used."""

from typing import Final

from shared.contracts.catalog import BY_NAME
from shared.contracts.envelope import Message
from shared.flow.records import Unreadable

BEGINNING: Final = 65_536
"""How many bytes a letter has of a body that is too large: enough to see what it was meant to be."""


def dead_letter(group: str, unreadable: Unreadable) -> Message:
    """Return the dead letter of a record; its id is its place in the log, so a repeat is the same letter.

    Of a record that is too large it has the beginning: the rest is where it stood, for as long as it is kept.
    """
    origin = unreadable.origin
    place = f"{origin.topic}/{origin.partition}/{origin.offset}"
    key, value, kept = origin.key or place.encode(), origin.value, origin.headers
    if origin.has_large_head:
        key, kept = place.encode(), ()
    if origin.has_large_body:
        value = (value or b"")[:BEGINNING]
    headers = (
        *kept,
        ("dlq_id", place.encode()),
        ("dlq_group", group.encode()),
        ("dlq_code", unreadable.code.encode()),
        ("dlq_detail", unreadable.detail[:500].encode()),
        ("dlq_first_failed_at", unreadable.at.isoformat().encode()),
    )
    return Message(BY_NAME[origin.topic].dead_letters(group), key, value, headers)
