"""Configuration that has versions with dates, never constants (M-06)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Generic, TypeVar

V = TypeVar("V")


class Dated(Generic[V]):
    """Values by the instant they came into force."""

    def __init__(self, versions: Sequence[tuple[datetime, V]]) -> None:
        if not versions:
            raise ValueError("no version")
        self._versions = sorted(versions, key=lambda version: version[0])

    def on(self, instant: datetime) -> V:
        """Return the value in force; before the first version, the first."""
        return self.version_on(instant)[1]

    def version_on(self, instant: datetime) -> tuple[str, V]:
        """Return the name of the version in force, its date, and the value."""
        since, current = self._versions[0]
        for begins, value in self._versions:
            if begins <= instant:
                since, current = begins, value
        return since.date().isoformat(), current
