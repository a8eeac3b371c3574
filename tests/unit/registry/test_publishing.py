"""What is stored together is published together, and again in the same words when a record comes again."""

from datetime import timedelta
from typing import Any

import pytest

from services.registry.domain.desk import Desk
from services.registry.domain.summaries import posts_by_type
from services.registry.handlers import APPLY
from shared.contracts.registry import (
    Appoint,
    Changes,
    Charges,
    EndAppointment,
    Finding,
    Recompile,
    Roster,
    SummariseChild,
    UnitFact,
)
from shared.flow.documents import Write
from tests.builders.registry import (
    CHARGES,
    COMMUNITY,
    DAY,
    DESKS,
    FINDINGS,
    OUTCOMES,
    ROSTERS,
    STREET,
    RegistryInMemory,
    community,
    grid,
    household,
    households,
    post,
    street_and_community,
    unit,
)

GRID = f"{COMMUNITY}007"
CHIEF = f"{GRID}/cw5:grid-chief"
DAYS = timedelta(days=1)

registry = pytest.fixture(street_and_community)


def roster(registry: RegistryInMemory, desk: str) -> Roster:
    return Roster.model_validate_json(registry.newest("registry.rosters.v1")[desk].value or b"")


def open_findings(registry: RegistryInMemory, desk: str, code: str) -> dict[str, tuple[Any, Any]]:
    found = [
        Finding.model_validate_json(m.value or b"") for m in registry.newest("registry.findings.v1").values()
    ]
    return {f.subject: (f.expected, f.found) for f in found if (f.desk, f.code, f.open) == (desk, code, True)}


async def test_published_versions_are_the_stored_ones(registry: RegistryInMemory) -> None:
    for topic, collection in (("rosters", ROSTERS), ("charges", CHARGES)):
        for desk, message in registry.newest(f"registry.{topic}.v1").items():
            # A desk without households has no such document, and says so at version nought.
            v = registry.memory.all().get((collection.name, desk), {"v": 0})["v"]
            assert f'"v":{v},'.encode() in (message.value or b"")
    unit_facts = registry.newest("registry.units.v1")
    assert {f"{COMMUNITY}007.c1", STREET, "61"} <= unit_facts.keys()
    assert UnitFact.model_validate_json(unit_facts[GRID].value or b"").path[-1] == COMMUNITY


async def test_a_desk_without_households_says_that_it_has_none(registry: RegistryInMemory) -> None:
    (said,) = [m for desk, m in registry.newest("registry.charges.v1").items() if desk == STREET]
    charges = Charges.model_validate_json(said.value or b"")
    assert (charges.households, charges.members, charges.v) == (0, 0, 0)


async def test_a_record_that_comes_again_changes_nothing_and_says_the_same(
    registry: RegistryInMemory,
) -> None:
    record = registry.record(
        COMMUNITY, Changes(rows=(*grid(f"{COMMUNITY}008"), *households())), "record-again", "clerk"
    )
    mark = len(registry.published)
    await registry.deliver([record])
    stored, said, end = registry.memory.all(), registry.said(mark), len(registry.published)
    await registry.deliver([record])
    changed = {key for key, body in registry.memory.all().items() if stored.get(key) != body}
    assert {collection for collection, _ in changed} == {"positions"}
    assert registry.said(end) == said


async def test_a_bulk_compiles_its_desk_once(registry: RegistryInMemory) -> None:
    before = registry.memory.all()["rosters", COMMUNITY]["v"]
    await registry.change(COMMUNITY, *grid(f"{COMMUNITY}008"))
    assert registry.memory.all()["rosters", COMMUNITY]["v"] == before + 1


@pytest.mark.req("S4-02")
async def test_each_desk_knows_the_desks_below_it_up_to_the_province(registry: RegistryInMemory) -> None:
    for desk, child, posts in (
        ("61", "6108", 15), ("6108", "610802", 14), ("610802", STREET, 13), (STREET, COMMUNITY, 12),
    ):  # fmt: skip
        (below,) = roster(registry, desk).children
        assert (below.desk, below.posts) == (child, posts)
        assert below.commander == f"{desk}/city-vertical:duty-desk"
    await registry.change(COMMUNITY, *households())
    top = registry.value(DESKS, "61").children["6108"]
    assert (top.households, top.residents) == (5, 15)


async def test_an_older_summary_is_accepted_and_changes_nothing(registry: RegistryInMemory) -> None:
    before = registry.value(DESKS, STREET).children
    old = SummariseChild(unit=STREET, child=COMMUNITY, v=1, posts_by_type={"cw5:grid-chief": 9})
    outcome = await registry.change(STREET, old, actor="registry")
    assert (outcome.results[0].accepted, outcome.results[0].events) == (True, ())
    assert registry.value(DESKS, STREET).children == before


async def test_a_community_that_moves_leaves_the_desk_it_lay_under(registry: RegistryInMemory) -> None:
    elsewhere = ("61", "6108", "610899", "610899001")
    await registry.change(COMMUNITY, unit(COMMUNITY, path=elsewhere))
    assert roster(registry, STREET).children == ()
    assert [child.desk for child in roster(registry, "610899001").children] == [COMMUNITY]
    assert sum(posts_by_type(registry.value(DESKS, STREET), roster(registry, STREET)).values()) == 1


async def test_a_community_that_has_ended_is_no_child_any_more(registry: RegistryInMemory) -> None:
    await registry.change(COMMUNITY, unit(COMMUNITY, valid_to=DAY + DAYS))
    assert [child.desk for child in roster(registry, STREET).children] == [COMMUNITY]
    registry.now += DAYS
    await registry.change(COMMUNITY, Recompile(unit=COMMUNITY, on=DAY + DAYS), actor="registry")
    assert roster(registry, STREET).children == ()


@pytest.mark.req("S0-04", "S0-11")
async def test_a_total_that_does_not_reconcile_is_a_finding_and_is_never_mended(
    registry: RegistryInMemory,
) -> None:
    found = open_findings(registry, STREET, "total-does-not-reconcile")
    # Twelve posts, of which the two of the commercial chain stand outside the source's total.
    assert found[f"{STREET}/cw5"] == (4170, 10)
    assert found[f"{STREET}/cw5:grid-chief"] == (64, 1)
    declared = {k.rpartition("/")[2]: v[0] for k, v in found.items() if ":" in k}
    for type_, count in declared.items():
        await registry.change(STREET, SummariseChild(
            unit=STREET, child=f"61080200600{4 + list(declared).index(type_) % 4}", v=100 + count,
            posts_by_type={type_: 0},
        ), actor="registry")  # fmt: skip
    rest = {type_: count - found[f"{STREET}/{type_}"][1] for type_, count in declared.items()}
    filled = SummariseChild(unit=STREET, child="610802006001", v=1, posts_by_type=rest)
    await registry.change(STREET, filled, actor="registry")
    assert open_findings(registry, STREET, "total-does-not-reconcile") == {}
    one_more = SummariseChild(
        unit=STREET, child="610802006001", v=2, posts_by_type={**rest, "cw5:floor-head": 561}
    )
    await registry.change(STREET, one_more, actor="registry")
    again = open_findings(registry, STREET, "total-does-not-reconcile")
    assert again == {f"{STREET}/cw5": (4170, 4171), f"{STREET}/cw5:floor-head": (562, 563)}


@pytest.mark.req("S0-14")
async def test_a_grid_with_only_one_of_chief_and_member_is_understaffed(registry: RegistryInMemory) -> None:
    assert open_findings(registry, COMMUNITY, "understaffed-grid") == {}
    new = f"{COMMUNITY}008"
    await registry.change(COMMUNITY, unit(new), post(new, "cw5:grid-chief"))
    assert open_findings(registry, COMMUNITY, "understaffed-grid") == {new: (2, 1)}
    await registry.change(COMMUNITY, post(new, "cw5:grid-member"))
    assert open_findings(registry, COMMUNITY, "understaffed-grid") == {}


@pytest.mark.req("S0-08", "S1-01")
async def test_a_household_nobody_answers_for_is_a_dated_finding_until_someone_does(
    registry: RegistryInMemory,
) -> None:
    yard = f"{GRID}.p1.l1.y1"
    head = f"{yard}/cw5:courtyard-head"
    await registry.change(COMMUNITY, household(1, yard, None), household(2, yard, head))
    code = "household-without-charge"
    assert open_findings(registry, COMMUNITY, code) == {yard: (0, 1)}
    assert {found.finding.since for found in registry.value(FINDINGS, COMMUNITY).items.values()} == {DAY}
    await registry.change(COMMUNITY, household(1, yard, head))
    assert open_findings(registry, COMMUNITY, code) == {}
    # A post without a holder is nobody in person.
    await registry.change(COMMUNITY, EndAppointment(post=head, valid_to=DAY + DAYS))
    assert open_findings(registry, COMMUNITY, code) == {}
    registry.now += DAYS
    await registry.change(COMMUNITY, Recompile(unit=COMMUNITY, on=DAY + DAYS), actor="registry")
    assert open_findings(registry, COMMUNITY, code) == {head: (0, 2)}


async def test_a_summary_that_says_the_same_goes_no_further_up(registry: RegistryInMemory) -> None:
    def summarised(since: int) -> set[str]:
        return {m.key.decode() for m in registry.published[since:] if m.topic == "registry.commands.v1"}

    day, mark, rosters = DAY + DAYS, len(registry.published), registry.newest("registry.rosters.v1")
    registry.now += DAYS
    change = [EndAppointment(post=CHIEF, valid_to=day), Appoint(post=CHIEF, holder="p-next", valid_from=day)]
    await registry.change(COMMUNITY, *change)
    assert summarised(mark) == {STREET}, "the street hears it, and has nothing to tell"
    known, above = registry.value(DESKS, STREET), registry.newest("registry.rosters.v1")
    assert (known.compiled_on, above[STREET]) == (DAY, rosters[STREET])
    # What was told before it and comes late must not undo what is known.
    heard = known.children[COMMUNITY]
    late = SummariseChild(unit=STREET, child=COMMUNITY, v=heard.v - 1, households=99)
    await registry.change(STREET, late, actor="registry")
    assert registry.value(DESKS, STREET).children[COMMUNITY] == heard
    mark = len(registry.published)
    await registry.change(COMMUNITY, *households())
    assert summarised(mark) == {STREET, "610802", "6108", "61"}


async def test_a_broken_chain_is_a_finding_at_the_post_below_the_gap(registry: RegistryInMemory) -> None:
    new = f"{COMMUNITY}008"
    rows = [row for row in grid(new) if getattr(row, "post", "") != f"{new}/cw5:grid-chief"]
    await registry.change(COMMUNITY, *rows)
    heads = [f"{new}.c1.b1/cw5:building-head", f"{new}.m1/cw5:supervision-head"]
    broken = [*heads, f"{new}.p1.l1/cw5:lane-head", f"{new}/cw5:grid-member"]
    assert sorted(open_findings(registry, COMMUNITY, "chain-broken")) == sorted(broken)


async def test_a_dated_change_takes_effect_on_its_day_and_not_before(registry: RegistryInMemory) -> None:
    def holder() -> str | None:
        return next(s.holder for s in roster(registry, COMMUNITY).seats if s.post == CHIEF)

    first, day = holder(), DAY + 10 * DAYS
    change = [EndAppointment(post=CHIEF, valid_to=day), Appoint(post=CHIEF, holder="p-next", valid_from=day)]
    await registry.change(COMMUNITY, *change)
    assert (holder(), registry.value(DESKS, COMMUNITY).next_due) == (first, day)
    assert registry.memory.all()["desks", COMMUNITY]["next_due"] == day.isoformat()
    registry.now += 10 * DAYS
    await registry.change(COMMUNITY, Recompile(unit=COMMUNITY, on=day), actor="registry")
    assert (holder(), registry.value(DESKS, COMMUNITY).next_due) == ("p-next", None)


async def test_a_recompile_publishes_the_units_whose_day_has_come(registry: RegistryInMemory) -> None:
    day = DAY + 3 * DAYS
    await registry.change(COMMUNITY, unit(GRID, name="renamed", valid_from=day))
    told = UnitFact.model_validate_json(registry.newest("registry.units.v1")[GRID].value or b"")
    assert told.name == ""
    registry.now += 3 * DAYS
    await registry.change(COMMUNITY, Recompile(unit=COMMUNITY, on=day), actor="registry")
    told = UnitFact.model_validate_json(registry.newest("registry.units.v1")[GRID].value or b"")
    assert told.name == "renamed"


async def test_a_units_day_is_told_even_if_another_change_came_first_that_day(
    registry: RegistryInMemory,
) -> None:
    day = DAY + 3 * DAYS
    await registry.change(COMMUNITY, unit(GRID, name="renamed", valid_from=day))
    registry.now += 3 * DAYS
    await registry.change(COMMUNITY, unit(f"{COMMUNITY}030", valid_from=day))
    assert registry.value(DESKS, COMMUNITY).next_due == day, "the ticker finds it"
    await registry.change(COMMUNITY, Recompile(unit=COMMUNITY, on=day), actor="registry")
    told = UnitFact.model_validate_json(registry.newest("registry.units.v1")[GRID].value or b"")
    assert (told.name, registry.value(DESKS, COMMUNITY).next_due) == ("renamed", None)


async def test_a_desk_stored_before_unit_days_were_kept_is_read_and_goes_on(
    registry: RegistryInMemory,
) -> None:
    day = DAY + 3 * DAYS
    await registry.change(COMMUNITY, unit(GRID, name="renamed", valid_from=day))
    stored = registry.memory.all()["desks", COMMUNITY]
    v = stored.pop("v")
    del stored["units_told_on"]
    registry.memory.put(Write("desks", COMMUNITY, v, stored))
    registry.now += 3 * DAYS
    await registry.change(COMMUNITY, unit(f"{COMMUNITY}030", valid_from=day))
    await registry.change(COMMUNITY, Recompile(unit=COMMUNITY, on=day), actor="registry")
    told = UnitFact.model_validate_json(registry.newest("registry.units.v1")[GRID].value or b"")
    assert told.name == "renamed"


async def test_a_desk_never_goes_back_a_day(registry: RegistryInMemory) -> None:
    await registry.change(COMMUNITY, Recompile(unit=COMMUNITY, on=DAY + DAYS), actor="registry")
    await registry.change(COMMUNITY, unit(f"{COMMUNITY}030"))
    assert registry.value(DESKS, COMMUNITY).compiled_on == DAY + DAYS
    far = await registry.change(COMMUNITY, Recompile(unit=COMMUNITY, on=DAY + 9 * DAYS), actor="registry")
    assert far.results[0].code == "not-yet-valid"


async def test_events_alone_rebuild_a_desk(registry: RegistryInMemory) -> None:
    change = [EndAppointment(post=CHIEF, valid_to=DAY + DAYS), unit(GRID, name="renamed")]
    outcomes = [await registry.change(COMMUNITY, *community()), await registry.change(COMMUNITY, *change)]
    first = registry.value(OUTCOMES, registry.first_of(COMMUNITY))
    rebuilt = Desk(COMMUNITY)
    for outcome in (first, *outcomes):
        for event in (event for result in outcome.results for event in result.events):
            APPLY[event.type](rebuilt, event.data)
    stored = registry.value(DESKS, COMMUNITY)
    assert (rebuilt.units, rebuilt.posts) == (stored.units, stored.posts)
