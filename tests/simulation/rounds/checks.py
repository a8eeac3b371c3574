"""The invariants of a round, at every append and every commit; `final` has those of a quiet system."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.screening.store import CHARGES, DENOMINATORS, HEADS, HOUSEHOLDS
from shared.contracts import screening as contract
from shared.contracts.alerts import Alert
from shared.contracts.registry import Charges, HouseholdFact
from shared.contracts.screening import (
    Coverage,
    CoverageCounts,
    CoverageTally,
    FrozenHousehold,
    PartFrozen,
    RoundFact,
    Visit,
)
from shared.flow.documents import Write
from shared.flow.records import Record
from tests.simulation.rounds.oracle import Oracle
from tests.simulation.rounds.truth import Frozen, Truth
from tests.simulation.rounds.world import World
from tests.simulation.storage import View
from tests.simulation.violation import require
from tests.simulation.watching import Watching

Place = tuple[str, str]
"""(round, desk)."""


@dataclass(slots=True)
class Checks(Watching):
    """Watches some rounds."""

    commands = (contract.COMMANDS_TOPIC,)

    world: World
    truth: Truth
    oracle: Oracle = field(default_factory=Oracle)
    frozen: dict[Place, Frozen] = field(default_factory=dict)
    shown: dict[Place, dict[int, Coverage]] = field(default_factory=lambda: defaultdict(dict))
    pages: dict[tuple[str, str, str, int], PartFrozen] = field(default_factory=dict)
    alerts: set[str] = field(default_factory=set)
    visits: dict[str, Visit] = field(default_factory=dict)
    _lived: dict[str, list[dict[str, HouseholdFact]]] = field(
        default_factory=lambda: defaultdict(lambda: [{}])
    )
    _charged: dict[str, list[Charges | None]] = field(default_factory=lambda: defaultdict(lambda: [None]))
    _since: dict[int, dict[str, tuple[int, int]]] = field(default_factory=dict)

    # --- what is appended ---

    def said(self, record: Record) -> None:
        """Check a record the moment it stands in the log."""
        self.truth.told(record)
        body = record.body
        match body:
            case Coverage():
                self._coverage(body)
            case CoverageTally():
                self.same(f"{body.covers} tally of {body.round}/{body.desk} to {body.to}@{body.v}", body)
            case RoundFact():
                self.same(f"{body.round.round}@{body.v}", body)
            case PartFrozen():
                self._frozen_fact(body)
            case Alert():
                require(body.alert in self.truth.fevers, "no alert without a fever", body.text)
                self.alerts.add(body.alert)
            case _:
                pass

    def _coverage(self, coverage: Coverage) -> None:
        place = coverage.round, coverage.desk
        name = f"{coverage.round}/{coverage.desk}@{coverage.v}"
        self.same(name, coverage)
        self.shown[place][coverage.v] = coverage
        total = CoverageCounts.total_of(coverage.cells.values())
        require(total == coverage.total, "the cells add up", name)
        below = list(self._below(place))
        for slot, counts in coverage.cells.items():
            whole(counts, f"{name} {slot}")
            most = self.truth.bounds(
                coverage.round, slot, [(desk, frozen) for desk, frozen in below if frozen]
            )
            for count, bound in most.items():
                shown = getattr(counts, count)
                require(
                    shown <= bound, "no count above the truth", f"{name} {slot} {count} {shown} > {bound}"
                )
        if coverage.missing == 0:
            self._nothing_missing(coverage, name)

    def _nothing_missing(self, coverage: Coverage, name: str) -> None:
        """Where no desk is missing, every household below is in the denominator; closed means all closed."""
        heads = {
            desk: self.store.get("heads", f"{coverage.round}/{desk}") for desk, _ in self._below_of(coverage)
        }
        for desk, body in heads.items():
            head = HEADS.decode(body) if body else None
            require(head and (head.frozen or head.closed), "no desk is passed over", f"{name} {desk}")
            require(head and (head.closed or not coverage.closed), "closed once all are", f"{name} {desk}")

    def _below_of(self, coverage: Coverage) -> Iterator[tuple[str, Frozen]]:
        return self._below((coverage.round, coverage.desk))

    def _below(self, place: Place) -> Iterator[tuple[str, Frozen]]:
        """Yield each desk of a subtree as stored, with what it has frozen."""
        yield place[1], self.frozen.get(place, {})
        body = self.store.get("heads", "/".join(place))
        for child in (body and body["children"]) or ():
            yield from self._below((place[0], child))

    def _frozen_fact(self, page: PartFrozen) -> None:
        key = page.round, page.desk, page.part, page.page
        known = self.pages.setdefault(key, page)
        require(known == page, "a denominator never changes", "/".join(map(str, key)))
        kept = self.frozen.get((page.round, page.desk), {})
        for household in page.households:
            same = kept.get(household.household) == household
            require(same, "the fact is what was frozen", f"{key} {household.household}")

    # --- what is committed ---

    def began(self, view: View) -> None:
        """Remember what the copies were when a flow opened its session: it reads them from now on."""
        self._since[id(view)] = {
            desk: (len(self._lived[desk]) - 1, len(self._charged[desk]) - 1)
            for desk in self.world.communities
        }

    def committing(self, view: View, writes: Sequence[Write]) -> None:
        """Check what a transaction claims to have applied, and fold exactly that into the oracle."""
        froze = {}
        for write in writes:
            if write.collection == "denominators":
                froze |= self._freezing(view, write)
        for record in self.applying.fresh(view, writes):
            if view.group == "screening.sheets":
                if isinstance(record.body, Visit):
                    self.visits[record.id] = record.body
                self.oracle.apply(record, froze)
        self._copied(writes)

    def _copied(self, writes: Sequence[Write]) -> None:
        """Keep the history of the copies, to know what a freeze can have seen."""
        for write in writes:
            if write.collection == "households":
                fact = HOUSEHOLDS.decode(write.body)
                for desk in self.world.communities:
                    now = dict(self._lived[desk][-1])
                    now.pop(fact.household, None)
                    if fact.desk == desk:
                        now[fact.household] = fact
                    if now != self._lived[desk][-1]:
                        self._lived[desk].append(now)
            elif write.collection == "charges":
                charges = CHARGES.decode(write.body)
                self._charged[charges.desk].append(charges)

    def _freezing(self, view: View, write: Write) -> Mapping[Place, Frozen]:
        """Require that a denominator is what the copies said since the batch began, and as many."""
        denominator = DENOMINATORS.decode(write.body)
        place = denominator.round, denominator.desk
        require(write.v == 0 and place not in self.frozen, "frozen once", "/".join(place))
        frozen = {
            each.household: FrozenHousehold(
                household=each.household, unit=each.unit, charge=each.charge, members=each.members
            )
            for each in denominator.households
        }
        self.frozen[place] = frozen
        if len(denominator.desk) == 12:
            self._as_counted(view, place, frozen)
        return {place: frozen}

    def _as_counted(self, view: View, place: Place, frozen: Frozen) -> None:
        opening = self.truth.opened[place[0]]
        lived, charged = self._since[id(view)][place[1]]
        counted = {charges.households for charges in self._charged[place[1]][charged:] if charges}
        for copies in self._lived[place[1]][lived:]:
            if len(copies) not in counted:
                continue
            inside = {
                id_: FrozenHousehold(
                    household=id_, unit=fact.unit, charge=fact.charges.get("main"), members=fact.members
                )
                for id_, fact in copies.items()
                if opening.scope in (place[1], place[1][:9], fact.unit, *fact.within)
            }
            if inside == frozen:
                return
        require(False, "frozen only as registry counts", f"{place} {sorted(frozen)}")


def whole(counts: CoverageCounts, name: str) -> None:
    """Require that counts agree with themselves: never above 100 %, and no household in two of them."""
    covered = counts.screened + counts.vacant + counts.moved_away
    require(counts.covered == covered, "covered is what covers", name)
    done = counts.covered + counts.nobody_home + counts.refused
    require(done <= counts.households, "never above all households", f"{name} {counts}")
    require(counts.persons_covered <= counts.persons, "never above all persons", f"{name} {counts}")
    require(counts.watched <= counts.units, "never above all units", f"{name} {counts}")
    require(counts.in_care <= counts.households, "never more in care than there are", f"{name} {counts}")
    require(counts.later_covered <= counts.later, "never above what came later", f"{name} {counts}")
