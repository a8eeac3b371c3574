"""Dispatch's own settings, beside those every service has."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from shared.runtime.settings import ServiceSettings

_SHIPPED = Path(__file__).parents[2] / "schemes" / "deadlines.yaml"


class DispatchSettings(ServiceSettings):
    """Read from `GRIDLOOP_*`."""

    service: ClassVar[str] = "dispatch"

    audience_limit: int = Field(default=400_000, ge=1, description="Most posts one directive may address.")
    open_limit: int = Field(default=20, ge=1, description="Most open directives one issuing post may have.")
    deadlines: Path = Field(
        default=_SHIPPED, description="File with the dated deadlines of orders and alerts."
    )
    stream_limit: int = Field(default=1_000, ge=1, description="Most event streams one process keeps open.")
    stream_every: float = Field(
        default=1.0, gt=0, description="Seconds between looks for progress that somebody streams."
    )
    tick_every: float = Field(default=0.5, gt=0, description="Seconds between looks for what is due.")
