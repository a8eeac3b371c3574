"""The table of faults."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from asyncio import to_thread
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx

from tests.faults.fault import Fault, Scene, Skipped
from tests.faults.stage import is_stopped
from tests.harness.services import Service
from tests.harness.waiting import until

KAFKA: Final = "kafka"
MONGO: Final = "mongo"
LOG_DISK_MB: Final = 192
BALLAST: Final = "ballast"


class ServerRestarted(Fault):
    """SIGTERM, and a start when it has ended."""

    server = ""

    async def inject(self, scene: Scene) -> None:
        before = scene.stage.stack.state.children[self.server].process
        assert before is not None
        await to_thread(scene.stage.stack.stop, self.server)
        assert not before.is_alive()

    async def end(self, scene: Scene) -> None:
        await to_thread(scene.stage.stack.resume, self.server)


class BrokerRestarted(ServerRestarted):
    name = "broker-sigterm"
    says = "the broker is stopped (SIGTERM) and started again"
    reliability = "F06"
    server = KAFKA


class DatabaseRestarted(ServerRestarted):
    name = "database-sigterm"
    says = "the database is stopped (SIGTERM) and started again"
    reliability = "F13"
    server = MONGO


class ServerKilled(Fault):
    """SIGKILL; the supervisor starts it again."""

    server = ""

    async def inject(self, scene: Scene) -> None:
        self._before = await to_thread(scene.stage.stack.kill, self.server)

    async def end(self, scene: Scene) -> None:
        after = await to_thread(scene.stage.stack.wait_healthy, self.server)
        assert after.pid != self._before.pid


class BrokerKilled(ServerKilled):
    name = "broker-sigkill"
    says = "the broker is killed (SIGKILL)"
    reliability = "F07"
    server = KAFKA


class DatabaseKilled(ServerKilled):
    name = "database-sigkill"
    says = "the database is killed (SIGKILL)"
    reliability = "F13"
    server = MONGO


class BrokerAway(BrokerRestarted):
    name = "broker-away"
    says = "the broker is away for 60 s, while everybody goes on answering"
    reliability = "F08, F09"
    times = 1
    away_s = 60.0

    async def inject(self, scene: Scene) -> None:
        await super().inject(scene)
        await asyncio.sleep(self.away_s)


class BrokerAsleep(Fault):
    name = "broker-sigstop"
    says = "the broker is stopped by SIGSTOP for 15 s with batches in flight: connected, and silent"
    reliability = "F08"
    times = 2
    asleep_s = 15.0

    async def inject(self, scene: Scene) -> None:
        self._broker = scene.stage.stack.state.children[KAFKA].process
        assert self._broker is not None
        self._broker.send(signal.SIGSTOP)
        await asyncio.sleep(self.asleep_s)

    async def end(self, scene: Scene) -> None:
        assert self._broker is not None
        self._broker.send(signal.SIGCONT)
        await to_thread(scene.stage.stack.wait_healthy, KAFKA)


class ServiceKilled(Fault):
    name = "service-sigkill"
    says = "the service is killed (SIGKILL) and started again, again and again"
    reliability = "F01–F04"
    times = 10

    async def inject(self, scene: Scene) -> None:
        victim = scene.stage.first
        victim.kill()
        assert victim.exit == -signal.SIGKILL

    async def end(self, scene: Scene) -> None:
        scene.stage.first.start()


class ReplicaLost(Fault):
    name = "replica-lost"
    says = "one of two replicas is killed (SIGKILL), and started again only after its partitions have moved"
    reliability = "F01, R04"
    replicas = 2

    async def ready(self, scene: Scene) -> None:
        await scene.everybody_works()

    async def inject(self, scene: Scene) -> None:
        self._victim = scene.stage.replicas[-1]
        self._victim.kill()
        assert self._victim.exit == -signal.SIGKILL
        await scene.heard_everywhere()
        await scene.all_counted()

    async def end(self, scene: Scene) -> None:
        del scene
        self._victim.start()


class Zombie(Fault):
    name = "zombie"
    says = "one of two replicas sleeps (SIGSTOP) and wakes (SIGCONT) after its partitions have moved"
    reliability = "F12"
    replicas = 2

    async def ready(self, scene: Scene) -> None:
        await scene.everybody_works()

    async def inject(self, scene: Scene) -> None:
        self._sleeper = scene.stage.replicas[-1]
        self._sleeper.send(signal.SIGSTOP)
        await until(lambda: is_stopped(self._sleeper), what="the sleeper sleeps")
        # Once the survivor has counted what came for both, the session has ended and the partitions moved.
        await scene.heard_everywhere()
        await scene.all_counted()
        assert is_stopped(self._sleeper)

    async def end(self, scene: Scene) -> None:
        del scene
        self._sleeper.send(signal.SIGCONT)


class TwoReplicas(Fault):
    name = "two-replicas"
    says = "a second replica joins, and leaves (SIGTERM)"
    reliability = "F05, F35"
    times = 4
    joining = 1
    named = False

    async def inject(self, scene: Scene) -> None:
        for _ in range(self.joining):
            await scene.stage.join(named=self.named)
        await scene.everybody_works()
        await scene.heard_everywhere()
        await scene.all_counted()

    async def end(self, scene: Scene) -> None:
        for _ in range(self.joining):
            await scene.stage.leave()


class ThreeReplicas(TwoReplicas):
    name = "three-replicas"
    says = "a second and a third replica join, and leave (SIGTERM)"
    times = 3
    joining = 2


class NamedReplicas(TwoReplicas):
    name = "named-replicas"
    says = (
        "a second replica with a fixed member id (`GRIDLOOP_INSTANCE`) joins, and leaves (SIGTERM): "
        "nobody takes over before its session ends"
    )
    named = True


class KafkaComesFirst(Fault):
    """The service starts without servers, and they come one after the other."""

    name = "boot-kafka-first"
    says = "the service starts while both servers are absent; the broker comes, then the database"
    reliability = "F39"
    comes = (KAFKA, MONGO)
    times = 2

    async def inject(self, scene: Scene) -> None:
        stack, service = scene.stage.stack, scene.stage.first
        service.kill()
        for server in self.comes:
            await to_thread(stack.stop, server)
        service.start()
        await until(lambda: status(service, "/healthz") == HTTPStatus.OK, what="alive without servers")
        await to_thread(stack.resume, self.comes[0])
        assert status(service, "/readyz") == HTTPStatus.SERVICE_UNAVAILABLE

    async def end(self, scene: Scene) -> None:
        await to_thread(scene.stage.stack.resume, self.comes[1])


class MongoComesFirst(KafkaComesFirst):
    name = "boot-database-first"
    says = "the service starts while both servers are absent; the database comes, then the broker"
    comes = (MONGO, KAFKA)


class LogDiskFull(Fault):
    name = "log-disk-full"
    says = "the disk of the broker's log is full, and has room again after a while"
    reliability = "F33"
    times = 1
    _disk = Path()

    def prepare(self, scene: Scene) -> None:
        """Put the log on a small disk of its own."""
        if os.geteuid() != 0 or sys.platform != "linux":
            raise Skipped("a small disk is a tmpfs, and only root on Linux may mount one")
        stack = scene.stage.stack
        self._disk = stack.run_dir / "data" / KAFKA
        aside = self._disk.with_name("kafka.aside")
        stack.stop(KAFKA)
        self._disk.rename(aside)
        self._disk.mkdir()
        mounted = run("mount", "-t", "tmpfs", "-o", f"size={LOG_DISK_MB}m", "gridloop-faults", self._disk)
        if mounted.returncode:
            self._disk.rmdir()
            aside.rename(self._disk)
            stack.resume(KAFKA)
            raise Skipped(f"no tmpfs can be mounted: {mounted.stderr.strip()}")
        # Index files are mostly holes.
        run("cp", "-a", "--sparse=always", f"{aside}/.", self._disk).check_returncode()
        shutil.rmtree(aside)
        stack.resume(KAFKA)

    async def inject(self, scene: Scene) -> None:
        broker = scene.stage.stack.state.children[KAFKA].process
        assert broker is not None
        await to_thread(fill, self._disk / BALLAST)
        await until(lambda: not broker.is_alive(), what="the broker gives up", within_s=60)
        assert shutil.disk_usage(self._disk).free == 0
        await scene.heard_everywhere()

    async def end(self, scene: Scene) -> None:
        (self._disk / BALLAST).unlink()
        await to_thread(scene.stage.stack.wait_healthy, KAFKA)

    def clean(self, scene: Scene) -> None:
        """Take the small disk away, and the log that was on it."""
        if self._disk != Path() and self._disk.is_mount():
            scene.stage.stack.stop(KAFKA)
            run("umount", self._disk).check_returncode()


def fill(file: Path) -> None:
    """Write until the disk is full to the last byte."""
    with file.open("wb", buffering=0) as ballast:
        for piece in (2**20, 2**12, 1):
            with suppress(OSError):
                while True:
                    ballast.write(bytes(piece))


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)


def status(service: Service, path: str) -> int:
    """Return the status of an operations route; 0 while nothing listens."""
    try:
        return httpx.get(f"http://127.0.0.1:{service.port}{path}", timeout=3).status_code
    except httpx.TransportError:
        return 0


ROWS: Final[Mapping[str, type[Fault]]] = {
    row.name: row
    for row in (
        BrokerRestarted,
        BrokerKilled,
        BrokerAsleep,
        BrokerAway,
        DatabaseRestarted,
        DatabaseKilled,
        ServiceKilled,
        ReplicaLost,
        Zombie,
        TwoReplicas,
        ThreeReplicas,
        NamedReplicas,
        KafkaComesFirst,
        MongoComesFirst,
        LogDiskFull,
    )
}
VISITED: Final = (BrokerKilled.name, DatabaseKilled.name, ServiceKilled.name, Zombie.name)
"""The rows that screening goes through as well, under visits: it runs on the same flow."""
