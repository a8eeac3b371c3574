"""The table of invariants names checks that exist, and every fault is found by one that exists."""

import ast
from functools import cache
from pathlib import Path

from tests.simulation.__main__ import SIMULATIONS
from tests.simulation.dispatch.mutants import MUTANTS as DISPATCH
from tests.simulation.gate.mutants import MUTANTS as GATE
from tests.simulation.invariants import INVARIANTS
from tests.simulation.rounds.mutants import MUTANTS as ROUNDS

HERE = Path(__file__).parent


@cache
def stated(*folders: str) -> set[str]:
    """Return every invariant that some `require` names, or a helper that passes it on, in these folders."""
    found: set[str] = set()
    for folder in folders:
        for path in (HERE / folder).glob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
            asserting = [call for call in calls if getattr(call.func, "id", "") in {"require", "_same"}]
            constants = [
                arg.value for call in asserting for arg in call.args if isinstance(arg, ast.Constant)
            ]
            found |= {value for value in constants if isinstance(value, str) and " " in value}
    return found


def test_every_check_in_the_table_exists() -> None:
    for number, (_, checks) in INVARIANTS.items():
        assert checks.keys() <= SIMULATIONS.keys()
        for folder, names in checks.items():
            assert set(names) <= stated(".", folder), number


def test_every_planted_fault_names_checks_that_exist() -> None:
    for folder, mutants in (("dispatch", DISPATCH), ("rounds", ROUNDS), ("gate", GATE)):
        for mutant in mutants:
            assert mutant.found_by, mutant.name
            assert set(mutant.found_by) <= stated(".", folder), mutant.name


def test_every_invariant_of_the_loop_has_a_check_that_a_planted_fault_proves() -> None:
    proved = {check for mutant in DISPATCH for check in mutant.found_by}
    for number, (_, checks) in INVARIANTS.items():
        assert proved & set(checks["dispatch"]), number
