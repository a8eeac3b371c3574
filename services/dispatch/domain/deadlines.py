"""How long an order may stay open when it does not say so itself: dated configuration (M-06)."""

from collections.abc import Sequence
from datetime import datetime

from shared.contracts.dispatch import Deadlines


class DatedDeadlines:
    """Deadlines by the date they came into force: configuration, never constants."""

    def __init__(self, versions: Sequence[tuple[datetime, Deadlines]]) -> None:
        self._versions = sorted(versions, key=lambda version: version[0])

    def on(self, instant: datetime) -> Deadlines:
        """Return the deadlines in force; before the first version, the first."""
        current = self._versions[0][1]
        for since, deadlines in self._versions:
            if since <= instant:
                current = deadlines
        return current
