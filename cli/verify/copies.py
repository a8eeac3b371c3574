"""The copies of registry's facts that the other services keep: each as new as the newest on its topic."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from cli.verify.log import Log
from cli.verify.statements import Statements, fingerprint
from shared.contracts import registry
from shared.contracts.base import Model
from shared.contracts.registry import Charges, HouseholdFact, Roster, UnitFact
from shared.contracts.topics import Topic

FACTS: Final[Mapping[str, tuple[Topic, type[Model]]]] = {
    "rosters": (registry.ROSTERS_TOPIC, Roster),
    "charges": (registry.CHARGES_TOPIC, Charges),
    "households": (registry.HOUSEHOLDS_TOPIC, HouseholdFact),
    "units": (registry.UNITS_TOPIC, UnitFact),
}
"""By the collection that keeps them."""


def said(log: Log, kinds: Sequence[str], matters: Callable[[Any], bool] = lambda _: True) -> Statements:
    """Return the newest fact of each subject; `matters` says which facts are kept at all."""
    newest: dict[str, Any] = {}
    for kind in kinds:
        topic, model = FACTS[kind]
        for record, fact in log.of(topic, model):
            place = f"copy of {kind} {record.key}"
            known = newest.get(place)
            if (known is None and matters(fact)) or (known is not None and fact.v > known.v):
                newest[place] = fact
    return {place: (fact.v, fingerprint(fact)) for place, fact in newest.items()}


def stored(documents: Mapping[str, Sequence[Mapping[str, Any]]], kinds: Sequence[str]) -> Statements:
    """Return the facts as they are kept: each one is a text."""
    found: Statements = {}
    for kind in kinds:
        model = FACTS[kind][1]
        for each in documents[kind]:
            fact: Any = model.model_validate_json(each["roster" if kind == "rosters" else "fact"])
            found[f"copy of {kind} {each['_id']}"] = (fact.v, fingerprint(fact))
    return found
