"""Reading dated files: a fault names the file, and stops a process before it starts."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from services.dispatch.domain.deadlines import DefaultDeadlines
from services.dispatch.settings import DispatchSettings
from shared.kernel.errors import ConfigurationError
from shared.runtime.dated import read_versions


class Limit(BaseModel):
    """What a strict service might read: nothing but its own fields."""

    model_config = ConfigDict(extra="forbid")

    celsius: float


def file(folder: Path, text: str) -> Path:
    path = folder / "limits.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.req("M-06")
def test_every_version_is_read_with_the_instant_from_which_it_holds(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        "versions:\n"
        "  - {valid_from: 2020-01-01T00:00:00+08:00, celsius: 37.3}\n"
        "  - {valid_from: 2022-06-01T00:00:00Z, celsius: 37.5}\n",
    )
    assert read_versions(path, Limit) == [
        (datetime(2019, 12, 31, 16, tzinfo=UTC), Limit(celsius=37.3)),
        (datetime(2022, 6, 1, tzinfo=UTC), Limit(celsius=37.5)),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "versions: []",
        "versions: {}",
        "- 1",
        "versions: [{celsius: 37.3}]",
        "versions: [{valid_from: 2020-01-01T00:00:00, celsius: 37.3}]",
        "versions: [{valid_from: 2020-01-01T00:00:00Z}]",
        "versions: [{valid_from: 2020-01-01T00:00:00Z, celsius: hot}]",
        "versions: [{valid_from: 2020-01-01T00:00:00Z, celsius: 37.3, fahrenheit: 99}]",
        "versions: [",
    ],
)
@pytest.mark.req("M-06")
def test_a_faulty_file_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_versions(file(tmp_path, text), Limit)
    assert caught.value.code == "dated-file"
    assert caught.value.detail.startswith("limits.yaml: ")


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="dated-file"):
        read_versions(tmp_path / name, Limit)


@pytest.mark.req("M-06")
def test_the_shipped_deadlines_give_alerts_less_time_than_orders() -> None:
    for _, version in read_versions(DispatchSettings().deadlines, DefaultDeadlines):
        assert version.alert.done < version.order.done
