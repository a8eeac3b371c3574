"""Every refusal has its code, and a refused row leaves its neighbours alone."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from services.registry.domain import households, posts
from services.registry.domain.refused import Refused
from services.registry.domain.scheme import qualified_posts
from services.registry.schemes import load_schemes
from shared.contracts import screening
from shared.contracts.registry import (
    Appoint,
    AttachScheme,
    EndAppointment,
    PutPost,
    Recompile,
    SummariseChild,
    Superior,
)
from shared.messaging.admin import MAX_RECORD_BYTES
from tests.builders.registry import (
    COMMUNITY,
    DAY,
    DESKS,
    HOUSEHOLDS,
    ROOT,
    ROSTERS,
    SHAPES,
    STREET,
    RegistryInMemory,
    community,
    household,
    post,
    unit,
    vertical,
)

SCHEMES = load_schemes(ROOT / "schemes", SHAPES)
GRID = f"{COMMUNITY}007"
CHIEF = f"{GRID}/cw5:grid-chief"
MEMBER = f"{GRID}/cw5:grid-member"
HEAD = f"{GRID}.c1.b1.f1/cw5:floor-head"
NOBODY = f"{COMMUNITY}/cw5:area-chief/7"
DUTY_DESK = f"{STREET}/city-vertical:duty-desk"
DAYS = timedelta(days=1)


@pytest.fixture
async def registry() -> RegistryInMemory:
    made = RegistryInMemory(SCHEMES)
    outcome = await made.change(COMMUNITY, *community())
    assert all(result.accepted for result in outcome.results)
    return made


def under(desk: str, superior: str, **facts: Any) -> dict[str, Any]:
    return {"superior": Superior(desk=desk, post=superior), "holder": None, **facts}


REFUSALS: list[tuple[str, Sequence[Any]]] = [
    ("unknown-unit", [post(f"{COMMUNITY}999", "cw5:grid-chief")]),
    ("unknown-unit", [unit(f"{COMMUNITY}.z1", covers=(f"{COMMUNITY}999",))]),
    ("unknown-unit", [unit(f"{COMMUNITY}.b9", path=(STREET, COMMUNITY, f"{COMMUNITY}999"))]),
    ("unknown-unit", [AttachScheme(unit=f"{COMMUNITY}999", scheme="cw5", valid_from=DAY)]),
    ("unknown-scheme", [post(GRID, "cw6:grid-chief")]),
    ("unknown-scheme", [AttachScheme(unit=COMMUNITY, scheme="cw6", valid_from=DAY)]),
    ("scheme-unit-mismatch", [AttachScheme(unit=COMMUNITY, scheme="cw5", valid_from=DAY)]),
    ("unknown-post-type", [post(GRID, "cw5:emperor")]),
    ("post-unit-mismatch", [post(GRID, "cw5:floor-head")]),
    ("unknown-post", [Appoint(post=f"{GRID}/cw5:grid-chief/2", holder="p-2", valid_from=DAY)]),
    ("already-held", [Appoint(post=CHIEF, holder="p-2", valid_from=DAY + 5 * DAYS)]),
    ("not-held", [EndAppointment(post=CHIEF, valid_to=DAY)]),
    ("unknown-superior", [post(GRID, "cw5:grid-chief/2", **under(COMMUNITY, NOBODY))]),
    ("unknown-superior", [post(GRID, "cw5:grid-chief/2", **under("6108", DUTY_DESK))]),
    ("cycle", [post(GRID, "cw5:grid-chief", **under(COMMUNITY, MEMBER))]),
    ("cycle", [post(GRID, "cw5:grid-chief", **under(COMMUNITY, CHIEF))]),
    ("cycle", [unit(f"{COMMUNITY}.z1", covers=(f"{COMMUNITY}.z1",))]),
    ("retired-code", [unit(GRID, valid_to=DAY + DAYS), unit(GRID, valid_from=DAY + 2 * DAYS)]),
    ("retired-code", [
        PutPost(post=MEMBER, valid_from=DAY, valid_to=DAY + DAYS),
        Appoint(post=MEMBER, holder="p-2", valid_from=DAY + 2 * DAYS),
    ]),
    ("before-valid", [unit(GRID, valid_from=DAY - DAYS)]),
    ("before-valid", [unit(f"{COMMUNITY}009", valid_to=DAY)]),
    ("before-valid", [post(GRID, "cw5:grid-chief/2", valid_from=DAY - DAYS)]),
    ("before-valid", [Appoint(post=CHIEF, holder="p-2", valid_from=DAY - DAYS)]),
    ("kind-changed", [unit(GRID, kind="street")]),
    ("wrong-desk", [unit("610802006004")]),
    ("wrong-desk", [unit(f"{COMMUNITY}.b9", path=("61", "6108"))]),
    ("unknown-household-unit", [household(1, f"{COMMUNITY}999", None)]),
    ("unknown-charge-post", [household(1, GRID, f"{GRID}.c1.b1.f9/cw5:floor-head")]),
    ("charge-line-mismatch", [household(1, GRID, CHIEF)]),
    ("member-twice", [household(1, GRID, HEAD).model_copy(update={"members": ("a-1", "a-2", "a-1")})]),
    ("too-many-members", [household(1, GRID, HEAD, members=301)]),
    ("not-yet-valid", [household(1, GRID, HEAD).model_copy(update={"valid_from": DAY + DAYS})]),
    ("internal-command", [Recompile(unit=COMMUNITY, on=DAY)]),
    ("internal-command", [SummariseChild(unit=COMMUNITY, child="610802006004", v=1)]),
]  # fmt: skip


@pytest.mark.req("F-01", "T-01")
@pytest.mark.parametrize(("code", "rows"), REFUSALS)
async def test_a_row_is_refused_by_its_code_and_the_rest_stands(
    registry: RegistryInMemory, code: str, rows: Sequence[Any]
) -> None:
    outcome = await registry.change(COMMUNITY, *rows, unit(f"{COMMUNITY}020"))
    *before, last, neighbour = outcome.results
    assert all(result.accepted for result in before)
    assert (last.accepted, last.code, last.detail is not None) == (False, code, True)
    assert neighbour.accepted
    assert f"{COMMUNITY}020" in registry.value(DESKS, COMMUNITY).units


@pytest.mark.req("S0-01")
async def test_a_post_whose_type_left_its_scheme_file_is_refused_by_its_code(
    registry: RegistryInMemory,
) -> None:
    desk = registry.value(DESKS, COMMUNITY)
    types = {name: each for name, each in qualified_posts(SCHEMES).items() if name != "cw5:floor-head"}
    with pytest.raises(Refused) as refused:
        households.put_household(desk, None, household(1, GRID, HEAD), types, DAY)
    assert refused.value.code == "unknown-post-type"
    assert posts.put_post(desk, post(GRID, "cw5:grid-chief/2", **under(COMMUNITY, HEAD)), types)


async def test_a_desk_has_no_more_posts_than_its_roster_can_tell(
    registry: RegistryInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posts, "MOST", len(registry.value(DESKS, COMMUNITY).posts) + 1)
    numbered = [post(GRID, f"cw5:grid-chief/{number}") for number in (2, 3)]
    outcome = await registry.change(COMMUNITY, *numbered, post(GRID, "cw5:grid-chief/2"))
    assert [result.code for result in outcome.results] == [None, "too-many-posts", None]


async def test_a_roster_of_as_many_posts_as_a_desk_may_have_is_one_record(registry: RegistryInMemory) -> None:
    seats = registry.value(ROSTERS, COMMUNITY).seats
    longest = max(len(seat.model_dump_json()) for seat in seats)
    # Real handles are ULIDs and UUIDs: shorter than the names here.
    assert posts.MOST * (longest + 36) < MAX_RECORD_BYTES


async def test_a_household_has_as_many_members_as_a_visit_can_name(registry: RegistryInMemory) -> None:
    outcome = await registry.change(COMMUNITY, household(1, GRID, HEAD, members=300))
    assert outcome.results[0].accepted
    members = screening.Visit.model_fields["members"].metadata
    assert [each.max_length for each in members if hasattr(each, "max_length")] == [households.MOST_MEMBERS]


async def test_a_household_of_another_desk_is_not_taken_over(registry: RegistryInMemory) -> None:
    other = "610802006004"
    await registry.change(COMMUNITY, household(1, GRID, HEAD))
    outcome = await registry.change(other, *community(other), household(1, other, None))
    assert outcome.results[-1].code == "wrong-desk"
    assert registry.value(HOUSEHOLDS, "household-1").desk == COMMUNITY


@pytest.mark.req("S0-01")
async def test_a_unit_has_one_scheme_at_a_time() -> None:
    registry = RegistryInMemory(SCHEMES)
    await registry.build(vertical())
    later = AttachScheme(unit=STREET, scheme="shapes", valid_from=DAY + 5 * DAYS)
    same_day = AttachScheme(unit=STREET, scheme="homonym", valid_from=DAY + 5 * DAYS)
    outcome = await registry.change(STREET, later, same_day)
    assert [result.code for result in outcome.results] == [None, "already-attached"]
    held = {a.scheme: (a.valid_from, a.valid_to) for a in registry.value(DESKS, STREET).attachments}
    assert held == {"cw5": (DAY, DAY + 5 * DAYS), "shapes": (DAY + 5 * DAYS, None)}


async def test_the_same_rows_again_are_accepted_and_change_nothing(registry: RegistryInMemory) -> None:
    before = registry.memory.all()["desks", COMMUNITY]
    outcome = await registry.change(COMMUNITY, *community())
    assert all(result.accepted and not result.events for result in outcome.results)
    assert registry.memory.all()["desks", COMMUNITY] == before


@pytest.mark.req("S0-20", "S3-24")
async def test_volunteers_hold_posts_and_one_person_holds_two(registry: RegistryInMemory) -> None:
    end = EndAppointment(post=MEMBER, valid_to=DAY + DAYS)
    volunteer = Appoint(post=MEMBER, holder="p-9", affiliation="volunteer", valid_from=DAY + DAYS)
    second = post(GRID, "cw5:grid-chief/2", holder="p-9")
    outcome = await registry.change(COMMUNITY, end, volunteer, second)
    assert all(result.accepted for result in outcome.results)
    registry.now += DAYS
    await registry.change(COMMUNITY, unit(f"{COMMUNITY}021"))
    held = [seat.post for seat in registry.value(ROSTERS, COMMUNITY).seats if seat.holder == "p-9"]
    assert held == [f"{GRID}/cw5:grid-chief/2", MEMBER]
    affiliations = [a.affiliation for a in registry.value(DESKS, COMMUNITY).posts[MEMBER].appointments]
    assert affiliations == ["staff", "volunteer"]
