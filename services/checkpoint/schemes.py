"""Reading what scheme files say of teams; the rest of a scheme is registry's business."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.contracts.teams import TeamDefinition
from shared.kernel.errors import ConfigurationError


class _Scheme(BaseModel):
    model_config = ConfigDict(extra="ignore")

    scheme: str
    teams: dict[str, TeamDefinition] = Field(default_factory=dict)


def load_teams(*folders: Path) -> dict[str, TeamDefinition]:
    """Return every team of the scheme files in the folders, by `scheme:team`.

    Raises `ConfigurationError` naming a file that cannot be read; a file that is no scheme is passed over.
    """
    teams: dict[str, TeamDefinition] = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*.yaml"))):
        scheme = _read(path)
        if scheme is not None:
            teams |= {f"{scheme.scheme}:{name}": team for name, team in scheme.teams.items()}
    return teams


def _read(path: Path) -> _Scheme | None:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        # Dated configuration lies beside schemes and is none.
        return _Scheme.model_validate(data) if isinstance(data, dict) and "scheme" in data else None
    except (OSError, ValidationError, ValueError, yaml.YAMLError) as error:
        raise ConfigurationError("unreadable-scheme", f"{path.name}: {error}") from error
