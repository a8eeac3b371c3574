"""A test that cites a requirement cites one that exists."""

import ast
from pathlib import Path

import pytest

from tests.house.source import modules, name_of, tree

KNOWN = frozenset((Path(__file__).with_name("requirement_ids.txt")).read_text(encoding="utf-8").split())
CITING = [path for path in modules("tests") if "mark.req(" in path.read_text(encoding="utf-8")]


def cited(path: Path) -> list[str]:
    return [
        argument.value if isinstance(argument, ast.Constant) else ast.unparse(argument)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.req"
        for argument in node.args
    ]


@pytest.mark.parametrize("path", CITING, ids=name_of)
def test_every_cited_requirement_exists(path: Path) -> None:
    assert [id_ for id_ in cited(path) if id_ not in KNOWN] == []


def test_there_are_requirements_and_citations() -> None:
    assert {"F-03", "S3-03", "M-06", "B-06"} <= KNOWN
    assert {"F-03", "F-04"} <= {id_ for path in CITING for id_ in cited(path)}
