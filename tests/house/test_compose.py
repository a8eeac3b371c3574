"""docker-compose.yml and the image, read as text: what can be known without running them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.stack.paths import ROOT
from cli.stack.services import SERVICE_NAMES, server_environment, token_environment
from services.registry.settings import RegistrySettings

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "deploy" / "images" / "Dockerfile").read_text(encoding="utf-8")
SCALED = ("registry", "dispatch")
ONE_SHOT = {"keys", "topics"}


def test_compose_runs_the_services_the_local_stack_knows() -> None:
    assert set(CONTAINERS) == {"kafka", "mongo", *ONE_SHOT, *SERVICE_NAMES}


@pytest.mark.parametrize("name", SERVICE_NAMES)
def test_each_service_is_a_package_that_runs(name: str) -> None:
    assert CONTAINERS[name]["command"] == ["python", "-m", f"services.{name}"]
    assert (ROOT / "services" / name / "__main__.py").is_file()


@pytest.mark.parametrize("name", SCALED)
def test_scaled_services_have_no_name_or_port_of_their_own(name: str) -> None:
    assert not {"container_name", "ports", "hostname"} & CONTAINERS[name].keys()


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_nothing_is_published_beyond_this_machine(name: str) -> None:
    ports = CONTAINERS[name].get("ports", [])
    assert all(str(port).startswith("127.0.0.1:") for port in ports)
    assert "container_name" not in CONTAINERS[name]


@pytest.mark.parametrize("name", sorted(CONTAINERS.keys() - ONE_SHOT))
def test_each_container_tells_its_health_and_has_time_to_stop(name: str) -> None:
    check = CONTAINERS[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert "disable" not in check
    assert CONTAINERS[name]["stop_grace_period"]


@pytest.mark.parametrize("name", SERVICE_NAMES)
def test_services_are_checked_for_readiness_and_wait_for_topics(name: str) -> None:
    container = CONTAINERS[name]
    assert f":{container['environment']['GRIDLOOP_HTTP_PORT']}/readyz" in container["healthcheck"]["test"][-1]
    assert container["depends_on"]["topics"] == {"condition": "service_completed_successfully"}
    # The drain has up to 9 s; whoever is killed sooner loses nothing, but is redelivered for nothing.
    assert int(container["stop_grace_period"].removesuffix("s")) > 9


def test_containers_and_local_stack_speak_of_the_same_settings(tmp_path: Path) -> None:
    servers = server_environment(kafka="", mongo="")
    local = {*servers, *token_environment(tmp_path), "GRIDLOOP_HTTP_HOST", "GRIDLOOP_HTTP_PORT"}
    for name in SERVICE_NAMES:
        assert set(CONTAINERS[name]["environment"]) == local
    assert CONTAINERS["dispatch"]["environment"]["GRIDLOOP_HTTP_HOST"] == "0.0.0.0"


def test_settings_know_every_name_the_containers_are_given() -> None:
    known = {f"GRIDLOOP_{field.upper()}" for field in RegistrySettings.model_fields}
    assert set(CONTAINERS["registry"]["environment"]) <= known


def test_services_verify_with_the_key_that_one_container_makes() -> None:
    assert CONTAINERS["keys"]["command"] == ["python", "-m", "cli", "token", "--keys", "/keys"]
    for name in SERVICE_NAMES:
        assert CONTAINERS[name]["volumes"] == ["keys:/keys:ro"]
        assert CONTAINERS[name]["depends_on"]["keys"] == {"condition": "service_completed_successfully"}
        assert CONTAINERS[name]["environment"]["GRIDLOOP_TOKEN_KEY"] == "/keys/token.public.jwk"


def test_servers_keep_their_data_and_need_no_auto_creation() -> None:
    used = {v.split(":")[0] for name in ("kafka", "mongo") for v in CONTAINERS[name]["volumes"]}
    assert used == {"kafka-data", "mongo-data"}
    assert used < set(COMPOSE["volumes"])
    assert CONTAINERS["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert "rs0" in CONTAINERS["mongo"]["command"]
    assert "replicaSet=rs0" in CONTAINERS["dispatch"]["environment"]["GRIDLOOP_MONGO"]


def test_servers_are_pinned() -> None:
    pom = (ROOT / "deploy" / "local" / "pom.xml").read_text(encoding="utf-8")
    version = re.search(r"kafka_2\.13</artifactId>\s*<version>([^<]+)<", pom)
    assert version is not None
    # The same broker in containers and without them.
    assert CONTAINERS["kafka"]["image"] == f"apache/kafka:{version.group(1)}"
    assert CONTAINERS["mongo"]["image"] == "mongo:8"


def test_the_image_runs_as_nobody_special() -> None:
    users = re.findall(r"^USER\s+(\S+)", DOCKERFILE, flags=re.MULTILINE)
    assert users
    assert users[-1] not in {"root", "0"}
    assert not re.search(r"^(COPY|RUN|ADD)\b", DOCKERFILE.split("USER ")[-1], flags=re.MULTILINE)


def test_the_image_holds_what_exists_and_only_locked_packages() -> None:
    for source in re.findall(r"^COPY\s+(\S+)\s+\S+$", DOCKERFILE, flags=re.MULTILINE):
        assert (ROOT / source).exists(), source
    installs = re.findall(r"pip install.*", DOCKERFILE)
    assert installs
    assert all("--require-hashes" in line and "runtime.lock" in line for line in installs)


def test_secantusdb_is_never_in_the_image() -> None:
    lock = (ROOT / "requirements" / "runtime.lock").read_text(encoding="utf-8").lower()
    assert "secantus" not in lock
    assert "secantus" not in DOCKERFILE.lower()
