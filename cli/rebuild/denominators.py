"""Which households a round had to cover, as published: shown to screening as the copies it froze from.

Whether a desk that holds no household was frozen, nothing but its own first count tells.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from typing import Any

from cli.rebuild.memory import Documents, Memory
from cli.verify.log import Log
from services.screening.domain.sheet import head_id
from services.screening.store import CHARGES, HOUSEHOLDS, ROSTERS
from shared.contracts import registry
from shared.contracts import screening as contract
from shared.contracts.registry import Charges, ChildDesk, HouseholdFact, Roster
from shared.contracts.screening import Census, CoverageTally, Opening, PartFrozen
from shared.flow.documents import Body, Collection
from shared.flow.records import Record

_ANY_DAY = date.min
NOT_YET: Documents = {HOUSEHOLDS.name: {}, CHARGES.name: {}}
"""With these a desk takes its children, if its roster is there, and waits for its households."""


class Denominators:
    """What was frozen for each round at each desk, and which desks it went on to."""

    def __init__(self, log: Log) -> None:
        self._pages = {
            (head_id(fact.round, fact.desk), fact.part, fact.page): fact
            for _, fact in log.of(contract.PROGRESS_TOPIC, PartFrozen)
        }
        self._frozen: dict[str, list[PartFrozen]] = defaultdict(list)
        for (id_, *_), fact in sorted(self._pages.items()):
            self._frozen[id_].append(fact)
        self._counted = {
            head_id(tally.round, tally.desk)
            for _, tally in log.of(contract.TALLIES_TOPIC, CoverageTally)
            if tally.covers == "own" and tally.status == "open"
        }
        self._children: dict[str, set[str]] = defaultdict(set)
        for _, opening in log.of(contract.DESKS_TOPIC, Opening):
            if opening.sender is not None:
                self._children[head_id(opening.round.round, opening.sender)].add(opening.to)
        self._paths = {
            desk: roster.path for desk, roster in log.newest(registry.ROSTERS_TOPIC, Roster).items()
        }

    def instead(self, record: Record, memory: Memory) -> Documents | None:
        """Return the copies that an opening or a census froze from; without any where it froze nothing."""
        del memory
        match record.body:
            case Opening() as opening:
                return self._copies(opening.round.round, opening.to, opening.round.scope.unit)
            case Census():
                # What a census froze was frozen by the opening before it already: merging commutes.
                return NOT_YET
            case _:
                return None

    def _copies(self, round_: str, desk: str, scope: str) -> Documents:
        id_ = head_id(round_, desk)
        if id_ not in self._frozen and id_ not in self._counted:
            return NOT_YET
        parts = self._frozen[id_]
        households = {fact.household: fact for part in parts for fact in _households(part, scope)}
        charges = Charges(
            desk=desk, v=parts[0].charges_v if parts else 0, households=len(households),
            members=sum(len(fact.members) for fact in households.values()), uncharged=0,
        )  # fmt: skip
        children = tuple(ChildDesk(desk=child) for child in sorted(self._children[id_]))
        roster = Roster(desk=desk, v=1, on=_ANY_DAY, path=self._paths.get(desk, ()), children=children)
        return {
            ROSTERS.name: _stored(ROSTERS, {desk: roster}),
            CHARGES.name: _stored(CHARGES, {desk: charges}),
            HOUSEHOLDS.name: _stored(HOUSEHOLDS, households),
        }


def _households(part: PartFrozen, scope: str) -> Iterator[HouseholdFact]:
    """Yield the households of a part as facts that lie in the round's scope: they did, or were not frozen."""
    for each in part.households:
        yield HouseholdFact(
            household=each.household,
            v=1,
            desk=part.desk,
            unit=each.unit,
            within=(scope,),
            care_unit=None if part.part == part.desk else part.part,
            members=each.members,
            charges={"main": each.charge} if each.charge else {},
        )


def _stored(collection: Collection[Any], values: dict[str, Any]) -> dict[str, Body]:
    return {id_: {"_id": id_, "v": 1, **collection.encode(value)} for id_, value in values.items()}
