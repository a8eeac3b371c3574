"""What the documents name exists, and what exists is documented."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.catalog import BY_NAME, MODELS, TOPICS, dead_letter_topics
from shared.runtime.settings import ServiceSettings
from tests.house.source import ROOT, files, modules, name_of, strings

DOCUMENTS = [
    ROOT / "README.md",
    *(path for path in files() if path.suffix == ".md" and path.is_relative_to(ROOT / "docs")),
]
DEPLOYED = sorted(
    path for path in [ROOT / "docker-compose.yml", *(ROOT / "deploy").rglob("*")] if path.is_file()
)
VARIABLE = re.compile(r"GRIDLOOP_[A-Z][A-Z_]*[A-Z]")
TARGET = re.compile(r"(?<![\w-])make ([a-z]+)(?![\w-])")
TOPIC = re.compile(
    r"(?<!gridloop\.)\b(?:registry|dispatch|screening|checkpoint)\.[a-z-]+\.v\d+(?:\.dlq\.[a-z.-]+[a-z])?"
)
MESSAGE = re.compile(r"\bgridloop\.[a-z]+\.[a-z-]+\.v\d+")
OWNERS = {"registry", "screening", "checkpoint", "dispatch"}
SETTINGS = ROOT / "docs" / "settings.md"
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def settings() -> list[type[ServiceSettings]]:
    for path in sorted((ROOT / "services").glob("*/settings.py")):
        importlib.import_module(f"services.{path.parent.name}.settings")
    return [ServiceSettings, *ServiceSettings.__subclasses__()]


def documented() -> dict[str, tuple[str, str]]:
    """Return the rows of the settings page: variable → (default, meaning)."""
    rows = re.findall(r"^\| `(GRIDLOOP_\w+)` \| (.+?) \| (.+?) \|$", text(SETTINGS), re.MULTILINE)
    return {name: (default.strip("`"), meaning) for name, default, meaning in rows}


def declared() -> dict[str, tuple[str, str]]:
    """Return every setting of every service: variable → (default, meaning)."""
    found: dict[str, tuple[str, str]] = {}
    for kind in settings():
        prefix = str(kind.model_config.get("env_prefix", ""))
        for name, field in kind.model_fields.items():
            variable = str(field.validation_alias or f"{prefix}{name}").upper()
            found[variable] = _written(field.get_default(call_default_factory=True)), field.description or ""
    return found


def _written(default: Any) -> str:
    if default is None:
        return "unset"
    if isinstance(default, Path):
        return name_of(default) if default.is_relative_to(ROOT) else str(default)
    return str(default) if default or default in (0, False) else "empty"


def in_code() -> set[str]:
    """Return the variables that something beside the settings reads."""
    return {each for path in modules() for each in strings(path) if VARIABLE.fullmatch(each)}


def test_the_settings_page_is_what_the_code_says() -> None:
    assert documented() == declared()


def test_what_commands_read_is_on_the_settings_page() -> None:
    read = {each for path in modules("cli") for each in strings(path) if VARIABLE.fullmatch(each)}
    assert {"GRIDLOOP_URL", "GRIDLOOP_TOKEN"} <= read <= set(VARIABLE.findall(text(SETTINGS)))


@pytest.mark.parametrize("path", [*DOCUMENTS, *DEPLOYED], ids=name_of)
def test_a_variable_named_anywhere_exists(path: Path) -> None:
    assert set(VARIABLE.findall(text(path))) - declared().keys() - in_code() == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_make_target_named_anywhere_exists(path: Path) -> None:
    in_code_marks = "\n".join(re.findall(r"```.*?```|`[^`]+`", text(path), re.DOTALL))
    assert set(TARGET.findall(in_code_marks)) <= targets()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_topic_or_message_named_anywhere_exists(path: Path) -> None:
    assert set(TOPIC.findall(text(path))) <= {*BY_NAME, *dead_letter_topics()}
    assert set(MESSAGE.findall(text(path))) <= MODELS.keys()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_link_within_the_repository_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text(path))
    assert [link for link in links if not (path.parent / link).exists()] == []


def targets() -> set[str]:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    return set(phony.split())


def test_help_lists_every_target() -> None:
    assert set(re.findall(r"^([a-z]+):.*## .+$", MAKEFILE, re.MULTILINE)) == targets()


def test_the_readme_names_the_targets_one_starts_with() -> None:
    assert {"demo", "test"} <= set(TARGET.findall(text(ROOT / "README.md")))


def test_every_topic_card_says_who_writes_it_and_under_which_key() -> None:
    for topic in TOPICS:
        assert re.fullmatch(r"[a-z]+\.[a-z-]+\.v[1-9]\d*", topic.name)
        assert topic.key
        assert topic.producers
        assert topic.models
        assert all(type_.startswith("gridloop.") and type_.endswith(".v1") for type_ in topic.models)
        assert all(group.partition(".")[0] in OWNERS for group in topic.groups)
