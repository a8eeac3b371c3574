"""Reading scheme files and geography slices: the shipped ones and a user's own are read the same way."""

import json
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

import yaml

from services.registry.domain.scheme import Scheme, parse_scheme, qualified_posts
from shared.contracts.registry import PutUnit
from shared.kernel.errors import ConfigurationError


def load_schemes(*folders: Path) -> dict[str, Scheme]:
    """Read every scheme file of the folders; a name used twice or a dangling reference is an error."""
    schemes: dict[str, Scheme] = {}
    for path in _files(folders):
        scheme = read_scheme(path)
        if scheme is None:
            continue
        if scheme.scheme in schemes:
            raise ConfigurationError("scheme-named-twice", f"{scheme.scheme} in {path.name}")
        schemes[scheme.scheme] = scheme
    if not schemes:
        raise ConfigurationError("no-schemes", ", ".join(map(str, folders)))
    qualified_posts(schemes)
    return schemes


def read_scheme(path: Path) -> Scheme | None:
    """Read one file; dated configuration of other services may lie beside schemes and is none."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigurationError("unreadable-scheme", str(path)) from error
    if isinstance(data, dict) and not data.keys() & {"scheme", "posts"}:
        return None
    return parse_scheme(data, origin=path.name)


def read_geography(path: Path) -> Iterator[PutUnit]:
    """Yield a geography slice as commands, from the province down; each belongs to its own desk."""
    data = json.loads(path.read_text(encoding="utf-8"))
    since = date.fromisoformat(data["valid_from"])
    for unit in data["units"]:
        yield PutUnit(code=unit["code"], kind=unit["kind"], name=unit["name"], valid_from=since)


def _files(folders: Iterable[Path]) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.glob("*.yaml"))]
