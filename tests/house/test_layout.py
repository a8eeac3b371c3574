"""The same job has the same file name in every service, and a service that runs has them all."""

import ast
from pathlib import Path

import pytest

from tests.house.source import ROOT, modules, name_of, tree

SERVICES = sorted(path.parent for path in (ROOT / "services").glob("*/__init__.py"))
# What makes a process of a package.
NEEDED = {"subscribers", "handlers", "domain", "store", "api", "wiring", "settings", "__main__"}
# Jobs that a service may have beside those; the same word means the same in each.
# What only a gate has: passes and their keys, what it knows by heart, its answers, and what keeps them.
GATE = {"pass_text", "keys", "views", "gatekeeping", "decisions", "spool", "draining", "learning"}
KNOWN = {"ticker", "queries", "presenting", "reads", "edge", "publishing", "settling", "schemes"}
KNOWN |= {"streaming", "watching"}


def parts(service: Path) -> set[str]:
    inside = {path.stem for path in service.iterdir() if path.suffix == ".py" or path.is_dir()}
    return inside - {"__init__", "__pycache__"}


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_a_service_that_runs_has_every_part(service: Path) -> None:
    assert NEEDED - parts(service) == set()


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_a_part_of_a_service_has_a_name_that_others_use(service: Path) -> None:
    assert parts(service) - NEEDED - KNOWN - GATE == set()


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_a_service_says_what_it_decides_reads_writes_and_stores(service: Path) -> None:
    said = ast.get_docstring(tree(service / "__init__.py")) or ""
    assert all(f"\n{word}: " in said for word in ("In", "Out", "Stores"))


def test_no_file_is_empty_but_a_packages_mark() -> None:
    files = [path for path in modules("shared", "services", "cli") if path.name != "__init__.py"]
    assert [name_of(path) for path in files if not tree(path).body] == []


def test_no_file_is_a_drawer_for_everything() -> None:
    drawers = {"utils", "util", "common", "helpers", "misc", "manager", "base_service"}
    assert [name_of(path) for path in modules("shared", "services", "cli") if path.stem in drawers] == []
