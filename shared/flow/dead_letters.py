"""Bad data, set aside: the record as it came, with where it stood and why it could not be used."""

from shared.contracts.catalog import BY_NAME
from shared.contracts.envelope import Message
from shared.flow.records import Unreadable


def dead_letter(group: str, unreadable: Unreadable) -> Message:
    """Return the dead letter of a record; its id is its place in the log, so a repeat is the same letter."""
    origin = unreadable.origin
    place = f"{origin.topic}/{origin.partition}/{origin.offset}"
    headers = (
        *origin.headers,
        ("dlq_id", place.encode()),
        ("dlq_group", group.encode()),
        ("dlq_code", unreadable.code.encode()),
        ("dlq_detail", unreadable.detail[:500].encode()),
        ("dlq_first_failed_at", unreadable.at.isoformat().encode()),
    )
    return Message(
        BY_NAME[origin.topic].dead_letters(group), origin.key or place.encode(), origin.value, headers
    )
