"""Dated rules and copies: what ships can be read, a fault names its file, an older fact changes nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.checkpoint.domain.rules import KINDS, GateRules
from services.checkpoint.handlers.copies import Places, households
from services.checkpoint.store import HOUSEHOLDS, UNITS
from shared.contracts import registry
from shared.contracts.base import Model
from shared.contracts.envelope import Context, message
from shared.flow.batch import Flow
from shared.flow.documents import Collection
from shared.kernel.errors import ConfigurationError
from shared.messaging.reading import read
from shared.runtime.dated import read_versions
from tests.builders.checkpoint import AREA, GATE, HOUSEHOLD, NOON, SCHEMES, SOURCE, household, unit
from tests.fakes.log import PARTITIONS, Watch, arriving
from tests.fakes.storage import MemoryStorage

SHIPPED: dict[str, Any] = yaml.safe_load((SCHEMES / "gate.yaml").read_text(encoding="utf-8"))


@pytest.mark.req("M-06")
def test_the_shipped_rules_can_be_read() -> None:
    ((_, rules),) = read_versions(SCHEMES / "gate.yaml", GateRules)
    assert rules.windows.keys() == rules.stale_after.keys() == set(KINDS)
    assert rules.longest_window("movement") < rules.longest_window("home")


@pytest.mark.req("M-06")
@pytest.mark.parametrize(
    "change",
    [{"emergency": 0}, {"windows": {"home": 1}}, {"replay": None}, {"colour": 1}, {"stale_after": {}}],
)
def test_rules_at_fault_name_their_file(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "mine.yaml"
    version = {**SHIPPED["versions"][0], **change}
    path.write_text(yaml.safe_dump({"versions": [version]}), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"mine\.yaml"):
        read_versions(path, GateRules)


async def kept(
    handler: Any, copies: Collection[Any], type_: str, id_: str, facts: Sequence[Model]
) -> Model | None:
    """Return the copy that is left after these facts."""
    storage, watch = MemoryStorage(), Watch()
    flow = Flow(
        "checkpoint.copies", handler, storage=storage, publish=watch.publish,
        partitions=lambda _topic: PARTITIONS, observer=watch,
    )  # fmt: skip
    topic = registry.UNITS_TOPIC if type_ == registry.UNIT else registry.HOUSEHOLDS_TOPIC
    for offset, fact in enumerate(facts):
        said = message(topic, type_, id_, fact, Context(f"fact-{offset:04}", SOURCE, NOON))
        await flow([read(arriving(said, offset=offset))])
    body = storage.body(copies.name, id_)
    return None if body is None else copies.decode(body)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (3, 2, 3)])
async def test_the_newest_fact_of_a_household_is_kept(order: Sequence[int]) -> None:
    facts = [household(v=v) for v in order]
    assert await kept(households(), HOUSEHOLDS, registry.HOUSEHOLD, HOUSEHOLD, facts) == household(v=3)


async def test_gates_and_what_covers_others_are_kept_and_a_building_is_not() -> None:
    building, zone = (
        unit(f"{AREA}.b1", kind="building"),
        unit(f"{AREA}.z1", kind="defence-zone", covers=(AREA,)),
    )
    for fact, expected in ((unit(), unit()), (zone, zone), (building, None)):
        assert await kept(Places(), UNITS, registry.UNIT, fact.code, [fact]) == expected


async def test_a_unit_that_covers_nothing_any_more_is_renewed_where_it_was_kept() -> None:
    before, now = unit(GATE, kind="compound", covers=(AREA,)), unit(GATE, v=4, kind="compound")
    assert await kept(Places(), UNITS, registry.UNIT, GATE, [before, now]) == now
