"""Dated configuration: what is in force applies, and before the first version the first does."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.dated import Dated

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (NOON - HOUR, "first"),
        (NOON, "first"),
        (NOON + HOUR - timedelta(microseconds=1), "first"),
        (NOON + HOUR, "second"),
        (NOON + 100 * HOUR, "second"),
    ],
)
@pytest.mark.parametrize("backwards", [True, False])
@pytest.mark.req("M-06")
def test_what_is_in_force_applies(when: datetime, expected: str, *, backwards: bool) -> None:
    versions = [(NOON, "first"), (NOON + HOUR, "second")]
    assert Dated(versions[::-1] if backwards else versions).on(when) == expected


@pytest.mark.req("M-06")
def test_a_version_is_named_by_its_date() -> None:
    dated = Dated([(NOON, 1), (NOON + 48 * HOUR, 2)])
    assert dated.version_on(NOON - HOUR) == ("2026-01-01", 1)
    assert dated.version_on(NOON + 72 * HOUR) == ("2026-01-03", 2)


def test_configuration_without_a_version_is_none() -> None:
    with pytest.raises(ValueError, match="no version"):
        Dated([])
