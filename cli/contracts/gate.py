"""The gate: what the contracts promise now, held against what the committed files promised."""

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cli.contracts.artefacts import ASYNCAPI, schema_file, schemas
from cli.contracts.asyncapi import document
from cli.contracts.cards import compare_cards
from cli.contracts.compatibility import Change, compare
from cli.errors import UserError
from cli.stack.paths import ROOT
from shared.contracts.topics import Topic

Promised = Callable[[str], str | None]
"""The text of a committed file by its path inside the repository; None where there is none."""


def in_folder(root: Path = ROOT) -> Promised:
    """Return what stands in the work tree."""

    def text(name: str) -> str | None:
        path = root / name
        return path.read_text(encoding="utf-8") if path.exists() else None

    return text


def at_commit(name: str, root: Path = ROOT) -> Promised:
    """Return what stood in a commit, a branch or a tag of git."""
    if _git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}") is None:
        raise UserError(f"git knows no commit {name!r} here.")
    return lambda path: _git(root, "show", f"{name}:{path}")


def _git(root: Path, *arguments: str) -> str | None:
    done = subprocess.run(  # noqa: S603 - our own command line, no shell
        ["git", "-C", str(root), *arguments],  # noqa: S607 - git is on PATH or there is nothing to compare
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return None if done.returncode else done.stdout


def changes(topics: Sequence[Topic], promised: Promised) -> list[Change]:
    """Return every change since the promise, breaking ones first."""
    before = promised(ASYNCAPI)
    if before is None:
        return []  # nothing was promised yet
    old: dict[str, Any] = json.loads(before)
    found = compare_cards(old, document(topics))
    now = schemas(topics)
    for type_ in sorted({type_ for channel in old["channels"].values() for type_ in channel["messages"]}):
        schema = promised(schema_file(type_))
        if schema is not None and type_ in now:
            found += compare(type_, json.loads(schema), now[type_], may_widen=owner_reads(topics, type_))
    return sorted(found, key=lambda change: (not change.breaking, change))


def owner_reads(topics: Sequence[Topic], type_: str) -> bool:
    """Return whether the owner is the only reader of a type: all its topics are commands or internal."""
    carrying = [topic for topic in topics if type_ in topic.models]
    return all(topic.kind == "commands" or topic.internal for topic in carrying)
