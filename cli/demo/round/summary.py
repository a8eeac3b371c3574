"""The end of the act: what screening counts, beside what the visitors counted, and every difference."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.demo.round.ledger import COUNTED, Ledger
from cli.demo.round.watch import Watch
from cli.demo.world import STREET_OFFICE


@dataclass(slots=True)
class Summary:
    """What is printed and written of this act; `differences` decides the exit code.

    `holes` names every household that was not covered when the round closed; `late` counts visits after it.
    """

    round: str
    number: int = 0
    closed: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    by_community: dict[str, dict[str, int]] = field(default_factory=dict)
    visits: int = 0
    revisited: int = 0
    holes: list[str] = field(default_factory=list)
    late: int = 0
    alerts: list[dict[str, Any]] = field(default_factory=list)
    above_truth: int = 0
    samples: int = 0
    differences: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Yield the summary for a person."""
        counts = self.counts
        yield (
            f"round {self.number}       {counts['covered']} of {counts['households']} households covered, "
            f"{counts['persons_covered']} of {counts['persons']} persons; closed: "
            f"{'yes' if self.closed else 'no'}"
        )
        yield f"visits        {self.visits} handed over, {self.revisited} doors again, {self.late} too late"
        yield (
            f"not covered   {', '.join(self.holes) or 'nobody'}; "
            f"came later: {counts['later']}, covered {counts['later_covered']}"
        )
        answered_for = sum(alert["answered_for"] for alert in self.alerts)
        closed = sum(alert["closed"] for alert in self.alerts)
        yield f"fevers        {len(self.alerts)} up the chain, {answered_for} answered for, {closed} closed"
        yield f"observed      {self.samples} counts, {self.above_truth} above the truth"


@dataclass(frozen=True, slots=True)
class Told:
    """What screening says of the round once it is closed: coverage by desk, parts and holes by community."""

    coverage: Mapping[str, Mapping[str, Any]]
    parts: Mapping[str, Mapping[str, Mapping[str, int]]]
    holes: Mapping[str, Iterable[str]]
    persons: Mapping[str, Iterable[str]]


def compare(summary: Summary, *, watch: Watch, ledger: Ledger, told: Told) -> None:
    """Fill in the counts that the service gives, and note each that differs."""
    summary.number, summary.visits = watch.number, ledger.visits
    summary.samples, summary.above_truth = watch.samples, len(watch.above_truth)
    found = summary.differences
    for desk, counts in told.coverage.items():
        counted = {name: int(counts[name]) for name in COUNTED}
        found += _differ(desk, ledger.final(ledger.at(desk)), counted)
        if desk == STREET_OFFICE:
            summary.counts = counted
            continue
        summary.by_community[desk] = counted
        found += _parts(desk, ledger, told.parts[desk])
        found += unlike(f"{desk}: not covered", told.holes[desk], ledger.holes(desk))
        found += unlike(f"{desk}: persons not seen", told.persons[desk], ledger.persons_open(desk))
        homes = {home.household for homes in ledger.parts(desk).values() for home in homes}
        found += unlike(f"{desk}: frozen", watch.frozen.get(desk, set()), homes)
        summary.holes += sorted(told.holes[desk])
    found += [f"above the truth: {each}" for each in watch.above_truth]
    found += [f"visit not accepted: {each}" for each in ledger.rejected]
    if not summary.closed:
        found.append("the round is not closed everywhere")


def unlike(what: str, told: Iterable[str], known: set[str]) -> list[str]:
    """Return what one of two lists names and the other does not."""
    named = list(told)
    return (
        [f"{what}: {each} should not be listed" for each in sorted(set(named) - known)]
        + [f"{what}: {each} is not listed" for each in sorted(known - set(named))]
        + ([f"{what}: somebody is listed twice"] if len(named) > len(set(named)) else [])
    )


def _parts(desk: str, ledger: Ledger, parts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Compare each grid; what came later stands at the community and in no grid."""
    homes = ledger.parts(desk)
    differences = unlike(f"{desk}: grids", parts, set(homes))
    for part in homes.keys() & parts.keys():
        differences += _differ(part, ledger.final(homes[part]), parts[part])
    return differences


def _differ(where: str, told: Mapping[str, int], counted: Mapping[str, int]) -> list[str]:
    return [
        f"{where}: {name} {counted.get(name, 0)}, the visitors know {number}"
        for name, number in told.items()
        if counted.get(name, 0) != number
    ]
