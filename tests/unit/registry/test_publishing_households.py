"""A household's fact says where it lies, and says so again when that changes around it."""

from datetime import timedelta
from typing import Any

import pytest

from shared.contracts.registry import (
    Changes,
    HouseholdFact,
    Recompile,
)
from tests.builders.registry import (
    COMMUNITY,
    DAY,
    STREET,
    RegistryInMemory,
    community,
    household,
    households,
    shipped,
    street_and_community,
    unit,
    vertical,
)

GRID = f"{COMMUNITY}007"
CHIEF = f"{GRID}/cw5:grid-chief"
DAYS = timedelta(days=1)

registry = pytest.fixture(street_and_community)


class TestHouseholds:
    """A household's fact says where it lies and who cares for it, so that nobody needs registry to ask."""

    FLOOR = f"{GRID}.c1.b1.f1"

    def fact(self, registry: RegistryInMemory, number: int) -> HouseholdFact:
        newest = registry.newest("registry.households.v1")[f"household-{number}"]
        return HouseholdFact.model_validate_json(newest.value or b"")

    @pytest.mark.req("S0-08")
    async def test_it_names_the_units_from_the_desk_down_and_the_grid_that_cares(
        self, registry: RegistryInMemory
    ) -> None:
        await registry.change(COMMUNITY, household(1, self.FLOOR, f"{self.FLOOR}/cw5:floor-head"))
        told = self.fact(registry, 1)
        assert told.within == (GRID, f"{GRID}.c1", f"{GRID}.c1.b1", self.FLOOR)
        assert (told.unit, told.care_unit) == (self.FLOOR, GRID)

    @pytest.mark.req("S0-08")
    async def test_a_household_nobody_answers_for_is_cared_for_by_its_grid_all_the_same(
        self, registry: RegistryInMemory
    ) -> None:
        await registry.change(COMMUNITY, household(1, self.FLOOR, None))
        assert self.fact(registry, 1).care_unit == GRID

    async def test_an_area_that_covers_its_unit_is_among_what_it_lies_in(
        self, registry: RegistryInMemory
    ) -> None:
        area = f"{COMMUNITY}.z1"
        await registry.change(COMMUNITY, unit(area, covers=(f"{GRID}.c1",)))
        await registry.change(COMMUNITY, household(1, self.FLOOR, None))
        assert self.fact(registry, 1).within == (GRID, f"{GRID}.c1", f"{GRID}.c1.b1", area, self.FLOOR)

    async def test_a_household_at_the_desk_itself_has_no_care_unit(self, registry: RegistryInMemory) -> None:
        await registry.change(COMMUNITY, household(1, COMMUNITY, None))
        told = self.fact(registry, 1)
        assert (told.within, told.care_unit) == ((), None)

    async def test_a_scheme_without_a_care_unit_gives_none(self) -> None:
        schemes = shipped()
        schemes["cw5"] = schemes["cw5"].model_copy(update={"care_unit": None})
        registry = RegistryInMemory(schemes)
        await registry.build(vertical())
        await registry.change(COMMUNITY, *community(), household(1, self.FLOOR, None))
        assert self.fact(registry, 1).care_unit is None

    async def test_before_any_scheme_is_attached_the_charge_post_says_which_it_is(self) -> None:
        registry = RegistryInMemory(shipped())
        charged = household(1, self.FLOOR, f"{self.FLOOR}/cw5:floor-head")
        await registry.change(COMMUNITY, *community(), charged, household(2, self.FLOOR, None))
        assert (self.fact(registry, 1).care_unit, self.fact(registry, 2).care_unit) == (GRID, None)

    async def test_a_community_under_another_street_goes_by_the_scheme_of_that_street(self) -> None:
        registry = RegistryInMemory(shipped())
        await registry.build(vertical())
        path = ("61", "6108", "610899", "610899001")
        rows = [unit(COMMUNITY, path=path), *community()[1:], household(1, self.FLOOR, None)]
        await registry.change(COMMUNITY, *rows)
        assert self.fact(registry, 1).care_unit is None


class TestHouseholdsElsewhere:
    """What a household lies in may change without a word about it: copies are told all the same."""

    ZONE = f"{COMMUNITY}.z1"
    NAMES = tuple(f"household-{number}" for number in range(5))
    IN_COMPOUND = NAMES[:2]

    @pytest.fixture
    async def registry(self, registry: RegistryInMemory) -> RegistryInMemory:
        await registry.change(COMMUNITY, *households())
        return registry

    def told(self, registry: RegistryInMemory, since: int) -> dict[str, HouseholdFact]:
        facts = [m for m in registry.published[since:] if m.topic == "registry.households.v1"]
        assert len({m.key for m in facts}) == len(facts), "each once"
        return {m.key.decode(): HouseholdFact.model_validate_json(m.value or b"") for m in facts}

    async def after(self, registry: RegistryInMemory, *rows: Any) -> dict[str, HouseholdFact]:
        mark = len(registry.published)
        await registry.change(COMMUNITY, *rows, actor="registry")
        return self.told(registry, mark)

    @pytest.mark.req("S0-08")
    async def test_a_zone_drawn_around_them_is_told_as_news_of_those_it_covers(
        self, registry: RegistryInMemory
    ) -> None:
        drawn = await self.after(registry, unit(self.ZONE, covers=(f"{GRID}.c1",)))
        assert sorted(drawn) == list(self.IN_COMPOUND)
        assert all(self.ZONE in fact.within and fact.v == 2 for fact in drawn.values())
        redrawn = await self.after(registry, unit(self.ZONE, covers=(f"{GRID}.p1",)))
        lies = {name: (self.ZONE in fact.within, fact.v) for name, fact in redrawn.items()}
        out, in_ = (False, 3), (True, 2)
        assert lies == dict(zip(self.NAMES, (out, out, in_, in_), strict=False))
        lifted = unit(self.ZONE, covers=(f"{GRID}.p1",), valid_to=DAY + DAYS)
        registry.now += DAYS
        assert all(self.ZONE not in fact.within for fact in (await self.after(registry, lifted)).values())

    async def test_an_area_said_by_the_unit_is_told_too(self, registry: RegistryInMemory) -> None:
        await registry.change(COMMUNITY, unit(self.ZONE))
        facts = await self.after(registry, unit(f"{GRID}.c1", areas=(self.ZONE,), residential="apartment"))
        assert sorted(facts) == list(self.IN_COMPOUND)

    async def test_a_unit_under_another_grid_takes_its_households_along(
        self, registry: RegistryInMemory
    ) -> None:
        other, yard = f"{COMMUNITY}008", f"{GRID}.p1.l1.y1"
        path = ("61", "6108", "610802", STREET, COMMUNITY, other)
        facts = await self.after(registry, unit(other), unit(yard, path=path))
        assert {name: (fact.within, fact.care_unit) for name, fact in facts.items()} == {
            "household-2": ((other, yard), other)
        }

    async def test_a_name_and_a_unit_like_others_are_no_news_of_households(
        self, registry: RegistryInMemory
    ) -> None:
        renamed = unit(GRID, name="renamed", valid_from=DAY)
        assert await self.after(registry, renamed, unit(f"{COMMUNITY}030"), unit(f"{GRID}.c9")) == {}
        assert registry.memory.all()["households", "household-0"]["v"] == 1

    async def test_a_zone_from_tomorrow_is_told_on_its_day_whatever_came_first(
        self, registry: RegistryInMemory
    ) -> None:
        day = DAY + DAYS
        drawn = unit(self.ZONE, covers=(f"{GRID}.c1",), valid_from=day)
        assert await self.after(registry, drawn) == {}
        registry.now += DAYS
        assert await self.after(registry, unit(f"{COMMUNITY}030", valid_from=day)) == {}
        facts = await self.after(registry, Recompile(unit=COMMUNITY, on=day))
        assert sorted(facts) == list(self.IN_COMPOUND)
        assert all(self.ZONE in fact.within for fact in facts.values())
        assert await self.after(registry, Recompile(unit=COMMUNITY, on=day)) == {}

    async def test_a_record_that_comes_again_says_the_same_of_them(self, registry: RegistryInMemory) -> None:
        rows = (unit(self.ZONE, covers=(f"{GRID}.c1",)), household(7, f"{GRID}.c1.b1.f1", None))
        record = registry.record(COMMUNITY, Changes(rows=rows), "record-zone", "clerk")
        mark = len(registry.published)
        await registry.deliver([record, record])
        stored, said, end = registry.memory.all(), registry.said(mark), len(registry.published)
        await registry.deliver([record])
        changed = {key for key, body in registry.memory.all().items() if stored.get(key) != body}
        assert {collection for collection, _ in changed} == {"positions"}
        assert sorted(self.told(registry, end)) == [*self.IN_COMPOUND, "household-7"]
        assert registry.said(end) == said

    async def test_a_record_that_may_move_households_weighs_as_much_as_many(
        self, registry: RegistryInMemory
    ) -> None:
        """A transaction holds so few of them that the households of all their desks fit beside."""
        small = registry.record(COMMUNITY, Changes(rows=(unit(GRID),)), "record-unit", "clerk")
        plain = registry.record(COMMUNITY, Changes(rows=(household(1, GRID, None),)), "record-house", "clerk")
        assert (registry.handler.weight(small), registry.handler.weight(plain)) == (100, 1)
