"""The dashboard shows what the code measures, all of it and nothing else; and everybody is scraped."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from cli.dashboard import FILE, made_of, rendered
from cli.stack.services import SERVICE_NAMES
from shared.runtime.metrics import Declared, Metrics
from tests.house.source import ROOT

DECLARED = Metrics(CollectorRegistry()).declared()
# What Prometheus adds to every sample, and the one series that is its own.
GIVEN = {"job", "instance"}
OWN = "up"
FUNCTIONS = {"sum", "max", "rate", "histogram_quantile", "by", "label_values"}
SAMPLES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


def samples(metrics: list[Declared]) -> dict[str, Declared]:
    """Return every name a metric is scraped under."""
    return {f"{each.name}{suffix}": each for each in metrics for suffix in SAMPLES[each.kind]}


def asked(board: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every expression of a dashboard with its legend, the variables' own queries too."""
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield target["expr"], target["legendFormat"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"], ""


def faults(board: dict[str, Any], metrics: list[Declared]) -> set[str]:
    """Return what is wrong with a dashboard, seen from the metrics there are."""
    known = samples(metrics)
    found: set[str] = set()
    shown: set[str] = set()
    for expression, legend in asked(board):
        bare = re.sub(r'"[^"]*"', "", expression)
        names = set(re.findall(r"[a-zA-Z_]\w*", re.sub(r"\[[^]]*\]", "", bare)))
        series = {name for name in names if name in known or name == OWN}
        shown |= {known[name].name for name in series - {OWN}}
        labels = {label for name in series - {OWN} for label in known[name].labels} | GIVEN
        if any(name.endswith("_bucket") for name in series):
            labels.add("le")
        found |= {f"unknown name {name}" for name in names - series - labels - FUNCTIONS}
        found |= {
            f"unknown label {label}" for label in re.findall(r"{{(\w+)}}", legend) if label not in labels
        }
        if not series:
            found.add(f"asks for nothing: {expression}")
        if not balanced(bare):
            found.add(f"does not close: {expression}")
    ids = [panel["id"] for panel in board["panels"]]
    if len(set(ids)) != len(ids):
        found.add("two panels with one id")
    return found | {f"not shown {each.name}" for each in metrics if each.name not in shown}


def balanced(expression: str) -> bool:
    open_: list[str] = []
    for letter in expression:
        if letter in "([{":
            open_.append(letter)
        elif letter in ")]}" and (not open_ or open_.pop() + letter not in ("()", "[]", "{}")):
            return False
    return not open_


def test_the_dashboard_is_what_the_list_of_metrics_makes_of_it() -> None:
    assert FILE.read_text(encoding="utf-8") == rendered(), "run `gridloop dashboard`"


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    board = json.loads(FILE.read_text(encoding="utf-8"))
    assert faults(board, DECLARED) == set()
    assert len(DECLARED) > 10


def test_what_is_declared_is_what_is_scraped() -> None:
    metrics = Metrics(CollectorRegistry())
    for each in vars(metrics).values():
        if hasattr(each, "labels") and each._labelnames:
            each.labels(*("x" for _ in each._labelnames))
    scraped = {
        sample.name: set(sample.labels) - {"le"}
        for family in metrics.registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
    assert scraped == {name: set(each.labels) for name, each in samples(metrics.declared()).items()}


@pytest.mark.parametrize(
    ("expression", "legend", "fault"),
    [
        ("sum by (job) (rate(gridloop_nothing_total[1m]))", "", "unknown name gridloop_nothing_total"),
        # A counter's samples have a name that is longer than its own.
        ("sum by (group) (rate(gridloop_moved[$__rate_interval]))", "", "unknown name gridloop_moved"),
        ("sum by (topic) (gridloop_moved_total)", "", "unknown name topic"),
        ('sum by (group) (gridloop_moved_total{reason="a"})', "", "unknown name reason"),
        ("sum by (le, group) (gridloop_moved_total)", "", "unknown name le"),
        ("sum by (group) (gridloop_moved_total)", "{{partition}}", "unknown label partition"),
        ("sum by (group) (gridloop_moved_total", "", "does not close: sum by (group) (gridloop_moved_total"),
        ("1", "", "asks for nothing: 1"),
    ],
)
def test_a_fault_in_an_expression_is_found(expression: str, legend: str, fault: str) -> None:
    board = made_of(DECLARED)
    board["panels"][-1]["targets"].append({"expr": expression, "legendFormat": legend})
    assert faults(board, DECLARED) >= {fault}


def test_a_metric_that_is_not_shown_is_found() -> None:
    assert faults(made_of(DECLARED[1:]), DECLARED) == {f"not shown {DECLARED[0].name}"}


def test_every_service_is_scraped_where_it_answers() -> None:
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = {job["job_name"]: job["dns_sd_configs"] for job in scraped["scrape_configs"]}
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    assert set(jobs) == set(SERVICE_NAMES)
    for name, ((found,)) in jobs.items():
        port = int(compose[name]["environment"]["GRIDLOOP_HTTP_PORT"])
        assert (found["names"], found["type"], found["port"]) == ([name], "A", port)
