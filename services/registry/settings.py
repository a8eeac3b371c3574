"""Registry's own settings, beside those every service has."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from shared.runtime.settings import ServiceSettings

_SHIPPED = Path(__file__).parents[2] / "schemes"


class RegistrySettings(ServiceSettings):
    """Read from `GRIDLOOP_*`."""

    service: ClassVar[str] = "registry"

    schemes: Path = Field(default=_SHIPPED, description="Folder with the scheme files that ship.")
    own_schemes: Path | None = Field(default=None, description="Folder with scheme files of your own.")
    operators: str = Field(
        default="", description="Handles, comma-separated, that may change any desk: for the first import."
    )
    registry_tick_every: float = Field(
        default=5.0, gt=0, description="Seconds between looks for desks at which a dated edge is due."
    )

    @property
    def operator_handles(self) -> frozenset[str]:
        return frozenset(filter(None, (handle.strip() for handle in self.operators.split(","))))

    @property
    def scheme_folders(self) -> tuple[Path, ...]:
        return (self.schemes, self.own_schemes) if self.own_schemes else (self.schemes,)
