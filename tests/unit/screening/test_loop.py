"""The groups together, over a log in memory: a round goes down, visits come in, coverage goes up."""

from typing import Any

import pytest

from services.screening.handlers.sheets import FREEZE_WEIGHT
from shared.contracts import screening as contract
from shared.contracts.envelope import Context, message
from shared.contracts.registry import Charges, HouseholdFact, Roster
from shared.contracts.screening import (
    Census,
    CloseRound,
    Opening,
    OpenRound,
    PutCriterion,
    RoundTick,
    ScreeningCommand,
    Visit,
)
from shared.flow.records import Origin, Record
from shared.kernel.errors import Transient
from tests.builders.screening import (
    CHIEF,
    DAY,
    DESK,
    FLOOR,
    GRID,
    GRID2,
    HOUR,
    HOUSES,
    NOON,
    OTHER,
    OTHER_HOUSES,
    ROUND,
    SOURCE,
    STREET,
    TODAY,
    Screening,
    charges,
    closed,
    handlers,
    household,
    name_of,
    reading,
    roster,
    round_,
    seen,
    visit,
)

COPIES: tuple[Roster | Charges | HouseholdFact, ...] = (
    roster(STREET), roster(), roster(OTHER), charges(), charges(OTHER, 1), *HOUSES, *OTHER_HOUSES,
)  # fmt: skip


def opened(scope: str = STREET, **other: Any) -> ScreeningCommand:
    fields: dict[str, Any] = {"round": ROUND, "issuer": CHIEF, "scope": scope, "title": "第一轮入户排查"}
    return ScreeningCommand(command=OpenRound(**{**fields, **other}))


def closing(scope: str = STREET, round_: str = ROUND) -> ScreeningCommand:
    return ScreeningCommand(command=CloseRound(round=round_, issuer=CHIEF, scope=scope))


def codes(screening: Screening) -> list[str | None]:
    return [result.code for outcome in screening.bodies(contract.OUTCOME) for result in outcome.results]


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.req("S4-08", "F-12", "S3-04")
async def test_a_round_goes_down_is_covered_and_closes_with_its_holes_named(*, twice: bool) -> None:
    screening = Screening(*COPIES, twice=twice)
    await screening.tell(opened())
    coverage = screening.coverage(STREET)
    assert (coverage.total.households, coverage.total.persons, coverage.desks, coverage.missing) == (
        6,
        12,
        3,
        0,
    )
    assert coverage.children == (DESK, OTHER)
    await screening.tell(visit("h1"), visit("h2", "vacant"), visit("h3", "nobody-home"), visit("h5"))
    await screening.tell(visit("o1", desk=OTHER))
    total = screening.coverage(STREET).total
    assert (total.covered, total.screened, total.vacant, total.nobody_home) == (4, 3, 1, 1)
    assert (total.persons_covered, total.in_care, total.units, total.watched) == (8, 5, 5, 4)
    assert screening.coverage(DESK).total.covered == 3
    assert screening.coverage(DESK).own.covered == 1
    await screening.tell(closing())
    assert screening.coverage(STREET).closed
    await screening.tell(visit("h4"), visit("h3"))
    after = screening.coverage(STREET)
    assert (after.total, after.closed) == (total, True)
    assert [(each[2], each[3]) for each in screening.head()["listed"]] == [
        ("late", name_of("h4")),
        ("late", name_of("h3")),
    ]
    assert not screening.watch.letters


@pytest.mark.req("S4-08", "F-12")
async def test_the_denominator_is_frozen_when_the_copies_are_complete_and_later_arrivals_stand_apart() -> (
    None
):
    screening = Screening(roster(), roster(STREET), charges(), *HOUSES[:-1])
    await screening.tell(opened(DESK), visit("h1"))
    assert (screening.head()["status"], screening.head()["waiting"]) == ("waiting", True)
    assert screening.bodies(contract.TALLY) == []
    census = Census(round=ROUND, desk=DESK)
    await screening.tell(census)
    assert screening.head()["status"] == "waiting"
    await screening.tell(HOUSES[-1])
    await screening.tell(census)
    total = screening.coverage().total
    assert (total.households, total.covered) == (5, 1)
    new = household("new")
    await screening.tell(new, charges(households=6, v=2))
    await screening.tell(census, visit("new"), visit("nowhere"))
    total = screening.coverage().total
    assert (total.households, total.covered, total.later, total.later_covered) == (5, 1, 1, 1)
    assert [(each[2], each[3]) for each in screening.head()["listed"]] == [("stranger", name_of("nowhere"))]


@pytest.mark.req("F-12")
async def test_a_desk_without_a_roster_or_without_charges_waits_and_is_missing_above() -> None:
    screening = Screening(roster(STREET), roster(), *HOUSES, *OTHER_HOUSES, charges(OTHER, 1))
    await screening.tell(opened())
    coverage = screening.coverage(STREET)
    assert (coverage.unreported, coverage.missing, coverage.total.households) == ((DESK, OTHER), 2, 0)
    await screening.tell(RoundTick(round=ROUND, desk=STREET, due=NOON + HOUR))
    assert screening.coverage(STREET).unreported_overdue
    screening.copy(roster(OTHER))
    screening.copy(charges())
    await screening.tell(Census(round=ROUND, desk=DESK), Census(round=ROUND, desk=OTHER))
    coverage = screening.coverage(STREET)
    assert (coverage.unreported, coverage.unreported_overdue, coverage.total.households) == ((), False, 6)


@pytest.mark.parametrize("is_closed", [False, True])
@pytest.mark.req("F-12")
async def test_a_street_whose_roster_comes_late_goes_on_to_its_children_then(*, is_closed: bool) -> None:
    screening = Screening(*COPIES[1:])
    terms = round_(unit=STREET)
    await screening.tell(Opening(round=terms, to=STREET))
    if is_closed:
        await screening.tell(Opening(round=closed(terms), to=STREET))
    assert (screening.head(STREET)["children"], screening.head(STREET)["waiting"]) == (None, True)
    assert screening.bodies(contract.TALLY) == []
    screening.copy(roster(STREET))
    await screening.tell(Census(round=ROUND, desk=STREET))
    coverage = screening.coverage(STREET)
    assert (coverage.desks, coverage.missing, coverage.closed) == (3, 0, is_closed)
    assert coverage.total.households == (0 if is_closed else 6)


async def test_a_round_closed_while_a_desk_waited_freezes_nothing_there() -> None:
    screening = Screening(roster(STREET), roster(), *HOUSES)
    await screening.tell(opened(DESK), visit("h1"))
    await screening.tell(closing(DESK))
    coverage = screening.coverage()
    assert (coverage.closed, coverage.total.households) == (True, 0)
    assert screening.head()["listed"][0][2:4] == ["late", name_of("h1")]
    screening.copy(charges())
    await screening.tell(Census(round=ROUND, desk=DESK))
    assert screening.coverage().total.households == 0
    assert not screening.head()["frozen"]


@pytest.mark.req("S4-08")
async def test_rounds_are_numbered_and_only_one_of_a_scope_is_open() -> None:
    screening = Screening(*COPIES)
    second = "01JGXA00000000000000000102"
    await screening.tell(opened())
    await screening.tell(opened(round=second))
    await screening.tell(opened(DESK, round="01JGXA00000000000000000103"))
    await screening.tell(closing())
    await screening.tell(closing())
    await screening.tell(opened(round=second))
    assert codes(screening) == [None, "round-already-open", None, None, "already-closed", None]
    facts = {fact.round.round: fact.round for fact in screening.bodies(contract.ROUND)}
    assert [(each.number, each.status) for each in facts.values()] == [
        (1, "closed"),
        (1, "open"),
        (2, "open"),
    ]


async def test_a_criterion_is_published_by_version() -> None:
    screening = Screening(*COPIES)
    for areas in (("4201",), ("4201",), ("4201", "42"), ("42",)):
        put = PutCriterion(name="returnees", issuer=CHIEF, scope=DESK, text="返乡人员", areas=areas)
        await screening.tell(ScreeningCommand(command=put))
    assert codes(screening) == [None, None, None, "not-wider"]
    versions = [fact.criterion.version for fact in screening.bodies(contract.CRITERION)]
    assert max(versions) == versions[-1] == 2


@pytest.mark.req("S2-14", "M-06")
async def test_a_fever_is_told_to_the_households_chain_also_when_the_visit_comes_late() -> None:
    screening = Screening(*COPIES)
    await screening.tell(opened(DESK))
    await screening.tell(closing(DESK))
    hot = visit("h1", members=(seen("h1", temperature=38.6),))
    await screening.tell(
        hot, hot, reading("h3", 38.0), visit("h2", members=(seen("h2", temperature=40.0),), at=NOON + DAY)
    )
    alerts = {alert.alert: alert for alert in screening.bodies(contract.ALERT)}
    assert [(each.subject, each.charge) for each in alerts.values()] == [("p-h1-a", FLOOR), ("p-h3-a", None)]


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.req("S2-11", "S2-14", "M-07")
async def test_readings_cover_persons_by_day_in_every_open_round_with_days(*, twice: bool) -> None:
    screening = Screening(*COPIES[:-1], *OTHER_HOUSES, twice=twice)
    await screening.tell(opened(DESK, days=(TODAY, TODAY + DAY)))
    await screening.tell(reading("h1"), reading("h4"), reading("h1"), reading("h5"))
    coverage = screening.coverage()
    assert (coverage.cells["2026-01-01"].persons_covered, coverage.cells["2026-01-02"].persons_covered) == (
        3,
        0,
    )
    assert coverage.total.covered == 0
    assert coverage.total.households == 10
    await screening.tell(closing(DESK))
    await screening.tell(reading("h2"))
    assert screening.coverage().total.persons_covered == 3


async def test_readings_wait_with_the_desk() -> None:
    screening = Screening(roster(), roster(STREET), *HOUSES)
    await screening.tell(opened(DESK, days=(TODAY,)))
    await screening.tell(reading("h1"), visit("h2"))
    screening.copy(charges())
    await screening.tell(Census(round=ROUND, desk=DESK))
    assert screening.coverage().total.persons_covered == 3


@pytest.mark.req("S2-14", "F-09")
async def test_a_pseudonym_from_a_gate_takes_no_place_among_what_waits_and_is_alerted_all_the_same() -> None:
    screening = Screening(roster(), roster(STREET), *HOUSES)
    await screening.tell(opened(DESK, days=(TODAY,)))
    before = screening.head()
    at_gate = [reading("h1", 39.0, person=f"ps-{number}", gate=f"{DESK}.k1") for number in range(3)]
    await screening.tell(*at_gate)
    assert screening.head() == before
    assert {alert.subject for alert in screening.bodies(contract.ALERT)} == {"ps-0", "ps-1", "ps-2"}


@pytest.mark.req("S2-14")
async def test_a_pseudonym_from_a_gate_says_no_tally_again() -> None:
    screening = Screening(*COPIES)
    await screening.tell(opened(DESK, days=(TODAY,)))
    tallies = len(screening.bodies(contract.TALLY))
    await screening.tell(reading("h1", person="ps-1", gate=f"{DESK}.k1"))
    assert len(screening.bodies(contract.TALLY)) == tallies


async def test_what_changes_nothing_raises_no_version_at_a_desk_or_above_it() -> None:
    screening = Screening(*COPIES)
    await screening.tell(opened())
    await screening.tell(visit("h1"))
    here, above = screening.coverage(DESK), screening.coverage(STREET)
    said = list(screening.watch.published)
    await screening.tell(RoundTick(round=ROUND, desk=DESK, due=NOON - DAY))
    # It is said again as it is stored, for the one before may not have been heard.
    again = screening.watch.published[len(said) :]
    assert again
    assert {each.value for each in again} <= {each.value for each in said}
    assert (screening.coverage(DESK), screening.coverage(STREET)) == (here, above)


@pytest.mark.req("S4-08", "F-12")
async def test_the_denominator_is_published_once_as_facts() -> None:
    screening = Screening(*COPIES)
    await screening.tell(opened())
    await screening.tell(visit("h1"), visit("h5"))
    parts = {(fact.desk, fact.part): fact for fact in screening.bodies(contract.FROZEN)}
    assert set(parts) == {(DESK, DESK), (DESK, GRID), (DESK, GRID2), (OTHER, f"{OTHER}001")}
    assert len(screening.bodies(contract.FROZEN)) == 4
    assert [each.household for each in parts[DESK, GRID].households] == [
        name_of(n) for n in ("h1", "h2", "h3")
    ]


@pytest.mark.req("F-12")
async def test_a_crash_after_publishing_sends_the_same_openings_and_facts_again() -> None:
    screening = Screening(*COPIES)
    screening.watch.failing = [None, None, Transient("broker-away"), None]
    await screening.tell(opened())
    assert screening.coverage(STREET).total.households == 6
    assert len(screening.bodies(contract.FROZEN)) == 4


async def test_a_visit_for_a_round_that_never_came_here_waits_and_is_never_counted() -> None:
    screening = Screening(*COPIES)
    await screening.tell(opened(OTHER))
    await screening.tell(visit("h1"), visit("o1", desk=OTHER))
    assert screening.head()["status"] == "stub"
    assert screening.coverage(OTHER).total.covered == 1
    assert [each.desk for each in screening.bodies(contract.COVERAGE) if each.desk == DESK] == []


@pytest.mark.parametrize("desk", ["61", GRID, f"{GRID}.b1", "999999999999"])
async def test_a_visit_to_a_place_that_is_no_desk_of_ours_harms_nobody(desk: str) -> None:
    screening = Screening(*COPIES)
    await screening.tell(opened(), visit("h1", desk=desk), reading("h1", desk=desk), visit("h1"))
    assert screening.coverage(STREET).total.covered == 1
    assert not screening.watch.letters


async def test_records_that_are_no_visits_are_dead_letters_and_stop_nobody() -> None:
    screening = Screening(*COPIES)
    await screening.tell(opened())
    context = Context("message-bad1", SOURCE, NOON, "walker")
    good = message(contract.VISITS_TOPIC, contract.VISIT, DESK, visit("h1"), context)
    reading_77 = good.value.replace(b"36.5", b"77.0") if good.value else b""
    for value in (b"{", b"", reading_77, b'{"round": NaN}'):
        poison = type(good)(good.topic, good.key, value, good.headers)
        await screening.settle([poison, good])
    assert screening.watch.letters.total() == 4
    assert screening.coverage(STREET).total.covered == 1


def test_an_opening_is_heavy_for_it_may_freeze_a_desk_and_a_visit_is_light() -> None:
    sheets = handlers()["screening.sheets"]

    def record(body: Census | Visit) -> Record:
        return Record(Origin("t", 0, 0, b"", b"", ()), "message-0001", "x", body, NOON)

    assert sheets.weight(record(Census(round=ROUND, desk=DESK))) == FREEZE_WEIGHT
    assert sheets.weight(record(visit("h1"))) == 1
