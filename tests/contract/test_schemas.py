"""The committed JSON Schemas are those of the models."""

from pathlib import Path

import pytest

from shared.contracts import export
from shared.contracts.catalog import MODELS


def test_the_schemas_are_fresh() -> None:
    assert export.stale() == [], "run `python -m shared.contracts.export`"


def test_every_message_has_a_schema() -> None:
    assert export.schemas().keys() == {f"{type_}.json" for type_ in MODELS}


def test_a_changed_a_missing_and_a_left_over_schema_are_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export.write(tmp_path)
    assert export.stale(tmp_path) == []
    tick, fill = tmp_path / "gridloop.dispatch.tick.v1.json", tmp_path / "gridloop.dispatch.fill.v1.json"
    tick.write_text("{}", encoding="utf-8")
    fill.unlink()
    (tmp_path / "gridloop.dispatch.gone.v1.json").write_text("{}", encoding="utf-8")
    assert export.stale(tmp_path) == [fill.name, "gridloop.dispatch.gone.v1.json", tick.name]
    monkeypatch.setattr(export.stale, "__defaults__", (tmp_path,))
    assert export.main(["--check"]) == 1
    export.write(tmp_path)
    assert export.main(["--check"]) == 0
