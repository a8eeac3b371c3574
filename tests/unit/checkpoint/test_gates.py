"""Gates: one open exit an area, emergencies beside it, other purposes, teams; and who may say so."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.checkpoint.domain.gates import is_exit
from services.checkpoint.domain.ground import SYSTEM, nearest_known
from services.checkpoint.store import ROSTERS, UNITS
from shared.contracts import checkpoint as contract
from shared.contracts.checkpoint import (
    CloseGate,
    EndEmergency,
    MoveExit,
    OpenEmergency,
    SetTeam,
)
from tests.builders.checkpoint import (
    AREA,
    AREA_CHIEF,
    BRANCH,
    CHIEF,
    DESK,
    GATE,
    GATE2,
    GATE3,
    GRID,
    GRID_CHIEF,
    HOUR,
    LEADER,
    MINUTE,
    NOON,
    OTHER_AREA,
    OTHER_GATE,
    Checkpoint,
    gate_team,
    opening,
    ordered,
    roster,
    unit,
)


def closing(gate: str = GATE, **other: Any) -> CloseGate:
    return CloseGate(**{"gate": gate, "issuer": LEADER, "reason": "只留一个出口", **other})


def moving(gate: str = GATE2, **other: Any) -> MoveExit:
    return MoveExit(**{"gate": gate, "issuer": LEADER, "duty": LEADER, "reason": "道路施工", **other})


def emergency(gate: str = GATE2, **other: Any) -> OpenEmergency:
    fields: dict[str, Any] = {"kind": "fire", "reason": "三号楼起火", "until": NOON + HOUR}
    return OpenEmergency(**{"gate": gate, "issuer": LEADER, **fields, **other})


def manning(**other: Any) -> SetTeam:
    fields: dict[str, Any] = {"team": "jiayu163:gate-team", "members": tuple(gate_team())}
    return SetTeam(**{"gate": GATE, "issuer": LEADER, **fields, **other})


async def refused(checkpoint: Checkpoint, command: Any, **how: Any) -> tuple[str | None, str | None]:
    result = await checkpoint.tell(command, **how)
    assert not result.accepted
    return result.code, result.detail


async def accepted(checkpoint: Checkpoint, command: Any, **how: Any) -> None:
    result = await checkpoint.tell(command, **how)
    assert result.accepted, result


@pytest.mark.req("S2-05", "F-07")
class TestOneExit:
    async def test_five_of_six_exits_are_closed_and_stay_in_the_register(self) -> None:
        checkpoint = Checkpoint()
        for number in range(2, 7):
            await accepted(checkpoint, closing(f"{AREA}.k{number}"))
        await accepted(checkpoint, opening())
        assert {gate.gate[-2:]: gate.open for gate in checkpoint.gates().values()} == {
            "k1": True, "k2": False, "k3": False, "k4": False, "k5": False, "k6": False,
        }  # fmt: skip

    async def test_a_second_exit_is_refused_and_the_open_one_named(self) -> None:
        checkpoint = Checkpoint()
        await accepted(checkpoint, opening())
        assert await refused(checkpoint, opening(GATE2)) == ("another-exit-open", GATE)

    async def test_another_area_has_its_own_exit(self) -> None:
        checkpoint = Checkpoint()
        await accepted(checkpoint, opening())
        await accepted(checkpoint, opening(OTHER_GATE, issuer=GRID_CHIEF), actor="p-grid")
        assert checkpoint.gate(OTHER_GATE).area == OTHER_AREA

    async def test_the_only_exit_is_never_closed(self) -> None:
        checkpoint = Checkpoint()
        await accepted(checkpoint, opening())
        assert (await refused(checkpoint, closing()))[0] == "last-exit"
        assert (await refused(checkpoint, opening(purpose="turn-back")))[0] == "last-exit"
        assert checkpoint.gate().open

    async def test_a_move_opens_one_and_closes_the_other_in_one_decision(self) -> None:
        checkpoint = Checkpoint()
        await accepted(checkpoint, opening())
        await accepted(checkpoint, moving())
        assert not checkpoint.gate(GATE).open
        assert checkpoint.gate(GATE2).open
        moved = {fact.gate: fact for fact in checkpoint.said(contract.GATE) if fact.v == 2}
        assert {gate: fact.open for gate, fact in moved.items()} == {GATE: False, GATE2: True}

    async def test_a_gate_that_covers_another_area_now_cannot_leave_its_own_shut(self) -> None:
        checkpoint = Checkpoint()
        await accepted(checkpoint, opening())
        checkpoint.know(UNITS, GATE, unit(v=4, covers=(OTHER_AREA,)))
        assert (await refused(checkpoint, moving(GATE, issuer=GRID_CHIEF), actor="p-grid"))[0] == "last-exit"

    async def test_opening_again_changes_who_answers(self) -> None:
        checkpoint = Checkpoint()
        await accepted(checkpoint, opening())
        await accepted(checkpoint, opening(duty=BRANCH))
        assert checkpoint.gate().duty == BRANCH

    async def test_a_closed_gate_is_not_closed_again(self) -> None:
        checkpoint = Checkpoint()
        await accepted(checkpoint, closing(GATE2))
        assert (await refused(checkpoint, closing(GATE2)))[0] == "already-closed"

    @settings(max_examples=60, deadline=None)
    @given(
        steps=st.lists(
            st.tuples(
                st.sampled_from(["open", "turn-back", "close", "move", "emergency", "end"]),
                st.sampled_from([GATE, GATE2, GATE3]),
            ),
            max_size=12,
        )
    )
    async def test_whatever_is_asked_an_area_once_opened_has_exactly_one_exit(
        self, steps: list[tuple[str, str]]
    ) -> None:
        checkpoint, opened = Checkpoint(), False
        for what, gate in steps:
            command: Any = {
                "open": opening(gate),
                "turn-back": opening(gate, purpose="turn-back"),
                "close": closing(gate),
                "move": moving(gate),
                "emergency": emergency(gate),
                "end": EndEmergency(gate=gate, issuer=LEADER, until=NOON + HOUR),
            }[what]
            result = await checkpoint.tell(command)
            opened = opened or (result.accepted and what in ("open", "move"))
            assert sum(map(is_exit, checkpoint.gates().values())) == int(opened)


@pytest.mark.req("S2-09")
class TestPurposes:
    async def test_turn_back_and_boundary_posts_stand_outside_the_rule(self) -> None:
        checkpoint = Checkpoint()
        await accepted(checkpoint, opening())
        await accepted(checkpoint, opening(GATE2, purpose="turn-back"))
        await accepted(checkpoint, opening(GATE3, purpose="boundary", between=(AREA, OTHER_AREA)))
        assert [gate.purpose for gate in checkpoint.gates().values()] == ["gate", "turn-back", "boundary"]
        await accepted(checkpoint, closing(GATE2))

    async def test_a_boundary_lies_between_two_places(self) -> None:
        assert (await refused(Checkpoint(), opening(purpose="boundary")))[0] == "between-missing"

    async def test_only_a_boundary_lies_between_two_places(self) -> None:
        checkpoint = Checkpoint()
        await accepted(checkpoint, opening(purpose="turn-back", between=(AREA, OTHER_AREA)))
        assert checkpoint.gate().between is None


@pytest.mark.req("S2-05", "F-07")
class TestEmergency:
    async def test_it_opens_a_closed_gate_beside_the_exit_with_reason_and_end(self) -> None:
        checkpoint = Checkpoint()
        await accepted(checkpoint, opening())
        await accepted(checkpoint, emergency(), now=NOON + MINUTE)
        (fact,) = [fact for fact in checkpoint.said(contract.GATE) if fact.gate == GATE2]
        assert not fact.open
        assert (fact.emergency.kind, fact.emergency.reason) == ("fire", "三号楼起火")
        assert (fact.emergency.since, fact.emergency.until) == (NOON + MINUTE, NOON + HOUR)
        assert checkpoint.gate(GATE).open

    @pytest.mark.req("M-06")
    async def test_its_end_is_bounded_by_the_dated_rule(self) -> None:
        checkpoint = Checkpoint()
        assert (await refused(checkpoint, emergency(until=NOON)))[0] == "already-over"
        assert (await refused(checkpoint, emergency(until=NOON + 4 * HOUR + MINUTE)))[0] == "ends-too-late"
        await accepted(checkpoint, emergency(until=NOON + 4 * HOUR))

    async def test_it_ends_by_itself_when_its_time_has_passed_and_not_before(self) -> None:
        checkpoint = Checkpoint()
        await accepted(checkpoint, emergency())
        end = EndEmergency(gate=GATE2, until=NOON + HOUR)
        early = await refused(checkpoint, end, actor=SYSTEM, now=NOON + HOUR - MINUTE)
        assert early[0] == "not-over-yet"
        await accepted(checkpoint, end, actor=SYSTEM, now=NOON + HOUR)
        assert checkpoint.gate(GATE2).emergency is None
        assert (await refused(checkpoint, end, actor=SYSTEM, now=NOON + HOUR))[0] == "no-emergency"

    async def test_an_end_is_of_one_emergency_and_not_of_a_later_one(self) -> None:
        checkpoint = Checkpoint()
        await accepted(checkpoint, emergency())
        await accepted(checkpoint, emergency(until=NOON + 2 * HOUR))
        end = EndEmergency(gate=GATE2, until=NOON + HOUR)
        assert (await refused(checkpoint, end, actor=SYSTEM, now=NOON + HOUR))[0] == "another-emergency"

    async def test_a_person_may_end_it_early_and_nobody_else_speaks_for_the_service(self) -> None:
        checkpoint = Checkpoint()
        await accepted(checkpoint, emergency())
        by_itself = EndEmergency(gate=GATE2, until=NOON + HOUR)
        assert (await refused(checkpoint, by_itself))[0] == "not-the-service"
        await accepted(checkpoint, EndEmergency(gate=GATE2, issuer=LEADER, until=NOON + HOUR))
        assert checkpoint.gate(GATE2).emergency is None

    async def test_who_answers_for_the_gate_may_open_it_in_an_emergency_and_not_as_the_exit(self) -> None:
        checkpoint = Checkpoint()
        await accepted(checkpoint, opening(duty=BRANCH))
        await accepted(checkpoint, emergency(GATE, issuer=BRANCH), actor="p-branch")
        assert (await refused(checkpoint, emergency(GATE2, issuer=BRANCH), actor="p-branch"))[
            0
        ] == "outside-scope"
        assert (await refused(checkpoint, moving(issuer=BRANCH), actor="p-branch"))[0] == "outside-scope"


class TestAuthority:
    @pytest.mark.parametrize(
        ("issuer", "actor", "code"),
        [
            (LEADER, "p-leader", None),
            (GRID_CHIEF, "p-grid", None),
            (AREA_CHIEF, "p-area", None),
            (CHIEF, "boss", None),
            (LEADER, "p-grid", "not-the-holder"),
            (f"{AREA}/s:nobody", "p-leader", "unknown-issuer"),
            (BRANCH, "p-branch", "outside-scope"),
        ],
    )
    async def test_who_covers_the_area_may_open_its_gate(
        self, issuer: str, actor: str, code: str | None
    ) -> None:
        result = await Checkpoint().tell(opening(issuer=issuer), actor=actor)
        assert result.code == code

    async def test_an_area_without_a_seat_is_asked_of_the_nearest_place_that_has_one(self) -> None:
        checkpoint = Checkpoint()
        assert (await refused(checkpoint, opening(OTHER_GATE)))[0] == "outside-scope"
        await accepted(checkpoint, opening(OTHER_GATE, issuer=GRID_CHIEF), actor="p-grid")

    def test_the_nearest_known_place_is_at_the_latest_the_desk(self) -> None:
        known = roster()
        assert nearest_known(known, (OTHER_AREA, GRID, DESK)) == GRID
        assert nearest_known(roster(posts=(AREA_CHIEF,)), (OTHER_AREA, GRID, DESK)) == DESK
        assert nearest_known(None, (OTHER_AREA, GRID, DESK)) == DESK

    async def test_without_the_rosters_copy_nobody_may(self) -> None:
        checkpoint = Checkpoint()
        checkpoint.know(ROSTERS, DESK, roster(posts=()))
        assert (await refused(checkpoint, opening()))[0] == "unknown-issuer"

    async def test_the_outcome_names_the_copies_it_rests_on(self) -> None:
        checkpoint = Checkpoint()
        await accepted(checkpoint, opening(), id_="command-seen")
        assert checkpoint.outcome("command-seen").based_on == {f"roster/{DESK}": 7, f"unit/{GATE}": 3}

    async def test_somebody_must_answer_for_an_open_gate(self) -> None:
        assert (await refused(Checkpoint(), opening(duty=f"{DESK}/s:ghost")))[0] == "unknown-duty"


class TestGatesAreRegistrys:
    @pytest.mark.parametrize(
        "fact",
        [unit(kind="building"), unit(valid_from="2026-03-03"), unit(valid_to="2026-03-02")],
        ids=["no gate", "not yet", "no more"],
    )
    async def test_only_a_gate_that_stands_today_is_opened(self, fact: Any) -> None:
        checkpoint = Checkpoint()
        checkpoint.know(UNITS, GATE, fact)
        assert await refused(checkpoint, opening()) == ("unknown-gate", GATE)

    async def test_a_gate_nobody_knows_is_refused_whatever_is_asked_of_it(self) -> None:
        gone = f"{AREA}.k9"
        checkpoint = Checkpoint()
        for command in (opening(gone), closing(gone), moving(gone), emergency(gone), manning(gate=gone)):
            assert await refused(checkpoint, command) == ("unknown-gate", gone)

    async def test_a_retired_gate_can_still_be_left(self) -> None:
        checkpoint = Checkpoint()
        await accepted(checkpoint, opening())
        checkpoint.know(UNITS, GATE, unit(v=4, valid_to="2026-03-02"))
        await accepted(checkpoint, moving())
        assert not checkpoint.gate().open

    async def test_the_area_is_what_the_gate_covers(self) -> None:
        checkpoint = Checkpoint()
        checkpoint.know(UNITS, GATE, unit(v=4, covers=(OTHER_AREA,)))
        await accepted(checkpoint, opening(issuer=GRID_CHIEF), actor="p-grid")
        assert checkpoint.gate().area == OTHER_AREA


@pytest.mark.req("S2-07", "M-05", "F-07")
class TestTeam:
    async def test_a_complete_team_mans_the_gate(self) -> None:
        checkpoint = Checkpoint()
        await accepted(checkpoint, opening())
        await accepted(checkpoint, manning())
        team = checkpoint.said(contract.GATE)[-1].team
        assert (team.name, len(team.members)) == ("jiayu163:gate-team", 6)

    async def test_an_incomplete_one_is_refused_with_all_its_faults(self) -> None:
        members = (*gate_team()[1:4], gate_team()[1])
        code, detail = await refused(Checkpoint(), manning(members=members))
        assert code == "team-incomplete"
        for fault in ("too-few: 3 of 5", "role-short: leader: 0 of 1", "person-twice: p-2"):
            assert fault in (detail or "")

    async def test_a_team_that_no_scheme_defines_is_refused(self) -> None:
        assert (await refused(Checkpoint(), manning(team="jiayu163:nobody")))[0] == "unknown-team"


class TestRecords:
    async def test_a_record_seen_twice_publishes_the_same_bytes(self) -> None:
        checkpoint = Checkpoint()
        await checkpoint.take(ordered(opening(), id_="command-1"))
        await checkpoint.take(ordered(moving(), id_="command-2"))
        before = list(checkpoint.watch.published)
        await checkpoint.take(ordered(moving(), id_="command-2"), again=True)
        assert checkpoint.watch.published[len(before) :] == before[-3:]

    async def test_a_refused_command_publishes_no_fact(self) -> None:
        checkpoint = Checkpoint()
        await refused(checkpoint, emergency(until=NOON))
        assert checkpoint.said(contract.GATE) == []

    async def test_a_post_id_that_names_no_place_is_bad_data_and_the_sender_is_told(self) -> None:
        checkpoint = Checkpoint()
        # As it would arrive: the model itself makes no such command.
        nowhere = opening().model_copy(update={"issuer": "nowhere/s:leader"})
        bad = ordered(nowhere, id_="command-bad")
        await checkpoint.take(bad, ordered(opening(), id_="command-good"))
        assert checkpoint.outcome("command-bad").status == "malformed"
        assert checkpoint.outcome("command-good").results[0].accepted
        assert dict(checkpoint.watch.letters) == {"invalid-body": 1}
