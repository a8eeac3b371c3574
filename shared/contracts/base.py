"""The base of every message: frozen, and open to fields that a newer writer adds."""

import re
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from shared.kernel import codes

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def _in_the_calendar(instant: datetime) -> datetime:
    if not FIRST <= instant < LAST:
        raise ValueError("an instant lies between the years 1970 and 9000")
    return instant


Code = Annotated[
    str,
    AfterValidator(lambda code: codes.parse(code).text),
    Field(max_length=80, json_schema_extra={"pattern": codes.PATTERN}),
]
"""A unit's code: it names a place and says nothing about what the place is inside (design §1)."""


def _of_a_desk(post: str) -> str:
    # Whoever loads a post's roster asks for its desk: a post of nowhere is bad data, and no rule's failure.
    codes.desk_of_post(post)
    return post


PostId = Annotated[
    str,
    StringConstraints(min_length=5, max_length=160, pattern=r"^[^/\s]+/[^/\s]+(/\d+)?$"),
    AfterValidator(_of_a_desk),
]
"""`unit/scheme:type`, with `/number` for the second seat and later ones."""

Addressee = Annotated[str, StringConstraints(min_length=3, max_length=160, pattern=r"^[^/\s]+/\S+$")]
"""A post, or `desk/*`: the one open entry of a desk whose roster is not known yet."""

Handle = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
"""An opaque person id minted by registry, the only name of a person on a topic."""

MESSAGE_ID = re.compile(r"^[A-Za-z0-9_-]{8,64}$")
MessageId = Annotated[str, StringConstraints(pattern=MESSAGE_ID)]
"""A ULID minted at the edge, or a UUIDv5 of its cause."""

CityDay = date
"""A calendar day of the city (M-07), as ISO 8601."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Instant = Annotated[AwareDatetime, AfterValidator(_in_the_calendar)]
"""An instant with its offset; at the ends of the calendar another zone's time could not even be said."""

Count = Annotated[int, Field(ge=0, le=2**53)]


class Model(BaseModel):
    """A message body, or a part of one."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Scope(Model):
    """Where something holds: a unit, the desk it lies in and that desk's ancestors, as resolved at issue."""

    unit: Code
    desk: Code
    path: tuple[Code, ...] = ()


def json_bytes(model: Model) -> bytes:
    """Return the bytes that stand on a topic for this model; equal models give equal bytes."""
    return model.model_dump_json(exclude_none=True).encode()
