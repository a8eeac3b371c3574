"""What a directive is, and what may be said to it: issue, amend, cancel; by the loop: extend, close, raise.

It is decided at its issuing desk; how it travels and is counted stands in `dispatch`.
"""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from shared.contracts.alerts import Alert, RuleName
from shared.contracts.base import Code, Count, Instant, MessageId, Model, PostId, Reason, Scope, Text
from shared.contracts.counting import Version
from shared.contracts.registry import PostType
from shared.kernel.codes import desk_of_post

Kind = Literal["order", "request", "report", "alert"]
Effect = Literal["order", "cancel"]
Mode = Literal["straight-through", "relayed"]
Status = Literal["open", "closed"]
Dimension = Literal["level", "type"]
Epoch = Annotated[int, Field(ge=0, le=1_000_000)]


class Audience(Model):
    """Which posts inside the scope are addressed: all of them, the types named, or the posts named."""

    types: tuple[PostType, ...] = ()
    posts: tuple[PostId, ...] = ()


class Deadlines(Model):
    """Seconds from issue until an open entry is overdue, and from one escalation to the next (M-06)."""

    done: Annotated[float, Field(gt=0, le=90 * 86_400)]
    step: Annotated[float, Field(gt=0, le=90 * 86_400)]


class Extension(Model):
    """A child desk that a live order came to owe after its sheet was frozen."""

    desk: Code
    child: Code


class Order(Model):
    """One version of a directive, as it travels: relays carry it whole, so no desk needs to ask.

    `changes` counts the decisions that moved the denominator (extend, and later reopen and correct); a close
    must agree with it. `epoch` is raised only by a decided command (amend `again`), never by an answer. An
    alert names the registered `rule` that raised it and the `household` it is about; its issuer is the
    highest post of that household's chain at its desk, who decides last.
    """

    directive: MessageId
    version: Version = 1
    epoch: Epoch = 0
    changes: Count = 0
    kind: Kind = "order"
    effect: Effect = "order"
    status: Status = "open"
    issuer: PostId
    desk: Code
    text: Text
    scope: Scope
    audience: Audience = Audience()
    mode: Mode = "relayed"
    deadlines: Deadlines
    dimensions: tuple[Dimension, ...] = ("level",)
    extensions: tuple[Extension, ...] = ()
    rule: RuleName | None = None
    household: MessageId | None = None
    issued_at: Instant

    @property
    def due_at(self) -> Instant:
        """When an open entry is overdue."""
        return self.issued_at + timedelta(seconds=self.deadlines.done)

    @property
    def rank(self) -> tuple[int, bool, int]:
        """What makes one relay of this directive newer than another."""
        return self.version, self.status == "closed", self.changes


class DirectiveFact(Model):
    """The stored directive: what it says and whether the loop is closed. Only `closed` means complete."""

    v: Count
    order: Order
    reason: Reason | None = None
    closed_at: Instant | None = None


# --- commands ---


class IssueDirective(Model):
    """Give an order down the chain. Without deadlines the dated configuration of the day applies."""

    do: Literal["issue"] = "issue"
    directive: MessageId
    kind: Kind = "order"
    issuer: PostId
    text: Text
    scope: Code
    audience: Audience = Audience()
    mode: Mode = "relayed"
    deadlines: Deadlines | None = None
    dimensions: tuple[Dimension, ...] = ("level",)


class AmendDirective(Model):
    """Say an order otherwise: a new version for everybody it addressed and whoever it addresses now.

    What is not named stays as it was; deadlines run anew. Answers given so far still count, unless everybody
    is asked `again`.
    """

    do: Literal["amend"] = "amend"
    directive: MessageId
    issuer: PostId
    reason: Reason
    text: Text | None = None
    audience: Audience | None = None
    mode: Mode | None = None
    deadlines: Deadlines | None = None
    again: bool = False


class CancelDirective(Model):
    """Withdraw an order: a new version that everyone is told, also those the order never reached."""

    do: Literal["cancel"] = "cancel"
    directive: MessageId
    issuer: PostId
    reason: Reason


class CloseDirective(Model):
    """The loop is closed at this version, if the directive has not changed since (`changes`)."""

    do: Literal["close"] = "close"
    directive: MessageId
    issuer: PostId
    version: Version
    changes: Count


class ExtendDirective(Model):
    """Internal: a live sheet's desk lists a child desk that the sheet does not expect."""

    do: Literal["extend"] = "extend"
    directive: MessageId
    issuer: PostId
    version: Version
    desk: Code
    child: Code


class RaiseDirective(Model):
    """Internal: an alert becomes a directive to one household's chain; the directive's id is the alert's."""

    do: Literal["raise"] = "raise"
    directive: MessageId
    alert: Alert


class DirectiveCommand(Model):
    """A command on one directive; the record's key is `issuing desk/directive`."""

    command: Annotated[
        IssueDirective | AmendDirective | CancelDirective | CloseDirective | ExtendDirective | RaiseDirective,
        Field(discriminator="do"),
    ]

    @property
    def desk(self) -> str:
        """The desk that issues: an alert's own, else the issuer's."""
        command = self.command
        return command.alert.desk if isinstance(command, RaiseDirective) else desk_of_post(command.issuer)
