"""House rules of the code that neither the linter nor the import contracts can see."""

import ast
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from shared.contracts.catalog import BY_NAME
from tests.house.source import CODE, ROOT, calls, files, imported, modules, name_of, strings, tree

TOPIC = re.compile(r"(registry|dispatch|screening|checkpoint)\.[a-z-]+\.v\d+(\..+)?")
WALL_CLOCKS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns",
}  # fmt: skip
STOPWATCHES = {"time.monotonic", "time.perf_counter", "time.monotonic_ns", "time.perf_counter_ns"}
CHANCE = {"uuid", "random", "secrets"}
# Who may measure how long something took: never a rule, a handler or a store.
TIMED = ("shared/flow/batch.py", "shared/runtime/", "shared/messaging/", "cli/", "bench/", "tests/")
DRIVERS = {"motor", "pymongo", "bson", "gridfs"}
BROKERS = {"faststream", "aiokafka"}
# Outside the two packages: the hash alone, and tools and tests that look at servers from outside.
MAY_USE_DRIVERS = ("shared/mongo/", "cli/stack/", "bench/", "tests/")
MAY_USE_BROKERS = (
    "shared/messaging/",
    "shared/flow/partitions.py",
    "cli/demo/",
    "cli/stack/",
    "cli/verify/",
    "bench/",
    "tests/",
)
MOST_LINES = 400
# One vocabulary, read from top to bottom; to cut it in two would hide half of it.
LONGER = {"shared/contracts/dispatch.py": 450}
HOME = re.compile(r"/(home|Users|root|work)/\w|[A-Z]:\\\\Users")
# Written backwards, so that the rule holds for this file as well.
REGISTRIES = tuple(
    name[::-1]
    for name in (
        "gro.ipyp",
        "detsohnohtyp",
        "nevam.1oper",
        "nevam.oper",
        "sjmpn.yrtsiger",
        "oi.rekcod",
        "oi.rchg",
    )
)


PROGRAM = modules("shared", "services", "cli", "bench")


def found(
    paths: Iterable[Path], rule: Callable[[Path], object], *, but: tuple[str, ...] = ()
) -> dict[str, object]:
    """Return what a rule finds, by file; nothing in the files that may."""
    results = {name_of(path): rule(path) for path in paths if not name_of(path).startswith(but)}
    return {name: result for name, result in results.items() if result}


def test_a_module_is_of_a_size_one_can_read() -> None:
    def too_long(path: Path) -> int:
        lines = path.read_text(encoding="utf-8").count("\n")
        return lines if lines > LONGER.get(name_of(path), MOST_LINES) else 0

    assert found(modules(), too_long) == {}


def test_a_module_says_what_it_is_for() -> None:
    assert found(modules(), lambda path: bool(tree(path).body) and not ast.get_docstring(tree(path))) == {}


def test_topics_are_named_in_the_contracts_only() -> None:
    named = found(
        PROGRAM,
        lambda path: {text for text in strings(path) if TOPIC.fullmatch(text)},
        but=("shared/contracts/",),
    )
    assert named == {}


def test_the_clock_is_read_in_one_place() -> None:
    assert found(PROGRAM, lambda path: calls(path) & WALL_CLOCKS, but=("shared/kernel/clock.py",)) == {}


def test_only_plumbing_measures_time() -> None:
    assert found(modules("shared", "services"), lambda path: calls(path) & STOPWATCHES, but=TIMED) == {}


def test_no_rule_or_handler_rolls_dice() -> None:
    rules = [
        path for path in modules("services") if "/domain/" in name_of(path) or "handlers" in name_of(path)
    ]
    assert len(rules) > 10
    assert found(rules, lambda path: imported(path) & CHANCE) == {}


def test_drivers_and_brokers_stay_behind_their_packages() -> None:
    assert found(modules(), lambda path: imported(path) & DRIVERS, but=MAY_USE_DRIVERS) == {}
    assert found(modules(), lambda path: imported(path) & BROKERS, but=MAY_USE_BROKERS) == {}


def test_nothing_imports_the_tests() -> None:
    assert found(PROGRAM, lambda path: imported(path) & {"tests"}) == {}


def test_a_file_names_no_machine_and_no_registry() -> None:
    def named(path: Path) -> list[str]:
        text = path.read_text(encoding="utf-8")  # what is no text has no place here
        homes = [match.group() for match in HOME.finditer(text)]
        return homes + [host for host in REGISTRIES if host in text]

    assert found(files(), named) == {}


def test_the_rules_find_what_they_look_for(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('"""dispatch.acks.v1"""\nimport motor.x, time\ntime.time()\nA = "dispatch.acks.v1"\n')
    assert [text for text in strings(module) if TOPIC.fullmatch(text)] == ["dispatch.acks.v1"]
    assert calls(module) & WALL_CLOCKS == {"time.time"}
    assert imported(module) & DRIVERS == {"motor"}
    assert all(TOPIC.fullmatch(name) for name in BY_NAME)
    assert {path.relative_to(ROOT).parts[0] for path in modules()} == set(CODE)
