"""Screening's own settings, beside those every service has."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from shared.runtime.settings import ServiceSettings

_SCHEMES = Path(__file__).parents[2] / "schemes"


class ScreeningSettings(ServiceSettings):
    """Read from `GRIDLOOP_*`."""

    service: ClassVar[str] = "screening"

    fever: Path = Field(default=_SCHEMES / "fever.yaml", description="File with the dated fever rule.")
    rounds: Path = Field(
        default=_SCHEMES / "rounds.yaml", description="File with the dated terms of rounds and visits."
    )
    screening_tick_every: float = Field(
        default=0.5, gt=0, description="Seconds between looks for desks that became countable."
    )
    bulk_body_limit: int = Field(
        default=2_097_152, ge=1, description="Largest body of a bulk of visits, in bytes."
    )
