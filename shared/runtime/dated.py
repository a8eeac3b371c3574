"""Reading dated configuration (M-06): a YAML file whose `versions` each say from when they hold."""

from datetime import datetime
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.kernel.errors import ConfigurationError

M = TypeVar("M", bound=BaseModel)


class _Version(BaseModel):
    model_config = ConfigDict(extra="allow")

    valid_from: AwareDatetime


class _File(BaseModel):
    versions: list[_Version] = Field(min_length=1)


def read_versions(path: Path, model: type[M]) -> list[tuple[datetime, M]]:
    """Return the versions of a file and from when each holds; raises `ConfigurationError` naming the file."""
    try:
        read = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        return [(version.valid_from, model.model_validate(version.model_extra)) for version in read.versions]
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigurationError("dated-file", f"{path.name}: {error}") from error
