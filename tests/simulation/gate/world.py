"""The rules of the simulated gates: every kind of pass may last a quarter of an hour."""

from datetime import UTC, datetime

from services.checkpoint.domain.rules import GateRules
from shared.domain.dated import Dated

RULES = Dated(
    [
        (
            datetime(2020, 1, 1, tzinfo=UTC),
            GateRules(
                windows={"home": 900, "medic": 900, "movement": 900},
                emergency=900,
                replay=60,
                stale_after={"home": 900, "medic": 900, "movement": 900},
                skew=300,
            ),
        )
    ]
)
