"""A compound of the first community as checkpoint hears of it: gates, passes, crossings."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from shared.contracts import checkpoint as contract
from shared.contracts import registry
from shared.contracts.checkpoint import (
    CheckpointCommand,
    Crosser,
    Crossing,
    IssuePass,
    OpenGate,
    Order,
)
from shared.contracts.envelope import Message
from shared.contracts.registry import UnitFact
from tests.harness.log import Log, new_id
from tests.harness.rounds import GRID, fact, household
from tests.harness.services import Service
from tests.harness.store import has_rosters, stored
from tests.harness.waiting import until
from tests.harness.world import FIRST, SECOND, chief, community, holder, member, street

COMPOUND = f"{GRID}.c1"
GATES = tuple(f"{COMPOUND}.k{number}" for number in (1, 2, 3))
HOMES = tuple(f"hh-compound-{number:04}" for number in range(4))
HOUR = timedelta(hours=1)


def gate_unit(gate: str, **other: Any) -> Message:
    """Return a gate as registry knows it."""
    path = ("61", "6108", "610802", "610802006", FIRST, GRID, COMPOUND)
    fields: dict[str, Any] = {
        "code": gate, "v": 1, "kind": "gate", "path": path, "valid_from": date(2026, 1, 1),
    }  # fmt: skip
    return fact(registry.UNITS_TOPIC, registry.UNIT, gate, UnitFact(**{**fields, **other}))


def home(id_: str) -> Message:
    """Return a household of the compound."""
    unit = f"{COMPOUND}.b1"
    return household(id_, unit=unit, within=(GRID, COMPOUND, unit), care_unit=GRID)


async def settled(service: Service, log: Log, gates: Sequence[str] = GATES) -> None:
    """Say all of the compound, and wait until the service's copies have it."""
    rosters = (community(FIRST), street(FIRST, SECOND))
    await log.rosters(*rosters)
    await log.append(*map(home, HOMES), *map(gate_unit, gates))
    await has_rosters(service, *rosters)
    await until(
        lambda: (
            all(stored(service, "households", house) for house in HOMES)
            and all(stored(service, "units", gate) for gate in gates)
        ),
        what="the homes and gates arrive",
    )


def of_command(command: Order, id_: str | None = None) -> Message:
    """Return a command by whoever holds its issuer's post."""
    body = CheckpointCommand(command=command)
    actor = holder(getattr(command, "issuer", None) or chief(FIRST))
    return fact(contract.COMMANDS_TOPIC, contract.COMMAND, body.desk, body, actor=actor, id_=id_)


def opening(gate: str = GATES[0], **other: Any) -> OpenGate:
    return OpenGate(**{"gate": gate, "issuer": chief(FIRST), "duty": member(FIRST), **other})


def issuing(pass_id: str, house: str = HOMES[0], **other: Any) -> IssuePass:
    """Return a home pass for three days."""
    now = datetime.now(UTC)
    fields: dict[str, Any] = {
        "pass_id": pass_id, "issuer": chief(FIRST), "kind": "home", "area": COMPOUND, "household": house,
        "subject": f"ps-{house}", "since": now - HOUR, "until": now + 71 * HOUR,
    }  # fmt: skip
    return IssuePass(**{**fields, **other})


def crosser(pass_id: str, house: str = HOMES[0], **other: Any) -> Crosser:
    """Return the holder of a home pass, measured and let through."""
    fields: dict[str, Any] = {
        "pass_id": pass_id, "kind": "home", "subject": f"ps-{house}", "household": house,
        "until": datetime.now(UTC) + 71 * HOUR, "temperature": 36.5, "verdict": "allow", "code": "home",
    }  # fmt: skip
    return Crosser(**{**fields, **other})


def crossing(direction: str, *people: Crosser, ago: timedelta = timedelta(0), **other: Any) -> Crossing:
    """Return one passage at the first gate, some time ago."""
    fields: dict[str, Any] = {
        "gate": GATES[0], "desk": FIRST, "area": COMPOUND, "direction": direction,
        "at": datetime.now(UTC) - ago, "people": people, "verdict": "allow", "rules": "2020-01-01",
    }  # fmt: skip
    return Crossing(**{**fields, **other})


def of_crossing(body: Crossing, id_: str | None = None) -> Message:
    return fact(contract.CROSSINGS_TOPIC, contract.CROSSING, body.desk, body, id_=id_ or new_id("crossing"))
