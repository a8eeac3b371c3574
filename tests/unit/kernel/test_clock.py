"""Conversions of time: exact, aware, and by the city's calendar."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.clock import SystemClock, from_ms, iso, local_day, utc_ms

CITY = ZoneInfo("Asia/Shanghai")
NAIVE = datetime(2022, 4, 20, 12)  # noqa: DTZ001 (the fault under test)


@given(st.integers(0, 4_102_444_800_000))
def test_milliseconds_survive_both_ways(milliseconds: int) -> None:
    assert utc_ms(from_ms(milliseconds)) == milliseconds


def test_an_instant_is_the_same_in_every_zone() -> None:
    noon = datetime(2022, 4, 20, 12, tzinfo=CITY)
    assert utc_ms(noon) == utc_ms(noon.astimezone(UTC)) == 1650427200000
    assert iso(noon) == "2022-04-20T04:00:00.000Z"


def test_texts_sort_as_instants_do() -> None:
    first = datetime(2022, 4, 20, 12, tzinfo=timezone(timedelta(hours=8)))
    second = datetime(2022, 4, 20, 5, tzinfo=UTC)
    assert first < second
    assert iso(first) < iso(second)


@pytest.mark.req("M-07")
@pytest.mark.parametrize(
    ("hour", "day"), [(15, date(2022, 4, 20)), (16, date(2022, 4, 21)), (23, date(2022, 4, 21))]
)
def test_the_day_changes_at_the_citys_midnight(hour: int, day: date) -> None:
    assert local_day(datetime(2022, 4, 20, hour, tzinfo=UTC), CITY) == day


@pytest.mark.parametrize("call", [utc_ms, iso, lambda instant: local_day(instant, CITY)])
def test_a_naive_datetime_is_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match="without a zone"):
        call(NAIVE)


def test_the_system_clock_is_aware() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)
