"""What dispatch owns: an order on its way down, the answers on their way up, and the counts in between.

Every message names the directive, its version and, where entries are counted, their epoch. Counts are
absolute: a newer one replaces an older one, and none is a delta (design §1, §4).
"""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared.contracts.alerts import Alert, RuleName
from shared.contracts.base import (
    Addressee,
    Code,
    Count,
    Handle,
    Instant,
    MessageId,
    Model,
    PostId,
    Reason,
    Scope,
    Text,
)
from shared.contracts.counting import AbsoluteTally, Counted, Version
from shared.contracts.outcomes import Outcome
from shared.contracts.registry import ChildDesk, PostType, Seat
from shared.contracts.topics import Topic, message_type
from shared.kernel.codes import desk_of_post

Kind = Literal["order", "request", "report", "alert"]
Effect = Literal["order", "cancel"]
Mode = Literal["straight-through", "relayed"]
Status = Literal["open", "closed"]
Dimension = Literal["level", "type"]
AnsweredState = Literal["delivered", "read", "refused", "accepted", "relayed", "executed", "excused"]
OpenWhy = Literal["overdue", "refused", "vacant", "unreached"]
Epoch = Annotated[int, Field(ge=0, le=1_000_000)]


# --- the order ---


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
    must agree with it. `epoch` is raised only by a decided command, never by an answer. An alert names the
    registered `rule` that raised it and the `household` it is about; its issuer is the highest post of that
    household's chain at its desk, who decides last.
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
        IssueDirective | CancelDirective | CloseDirective | ExtendDirective | RaiseDirective,
        Field(discriminator="do"),
    ]

    @property
    def desk(self) -> str:
        """The desk that issues: an alert's own, else the issuer's."""
        command = self.command
        return command.alert.desk if isinstance(command, RaiseDirective) else desk_of_post(command.issuer)


# --- between desks ---


class LinePost(Model):
    """A commanding post between the issuer and a desk, with its holder when the order passed."""

    desk: Code
    post: PostId
    holder: Handle | None = None


class Relay(Model):
    """The order arrives at a desk. `line` runs from the issuer down to the post that commands this desk."""

    order: Order
    to: Code
    sender: Code | None = None
    line: tuple[LinePost, ...] = ()


class Fill(Model):
    """Internal: the roster of a desk that had none is known now."""

    directive: MessageId
    desk: Code


class OpenEntry(Model):
    """An entry somebody must decide for, and why."""

    addressee: Addressee
    why: OpenWhy


class Escalate(Model):
    """Open entries of one sheet climb to a superior, who answers *for* them at the sheet's desk."""

    directive: MessageId
    version: Version
    epoch: Epoch
    sheet: Code
    to: LinePost
    effect: Effect = "order"
    text: Text
    entries: Annotated[tuple[OpenEntry, ...], Field(min_length=1, max_length=200)]


class Answer(Model):
    """What an addressee (or, with `by`, a superior in its place) says of an order it was delivered."""

    directive: MessageId
    version: Version
    epoch: Epoch
    desk: Code
    addressee: Addressee
    slot: Annotated[str, Field(max_length=40)] = ""
    state: AnsweredState
    at: Instant
    by: PostId | None = None
    reason: Reason | None = None

    @model_validator(mode="after")
    def _reasons(self) -> Self:
        if self.reason is None and (self.by is not None or self.state == "refused"):
            raise ValueError("a refusal, and an answer for another post, needs a reason")
        return self


class Tick(Model):
    """Internal: this sheet's (or, on the tallies topic, this progress's) due time has passed."""

    directive: MessageId
    desk: Code
    version: Version
    due: Instant


# --- counts ---


class Counts(Counted):
    """How many entries reached at least each state, from what was answered; and how the rest stand."""

    total: Count = 0
    delivered: Count = 0
    read: Count = 0
    accepted: Count = 0
    relayed: Count = 0
    executed: Count = 0
    refused: Count = 0
    excused: Count = 0
    answered_for: Count = 0
    done: Count = 0
    overdue: Count = 0
    vacant: Count = 0
    unreached: Count = 0


class Tally(AbsoluteTally[Counts]):
    """The absolute count of one sheet, or of a desk with all desks below it."""

    directive: MessageId
    effect: Effect = "order"
    status: Status = "open"
    issuer: PostId


class Progress(Model):
    """Where one directive stands at one desk with everything below it.

    `all_reported` says that no entry is open, of the desks counted in `desks`, none `missing`; `complete`
    is said only once the issuer's close was accepted.
    """

    directive: MessageId
    desk: Code
    v: Count
    version: Version
    changes: Count
    effect: Effect
    status: Status
    parent: Code | None = None
    total: Counts
    cells: dict[str, Counts]
    own: Counts
    children: tuple[Code, ...] = ()
    unreported: tuple[Code, ...] = ()
    unreported_overdue: bool = False
    desks: Count
    missing: Count
    all_reported: bool
    complete: bool


class SheetFrozen(Model):
    """The roster a sheet was frozen from, published once: who was addressed, and which desks were owed."""

    directive: MessageId
    version: Version
    desk: Code
    roster_v: Count
    seats: tuple[Seat, ...]
    children: tuple[ChildDesk, ...]


# --- deliveries ---


class Delivered(Model):
    """One addressee of a delivery and the person who holds the post."""

    addressee: Addressee
    holder: Handle


class Delivery(Model):
    """What channels bring to people: an order to ≤ 200 addressees, or open entries for one to decide.

    A channel drops a delivery whose (version, epoch) is below the last it showed for that directive.
    """

    directive: MessageId
    version: Version
    epoch: Epoch
    desk: Code
    effect: Effect
    text: Text
    due: Instant | None = None
    entries: Annotated[tuple[Delivered, ...], Field(min_length=1, max_length=200)]
    sheet: Code | None = None
    decide_for: tuple[OpenEntry, ...] = ()


# --- topics ---

COMMAND = message_type("dispatch", "command")
DIRECTIVE = message_type("dispatch", "directive")
RELAY = message_type("dispatch", "relay")
FILL = message_type("dispatch", "fill")
ESCALATE = message_type("dispatch", "escalate")
ANSWER = message_type("dispatch", "answer")
TICK = message_type("dispatch", "tick")
TALLY = message_type("dispatch", "tally")
PROGRESS = message_type("dispatch", "progress")
FROZEN = message_type("dispatch", "sheet-frozen")
DELIVERY = message_type("dispatch", "delivery")
OUTCOME = message_type("dispatch", "outcome")


def _desk(body: Relay | Fill | Escalate) -> str:
    if isinstance(body, Relay):
        return body.to
    return body.to.desk if isinstance(body, Escalate) else body.desk


COMMANDS_TOPIC = Topic(
    name="dispatch.commands.v1", key="issuing desk / directive", kind="commands",
    models={COMMAND: DirectiveCommand}, producers=("apis", "rules", "integrations", "dispatch"),
    groups=("dispatch.commands",), routing=lambda body: body.desk,
)  # fmt: skip
DIRECTIVES_TOPIC = Topic(
    name="dispatch.directives.v1", key="directive", kind="facts", models={DIRECTIVE: DirectiveFact},
    producers=("dispatch",), compacted=True,
)  # fmt: skip
DESKS_TOPIC = Topic(
    name="dispatch.desks.v1", key="desk", kind="facts",
    models={RELAY: Relay, FILL: Fill, ESCALATE: Escalate},
    producers=("dispatch",), groups=("dispatch.sheets",), internal=True, routing=_desk,
)  # fmt: skip
ACKS_TOPIC = Topic(
    name="dispatch.acks.v1", key="K", kind="facts", models={ANSWER: Answer, TICK: Tick},
    producers=("apis", "channels", "integrations", "dispatch"), groups=("dispatch.sheets",),
    retention=timedelta(days=30), routing=lambda body: body.desk,
)  # fmt: skip
TALLIES_TOPIC = Topic(
    name="dispatch.tallies.v1", key="receiving desk / directive", kind="facts",
    models={TALLY: Tally, TICK: Tick}, producers=("dispatch",), groups=("dispatch.progress",), internal=True,
    routing=lambda body: body.to if isinstance(body, Tally) else body.desk,
)  # fmt: skip
PROGRESS_TOPIC = Topic(
    name="dispatch.progress.v1", key="directive / desk", kind="facts",
    models={PROGRESS: Progress, FROZEN: SheetFrozen}, producers=("dispatch",), compacted=True,
)  # fmt: skip
DELIVERIES_TOPIC = Topic(
    name="dispatch.deliveries.v1", key="desk", kind="facts", models={DELIVERY: Delivery},
    producers=("dispatch",),
)  # fmt: skip
OUTCOMES_TOPIC = Topic(
    name="dispatch.outcomes.v1", key="routing part of the command's key / command id", kind="facts",
    models={OUTCOME: Outcome}, producers=("dispatch",), retention=timedelta(days=400),
)  # fmt: skip

TOPICS = (
    COMMANDS_TOPIC, DIRECTIVES_TOPIC, DESKS_TOPIC, ACKS_TOPIC, TALLIES_TOPIC, PROGRESS_TOPIC,
    DELIVERIES_TOPIC, OUTCOMES_TOPIC,
)  # fmt: skip
