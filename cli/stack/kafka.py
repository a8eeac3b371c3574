"""Apache Kafka (KRaft, one node) from its Maven artifacts: properties, storage, command line."""

import base64
import os
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from cli.errors import UserError
from cli.stack.paths import DEPLOY, RunDir
from cli.stack.plan import Member
from cli.stack.ports import LOOPBACK
from cli.stack.toolchain import find_java, kafka_jars

NAME = "kafka"
FORMAT_SECONDS = 60
# Short-lived or nearly idle, on few cores: quick start and little memory count, peak throughput does not.
JVM_OPTIONS = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
HEAP = ["-Xms192m", "-Xmx512m"]


@dataclass(frozen=True)
class Kafka:
    run: RunDir
    port: int
    controller_port: int

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def _storage(self) -> Path:
        return self.run.data / NAME

    def prepare(self) -> tuple[Member, str]:
        """Write the properties, format the storage once; the member to supervise and the cluster id."""
        java = [find_java(), *JVM_OPTIONS, f"-XX:ErrorFile={self.run.logs}/kafka-crash-%p.log"]
        # The folder holds the log settings, which slf4j-simple looks for on the class path.
        java += ["-cp", f"{DEPLOY}{os.pathsep}{kafka_jars()}/*"]
        properties = self._write_properties("kafka.properties", self._storage)
        if not self._storage.exists():
            self._format(java)
        argv = [*java, *HEAP, "kafka.Kafka", str(properties)]
        return Member(name=NAME, argv=argv, port=self.port, is_server=True), self._cluster_id()

    def _write_properties(self, name: str, storage: Path) -> Path:
        own = {
            "controller.quorum.voters": f"1@{LOOPBACK}:{self.controller_port}",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{LOOPBACK}:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "log.dirs": str(storage),
        }
        fixed = (DEPLOY / "kafka.properties").read_text(encoding="utf-8")
        path = self.run.path / name
        path.write_text(fixed + "".join(f"{k}={v}\n" for k, v in own.items()), encoding="utf-8")
        return path

    def _format(self, java: list[str]) -> None:
        """Format beside the final place and move there: storage is formatted or absent, never half."""
        fresh = self._storage.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        properties = self._write_properties("kafka-format.properties", fresh)
        command = [*java, "kafka.tools.StorageTool", "format", "-t", new_cluster_id(), "-c", str(properties)]
        done = subprocess.run(  # noqa: S603 - our own command line
            command, capture_output=True, text=True, timeout=FORMAT_SECONDS, check=False
        )
        if done.returncode:
            raise UserError(f"Kafka could not format its storage:\n{(done.stdout + done.stderr).strip()}")
        properties.unlink()
        fresh.rename(self._storage)

    def _cluster_id(self) -> str:
        lines = (self._storage / "meta.properties").read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)["cluster.id"]


def new_cluster_id() -> str:
    """As `StorageTool random-uuid` gives it; a leading dash would read as an option."""
    text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return new_cluster_id() if text.startswith("-") else text
