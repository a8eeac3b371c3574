"""The round of the demonstration: what will be found, the count beside the service, and who reads over it."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from cli.demo.command import GEOGRAPHY
from cli.demo.places import read_geography
from cli.demo.round.ledger import COUNTED, Ledger
from cli.demo.round.script import FEVER_CELSIUS, UNREACHED, Call, Script, newcomer
from cli.demo.round.summary import Summary, Told, compare
from cli.demo.round.view import line, table
from cli.demo.round.watch import Watch
from cli.demo.world import STREET_OFFICE, street
from shared.contracts.registry import PutHousehold
from shared.contracts.screening import (
    Coverage,
    CoverageCounts,
    Found,
    FrozenHousehold,
    PartFrozen,
    PersonSeen,
)
from shared.kernel.codes import desk_of

WORLD = street(7, read_geography(GEOGRAPHY), 400)
SCRIPT = Script(WORLD, 7)
FIRST = list(SCRIPT.first())
ROUND = "round-0001"
HOME = next(home for home in WORLD.households if len(home.members) > 2)
DESK = desk_of(HOME.unit)


def well(*members: str) -> tuple[PersonSeen, ...]:
    return tuple(PersonSeen(person=person, temperature=36.5) for person in members)


# --- the script ---


def test_the_same_seed_finds_the_same_and_another_seed_something_else() -> None:
    assert list(Script(WORLD, 7).first()) == FIRST
    assert list(Script(WORLD, 8).first()) != FIRST


def test_every_outcome_way_and_mishap_occurs_in_its_share() -> None:
    found = Counter(call.found for call in FIRST)
    assert found["screened"] > 0.85 * len(WORLD.households)
    assert all(found[each] for each in ("nobody-home", "refused", "vacant", "moved-away"))
    ways = Counter(call.way for call in FIRST)
    assert ways["bulk"] > ways["topic"] > ways["single"] > 0
    assert any(call.twice for call in FIRST)
    visits = Counter(call.home.household for call in FIRST)
    assert set(visits.values()) == {1, 2}
    # Nobody came to some: the first sweep leaves holes that no revisit list names.
    assert len(visits) < len(WORLD.households)
    blank = [person for call in FIRST for person in call.seen if person.is_blank]
    partly = [call for call in FIRST if call.seen and len(call.seen) < len(call.home.members)]
    assert blank
    assert partly


def test_a_visit_is_spoken_for_by_who_holds_the_charge_or_by_the_head_of_the_grid() -> None:
    for call in FIRST:
        assert call.by.holder is not None
        assert call.by.post in {call.home.charges["main"], SCRIPT.chief_of(call.home).post}
        assert call.by.desk == desk_of(call.home.unit)


def test_three_fevers_come_to_three_charge_posts_one_of_them_silent() -> None:
    fevers = SCRIPT.fevers
    assert len({fever.charge.post for fever in fevers}) == 3
    assert [fever.is_silent for fever in fevers] == [False, False, True]
    hot = {seen.person for call in FIRST for seen in call.seen if (seen.temperature or 0) >= FEVER_CELSIUS}
    assert hot == {fever.person for fever in fevers}
    for fever in fevers:
        assert fever.home.charges["main"] == fever.charge.post
        assert fever.charge.holder
        superior = SCRIPT.superior_of(fever.charge)
        assert superior.holder
        assert fever.charge.unit.startswith(superior.unit)


def test_a_few_doors_are_not_opened_in_either_sweep_and_at_one_nobody_knocks() -> None:
    homes = [home for home in WORLD.households if home.household in SCRIPT.unreached]
    assert len(homes) == UNREACHED
    again = [SCRIPT.again(home) for home in homes]
    assert sorted(call.found for call in again if call) == ["nobody-home"] * (UNREACHED - 1)
    others = (SCRIPT.again(home) for home in WORLD.households if home.household not in SCRIPT.unreached)
    assert {call.found for call in others if call} == {"screened"}
    assert SCRIPT.too_late().home.household in SCRIPT.unreached


def test_who_moves_in_is_nobody_who_was_there() -> None:
    moved_in = newcomer(WORLD, 7)
    assert moved_in.household not in {home.household for home in WORLD.households}
    assert moved_in.charges["main"] in WORLD.by_post
    assert SCRIPT.moved_in(moved_in).found == "screened"


# --- the count ---


def told(*visits: tuple[PutHousehold, Found, Sequence[PersonSeen]]) -> Ledger:
    ledger = Ledger(WORLD)
    for home, found, seen in visits:
        ledger.handed(home, found, seen)
        ledger.kept(home, found, seen)
    return ledger


@pytest.mark.parametrize(
    ("visits", "columns", "persons"),
    [
        ([], set(), 0),
        ([("nobody-home", 0)], {"nobody_home"}, 0),
        ([("refused", 0), ("nobody-home", 0)], {"refused"}, 0),
        ([("screened", 1)], {"screened", "covered"}, 1),
        ([("screened", 2), ("screened", 1)], {"screened", "covered"}, 2),
        ([("nobody-home", 0), ("screened", 3)], {"screened", "covered"}, 3),
        ([("vacant", 0)], {"vacant", "covered"}, len(HOME.members)),
        ([("vacant", 0), ("moved-away", 0)], {"moved_away", "covered"}, len(HOME.members)),
    ],
)
def test_what_was_found_at_a_door_is_counted_in_these_columns(
    visits: list[tuple[Found, int]], columns: set[str], persons: int
) -> None:
    for order in (visits, visits[::-1]):
        ledger = told(*[(HOME, found, well(*HOME.members[:seen])) for found, seen in order])
        expected = {name: int(name in columns) for name in COUNTED}
        expected |= {"households": 1, "persons": len(HOME.members), "persons_covered": persons}
        assert ledger.final([HOME]) == expected


def test_a_name_with_nothing_behind_it_covers_nobody_and_a_no_does() -> None:
    blank, no = (
        PersonSeen(person=HOME.members[0]),
        PersonSeen(person=HOME.members[1], answers={"contact": False}),
    )
    ledger = told((HOME, "screened", (blank, no)))
    assert ledger.final([HOME])["persons_covered"] == 1
    assert HOME.members[0] in ledger.persons_open(DESK)
    assert HOME.members[1] not in ledger.persons_open(DESK)


def test_the_bound_grows_when_a_visit_leaves_and_keeps_what_may_be_counted_on_the_way() -> None:
    ledger = Ledger(WORLD)
    ledger.handed(HOME, "nobody-home", ())
    ledger.handed(HOME, "screened", well(*HOME.members))
    ledger.handed(HOME, "nobody-home", ())
    assert (ledger.bound(DESK, "nobody_home"), ledger.bound(STREET_OFFICE, "covered")) == (1, 1)
    assert ledger.bound(STREET_OFFICE, "persons_covered") == len(HOME.members)
    assert ledger.bound(STREET_OFFICE, "refused") == 0
    assert ledger.final([HOME])["covered"] == 0


def test_holes_revisits_and_parts_are_named() -> None:
    other = next(home for home in WORLD.households if desk_of(home.unit) == DESK and home != HOME)
    ledger = told((HOME, "refused", ()), (other, "moved-away", ()))
    assert ledger.to_revisit(DESK) == {HOME.household}
    assert HOME.household in ledger.holes(DESK)
    assert other.household not in ledger.holes(DESK)
    parts = ledger.parts(DESK)
    assert sum(map(len, parts.values())) == sum(desk_of(home.unit) == DESK for home in WORLD.households)


def test_who_came_later_is_counted_apart_and_what_comes_after_the_close_not_at_all() -> None:
    moved_in = newcomer(WORLD, 7)
    ledger = Ledger(WORLD)
    ledger.moved_in(moved_in)
    ledger.handed(moved_in, "screened", well(*moved_in.members))
    ledger.kept(moved_in, "screened", well(*moved_in.members))
    ledger.close()
    ledger.handed(HOME, "screened", well(*HOME.members))
    ledger.kept(HOME, "screened", well(*HOME.members))
    final = ledger.final(ledger.at(STREET_OFFICE))
    assert (final["later"], final["later_covered"], final["covered"]) == (1, 1, 0)
    assert final["households"] == len(WORLD.households)
    assert ledger.visits == 2


# --- the observer and the comparison ---


def coverage(desk: str, counts: dict[str, int], *, v: int = 1) -> Coverage:
    total = CoverageCounts(**counts)
    return Coverage(
        round=ROUND,
        desk=desk,
        v=v,
        total=total,
        cells={"": total},
        own=total,
        desks=1,
        missing=0,
        closed=False,
    )


async def observe(ledger: Ledger, *bodies: object) -> Watch:
    class Heard:
        def __init__(self, body: object) -> None:
            self.body = body

    async def records() -> AsyncIterator[Any]:
        for body in bodies:
            yield Heard(body)

    watch = Watch(ROUND, ledger, lambda: 1.5)
    await watch.run(records())
    return watch


async def test_the_observer_notes_every_count_above_what_was_handed_over() -> None:
    ledger = told((HOME, "screened", well(HOME.members[0])))
    honest = {"households": 9, "covered": 1, "screened": 1, "persons_covered": 1}
    assert (await observe(ledger, coverage(DESK, honest))).above_truth == []
    watch = await observe(ledger, coverage(DESK, honest | {"persons_covered": 2}))
    assert [each.split(": ")[1] for each in watch.above_truth] == ["persons_covered 2, handed over 1"]
    assert (await observe(ledger, coverage(DESK, {"covered": 1, "screened": 1}))).above_truth


def everything(ledger: Ledger) -> Told:
    """What a service that counts right would say."""
    return Told(
        coverage={desk: ledger.final(ledger.at(desk)) for desk in (STREET_OFFICE, *WORLD.communities)},
        parts={
            desk: {part: ledger.final(homes) for part, homes in ledger.parts(desk).items()}
            for desk in WORLD.communities
        },
        holes={desk: ledger.holes(desk) for desk in WORLD.communities},
        persons={desk: ledger.persons_open(desk) for desk in WORLD.communities},
    )


async def compared(ledger: Ledger, told_: Told, *, leave_out: str = "") -> Summary:
    frozen = [
        PartFrozen(
            round=ROUND, desk=desk, part=part, charges_v=1,
            households=tuple(
                FrozenHousehold(household=home.household, unit=home.unit)
                for home in homes if home.household != leave_out
            ),
        )
        for desk in WORLD.communities for part, homes in ledger.parts(desk).items()
    ]  # fmt: skip
    summary = Summary(ROUND, closed=True)
    compare(summary, watch=await observe(ledger, *frozen), ledger=ledger, told=told_)
    return summary


async def test_counts_that_agree_leave_no_difference() -> None:
    ledger = told(*[(call.home, call.found, call.seen) for call in FIRST])
    summary = await compared(ledger, everything(ledger))
    assert summary.differences == []
    assert summary.counts["households"] == len(WORLD.households)
    assert sum(counts["covered"] for counts in summary.by_community.values()) == summary.counts["covered"]
    assert any(f"{summary.counts['covered']} of" in each for each in summary.lines())


async def test_each_count_name_and_household_that_differs_is_told() -> None:
    ledger = told(*[(call.home, call.found, call.seen) for call in FIRST])
    right = everything(ledger)
    wrong = dict(right.coverage[DESK]) | {"refused": 999}
    holes = set(right.holes[DESK]) - {min(right.holes[DESK])} | {"h-nobody"}
    said = Told({**right.coverage, DESK: wrong}, right.parts, {**right.holes, DESK: holes}, right.persons)
    summary = await compared(ledger, said, leave_out=HOME.household)
    assert len(summary.differences) == 4
    assert f"{DESK}: not covered: h-nobody should not be listed" in summary.differences
    assert f"{DESK}: frozen: {HOME.household} is not listed" in summary.differences
    assert any(f"{DESK}: refused 999" in each for each in summary.differences)


async def test_the_view_shows_each_desk_and_one_line_of_all() -> None:
    ledger = Ledger(WORLD)
    counts = {
        "households": 10,
        "covered": 6,
        "screened": 5,
        "vacant": 1,
        "nobody_home": 2,
        "persons_covered": 12,
    }
    watch = await observe(ledger, coverage(STREET_OFFICE, counts))
    out = StringIO()
    Console(file=out, width=80).print(table(watch, {STREET_OFFICE: "all"}))
    assert out.getvalue().splitlines()[1].split() == ["all", "10", "6", "5", "1", "2", "12", "60.0"]
    assert line(watch, STREET_OFFICE).startswith(
        "   1.5 s  covered 6 of 10 households, 12 persons: nobody home 2"
    )


def test_a_visit_by_somebody_else_is_another_visit() -> None:
    twice = Counter(call.home.household for call in FIRST)
    homes = {household for household, times in twice.items() if times == 2}
    doors: dict[str, list[Call]] = {}
    for call in FIRST:
        doors.setdefault(call.home.household, []).append(call)
    assert any(len({call.found for call in doors[home]}) == 2 for home in homes)
