"""The group that merges crossings: presences, days, readings for screening, alerts for the chain."""

from datetime import timedelta

import pytest

from services.checkpoint.domain.gate_day import DayCounts, GateDay, counted
from services.checkpoint.store import DESKS, GATE_DAYS, HOUSEHOLDS, PASSES
from shared.contracts import checkpoint as contract
from shared.contracts import screening
from shared.contracts.checkpoint import Crosser, RevokePass
from shared.contracts.envelope import Message, header
from shared.contracts.screening import Reading
from shared.kernel.clock import utc_ms
from shared.kernel.ids import derived_id
from tests.builders.checkpoint import (
    AREA,
    DESK,
    GATE,
    GATE2,
    HOUR,
    HOUSEHOLD,
    LEADER,
    MINUTE,
    NOON,
    PASS,
    Checkpoint,
    crossed,
    crosser,
    crossing,
    household,
    issuing,
    tick,
)

UNTIL = NOON + 4 * HOUR
OUT, BACK = crossed(crossing("out"), "crossing-1"), crossed(crossing("in", after=2 * HOUR), "crossing-2")
LATE = crossed(crossing("in", after=5 * HOUR), "crossing-3")
DUE = crossed(tick(), "tick-0001")
NAMELESS = crosser(household=None, code="signature-only")


def alerts(checkpoint: Checkpoint) -> list[Message]:
    return checkpoint.watch.of(contract.ALERT)


async def test_out_and_back_is_stored_as_found_by_index() -> None:
    checkpoint = Checkpoint()
    await checkpoint.take(OUT, now=NOON + HOUR)
    out = checkpoint.presence()
    assert (out["area"], out["outside"], out["overdue"]) == (AREA, True, False)
    assert checkpoint.due() == utc_ms(UNTIL)
    await checkpoint.take(BACK, now=NOON + 2 * HOUR)
    back = checkpoint.presence()
    assert (back["outside"], checkpoint.due()) == (False, None)
    assert alerts(checkpoint) == []


@pytest.mark.req("B-06")
async def test_late_and_repeated_records_end_in_the_same_documents() -> None:
    stored = []
    for records in ([OUT, BACK, DUE], [DUE, BACK, OUT], [BACK, OUT, OUT, DUE, BACK]):
        checkpoint = Checkpoint()
        for record in records:
            await checkpoint.take(record, now=UNTIL)
        stored.append((checkpoint.presence(), _day(checkpoint, GATE)))
    assert stored[0] == stored[1] == stored[2]


@pytest.mark.req("F-09", "S1-09")
class TestOverstay:
    async def test_the_households_head_is_told_at_the_limit(self) -> None:
        checkpoint = Checkpoint()
        await checkpoint.take(OUT, now=NOON + HOUR)
        await checkpoint.take(DUE, now=UNTIL)
        (alert,) = checkpoint.said(contract.ALERT)
        assert (alert.rule, alert.version, alert.at) == ("overstay", "2020-01-01", UNTIL)
        assert (alert.desk, alert.unit, alert.household) == (DESK, f"{AREA}.b1.d1", HOUSEHOLD)
        assert (alert.charge, alert.subject) == (LEADER, "ps-1")
        assert "2026-03-02 16:00" in alert.text
        (sent,) = alerts(checkpoint)
        assert sent.key == DESK.encode()
        assert header(sent.headers, "ce_id") == alert.alert

    async def test_whoever_is_back_in_time_is_nobodys_alert(self) -> None:
        checkpoint = Checkpoint()
        await checkpoint.take(OUT, BACK, DUE, now=UNTIL)
        assert alerts(checkpoint) == []

    async def test_a_late_return_that_overtakes_the_tick_is_told_all_the_same(self) -> None:
        checkpoint = Checkpoint()
        await checkpoint.take(OUT, now=NOON + HOUR)
        await checkpoint.take(LATE, now=NOON + 5 * HOUR)
        (alert,) = checkpoint.said(contract.ALERT)
        other = Checkpoint()
        await other.take(OUT, DUE, now=UNTIL)
        assert other.said(contract.ALERT) == [alert]

    async def test_an_exit_that_arrives_after_the_tick_is_told(self) -> None:
        checkpoint = Checkpoint()
        await checkpoint.take(DUE, now=UNTIL)
        assert alerts(checkpoint) == []
        await checkpoint.take(OUT, now=UNTIL + HOUR)
        assert len(alerts(checkpoint)) == 1

    async def test_a_tick_ahead_of_the_broker_leaves_the_time_due(self) -> None:
        checkpoint = Checkpoint()
        await checkpoint.take(OUT, now=NOON + HOUR)
        await checkpoint.take(DUE, now=UNTIL - timedelta(seconds=1))
        assert alerts(checkpoint) == []
        assert checkpoint.due() == utc_ms(UNTIL)

    async def test_without_the_households_copy_the_gates_own_desk_is_told(self) -> None:
        checkpoint = Checkpoint()
        stranger = crossing("out", people=(crosser(household="household-9"),))
        await checkpoint.take(crossed(stranger), DUE, now=UNTIL)
        (alert,) = checkpoint.said(contract.ALERT)
        assert (alert.desk, alert.unit, alert.charge) == (DESK, AREA, None)

    async def test_a_redelivered_batch_says_the_same_bytes(self) -> None:
        checkpoint = Checkpoint()
        await checkpoint.take(OUT, DUE, now=UNTIL)
        before = list(checkpoint.watch.published)
        await checkpoint.take(OUT, DUE, now=UNTIL, again=True)
        assert checkpoint.watch.published == [*before, *before]


@pytest.mark.req("S2-06")
class TestReadings:
    async def test_a_temperature_is_a_reading_of_the_pseudonym_at_the_households_desk(self) -> None:
        checkpoint, home = Checkpoint(), f"{DESK[:-1]}4"
        checkpoint.know(HOUSEHOLDS, HOUSEHOLD, household(v=6, desk=home))
        hot = crossing(people=(crosser(temperature=38.4),))
        await checkpoint.take(crossed(hot, "crossing-7"), now=NOON + HOUR)
        (sent,) = checkpoint.watch.of(screening.READING)
        assert sent.key == home.encode()
        assert header(sent.headers, "ce_id") == derived_id("reading", "crossing-7", 0)
        assert Reading.model_validate_json(sent.value or b"") == Reading(
            desk=home, household=HOUSEHOLD, person="ps-1", temperature=38.4, means="gate", gate=GATE,
            at=NOON + MINUTE,
        )  # fmt: skip

    async def test_whoever_is_refused_was_measured_all_the_same(self) -> None:
        checkpoint = Checkpoint()
        await checkpoint.take(crossed(crossing(verdict="deny", people=(crosser(verdict="deny"),))))
        assert len(checkpoint.watch.of(screening.READING)) == 1

    async def test_without_temperature_or_household_there_is_none(self) -> None:
        checkpoint = Checkpoint()
        await checkpoint.take(
            crossed(crossing(people=(crosser(temperature=None),)), "crossing-1"),
            crossed(crossing(people=(crosser(household=None),)), "crossing-2"),
            crossed(crossing(people=(crosser(subject=None),)), "crossing-3"),
        )
        assert checkpoint.watch.of(screening.READING) == []

    async def test_a_reading_is_never_from_after_the_brokers_time(self) -> None:
        checkpoint = Checkpoint()
        await checkpoint.take(crossed(crossing(after=HOUR)), now=NOON)
        (reading,) = checkpoint.said(screening.READING)
        assert reading.at == NOON


@pytest.mark.req("S2-06", "F-09")
class TestBySignatureAlone:
    """A gate that has not heard of a pass yet names no household: the pass itself does."""

    async def issued(self) -> Checkpoint:
        checkpoint = Checkpoint()
        assert (await checkpoint.tell(issuing())).accepted
        return checkpoint

    async def test_a_temperature_is_a_reading_at_the_passes_household(self) -> None:
        checkpoint = await self.issued()
        await checkpoint.take(crossed(crossing(people=(NAMELESS,))), now=NOON + HOUR)
        (reading,) = checkpoint.said(screening.READING)
        assert (reading.household, reading.desk, reading.temperature) == (HOUSEHOLD, DESK, 36.5)

    async def test_an_overstay_is_told_to_the_passes_household(self) -> None:
        checkpoint = await self.issued()
        unmeasured = NAMELESS.model_copy(update={"temperature": None})
        await checkpoint.take(crossed(crossing(people=(unmeasured,))), DUE, now=UNTIL)
        (alert,) = checkpoint.said(contract.ALERT)
        assert (alert.household, alert.charge, alert.unit) == (HOUSEHOLD, LEADER, f"{AREA}.b1.d1")
        assert checkpoint.said(screening.READING) == []

    async def test_a_redelivery_says_the_same_though_the_pass_has_changed_meanwhile(self) -> None:
        checkpoint = await self.issued()
        went = crossed(crossing(people=(NAMELESS,)))
        await checkpoint.take(went, DUE, now=UNTIL)
        before = said(checkpoint)
        await checkpoint.tell(RevokePass(pass_id=PASS, area=AREA, issuer=LEADER, reason="遗失"), now=UNTIL)
        await checkpoint.take(went, DUE, now=UNTIL, again=True)
        assert said(checkpoint) == [*before, *before]

    async def test_a_pass_that_nobody_issued_is_counted_and_told_to_nobody(self) -> None:
        checkpoint = Checkpoint()
        await checkpoint.take(crossed(crossing(people=(NAMELESS,))), DUE, now=UNTIL)
        assert said(checkpoint) == []
        assert checkpoint.presence()["overdue"]
        assert _counts(checkpoint).allowed == 1

    @pytest.mark.parametrize(
        "person",
        [
            crosser(),
            crosser(household=None, kind="home", temperature=None),
            crosser(household=None, pass_id=None, kind=None, verdict="refer"),
        ],
        ids=["household known", "nobody to tell", "no pass"],
    )
    async def test_only_what_somebody_must_be_told_of_is_looked_up(self, person: Crosser) -> None:
        checkpoint = await self.issued()
        checkpoint.storage.reads.clear()
        await checkpoint.take(crossed(crossing(people=(person,))), now=NOON + HOUR)
        assert PASSES.name not in {collection for collection, _ in checkpoint.storage.reads}


@pytest.mark.req("S3-21")
class TestVehicles:
    async def test_everybody_in_it_is_out(self) -> None:
        checkpoint = Checkpoint()
        people = (crosser(role="driver"), crosser(role="occupant", pass_id="pass-0002"))
        await checkpoint.take(crossed(crossing(vehicle=True, people=people)), now=NOON + HOUR)
        assert all(checkpoint.presence(id_)["outside"] for id_ in (PASS, "pass-0002"))
        assert len(checkpoint.watch.of(screening.READING)) == 2

    async def test_where_one_may_not_pass_nobody_has_passed(self) -> None:
        checkpoint = Checkpoint()
        people = (crosser(role="driver"), crosser(role="occupant", pass_id="pass-0002", verdict="deny"))
        await checkpoint.take(crossed(crossing(vehicle=True, verdict="deny", people=people)))
        assert checkpoint.storage.body("presence", f"{DESK}/{PASS}") is None
        assert _counts(checkpoint).denied == 1

    async def test_a_bus_weighs_as_many_as_sit_in_it(self) -> None:
        checkpoint = Checkpoint()
        people = tuple(crosser(role="occupant", pass_id=f"pass-1{n:03}") for n in range(60))
        buses = [crossed(crossing(vehicle=True, people=people), f"crossing-{n:03}") for n in range(40)]
        await checkpoint.take(*buses, now=NOON + HOUR)
        commits = [
            commit for commit in checkpoint.storage.commits if any(w.collection == "presence" for w in commit)
        ]
        assert len(commits) == 2


@pytest.mark.req("U-25")
class TestDays:
    async def test_the_day_is_the_citys(self) -> None:
        checkpoint = Checkpoint()
        evening = timedelta(hours=11, minutes=59)
        await checkpoint.take(crossed(crossing(after=evening), "crossing-1"), now=NOON + 13 * HOUR)
        await checkpoint.take(crossed(crossing(after=12 * HOUR), "crossing-2"), now=NOON + 13 * HOUR)
        assert (_counts(checkpoint).crossings, _counts(checkpoint, day="2026-03-03").crossings) == (1, 1)

    async def test_a_gate_that_nobody_registered_is_counted_like_any(self) -> None:
        checkpoint = Checkpoint()
        unknown = f"{AREA}.k99"
        assert checkpoint.storage.body(DESKS.name, DESK) is None
        await checkpoint.take(crossed(crossing(gate=unknown)), now=NOON + HOUR)
        assert _counts(checkpoint, gate=unknown).people_out == 1
        assert checkpoint.presence()["outside"]

    async def test_a_pass_whose_fact_is_not_here_yet_is_known_by_its_crossing(self) -> None:
        checkpoint = Checkpoint()
        assert checkpoint.storage.body(PASSES.name, PASS) is None
        await checkpoint.take(OUT, now=NOON + HOUR)
        assert checkpoint.due() == utc_ms(UNTIL)

    async def test_without_a_pass_there_is_a_count_and_no_presence(self) -> None:
        checkpoint = Checkpoint()
        people = (crosser(pass_id=None, kind=None, until=None, verdict="refer"),)
        await checkpoint.take(crossed(crossing("in", verdict="refer", people=people)))
        assert (_counts(checkpoint).referred, _counts(checkpoint).no_pass) == (1, 1)
        assert not [key for key in checkpoint.storage.all() if key[0] == "presence"]


class TestPoison:
    @pytest.mark.parametrize(
        "value", [b"not json", b"{}", b"[]", b'{"gate": "x"}', b"\xff\xfe", b'{"temperature": NaN}']
    )
    async def test_bad_data_goes_aside_and_the_rest_of_the_poll_counts(self, value: bytes) -> None:
        checkpoint = Checkpoint()
        bad = Message(OUT.topic, OUT.key, value, OUT.headers)
        await checkpoint.take(bad, BACK, now=NOON + 2 * HOUR)
        assert sum(checkpoint.watch.letters.values()) == 1
        assert not checkpoint.presence()["outside"]

    async def test_a_crossing_under_another_communitys_key_is_bad_data(self) -> None:
        checkpoint = Checkpoint()
        fields = crossing(gate=GATE2).model_dump(mode="json")
        with pytest.raises(ValueError, match="the desk is the gate's community"):
            contract.Crossing.model_validate({**fields, "desk": "610802006004"})
        astray = Message(OUT.topic, b"610802006004", OUT.value, OUT.headers)
        await checkpoint.take(astray, now=NOON + HOUR)
        assert checkpoint.watch.letters == {"wrong-key": 1}


def said(checkpoint: Checkpoint) -> list[Message]:
    """Return the readings and alerts published, in turn."""
    topics = {screening.READINGS_TOPIC.name, contract.ALERTS_TOPIC.name}
    return [each for each in checkpoint.watch.published if each.topic in topics]


def _day(checkpoint: Checkpoint, gate: str, day: str = "2026-03-02") -> GateDay:
    body = checkpoint.storage.body(GATE_DAYS.name, f"{gate}/{day}")
    assert body is not None
    return GATE_DAYS.decode(body)


def _counts(checkpoint: Checkpoint, *, gate: str = GATE, day: str = "2026-03-02") -> DayCounts:
    return counted(_day(checkpoint, gate, day))
