"""The end of the demonstration: every act's summary, how long each phase took, and every difference."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

SHOWN_AT_MOST = 20


class ActSummary(Protocol):
    """What every act leaves behind; it is a dataclass."""

    differences: list[str]

    def lines(self) -> Iterator[str]:
        """Yield the summary for a person."""
        ...


@dataclass(slots=True)
class Report:
    """What is printed and written; any difference decides the exit code."""

    acts: dict[str, ActSummary] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def all_differences(self) -> list[str]:
        """Return what differs in the street as it was told, then act by act."""
        acts = [f"{name}: {each}" for name, act in self.acts.items() for each in act.differences]
        return self.differences + acts

    def as_json(self) -> dict[str, Any]:
        """Return one object an act, and what is about all of them beside it."""
        acts = {name: asdict(act) for name, act in self.acts.items()}  # type: ignore[call-overload]  # all are
        return {
            **acts,
            "seconds": self.seconds,
            "restarts": self.restarts,
            "findings": self.findings,
            "differences": self.all_differences,
        }

    def lines(self) -> Iterator[str]:
        """Yield everything for a person."""
        for act in self.acts.values():
            yield from act.lines()
        yield "took          " + ", ".join(f"{phase} {took} s" for phase, took in self.seconds.items())
        differences = self.all_differences
        if not differences:
            yield "every count agrees with the independent one"
        yield from (f"DIFFERS: {difference}" for difference in differences[:SHOWN_AT_MOST])
        if len(differences) > SHOWN_AT_MOST:
            yield f"… and {len(differences) - SHOWN_AT_MOST} more"
