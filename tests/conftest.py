"""Marks every test by the folder it is in (`-m "not integration"`). Nothing is imported from here."""

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent
KINDS = ("unit", "contract", "house", "simulation", "faults", "integration", "e2e")


def pytest_report_header() -> str:
    return f"database driver of the services: {os.environ.get('GRIDLOOP_MONGO_DRIVER', 'motor')}"


def pytest_configure(config: pytest.Config) -> None:
    for kind in KINDS:
        config.addinivalue_line("markers", f"{kind}: a test under tests/{kind}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        kind = item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""
        if kind in KINDS:
            item.add_marker(kind)
