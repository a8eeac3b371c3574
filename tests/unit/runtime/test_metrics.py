"""The closed list of metrics."""

import pytest
from prometheus_client import CollectorRegistry

from shared.runtime.metrics import Metrics


def test_a_count_is_exposed() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.dead_letters.labels("dispatch.sheets", "invalid-body").inc()
    line = 'gridloop_dead_letters_total{group="dispatch.sheets",reason="invalid-body"} 1.0'
    assert line in metrics.render().decode()


def test_two_processes_in_one_do_not_share_counts() -> None:
    one, other = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    one.retries.labels("load").inc()
    assert 'group="load"' not in other.render().decode()


def test_a_registry_takes_the_list_once() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Metrics(registry)


def test_each_name_carries_the_prefix_and_a_text() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    for family in registry.collect():
        assert family.name.startswith("gridloop_")
        assert family.documentation.endswith(".")
