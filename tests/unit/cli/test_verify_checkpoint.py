"""What the oracle makes of a gate's commands and crossings: written down by hand."""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cli.verify import checkpoint
from shared.contracts import checkpoint as contract
from shared.contracts import registry
from shared.contracts.checkpoint import (
    CheckpointCommand,
    CloseGate,
    Crosser,
    Crossing,
    EndEmergency,
    IssuePass,
    MoveExit,
    OpenEmergency,
    OpenGate,
    OverstayTick,
    RevokePass,
)
from shared.contracts.registry import UnitFact
from tests.builders.log import NOON, Written
from tests.harness.world import FIRST, chief, member

COMPOUND = f"{FIRST}001.c1"
GATES = (f"{COMPOUND}.k1", f"{COMPOUND}.k2")
PASS = "pass-0001"
ZONE = ZoneInfo("Asia/Shanghai")
BY: dict[str, Any] = {"issuer": chief(FIRST)}


class Told(Written):
    """Two gates of one compound."""

    def __init__(self) -> None:
        super().__init__()
        for gate in GATES:
            fact = UnitFact(code=gate, v=1, kind="gate", path=(FIRST, COMPOUND), valid_from=date(2026, 1, 1))
            self.say(registry.UNITS_TOPIC, fact, key=gate)

    def decide(self, *commands: Any, accepted: bool = True) -> None:
        for command in commands:
            self.command(
                contract.COMMANDS_TOPIC, contract.OUTCOMES_TOPIC, CheckpointCommand(command=command),
                key=FIRST, accepted=(accepted,),
            )  # fmt: skip

    def cross(
        self, direction: str, *, at: float = 0, id_: str = "", verdict: str = "allow", **said: Any
    ) -> None:
        person = Crosser(
            pass_id=PASS, temperature=36.5, verdict=verdict, code="home", **said.pop("person", {})
        )
        crossing = Crossing(
            gate=GATES[0], desk=FIRST, area=COMPOUND, direction=direction, verdict=verdict,
            rules="2020-01-01", at=NOON + timedelta(seconds=at),
            people=(person,) * said.pop("people", 1), **said,
        )  # fmt: skip
        self.say(contract.CROSSINGS_TOPIC, crossing, key=FIRST, id_=id_, at=at)

    def said(self) -> dict[str, Any]:
        return checkpoint.said(self.log, ZONE)

    def gate(self, number: int = 0) -> dict[str, Any]:
        return dict(self.said()[f"gate {GATES[number]}"])


@pytest.fixture
def told() -> Told:
    return Told()


def test_moving_the_exit_opens_one_gate_and_closes_the_other(told: Told) -> None:
    told.decide(OpenGate(gate=GATES[0], duty=member(FIRST), **BY))
    told.decide(CloseGate(gate=GATES[0], reason="x", **BY), accepted=False)
    assert told.gate()["open"] is True
    told.decide(MoveExit(gate=GATES[1], duty=member(FIRST), reason="x", **BY))
    assert [told.gate(number)["open"] for number in (0, 1)] == [False, True]


def test_an_emergency_stands_until_it_is_ended(told: Told) -> None:
    until = NOON + timedelta(hours=1)
    told.decide(OpenEmergency(gate=GATES[0], kind="fire", reason="x", until=until, **BY))
    assert told.gate()["emergency until"] is not None
    told.decide(EndEmergency(gate=GATES[0], until=until))
    assert told.gate()["emergency until"] is None


def test_a_pass_is_what_was_last_decided_of_it(told: Told) -> None:
    window = {"since": NOON, "until": NOON + timedelta(hours=1)}
    issued = IssuePass(
        pass_id=PASS, kind="home", area=COMPOUND, household="house-0001", subject="ps-1", **BY, **window
    )
    told.decide(issued)
    assert told.said()[f"pass {PASS}"]["status"] == "valid"
    told.decide(RevokePass(pass_id=PASS, area=COMPOUND, reason="x", **BY))
    assert told.said()[f"pass {PASS}"]["status"] == "revoked"


def test_a_day_counts_every_id_once_and_the_people_who_passed(told: Told) -> None:
    for _ in range(2):
        told.cross("out", id_="crossing-1")
    told.cross("in", people=3, vehicle=True, at=1)
    told.cross("in", verdict="deny", at=2)
    assert told.said()[f"gate {GATES[0]} on 2026-01-01"] == {
        "crossings": 3, "allow": 2, "deny": 1, "vehicles": 1, "no-driver": 1, "out": 1, "in": 3,
    }  # fmt: skip


def test_where_somebody_is_goes_by_the_gates_clock_and_not_by_what_arrived_last(told: Told) -> None:
    told.cross("out", at=0)
    told.cross("in", at=60)
    told.cross("out", at=30)
    told.cross("out", at=90, verdict="deny")
    assert told.said()[f"pass {PASS} at {FIRST}"] == {"outside": False, "gate": GATES[0], "overdue": False}


def test_whoever_is_not_back_in_time_is_overdue_once_the_time_has_been_told(told: Told) -> None:
    due = NOON + timedelta(seconds=60)
    told.cross("out", person={"kind": "movement", "until": due})
    tick = OverstayTick(pass_id=PASS, desk=FIRST, due=due)
    told.say(contract.CROSSINGS_TOPIC, tick, key=FIRST, at=30)
    assert told.said()[f"pass {PASS} at {FIRST}"]["overdue"] is False
    told.say(contract.CROSSINGS_TOPIC, tick, key=FIRST, at=61)
    assert told.said()[f"pass {PASS} at {FIRST}"]["overdue"] is True
    told.cross("in", at=70)
    assert told.said()[f"pass {PASS} at {FIRST}"]["overdue"] is False
