"""docker-compose.yml and the image, read as text: what can be known without running them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.stack.paths import ROOT, RunDir
from cli.stack.services import SERVICE_NAMES, own_environment, server_environment, token_environment
from services.checkpoint.settings import CheckpointSettings
from services.registry.settings import RegistrySettings
from shared.runtime.settings import ServiceSettings

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "deploy" / "images" / "Dockerfile").read_text(encoding="utf-8")
SCALED = ("registry", "screening", "dispatch")
ONE_SHOT = {"keys", "pass-keys", "topics"}


def test_compose_runs_the_services_the_local_stack_knows() -> None:
    assert set(CONTAINERS) == {"kafka", "mongo", *ONE_SHOT, *SERVICE_NAMES}


@pytest.mark.parametrize("name", SERVICE_NAMES)
def test_each_service_is_a_package_that_runs(name: str) -> None:
    assert CONTAINERS[name]["command"] == ["python", "-m", f"services.{name}"]
    assert (ROOT / "services" / name / "__main__.py").is_file()


def test_the_one_image_is_built_in_one_place() -> None:
    ours = {name for name, container in CONTAINERS.items() if container["image"] == "gridloop:local"}
    assert ours == {*ONE_SHOT, *SERVICE_NAMES}
    assert [name for name in CONTAINERS if "build" in CONTAINERS[name]] == ["keys"]


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
        own = own_environment(RunDir(tmp_path), name)
        assert set(CONTAINERS[name]["environment"]) == local | own.keys()
    assert CONTAINERS["dispatch"]["environment"]["GRIDLOOP_HTTP_HOST"] == "0.0.0.0"


@pytest.mark.parametrize(
    ("name", "settings"), [("registry", RegistrySettings), ("checkpoint", CheckpointSettings)]
)
def test_settings_know_every_name_the_containers_are_given(
    name: str, settings: type[ServiceSettings]
) -> None:
    known = {str(field.validation_alias or f"GRIDLOOP_{name.upper()}")
             for name, field in settings.model_fields.items()}  # fmt: skip
    assert set(CONTAINERS[name]["environment"]) - known <= {"GRIDLOOP_OPERATORS"}


def test_services_verify_with_the_key_that_one_container_makes() -> None:
    assert CONTAINERS["keys"]["command"] == ["python", "-m", "cli", "token", "--keys", "/keys"]
    for name in SERVICE_NAMES:
        assert "keys:/keys:ro" in CONTAINERS[name]["volumes"]
        assert CONTAINERS[name]["depends_on"]["keys"] == {"condition": "service_completed_successfully"}
        assert CONTAINERS[name]["environment"]["GRIDLOOP_TOKEN_KEY"] == "/keys/token.public.jwk"


def test_checkpoint_alone_is_given_the_keys_of_passes_and_a_spool_that_stays() -> None:
    making, checkpoint = CONTAINERS["pass-keys"], CONTAINERS["checkpoint"]
    file = checkpoint["environment"]["GRIDLOOP_PASS_KEYS"]
    assert making["command"] == ["python", "-m", "cli", "pass-keys", "--file", file]
    assert checkpoint["depends_on"]["pass-keys"] == {"condition": "service_completed_successfully"}
    assert {"pass-keys:/pass-keys:ro", "spool:/spool"} <= set(checkpoint["volumes"])
    assert checkpoint["environment"]["GRIDLOOP_SPOOL"].startswith("/spool/")
    assert {"pass-keys", "spool"} < set(COMPOSE["volumes"])
    for name in CONTAINERS.keys() - {"pass-keys", "checkpoint"}:
        mounted = {volume.split(":")[0] for volume in CONTAINERS[name].get("volumes", ())}
        assert not mounted & {"pass-keys", "spool"}
    # A volume takes its owner from the folder in the image: the service's user must be able to write there.
    assert re.search(r"install -d -m 0700 -o 10001 /pass-keys /spool", DOCKERFILE)


def test_a_spool_is_never_shared_by_two() -> None:
    """One file a process: checkpoint is not scaled in containers, and has one a replica on this machine."""
    assert "checkpoint" not in SCALED
    run = RunDir(Path("run"))
    assert run.spool("checkpoint") != run.spool("checkpoint-2")


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
