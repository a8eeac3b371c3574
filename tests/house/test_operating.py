"""Every finding of the doctor is explained, and nothing else is."""

import ast
import re
from pathlib import Path
from typing import Any

import typer

from cli.__main__ import build_app
from cli.visit_files import COLUMNS
from tests.house.source import ROOT, modules, name_of, tree

PAGE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
SAYS = {"ok", "warn", "fail", "told", "ConfigurationError", "_each", "judge_time"}


def explained() -> set[str]:
    """Return the codes of the page's table."""
    rows = re.findall(r"^\| (`[^|]+`) \| (?:ok|warn|fail) \|", PAGE, re.MULTILINE)
    return {code for row in rows for code in re.findall(r"`([a-z-]+)`", row)}


def said(path: Path) -> set[str]:
    """Return the codes a module gives to findings; `checked` has one for a server that does not answer."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        texts: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SAYS:
            texts = node.args[:2]
        elif isinstance(node, ast.Tuple) and node.elts and isinstance(node.elts[-1], ast.Call):
            texts = node.elts[:1]
        found |= {
            text.value
            for text in texts
            if isinstance(text, ast.Constant)
            and isinstance(text.value, str)
            and re.fullmatch(r"[a-z]+(-[a-z]+)*", text.value)
        }
    return found


def test_every_finding_is_explained_and_nothing_else() -> None:
    checks = [path for path in modules("cli", "shared") if name_of(path).startswith("cli/doctor/")]
    checks.append(ROOT / "shared" / "service" / "positions.py")
    assert set().union(*map(said, checks)) == explained()


def test_every_column_of_a_spreadsheet_is_explained_and_no_other() -> None:
    _, _, table = PAGE.partition("| column |")
    rows = re.findall(r"^\| (`[^|]+`) \| .+ \|$", table.partition("\n\n")[0], re.MULTILINE)
    assert {column for row in rows for column in re.findall(r"`(\w+)`", row)} == set(COLUMNS)


def test_every_command_of_an_operator_is_on_the_page() -> None:
    commands: Any = typer.main.get_command(build_app())
    names = [name for name in ("doctor", "dashboard") if name in commands.commands]
    groups = ("topics", "dlq", "rounds", "visits")
    names += [f"{group} {name}" for group in groups for name in commands.commands[group].commands]
    assert len(names) == 16
    assert [name for name in names if f"`gridloop {name}" not in PAGE] == []
