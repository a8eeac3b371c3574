"""Checkpoint's own settings, beside those every service has."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from shared.runtime.settings import ServiceSettings

_SHIPPED = Path(__file__).parents[2] / "schemes"


class CheckpointSettings(ServiceSettings):
    """Read from `GRIDLOOP_*`."""

    service: ClassVar[str] = "checkpoint"

    schemes: Path = Field(default=_SHIPPED, description="Folder with the scheme files that ship.")
    own_schemes: Path | None = Field(default=None, description="Folder with scheme files of your own.")
    gate_rules: Path = Field(
        default=_SHIPPED / "gate.yaml", description="File with the dated rules of gates and passes."
    )
    pass_keys: Path | None = Field(
        default=None, description="File with the keys of passes and pseudonyms; without it none is issued."
    )
    spool: Path = Field(
        default=Path("checkpoint-spool.db"), description="File that keeps crossings until Kafka has them."
    )
    spool_limit: int = Field(
        default=1_000_000, ge=1, description="Most crossings that may wait; beyond it the gate answers 503."
    )
    gate_devices: str = Field(
        default="", description="Handles, comma-separated, of devices that may ask at any gate."
    )
    checkpoint_tick_every: float = Field(
        default=0.5, gt=0, description="Seconds between looks for overstays and emergency openings to end."
    )

    @property
    def device_handles(self) -> frozenset[str]:
        return frozenset(filter(None, (handle.strip() for handle in self.gate_devices.split(","))))

    @property
    def scheme_folders(self) -> tuple[Path, ...]:
        return (self.schemes, self.own_schemes) if self.own_schemes else (self.schemes,)
