"""What a service has stored before the examples come: its copies of registry's facts."""

from typing import TypeVar

from services.checkpoint import store as checkpoint
from services.screening import store as screening
from shared.contracts.base import Model
from shared.contracts.registry import Charges, HouseholdFact, Roster, UnitFact
from shared.flow.documents import Collection, Write
from shared.service.rosters import ROSTERS
from tests.contract.consumers import HANDLERS, example
from tests.fakes.storage import MemoryStorage

M = TypeVar("M", bound=Model)
COMMUNITY = "610802006003"
OF_COPIES = {
    name for name in HANDLERS if name.rpartition(".")[2] in {"rosters", "households", "charges", "units"}
}
"""The groups that copies come from start with none."""


def storage_for(group: str) -> MemoryStorage:
    """Return a service's storage as it is once the example facts of registry were read."""
    storage = MemoryStorage()
    service = group.partition(".")[0]
    if group not in OF_COPIES and service != "registry":
        for scenario in ("a-community-with-a-vacancy", "a-street-with-two-communities"):
            roster = read(Roster, "registry.rosters.v1", scenario)
            put(storage, ROSTERS, roster.desk, roster)
        if service == "screening":
            _put_households(storage)
        if service == "checkpoint":
            _put_gates(storage)
    return storage


def _put_households(storage: MemoryStorage) -> None:
    """Put one household in a grid and one in none, and a charges record that says there are two."""
    for scenario in ("in-a-grid-that-cares-for-it", "empty-and-uncharged"):
        fact = read(HouseholdFact, "registry.households.v1", scenario)
        put(storage, screening.HOUSEHOLDS, fact.household, fact)
    charges = read(Charges, "registry.charges.v1", "a-community-in-the-morning")
    put(storage, screening.CHARGES, COMMUNITY, charges.model_copy(update={"households": 2}))


def _put_gates(storage: MemoryStorage) -> None:
    """Put one household, the two gates of its compound, a gate of its lane and one of its grid."""
    fact = read(HouseholdFact, "registry.households.v1", "in-a-grid-that-cares-for-it")
    put(storage, checkpoint.HOUSEHOLDS, fact.household, fact)
    gate = read(UnitFact, "registry.units.v1", "a-gate-of-a-compound")
    grid = f"{COMMUNITY}001"
    inside = {gate.code: gate.covers, f"{grid}.c1.k2": gate.covers, f"{grid}.l1.k3": (), f"{grid}.k4": ()}
    for code, covers in inside.items():
        unit = gate.model_copy(update={"code": code, "covers": covers})
        put(storage, checkpoint.UNITS, code, unit)


def read(model: type[M], topic: str, scenario: str) -> M:
    return model.model_validate_json(example(topic, scenario).value)


def put(storage: MemoryStorage, collection: Collection[M], id_: str, fact: M) -> None:
    storage.put(Write(collection.name, id_, 0, collection.encode(fact)))
