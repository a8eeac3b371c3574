"""Settings: read from the environment once, checked, and quiet about secrets."""

import pytest
from pydantic import SecretStr, ValidationError

from shared.runtime.settings import ServiceSettings


class GateSettings(ServiceSettings):
    service = "checkpoint"


def test_defaults_suit_one_machine() -> None:
    settings = GateSettings()
    assert (settings.kafka, settings.http_host) == ("127.0.0.1:9092", "127.0.0.1")
    assert (settings.partitions, settings.replication, settings.body_limit) == (12, 1, 262_144)
    assert settings.mongo_driver == "motor"
    assert settings.instance is None


def test_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDLOOP_KAFKA", "kafka-0:9092,kafka-1:9092")
    monkeypatch.setenv("GRIDLOOP_HTTP_PORT", "8123")
    monkeypatch.setenv("GRIDLOOP_UNHEARD_OF", "1")
    settings = GateSettings()
    assert (settings.kafka, settings.http_port) == ("kafka-0:9092,kafka-1:9092", 8123)


def test_a_service_has_its_own_database_and_source() -> None:
    settings = GateSettings(database="rehearsal", source="/city/5101")
    assert (settings.database_name, settings.ce_source) == ("rehearsal_checkpoint", "/city/5101/checkpoint")


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        GateSettings().kafka = "elsewhere:9092"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PORT", "70000"),
        ("CITY_ZONE", "Nowhere/Town"),
        ("CITY_ZONE", "../../etc/passwd"),
        ("MONGO_DRIVER", "other"),
        ("DATABASE", "no such name"),
        ("LOG_LEVEL", "LOUD"),
        ("CRASH_AT", "after-commit"),
    ],
)
def test_nonsense_is_refused_at_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"GRIDLOOP_{name}", value)
    with pytest.raises(ValidationError):
        GateSettings()


def test_a_crash_point_needs_the_development_profile() -> None:
    assert GateSettings(crash_at="after-commit", local=True).crash_at == "after-commit"


def test_secrets_are_not_printed() -> None:
    settings = GateSettings(
        mongo="mongodb://svc:hunter2@db/", kafka_password=SecretStr("hunter2"), city_zone="Asia/Urumqi"
    )
    assert "hunter2" not in repr(settings)
    assert settings.zone.key == "Asia/Urumqi"


def test_each_setting_is_described() -> None:
    undocumented = [name for name, field in ServiceSettings.model_fields.items() if not field.description]
    assert undocumented == []
