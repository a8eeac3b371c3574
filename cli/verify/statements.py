"""What two sides say of the same places, and where they differ."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.contracts.base import Model

Statements = dict[str, Any]
"""Place → value; a place is written for whoever has to look there."""

NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class Difference:
    """One place at which the log and a service do not say the same."""

    place: str
    log: Any
    service: Any

    def __str__(self) -> str:
        return f"{self.place}: by the log {_shown(self.log)}; stored {_shown(self.service)}"


def differences(log: Mapping[str, Any], service: Mapping[str, Any]) -> list[Difference]:
    """Return every place at which one side says something else, or nothing."""
    return list(_compared(log, service))


def fingerprint(model: Model) -> str:
    """Return a short digest of a model's content: enough to tell two apart."""
    return hashlib.sha256(model.model_dump_json(exclude_none=True).encode()).hexdigest()[:12]


def _compared(log: Mapping[str, Any], service: Mapping[str, Any]) -> Iterator[Difference]:
    for place in sorted(log.keys() | service.keys()):
        said, kept = log.get(place, NOTHING), service.get(place, NOTHING)
        if said == kept:
            continue
        if isinstance(said, dict) and isinstance(kept, dict):
            # Of a set of numbers only those that differ are worth reading.
            names = [name for name in {**said, **kept} if said.get(name) != kept.get(name)]
            said = {name: said.get(name, NOTHING) for name in names}
            kept = {name: kept.get(name, NOTHING) for name in names}
        yield Difference(place, said, kept)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items()) or "none"
    if isinstance(value, list | tuple | set | frozenset):
        each = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return "[" + ", ".join(map(_shown, each)) + "]"
    return str(value)
