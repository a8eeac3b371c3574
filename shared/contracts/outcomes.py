"""What became of a command: one outcome per record, one result per row (a plain command has one row)."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from shared.contracts.base import Count, Instant, MessageId, Model


class Event(Model):
    """What an accepted command changed: enough to rebuild state without deciding again."""

    type: str
    data: dict[str, Any] = Field(default_factory=dict)


class Result(Model):
    """One row's answer: accepted with its events, or refused with a stable code."""

    accepted: bool
    code: str | None = None
    detail: str | None = None
    events: tuple[Event, ...] = ()


class Outcome(Model):
    """The answer to one command record; a resent command publishes the same bytes.

    `body` is the SHA-256 of the command's body: the same id with another actor or body is refused.
    `based_on` names the copies of other services' facts that the decision read, with their versions.
    """

    command: MessageId
    status: Literal["decided", "malformed"] = "decided"
    actor: str = ""
    body: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    at: Instant
    results: tuple[Result, ...]
    based_on: dict[str, Count] = Field(default_factory=dict)
