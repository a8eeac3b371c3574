"""What checkpoint owns: which gates are open, who holds a pass, and who went through.

No name, phone, address, document or vehicle number stands here: a pass names a pseudonym that means nothing
outside its household (F-08).
"""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from shared.contracts.alerts import alerts_topic
from shared.contracts.base import Code, Count, Handle, Instant, MessageId, Model, PostId, Reason
from shared.contracts.outcomes import Outcome
from shared.contracts.screening import Celsius
from shared.contracts.teams import TeamMember, TeamName
from shared.contracts.topics import Topic, message_type
from shared.kernel.codes import desk_of

Purpose = Literal["gate", "turn-back", "boundary"]
EmergencyKind = Literal["fire", "medical", "rescue", "other"]
PassKind = Literal["home", "medic", "movement"]
PassStatus = Literal["valid", "revoked", "expired"]
Direction = Literal["in", "out"]
Verdict = Literal["allow", "deny", "refer"]
DecisionCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]{1,40}$")]
CrosserRole = Literal["pedestrian", "driver", "occupant"]


# --- facts ---


class Emergency(Model):
    """An opening beside the one exit: for a reason, and with an end that needs nobody (S2-05)."""

    kind: EmergencyKind
    reason: Reason
    since: Instant
    until: Instant


class Team(Model):
    """Who mans a gate, and of which kind of team the composition was checked (S2-07)."""

    name: TeamName
    members: tuple[TeamMember, ...]


class GateFact(Model):
    """One gate as it stands. `area` is the closed area it is an exit of; `duty` answers for it (S2-13).

    `open` is the daily exit; during an emergency a gate lets everybody pass whatever `open` says.
    """

    gate: Code
    v: Count
    desk: Code
    area: Code
    purpose: Purpose = "gate"
    open: bool
    duty: PostId
    between: tuple[Code, Code] | None = None
    emergency: Emergency | None = None
    team: Team | None = None


class PassFact(Model):
    """One pass. Both ends of its window are set: out not before `since`, back by `until` (S1-09)."""

    pass_id: MessageId
    v: Count
    kind: PassKind
    desk: Code
    area: Code
    household: MessageId
    subject: Handle
    since: Instant
    until: Instant
    status: PassStatus = "valid"
    issuer: PostId


class Crosser(Model):
    """One person of a crossing: what the pass said, what was measured, and what was decided."""

    role: CrosserRole = "pedestrian"
    pass_id: MessageId | None = None
    kind: PassKind | None = None
    subject: Handle | None = None
    household: MessageId | None = None
    until: Instant | None = None
    temperature: Celsius | None = None
    verdict: Verdict
    code: DecisionCode


class Crossing(Model):
    """One passage, or one refused, at a gate: of a person on foot, or of a vehicle with all in it (S3-21).

    `at` is when the gate's process decided, by its own clock; `claimed_at` is what the device said.
    """

    gate: Code
    desk: Code
    area: Code
    direction: Direction
    at: Instant
    claimed_at: Instant | None = None
    vehicle: bool = False
    people: Annotated[tuple[Crosser, ...], Field(min_length=1, max_length=60)]
    verdict: Verdict
    rules: str
    data_age: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _gate_of_this_desk(self) -> Self:
        # One partition alone writes a gate's day; a record under another community's key is bad data.
        if desk_of(self.gate) != self.desk:
            raise ValueError("the desk is the gate's community")
        return self

    @property
    def incomplete(self) -> tuple[str, ...]:
        """What is missing: a pass or a temperature (S2-06), or a vehicle's driver (S3-21)."""
        missing = {
            "no-pass": any(person.pass_id is None for person in self.people),
            "no-temperature": any(person.temperature is None for person in self.people),
            "no-driver": self.vehicle and all(person.role != "driver" for person in self.people),
        }
        return tuple(code for code, holds in missing.items() if holds)


class OverstayTick(Model):
    """Internal: the time by which the holder of a pass was to be back has passed."""

    pass_id: MessageId
    desk: Code
    due: Instant


# --- commands: all of one K ---


class OpenGate(Model):
    """Open a gate as the one exit of its area, or set up a turn-back point or a boundary post (S2-09)."""

    do: Literal["open-gate"] = "open-gate"
    gate: Code
    issuer: PostId
    purpose: Purpose = "gate"
    duty: PostId
    between: tuple[Code, Code] | None = None


class CloseGate(Model):
    """Close a gate; it stays in the register. The one exit of an area is moved, not closed."""

    do: Literal["close-gate"] = "close-gate"
    gate: Code
    issuer: PostId
    reason: Reason


class MoveExit(Model):
    """Make this gate the one exit of its area: it opens and the one before it closes, in one decision."""

    do: Literal["move-exit"] = "move-exit"
    gate: Code
    issuer: PostId
    duty: PostId
    reason: Reason


class OpenEmergency(Model):
    """Open a gate for an emergency, until an instant."""

    do: Literal["open-emergency"] = "open-emergency"
    gate: Code
    issuer: PostId
    kind: EmergencyKind
    reason: Reason
    until: Instant


class EndEmergency(Model):
    """End an emergency opening early; the process itself says so when its time has passed."""

    do: Literal["end-emergency"] = "end-emergency"
    gate: Code
    issuer: PostId | None = None
    until: Instant


class SetTeam(Model):
    """Say who mans a gate; the composition is checked by the scheme's team (S2-07, M-05)."""

    do: Literal["set-team"] = "set-team"
    gate: Code
    issuer: PostId
    team: TeamName
    members: Annotated[tuple[TeamMember, ...], Field(min_length=1, max_length=200)]


class IssuePass(Model):
    """Issue a pass to a pseudonym of a household, for an area and a window.

    Without `since` it begins when it is decided, so that the same command again has the same body.
    """

    do: Literal["issue-pass"] = "issue-pass"
    pass_id: MessageId
    issuer: PostId
    kind: PassKind
    area: Code
    household: MessageId
    subject: Handle
    since: Instant | None = None
    until: Instant

    @model_validator(mode="after")
    def _window_has_an_inside(self) -> Self:
        if self.since is not None and self.until <= self.since:
            raise ValueError("a window ends after it begins")
        return self


class RevokePass(Model):
    """Withdraw a pass."""

    do: Literal["revoke-pass"] = "revoke-pass"
    pass_id: MessageId
    area: Code
    issuer: PostId
    reason: Reason


class ExpirePass(Model):
    """Internal: the window of a pass has ended."""

    do: Literal["expire-pass"] = "expire-pass"
    pass_id: MessageId
    area: Code
    until: Instant


Order = Annotated[
    OpenGate | CloseGate | MoveExit | OpenEmergency | EndEmergency | SetTeam | IssuePass | RevokePass
    | ExpirePass,
    Field(discriminator="do"),
]  # fmt: skip


class CheckpointCommand(Model):
    """A command on the gates and passes of one community; the record's key is that community."""

    command: Order

    @property
    def desk(self) -> str:
        """The community of the gate, or of the area of the pass."""
        command = self.command
        return desk_of(
            command.area if isinstance(command, IssuePass | RevokePass | ExpirePass) else command.gate
        )


# --- topics ---

COMMAND = message_type("checkpoint", "command")
GATE = message_type("checkpoint", "gate")
PASS = message_type("checkpoint", "pass")
CROSSING = message_type("checkpoint", "crossing")
TICK = message_type("checkpoint", "tick")
ALERT = message_type("checkpoint", "alert")
OUTCOME = message_type("checkpoint", "outcome")

COMMANDS_TOPIC = Topic(
    name="checkpoint.commands.v1", key="K", kind="commands", models={COMMAND: CheckpointCommand},
    producers=("apis", "imports", "integrations", "checkpoint"), groups=("checkpoint.commands",),
    routing=lambda body: body.desk,
)  # fmt: skip
GATES_TOPIC = Topic(
    name="checkpoint.gates.v1", key="gate", kind="facts", models={GATE: GateFact},
    producers=("checkpoint",), compacted=True,
)  # fmt: skip
PASSES_TOPIC = Topic(
    name="checkpoint.passes.v1", key="pass", kind="facts", models={PASS: PassFact},
    producers=("checkpoint",), compacted=True,
)  # fmt: skip
CROSSINGS_TOPIC = Topic(
    name="checkpoint.crossings.v1", key="K", kind="facts", models={CROSSING: Crossing, TICK: OverstayTick},
    producers=("gates", "integrations", "checkpoint"), groups=("checkpoint.crossings",),
    retention=timedelta(days=14), routing=lambda body: body.desk,
)  # fmt: skip
ALERTS_TOPIC = alerts_topic("checkpoint")
OUTCOMES_TOPIC = Topic(
    name="checkpoint.outcomes.v1", key="routing part of the command's key / command id", kind="facts",
    models={OUTCOME: Outcome}, producers=("checkpoint",), retention=timedelta(days=400),
)  # fmt: skip

TOPICS = (COMMANDS_TOPIC, GATES_TOPIC, PASSES_TOPIC, CROSSINGS_TOPIC, ALERTS_TOPIC, OUTCOMES_TOPIC)
