"""The error family: what is told apart, and what an error carries."""

import ast
import pickle
import sys
from pathlib import Path

import pytest

import shared.kernel
from shared.kernel.codes import InvalidCode
from shared.kernel.errors import ConfigurationError, Conflict, GridloopError, Permanent, Transient


@pytest.mark.parametrize("kind", [Permanent, Transient, Conflict, ConfigurationError])
def test_each_answer_to_an_error_is_a_class_of_its_own(kind: type[GridloopError]) -> None:
    error = kind("stale", "desk 610802006003", expected=3)
    assert (error.code, error.detail, error.fields) == ("stale", "desk 610802006003", {"expected": 3})
    assert str(error) == "stale: desk 610802006003 expected=3"
    others = {Permanent, Transient, Conflict, ConfigurationError} - {kind}
    assert not isinstance(error, tuple(others))


def test_a_bad_code_is_permanent() -> None:
    assert issubclass(InvalidCode, Permanent)


def test_an_error_can_cross_a_process_border() -> None:
    assert str(pickle.loads(pickle.dumps(Transient("broker-away", attempts=2)))) == "broker-away attempts=2"


def test_the_kernel_imports_the_standard_library_only() -> None:
    for path in Path(shared.kernel.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                top = name.partition(".")[0]
                assert top in sys.stdlib_module_names or name.startswith("shared.kernel"), (
                    f"{path.name}: {name}"
                )
