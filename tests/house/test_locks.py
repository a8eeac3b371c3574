"""The locks agree with one another and with pyproject: environments are made of several of them."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.house.source import ROOT

LOCKS = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins(name: str) -> dict[str, str]:
    text = (LOCKS / f"{name}.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", ["runtime", "rivals"])
def test_a_package_has_one_version_in_every_lock(name: str) -> None:
    wanted, others = pins("dev"), pins(name)
    assert {
        package: version for package, version in others.items() if wanted.get(package, version) != version
    } == {}


def test_the_rivals_are_locked_as_asked_for_and_in_no_other_lock() -> None:
    asked = dict(
        re.fullmatch(r"([a-z-]+)(?:\[\w+\])?==(\S+)", each).groups()  # type: ignore[union-attr]
        for each in PROJECT["optional-dependencies"]["rivals"]
    )
    assert asked.items() <= pins("rivals").items()
    assert asked.keys() & (pins("dev").keys() | pins("runtime").keys()) == set()


@pytest.mark.parametrize("path", sorted(LOCKS.glob("*.lock")), ids=lambda path: path.name)
def test_every_pin_has_hashes_and_nothing_else_is_in_a_lock(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    pinned = [number for number, line in enumerate(lines) if "==" in line]
    assert pinned
    assert all(lines[number + 1].strip().startswith("--hash=sha256:") for number in pinned)
    assert all("==" in line or line.strip().startswith("--hash=sha256:") for line in lines)
