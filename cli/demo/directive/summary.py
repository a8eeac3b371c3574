"""The end of the act: what dispatch counts, beside what the actors counted, and every difference."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.demo.directive.ledger import COUNTED, Ledger
from cli.demo.directive.watch import Watch
from cli.demo.world import Seat


@dataclass(slots=True)
class Summary:
    """What is printed and written of this act; `differences` decides the exit code."""

    directive: str
    entries: int = 0
    closed: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    by_level: dict[str, dict[str, int]] = field(default_factory=dict)
    by_community: dict[str, dict[str, int]] = field(default_factory=dict)
    refused: int = 0
    silent: int = 0
    vacant: int = 0
    above_truth: int = 0
    samples: int = 0
    reached: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Yield the summary for a person."""
        counts = self.counts
        yield f"entries       {self.entries}, closed: {'yes' if self.closed else 'no'}"
        yield "counted       " + ", ".join(
            f"{name} {counts[name]}" for name in ("read", "relayed", "executed")
        )
        yield (
            f"not answered  {self.silent} silent, {self.refused} refused, {self.vacant} vacant: "
            f"{counts['answered_for']} answered for by superiors, {counts['excused']} of them excused"
        )
        yield "done          " + ", ".join(f"{share} % after {at} s" for share, at in self.reached.items())
        yield f"observed      {self.samples} counts, {self.above_truth} above the truth"


def compare(
    summary: Summary,
    *,
    watch: Watch,
    ledger: Ledger,
    addressed: Iterable[Seat],
    answers: Mapping[str, Mapping[str, Any]],
) -> None:
    """Fill in the counts that `answers` (the service's own, by desk) give, and note each that differs."""
    seats = tuple(addressed)
    top = next(iter(watch.expected))
    summary.counts = _plain(answers[top]["total"])
    summary.entries = summary.counts["total"]
    summary.refused = len(ledger.refused)
    summary.samples, summary.above_truth = watch.samples, len(watch.above_truth)
    summary.reached = {str(share): round(at, 1) for share, at in watch.reached.get(top, {}).items()}
    summary.by_level = {level: _plain(counts) for level, counts in answers[top]["cells"].items()}
    summary.by_community = {desk: _plain(answers[desk]["own"]) for desk in watch.expected if desk != top}
    found = summary.differences
    found += _differ("all", ledger.final(seats), summary.counts)
    for level in sorted({seat.level for seat in seats} | summary.by_level.keys()):
        told = ledger.final(seat for seat in seats if seat.level == level)
        found += _differ(level, told, summary.by_level.get(level, {}))
    for desk, counts in summary.by_community.items():
        found += _differ(desk, ledger.final(seat for seat in seats if seat.desk == desk), counts)
    posts = {seat.post for seat in seats}
    reached = set[str]().union(*watch.addressed.values())
    found += [f"not addressed: {post}" for post in sorted(posts - reached)]
    found += [f"addressed, and should not be: {post}" for post in sorted(reached - posts)]
    found += [f"above the truth: {each}" for each in watch.above_truth]
    found += [f"answer not accepted: {each}" for each in ledger.rejected]
    if not summary.closed:
        found.append("the loop is not closed")


def _plain(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: int(counts[name]) for name in ("total", *COUNTED)}


def _differ(where: str, told: Mapping[str, int], counted: Mapping[str, int]) -> list[str]:
    return [
        f"{where}: {name} {counted.get(name, 0)}, the actors know {number}"
        for name, number in told.items()
        if counted.get(name, 0) != number
    ]
