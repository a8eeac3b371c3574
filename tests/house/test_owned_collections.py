"""What a flow keeps between batches is written by one group alone: no two groups' handlers touch it."""

import importlib
import pkgutil

import pytest

from shared.flow.documents import Collection

SERVICES = ("dispatch", "screening", "checkpoint", "registry")


def kept(service: str) -> dict[str, set[str]]:
    """Return the modules with a group's handler that use each collection a flow may keep."""
    handlers = importlib.import_module(f"services.{service}.handlers")
    names = [
        f"{handlers.__name__}.{each.name}" for each in pkgutil.iter_modules(getattr(handlers, "__path__", []))
    ]
    found: dict[str, set[str]] = {}
    for name in [handlers.__name__, *names]:
        module = vars(importlib.import_module(name))
        # Modules without a handler of their own help one that has it.
        if any(
            callable(getattr(value, "rule", None)) and value.__module__ == name for value in module.values()
        ):
            for value in module.values():
                if isinstance(value, Collection) and (value.owned or value.immutable):
                    found.setdefault(value.name, set()).add(name)
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_kept_between_batches_has_one_writer(service: str) -> None:
    shared = {name: modules for name, modules in kept(service).items() if len(modules) > 1}
    assert not shared


def test_the_services_that_count_keep_something() -> None:
    assert {service: sorted(kept(service)) for service in SERVICES} == {
        "dispatch": ["frozen", "progress", "sheets"],
        "screening": ["denominators", "progress", "sheets"],
        "checkpoint": ["gate_days"],
        "registry": [],
    }
