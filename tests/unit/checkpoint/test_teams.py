"""One rule for four kinds of team: roles, counts, predicates, groups, people; every fault is named."""

from typing import Any

import pytest

from services.checkpoint.domain.teams import faults_of
from services.checkpoint.schemes import load_teams
from shared.contracts.teams import TeamDefinition, TeamMember
from shared.kernel.errors import ConfigurationError
from tests.builders.checkpoint import SCHEMES, gate_team, member

SHIPPED = load_teams(SCHEMES)
COMMAND_POST = TeamDefinition.model_validate(
    {
        "size": 3,
        "roles": {
            "linked-leader": {"where": {"post": ["subdistrict-leader"]}},
            "branch-secretary": {},
            "first-secretary": {},
        },
    }
)
FIVE_TO_ONE = TeamDefinition.model_validate(
    {
        "size": 5,
        "distinct_roles": True,
        "roles": {
            role: {"count": 0}
            for role in ("cadre", "grid-member", "medic", "police", "volunteer", "relative", "militia")
        },
    }
)


def strike_team() -> list[TeamMember]:
    groups = ("gate-duty", "screening-monitoring", "supplies")
    return [member(f"p-{n}", "member", groups[n % 3]) for n in range(8)]


def command_post() -> list[TeamMember]:
    return [
        member("p-1", "linked-leader", post="subdistrict-leader"),
        member("p-2", "branch-secretary"),
        member("p-3", "first-secretary"),
    ]


def cell() -> list[TeamMember]:
    roles = ("cadre", "grid-member", "medic", "police", "volunteer")
    return [member(f"p-{n}", role) for n, role in enumerate(roles)]


def codes(definition: TeamDefinition, members: list[TeamMember]) -> list[str]:
    return [fault.code for fault in faults_of(definition, members)]


@pytest.mark.req("M-05", "S1-02", "S2-07", "S2-18", "S3-12")
@pytest.mark.parametrize(
    ("definition", "members"),
    [
        (COMMAND_POST, command_post()),
        (SHIPPED["jiayu163:gate-team"], gate_team()),
        (SHIPPED["jiayu163:strike-team"], strike_team()),
        (FIVE_TO_ONE, cell()),
    ],
    ids=["command post", "gate team", "strike team", "five to one"],
)
def test_a_complete_team_has_no_fault_and_without_any_one_of_its_members_it_has(
    definition: TeamDefinition, members: list[TeamMember]
) -> None:
    assert codes(definition, members) == []
    if len(members) > definition.size or definition.groups:
        return
    for missing in members:
        assert codes(definition, [each for each in members if each is not missing])


@pytest.mark.req("S1-02")
def test_the_command_post_needs_each_of_its_three_roles() -> None:
    without = [each for each in command_post() if each.role != "first-secretary"]
    assert codes(COMMAND_POST, [*without, member("p-9", "branch-secretary")]) == ["role-short"]


@pytest.mark.req("S2-07", "M-05")
class TestGateTeam:
    DEFINITION = SHIPPED["jiayu163:gate-team"]

    @pytest.mark.parametrize("place", range(6))
    def test_five_people_are_not_enough_without_the_composition(self, place: int) -> None:
        members = gate_team()
        del members[place]
        assert len(members) == self.DEFINITION.size == 5
        assert codes(self.DEFINITION, members) == ["role-short"]

    def test_the_composition_is_not_enough_without_five_people(self) -> None:
        one_person = [each.model_copy(update={"person": "p-1"}) for each in gate_team()]
        assert codes(self.DEFINITION, one_person) == ["too-few", "person-twice"]

    def test_a_leader_of_another_rank_is_none_and_the_fault_says_what_was_wanted(self) -> None:
        members = [member("p-1", "leader", rank="section"), *gate_team()[1:]]
        (fault,) = faults_of(self.DEFINITION, members)
        assert (fault.code, fault.text) == ("role-predicate", "leader: rank is section, not deputy")

    def test_a_member_whose_employer_is_not_said_fulfils_no_predicate(self) -> None:
        members = [*gate_team()[:1], member("p-2", "agency-cadre"), *gate_team()[2:]]
        assert codes(self.DEFINITION, members) == ["role-predicate"]

    def test_one_person_in_two_bodies_is_one_person(self) -> None:
        members = [*gate_team()[:5], member("p-5", "property")]
        assert codes(self.DEFINITION, members) == ["person-twice"]

    def test_volunteers_may_help_and_a_role_that_nobody_defined_may_not(self) -> None:
        assert codes(self.DEFINITION, [*gate_team(), member("p-7", "volunteer")]) == []
        assert codes(self.DEFINITION, [*gate_team(), member("p-7", "onlooker")]) == ["role-unknown"]

    def test_every_fault_is_named_at_once(self) -> None:
        members = [member("p-1", "leader", rank="section"), member("p-1", "property")]
        assert sorted(set(codes(self.DEFINITION, members))) == [
            "person-twice", "role-predicate", "role-short", "too-few",
        ]  # fmt: skip


@pytest.mark.req("S2-18", "M-05")
class TestStrikeTeam:
    DEFINITION = SHIPPED["jiayu163:strike-team"]

    def test_seven_are_too_few(self) -> None:
        assert codes(self.DEFINITION, strike_team()[:7]) == ["too-few"]

    def test_each_of_the_three_groups_needs_somebody(self) -> None:
        moved = [each.model_copy(update={"group": "gate-duty"}) for each in strike_team()]
        (*_, last) = faults_of(self.DEFINITION, moved)
        assert codes(self.DEFINITION, moved) == ["group-empty", "group-empty"]
        assert last.text == "supplies"


@pytest.mark.req("S3-12", "M-05")
class TestFiveToOne:
    def test_four_are_never_a_cell(self) -> None:
        assert codes(FIVE_TO_ONE, cell()[:4]) == ["too-few"]

    def test_two_of_one_role_are_no_two_roles(self) -> None:
        assert codes(FIVE_TO_ONE, [*cell()[:4], member("p-9", "cadre")]) == ["role-twice"]

    def test_any_five_of_the_set_will_do(self) -> None:
        assert codes(FIVE_TO_ONE, [*cell()[1:], member("p-9", "militia")]) == []

    def test_a_role_outside_the_set_will_not(self) -> None:
        assert codes(FIVE_TO_ONE, [*cell()[1:], member("p-9", "passer-by")]) == ["role-unknown"]


@pytest.mark.parametrize("text", ["scheme: x\nteams: {t: {size: 0}}", "scheme: x\nteams: [", "scheme: [1]"])
def test_a_scheme_whose_teams_cannot_be_read_is_named(tmp_path: Any, text: str) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "gate.yaml").write_text("versions: []", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"unreadable-scheme.*mine\.yaml"):
        load_teams(tmp_path)


def test_what_is_no_scheme_has_no_teams(tmp_path: Any) -> None:
    (tmp_path / "gate.yaml").write_text("versions: []", encoding="utf-8")
    assert load_teams(tmp_path) == {}
