"""Bad data, set aside: the record as it came, with where it stood and why it could not be used.

And taken up again, once its cause is mended: the same record on its topic, and a mark beside the letter.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.contracts.catalog import BY_NAME
from shared.contracts.envelope import Headers, Message, header
from shared.flow.records import Unreadable
from shared.kernel.clock import iso

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


OWN_HEADERS: Final = ("dlq_id", "dlq_group", "dlq_code", "dlq_detail", "dlq_first_failed_at")
"""What a letter adds, always last: a record that was set aside before brings headers of these names along."""
REPLAY_OF: Final = "replay_of"
"""On a record that was taken up again: where it stood when it was set aside."""
_REPLAYED_AT: Final = "dlq_replayed_at"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as it lies in its topic; of its body the size, as that is read when asked for."""

    topic: str
    offset: int
    key: bytes
    headers: Headers
    size: int

    @property
    def place(self) -> str:
        """Where the record stood: topic/partition/offset, the same in the letters of several groups."""
        return self._own("dlq_id")

    @property
    def origin(self) -> str:
        """The topic the record stood in."""
        return self.place.split("/")[0]

    @property
    def group(self) -> str:
        return self._own("dlq_group")

    @property
    def code(self) -> str:
        return self._own("dlq_code")

    @property
    def detail(self) -> str:
        return self._own("dlq_detail")

    @property
    def failed_at(self) -> str:
        return self._own("dlq_first_failed_at")

    @property
    def came_with(self) -> Headers:
        """The headers of the record itself."""
        return self.headers[: -len(OWN_HEADERS)]

    @property
    def hindrance(self) -> str:
        """Why the record cannot be taken up again, as a code; empty where it can."""
        topic = BY_NAME.get(self.origin)
        if topic is None:
            return "unknown-topic"
        if self.code == "too-large":
            return "cut"
        # Its sender was told "malformed", and an outcome is final: what they still want they send anew.
        return "answered" if topic.kind == "commands" else ""

    def _own(self, name: str) -> str:
        return header(self.headers[-len(OWN_HEADERS) :], name)


def is_letter(headers: Headers) -> bool:
    """Return whether a record of a dead-letter topic is a letter: anybody may have written there."""
    return tuple(name for name, _ in headers[-len(OWN_HEADERS) :]) == OWN_HEADERS


def taken_up(letter: Letter, value: bytes | None) -> Message:
    """Return the record a letter was made of, as it came: same topic, key and id, so of one effect."""
    place = letter.place.encode()
    # A record without a key has its place for a key in the letter.
    key = b"" if letter.key == place else letter.key
    kept = tuple((name, content) for name, content in letter.came_with if name != REPLAY_OF)
    return Message(letter.origin, key, value, (*kept, (REPLAY_OF, place)))


def mark_of(letter: Letter, at: datetime) -> Message:
    """Return the mark, beside the letter in its topic, that says that its record was taken up again."""
    place = letter.place.encode()
    return Message(letter.topic, place, None, (("dlq_id", place), (_REPLAYED_AT, iso(at).encode())))


def marked(headers: Headers) -> str:
    """Return the place that a mark is about; empty for what is no mark."""
    names = [name for name, _ in headers]
    return header(headers, "dlq_id") if names == ["dlq_id", _REPLAYED_AT] else ""
