"""The observer of a round: reads every count there is, and lets none pass that shows more than was found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cli.demo.round.ledger import COUNTED, Ledger
from cli.demo.tail import Records
from shared.contracts.screening import Coverage, CoverageCounts, PartFrozen, RoundFact


@dataclass(slots=True)
class Watch:
    """What has been seen of one round; `above_truth` must stay empty."""

    round: str
    ledger: Ledger
    elapsed: Callable[[], float]
    latest: dict[str, Coverage] = field(default_factory=dict)
    frozen: dict[str, set[str]] = field(default_factory=dict)
    above_truth: list[str] = field(default_factory=list)
    samples: int = 0
    number: int = 0

    async def run(self, records: Records) -> None:
        """Observe until cancelled."""
        async for record in records:
            match record.body:
                case Coverage(round=self.round) as coverage:
                    self._see(coverage)
                case PartFrozen(round=self.round) as part:
                    homes = self.frozen.setdefault(part.desk, set())
                    homes.update(each.household for each in part.households)
                case RoundFact() as fact if fact.round.round == self.round:
                    self.number = fact.round.number
                case _:
                    continue

    def total(self, desk: str) -> CoverageCounts:
        """Return the newest count of a desk with all below it."""
        return self.latest[desk].total if desk in self.latest else CoverageCounts()

    def counts(self, desk: str, told: Mapping[str, int]) -> bool:
        """Whether a desk counts by now exactly what is told."""
        total = self.total(desk)
        return all(getattr(total, column) == number for column, number in told.items())

    def _see(self, coverage: Coverage) -> None:
        self.samples += 1
        for column in COUNTED:
            seen, most = getattr(coverage.total, column), self.ledger.bound(coverage.desk, column)
            if seen > most:
                self.above_truth.append(f"{coverage.desk} v{coverage.v}: {column} {seen}, handed over {most}")
        if coverage.total.covered > coverage.total.households:
            self.above_truth.append(f"{coverage.desk} v{coverage.v}: more covered than there are")
        known = self.latest.get(coverage.desk)
        if known is None or coverage.v > known.v:
            self.latest[coverage.desk] = coverage
