"""How an order travels down, the answers on their way up, and the counts in between.

Every message names the directive, its version and, where entries are counted, their epoch. Counts are
absolute: a newer one replaces an older one, and none is a delta (design §1, §4).
"""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

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
    Text,
)
from shared.contracts.counting import AbsoluteTally, Counted, Version
from shared.contracts.directives import DirectiveCommand, DirectiveFact, Effect, Epoch, Order, Status
from shared.contracts.outcomes import Outcome
from shared.contracts.registry import ChildDesk, Seat
from shared.contracts.topics import Topic, message_type

AnsweredState = Literal["delivered", "read", "refused", "accepted", "relayed", "executed", "excused"]
OpenWhy = Literal["overdue", "refused", "vacant", "unreached"]


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
    epoch: Epoch = 0
    effect: Effect = "order"
    status: Status = "open"
    issuer: PostId

    @property
    def series(self) -> tuple[int | str, ...]:
        """A plain amendment keeps what was counted; a raised epoch and a cancel begin anew."""
        return self.epoch, self.effect


class Progress(Model):
    """Where one directive stands at one desk with everything below it.

    Counts only grow while (`epoch`, `effect`) stays: desks that are still at an earlier version are counted
    with what they said of it, but are `unreported`. `all_reported` says that no entry is open, of the desks
    counted in `desks`, none `missing`; `complete` is said only once the issuer's close was accepted.
    """

    directive: MessageId
    desk: Code
    v: Count
    version: Version
    epoch: Epoch = 0
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
