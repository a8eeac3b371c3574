"""What registry owns: units, rosters, charges, households and findings, and the commands that change them.

Persons stand here by handle only. A *desk* is a community or a unit above it; everything inside a community
is decided and published under that community's key (K).
"""

from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.contracts.base import Code, Count, Handle, MessageId, Model, PostId, Reason
from shared.contracts.outcomes import Outcome
from shared.contracts.topics import Topic, message_type

Verb = Literal["commands", "leads", "accountable", "liaises", "takes-charge", "relays", "none"]
DoneAt = Literal["read", "relayed", "executed"]
Affiliation = Literal["staff", "party-member", "self-governance-body", "volunteer", "organisation", "body"]
ResidentialType = Literal["apartment", "bungalow", "commercial"]
Line = Literal["main", "zone", "gate", "cell"]
SchemeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
PostType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*:[a-z][a-z0-9-]*$")]


# --- facts ---


class UnitFact(Model):
    """One node of the area tree, as stored: its place is its dated path, never its code."""

    code: Code
    v: Count
    kind: str
    name: str = ""
    path: tuple[Code, ...] = ()
    areas: tuple[Code, ...] = ()
    covers: tuple[Code, ...] = ()
    residential: ResidentialType | None = None
    valid_from: date
    valid_to: date | None = None


class Superior(Model):
    """The post one up the chain, possibly at another desk."""

    desk: Code
    post: PostId


class Seat(Model):
    """One post of a roster: its place in the chain, who holds it (`None`: vacant) and what it covers.

    `within` names the units and areas between the desk and the seat, its own unit last: "inside X" is
    `X in within` or `X in the roster's path` or `X == desk`. `level` is scheme-scoped (`cw5:3`), see M-01.
    """

    post: PostId
    level: str
    verb: Verb
    done_at: DoneAt
    superior: Superior | None = None
    holder: Handle | None = None
    unit: Code
    within: tuple[Code, ...] = ()


class ChildDesk(Model):
    """A desk below: the post here that commands it, and how many posts its whole subtree has."""

    desk: Code
    commander: PostId | None = None
    posts: Count = 0


class Roster(Model):
    """The compiled chain of one desk on one date; the newest `v` is the truth."""

    desk: Code
    v: Count
    on: date
    path: tuple[Code, ...] = ()
    seats: tuple[Seat, ...] = ()
    children: tuple[ChildDesk, ...] = ()

    @property
    def posts(self) -> int:
        """The posts of this desk and of every desk below it."""
        return len(self.seats) + sum(child.posts for child in self.children)


class Charges(Model):
    """What changes daily at one desk: how many households and members it has, and who answers for them."""

    desk: Code
    v: Count
    households: Count
    members: Count
    uncharged: Count
    by_post: dict[str, Count] = Field(default_factory=dict)


class HouseholdFact(Model):
    """One household by opaque id: where it lives, its members' handles and its charge posts by line.

    `within` names the units between the desk and the household, its own unit last; `care_unit` is the one of
    them that its scheme cares for households by (a grid), where there is one.
    """

    household: MessageId
    v: Count
    desk: Code
    unit: Code
    within: tuple[Code, ...] = ()
    care_unit: Code | None = None
    members: tuple[Handle, ...] = ()
    charges: dict[Line, PostId] = Field(default_factory=dict)


class Finding(Model):
    """A rule across keys or a gap: reported and owned, never silently fixed (S0-04, S0-14, S1-01)."""

    finding: MessageId
    v: Count
    code: Literal["total-does-not-reconcile", "understaffed-grid", "household-without-charge", "chain-broken"]
    desk: Code
    subject: str
    expected: int | None = None
    found: int | None = None
    open: bool = True
    since: date


# --- commands: rows of one bulk record, all of one K ---


class PutUnit(Model):
    """Create a unit or restate its facts; `path` overrides the default that follows from the code."""

    do: Literal["put-unit"] = "put-unit"
    code: Code
    kind: str | None = None
    name: Annotated[str, StringConstraints(max_length=120)] = ""
    path: tuple[Code, ...] | None = None
    areas: tuple[Code, ...] = ()
    covers: tuple[Code, ...] = ()
    residential: ResidentialType | None = None
    valid_from: date
    valid_to: date | None = None


class AttachScheme(Model):
    """Attach a scheme to a unit: from that date it governs what lies below (or the unit itself)."""

    do: Literal["attach-scheme"] = "attach-scheme"
    unit: Code
    scheme: SchemeName
    valid_from: date
    valid_to: date | None = None


class PutPost(Model):
    """Create a seat, with its first holder if there is one; an explicit superior wins over the template."""

    do: Literal["put-post"] = "put-post"
    post: PostId
    superior: Superior | None = None
    holder: Handle | None = None
    affiliation: Affiliation = "staff"
    valid_from: date
    valid_to: date | None = None


class Appoint(Model):
    """A person, organisation or body holds a post from … to …; one person may hold several posts (S3-24)."""

    do: Literal["appoint"] = "appoint"
    post: PostId
    holder: Handle
    affiliation: Affiliation = "staff"
    valid_from: date
    valid_to: date | None = None


class EndAppointment(Model):
    """The holder leaves the post on a date; the post is vacant from then on."""

    do: Literal["end-appointment"] = "end-appointment"
    post: PostId
    valid_to: date
    reason: Reason | None = None


class PutHousehold(Model):
    """Create or restate a household, with its charge posts by line (exactly one on line `main`)."""

    do: Literal["put-household"] = "put-household"
    household: MessageId
    unit: Code
    members: tuple[Handle, ...] = ()
    charges: dict[Line, PostId] = Field(default_factory=dict)
    valid_from: date


class SummariseChild(Model):
    """Internal: a desk's own absolute summary to the desk above it, newest version wins.

    `gone` tells a desk that it is no longer the one above: the child has ended or lies under another.
    """

    do: Literal["summarise-child"] = "summarise-child"
    unit: Code
    child: Code
    v: Count
    commander: PostId | None = None
    posts_by_type: dict[str, Count] = Field(default_factory=dict)
    households: Count = 0
    residents: Count = 0
    gone: bool = False


class Recompile(Model):
    """Internal: a dated edge begins or ends at this desk on this day, so its roster is compiled again."""

    do: Literal["recompile"] = "recompile"
    unit: Code
    on: date


Row = Annotated[
    PutUnit | AttachScheme | PutPost | Appoint | EndAppointment | PutHousehold | SummariseChild | Recompile,
    Field(discriminator="do"),
]


class Changes(Model):
    """A bulk command: ≤ 200 rows of one K, each decided by itself; row n has the id `record/n`."""

    rows: Annotated[tuple[Row, ...], Field(min_length=1, max_length=200)]


# --- topics ---

CHANGES = message_type("registry", "changes")
UNIT = message_type("registry", "unit")
ROSTER = message_type("registry", "roster")
CHARGES = message_type("registry", "charges")
HOUSEHOLD = message_type("registry", "household")
FINDING = message_type("registry", "finding")
OUTCOME = message_type("registry", "outcome")

COMMANDS_TOPIC = Topic(
    name="registry.commands.v1",
    key="K: the community's 12-digit code, or the code of the desk above it",
    kind="commands",
    models={CHANGES: Changes},
    producers=("apis", "imports", "integrations", "registry"),
    groups=("registry.commands",),
)
UNITS_TOPIC = Topic(
    name="registry.units.v1", key="unit", kind="facts", models={UNIT: UnitFact},
    producers=("registry",), groups=("checkpoint.units",), compacted=True,
)  # fmt: skip
ROSTERS_TOPIC = Topic(
    name="registry.rosters.v1", key="desk", kind="facts", models={ROSTER: Roster},
    producers=("registry",), groups=("dispatch.rosters", "screening.rosters", "checkpoint.rosters"),
    compacted=True, routing=lambda body: body.desk,
)  # fmt: skip
CHARGES_TOPIC = Topic(
    name="registry.charges.v1", key="desk", kind="facts", models={CHARGES: Charges},
    producers=("registry",), groups=("screening.charges",), compacted=True,
)  # fmt: skip
HOUSEHOLDS_TOPIC = Topic(
    name="registry.households.v1", key="household", kind="facts", models={HOUSEHOLD: HouseholdFact},
    producers=("registry",), groups=("screening.households", "checkpoint.households"), compacted=True,
)  # fmt: skip
FINDINGS_TOPIC = Topic(
    name="registry.findings.v1", key="K/finding", kind="facts", models={FINDING: Finding},
    producers=("registry",), retention=timedelta(days=90),
)  # fmt: skip
OUTCOMES_TOPIC = Topic(
    name="registry.outcomes.v1", key="routing part of the command's key / command id", kind="facts",
    models={OUTCOME: Outcome}, producers=("registry",), retention=timedelta(days=400),
)  # fmt: skip

TOPICS = (
    COMMANDS_TOPIC, UNITS_TOPIC, ROSTERS_TOPIC, CHARGES_TOPIC, HOUSEHOLDS_TOPIC, FINDINGS_TOPIC,
    OUTCOMES_TOPIC,
)  # fmt: skip
