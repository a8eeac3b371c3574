"""The independent reading of the log shares nothing with what it judges but contracts and connections."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.source import ROOT, modules, name_of, tree

ORACLE = [path for path in modules("cli") if name_of(path).startswith("cli/verify/")]
MAY_IMPORT = (
    "cli.verify", "shared.contracts", "shared.kernel", "shared.messaging.admin", "shared.messaging.asking",
    "shared.messaging.places", "shared.messaging.security", "shared.mongo.client", "shared.runtime.settings",
)  # fmt: skip
# What only brings the sides together and is given addresses: it knows no rule.
COMMAND = "cli/verify/command.py"
OF_COMMANDS = ("cli.errors", "cli.target", "shared.service.process")


def ours(path: Path) -> Iterator[str]:
    """Yield every module of ours that a module imports, wherever in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "a relative import hides where it leads"
            assert not node.level, "a relative import hides where it leads"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", ORACLE, ids=name_of)
def test_the_oracle_imports_nothing_that_services_are_made_of(path: Path) -> None:
    allowed = MAY_IMPORT + (OF_COMMANDS if name_of(path) == COMMAND else ())
    found = {name for name in ours(path) if name.startswith(("services.", "shared.", "cli.", "tests."))}
    assert {name for name in found if not name.startswith(allowed)} == set()


def test_there_is_an_oracle_of_every_service() -> None:
    services = {path.parent.name for path in (ROOT / "services").glob("*/store.py")}
    assert services <= {path.stem for path in ORACLE}
