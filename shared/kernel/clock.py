"""Time as a value: the port through which a process reads the clock, and the few conversions all need."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Clock(Protocol):
    def now(self) -> datetime:
        """Give the present instant, aware and in UTC."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def utc_ms(instant: datetime) -> int:
    """Give milliseconds since 1970, rounded down; integers only, so no instant drifts through a float."""
    return (_aware(instant) - _EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    return _EPOCH + milliseconds * _MILLISECOND


def iso(instant: datetime) -> str:
    """Write an instant one way only: UTC, milliseconds, `Z`; texts then sort as the instants do."""
    utc = _aware(instant).astimezone(UTC)
    return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def local_day(instant: datetime, zone: tzinfo) -> date:
    """Give the city's calendar day of an instant: a daily round belongs to it, not to the day in UTC."""
    return _aware(instant).astimezone(zone).date()


def _aware(instant: datetime) -> datetime:
    # Python takes a naive datetime for local time, which differs from machine to machine.
    if instant.tzinfo is None:
        message = "a datetime without a zone is not an instant"
        raise ValueError(message)
    return instant
