"""Dispatch's own settings, beside those every service has."""

from datetime import datetime
from pathlib import Path
from typing import ClassVar

import yaml
from pydantic import AwareDatetime, BaseModel, Field

from shared.contracts.dispatch import Deadlines
from shared.kernel.errors import ConfigurationError
from shared.runtime.settings import ServiceSettings

_SHIPPED = Path(__file__).parents[2] / "schemes" / "deadlines.yaml"


class DispatchSettings(ServiceSettings):
    """Read from `GRIDLOOP_*`."""

    service: ClassVar[str] = "dispatch"

    audience_limit: int = Field(default=400_000, ge=1, description="Most posts one directive may address.")
    open_limit: int = Field(default=20, ge=1, description="Most open directives one issuing post may have.")
    deadlines: Path = Field(default=_SHIPPED, description="File with the dated deadlines of orders.")
    tick_every: float = Field(default=0.5, gt=0, description="Seconds between looks for what is due.")


class _Version(Deadlines):
    valid_from: AwareDatetime


class _File(BaseModel):
    versions: list[_Version] = Field(min_length=1)


def read_deadlines(path: Path) -> list[tuple[datetime, Deadlines]]:
    """Return the versions of a deadlines file; raises `ConfigurationError` naming the file."""
    try:
        read = _File.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigurationError("deadlines-file", f"{path.name}: {error}") from error
    return [
        (version.valid_from, Deadlines(done=version.done, step=version.step)) for version in read.versions
    ]
