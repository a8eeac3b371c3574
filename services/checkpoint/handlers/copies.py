"""Groups `checkpoint.units` and `checkpoint.households`: copies of registry's facts, by id."""

from services.checkpoint.domain.gates import GATE_KIND
from services.checkpoint.store import HOUSEHOLDS, UNITS
from shared.contracts.registry import HouseholdFact, UnitFact
from shared.flow.documents import Documents
from shared.flow.merge import KeepNewest
from shared.flow.records import Record


def households() -> KeepNewest[HouseholdFact]:
    """Return the handler that keeps the newest fact of each household."""
    return KeepNewest(
        HouseholdFact, HOUSEHOLDS, id_of=lambda fact: fact.household, version_of=lambda fact: fact.v
    )


class Places(KeepNewest[UnitFact]):
    """Keeps gates and units that cover others; a city's other units are nothing to a gate."""

    def __init__(self) -> None:
        super().__init__(UnitFact, UNITS, id_of=lambda fact: fact.code, version_of=lambda fact: fact.v)

    def rule(self, docs: Documents, record: Record) -> None:
        """Keep a fact that matters; one kept before is renewed whatever it says now."""
        fact = record.body
        if not isinstance(fact, UnitFact):
            return
        if fact.kind == GATE_KIND or fact.covers or docs.get(UNITS, fact.code) is not None:
            super().rule(docs, record)
