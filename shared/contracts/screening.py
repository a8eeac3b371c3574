"""What screening owns: rounds over households, visits and readings, and the coverage they add up to.

A round's denominator is frozen at each desk when it opens there; counts are absolute and by slot: one slot
for a plain round, or one for each day of a monitoring window (S2-11, S4-08, F-12).
"""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from shared.contracts.alerts import alerts_topic
from shared.contracts.base import (
    CityDay,
    Code,
    Count,
    Handle,
    Instant,
    MessageId,
    Model,
    PostId,
    Scope,
    Text,
)
from shared.contracts.counting import AbsoluteTally, Counted
from shared.contracts.outcomes import Outcome
from shared.contracts.topics import Topic, message_type
from shared.kernel.codes import desk_of

Found = Literal["nobody-home", "refused", "vacant", "moved-away", "screened"]
"""What a visit found; where two visits differ, the later in this list wins."""

Means = Literal["door", "phone", "message", "data", "gate", "self"]
"""How a fact was obtained: the source's four means (S3-14), the door, and a person's own word."""

Question = Literal["symptoms", "travelled", "contact"]
RoundStatus = Literal["open", "closed"]
Celsius = Annotated[float, Field(ge=30, le=45, description="Body temperature in °C.")]
CriterionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,40}$")]


def _in_order(days: tuple[CityDay, ...]) -> tuple[CityDay, ...]:
    if list(days) != sorted(set(days)):
        raise ValueError("days come in order, each once")
    return days


Days = Annotated[tuple[CityDay, ...], Field(max_length=60), AfterValidator(_in_order)]
WHOLE_ROUND = ""
"""The slot of a round without days."""


# --- rounds ---


class Criterion(Model):
    """Who is looked for, as a version: widening makes a new one, and results keep the one they were under."""

    name: CriterionName
    version: Annotated[int, Field(ge=1)]
    scope: Code
    text: Text
    areas: tuple[Code, ...] = ()


class Round(Model):
    """One numbered round over a scope, as it travels down to the desks."""

    round: MessageId
    number: Annotated[int, Field(ge=1)]
    scope: Scope
    issuer: PostId
    title: Text
    criterion: CriterionName | None = None
    criterion_version: Count = 0
    days: Days = ()
    status: RoundStatus = "open"
    opened_at: Instant
    due: Instant
    closed_at: Instant | None = None

    @property
    def slots(self) -> tuple[str, ...]:
        """The slots in which each household is to be covered."""
        return tuple(day.isoformat() for day in self.days) or (WHOLE_ROUND,)


class RoundFact(Model):
    """The stored round."""

    v: Count
    round: Round


class CriterionFact(Model):
    """The newest version of a criterion."""

    v: Count
    criterion: Criterion


# --- commands ---


class OpenRound(Model):
    """Open a round; its denominator is frozen at each desk from the household facts of that instant."""

    do: Literal["open-round"] = "open-round"
    round: MessageId
    issuer: PostId
    scope: Code
    title: Text
    criterion: CriterionName | None = None
    days: Days = ()


class CloseRound(Model):
    """Close a round: what is not covered stays a named hole, and coverage changes no more."""

    do: Literal["close-round"] = "close-round"
    round: MessageId
    issuer: PostId
    scope: Code


class PutCriterion(Model):
    """State a criterion for a scope, or widen it: a narrower one is refused."""

    do: Literal["put-criterion"] = "put-criterion"
    name: CriterionName
    issuer: PostId
    scope: Code
    text: Text
    areas: Annotated[tuple[Code, ...], Field(max_length=1_000)] = ()


class ScreeningCommand(Model):
    """A command on the rounds of one scope; the record's key is the scope's desk."""

    command: Annotated[OpenRound | CloseRound | PutCriterion, Field(discriminator="do")]


# --- between desks ---


class Opening(Model):
    """A round arrives at a desk, open or closed; the sender is the desk above."""

    round: Round
    to: Code
    sender: Code | None = None


class Census(Model):
    """Internal: a desk's household facts have become as many as its charges record says."""

    round: MessageId
    desk: Code


class RoundTick(Model):
    """Internal: the time by which this desk's children should have counted something has passed."""

    round: MessageId
    desk: Code
    due: Instant


# --- facts ---


class PersonSeen(Model):
    """One member of a household at a visit: a "no" is stored as no, and what was not asked is absent."""

    person: Handle
    temperature: Celsius | None = None
    answers: dict[Question, bool] = Field(default_factory=dict)

    @property
    def is_blank(self) -> bool:
        """Whether nothing was asked and nothing measured: blank is not "none" (U-11, S3-27)."""
        return self.temperature is None and not self.answers


class Visit(Model):
    """One visit to a household with all its members at once (U-12), by whichever means."""

    round: MessageId
    desk: Code
    household: MessageId
    found: Found
    members: Annotated[tuple[PersonSeen, ...], Field(max_length=300)] = ()
    by: PostId
    means: Means = "door"
    at: Instant
    source: Annotated[str, StringConstraints(max_length=64)] | None = None

    @model_validator(mode="after")
    def _nobody_answers_for_an_empty_home(self) -> Self:
        if self.members and self.found != "screened":
            raise ValueError("members are seen only where the household was screened")
        return self


class Reading(Model):
    """One temperature, of a member by handle or, from a gate, of a pass's pseudonym."""

    desk: Code
    household: MessageId
    person: Handle
    temperature: Celsius
    means: Means
    gate: Code | None = None
    by: PostId | None = None
    at: Instant


# --- counts ---


class CoverageCounts(Counted):
    """Households and persons of one slot: `households` = covered + what is still open, never less.

    `covered` are screened, vacant or moved away; `in_care` have a main charge post; `units` are the places
    households live in, `watched` those where each household has one (S3-04). `later` arrived after the
    denominator was frozen and stand apart (S4-08).
    """

    households: Count = 0
    covered: Count = 0
    screened: Count = 0
    vacant: Count = 0
    moved_away: Count = 0
    nobody_home: Count = 0
    refused: Count = 0
    in_care: Count = 0
    persons: Count = 0
    persons_covered: Count = 0
    units: Count = 0
    watched: Count = 0
    later: Count = 0
    later_covered: Count = 0


class CoverageTally(AbsoluteTally[CoverageCounts]):
    """The absolute coverage of one part (`desk` is its care unit), one desk, or a desk with all below it."""

    round: MessageId
    status: RoundStatus = "open"


class Coverage(Model):
    """Where a round stands at one desk with everything below it; cells are by slot.

    `closed` is said once every desk counted here has closed, none `missing`: then nothing changes any more.
    """

    round: MessageId
    desk: Code
    v: Count
    parent: Code | None = None
    total: CoverageCounts
    cells: dict[str, CoverageCounts]
    own: CoverageCounts
    children: tuple[Code, ...] = ()
    unreported: tuple[Code, ...] = ()
    unreported_overdue: bool = False
    desks: Count
    missing: Count
    closed: bool


class FrozenHousehold(Model):
    """One household of a denominator."""

    household: MessageId
    unit: Code
    charge: PostId | None = None
    members: tuple[Handle, ...] = ()


class PartFrozen(Model):
    """The denominator of one part of a desk, published once: which households, and who lives there.

    `part` is a care unit, or the desk itself for those in none; a large part comes in pages.
    """

    round: MessageId
    desk: Code
    part: Code
    charges_v: Count
    households: tuple[FrozenHousehold, ...]
    page: Count = 0
    pages: Count = 1


# --- topics ---

COMMAND = message_type("screening", "command")
ROUND = message_type("screening", "round")
CRITERION = message_type("screening", "criterion")
OPENING = message_type("screening", "opening")
CENSUS = message_type("screening", "census")
TICK = message_type("screening", "tick")
VISIT = message_type("screening", "visit")
READING = message_type("screening", "reading")
TALLY = message_type("screening", "tally")
COVERAGE = message_type("screening", "coverage")
FROZEN = message_type("screening", "part-frozen")
ALERT = message_type("screening", "alert")
OUTCOME = message_type("screening", "outcome")

COMMANDS_TOPIC = Topic(
    name="screening.commands.v1", key="K of the scope", kind="commands", models={COMMAND: ScreeningCommand},
    producers=("apis", "imports", "integrations"), groups=("screening.commands",),
    routing=lambda body: desk_of(body.command.scope),
)  # fmt: skip
ROUNDS_TOPIC = Topic(
    name="screening.rounds.v1", key="round, or scope / criterion", kind="facts",
    models={ROUND: RoundFact, CRITERION: CriterionFact}, producers=("screening",), compacted=True,
)  # fmt: skip
DESKS_TOPIC = Topic(
    name="screening.desks.v1", key="desk", kind="facts", models={OPENING: Opening, CENSUS: Census},
    producers=("screening",), groups=("screening.sheets",), internal=True,
    routing=lambda body: body.to if isinstance(body, Opening) else body.desk,
)  # fmt: skip
VISITS_TOPIC = Topic(
    name="screening.visits.v1", key="K", kind="facts", models={VISIT: Visit},
    producers=("apis", "imports", "integrations"), groups=("screening.sheets",),
    retention=timedelta(days=30), routing=lambda body: body.desk,
)  # fmt: skip
READINGS_TOPIC = Topic(
    name="screening.readings.v1", key="K", kind="facts", models={READING: Reading},
    producers=("apis", "checkpoint", "integrations"), groups=("screening.sheets",),
    retention=timedelta(days=30), routing=lambda body: body.desk,
)  # fmt: skip
TALLIES_TOPIC = Topic(
    name="screening.tallies.v1", key="receiving desk / round", kind="facts",
    models={TALLY: CoverageTally, TICK: RoundTick}, producers=("screening",),
    groups=("screening.progress",), internal=True,
    routing=lambda body: body.to if isinstance(body, CoverageTally) else body.desk,
)  # fmt: skip
PROGRESS_TOPIC = Topic(
    name="screening.progress.v1", key="round / desk", kind="facts",
    models={COVERAGE: Coverage, FROZEN: PartFrozen}, producers=("screening",), compacted=True,
)  # fmt: skip
ALERTS_TOPIC = alerts_topic("screening")
OUTCOMES_TOPIC = Topic(
    name="screening.outcomes.v1", key="routing part of the command's key / command id", kind="facts",
    models={OUTCOME: Outcome}, producers=("screening",), retention=timedelta(days=400),
)  # fmt: skip

TOPICS = (
    COMMANDS_TOPIC, ROUNDS_TOPIC, DESKS_TOPIC, VISITS_TOPIC, READINGS_TOPIC, TALLIES_TOPIC, PROGRESS_TOPIC,
    ALERTS_TOPIC, OUTCOMES_TOPIC,
)  # fmt: skip
