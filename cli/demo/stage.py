"""What every act of the demonstration stands on: a throw-away stack, its services, clients and a clock."""

import asyncio
import logging
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import yaml
from joserfc.jwk import OKPKey

from cli.demo.lines import Lines
from cli.demo.voice import Tokens
from cli.demo.world import World
from cli.stack.local import LocalStack
from cli.stack.services import SERVICE_NAMES, Program, service_program
from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidFactory
from shared.messaging.admin import TopicAdmin, wanted
from shared.messaging.producer import Producer
from shared.runtime.settings import ServiceSettings
from shared.runtime.tokens import generate_key_pair

LINES = 16
# A pass is waited for until it is decided: more of them at once are decided together.
LINES_OF_THE_OFFICE = 48
# Each alert must be answered within seconds, where this installation's own deadlines are hours.
ALERT_DONE_S, ALERT_STEP_S = 5.0, 2.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the person at the keyboard asked for."""

    seed: int = 7
    speed: float = 1.0
    silent: float = 0.03
    posts: int = 4170
    keep: bool = False


@dataclass
class Timing:
    """Seconds since the beginning, and what each phase took."""

    began: float = field(default_factory=time.monotonic)
    phases: dict[str, float] = field(default_factory=dict)

    def elapsed(self) -> float:
        return time.monotonic() - self.began

    @contextmanager
    def phase(self, name: str, text: str) -> Iterator[None]:
        """Say what begins, and note how long it took."""
        self.say(text)
        before = time.monotonic()
        yield
        self.phases[name] = round(time.monotonic() - before, 1)

    def say(self, text: str) -> None:
        print(f"{self.elapsed():6.1f} s  {text}", flush=True)


@dataclass(frozen=True)
class Stage:
    """A running stack as an act sees it."""

    stack: LocalStack
    world: World
    options: Options
    timing: Timing
    clock: SystemClock
    ulids: UlidFactory
    tokens: Tokens
    producer: Producer
    clients: Mapping[str, httpx.AsyncClient]
    lines: Mapping[str, Lines]
    # The directives of the acts before: what is still said of them is nobody's business any more.
    played: set[str] = field(default_factory=set)
    # What registry itself says is missing in the street.
    findings: list[str] = field(default_factory=list)

    def token(self, post: str) -> dict[str, str]:
        """Return the header by which the holder of a post speaks."""
        return self.tokens.of(self.world.by_post[post].holder or "")


@contextmanager
def running(options: Options, timing: Timing) -> Iterator[tuple[LocalStack, OKPKey]]:
    """Run servers and services on fresh data until the block ends, however it ends."""
    keys = generate_key_pair()
    with LocalStack(_kept() if options.keep else None, prepare=None) as stack:
        keys.write(stack.run_dir)
        timing.say("Kafka and MongoDB answer; starting " + ", ".join(SERVICE_NAMES))
        asyncio.run(_apply_topics(stack.kafka))
        own = {
            "GRIDLOOP_TOKEN_KEY": str(stack.run_dir / "token.public.jwk"),
            "GRIDLOOP_DEADLINES": str(_deadlines(stack.run_dir, options.speed)),
        }
        stack.start(*(_with(service_program(name), own) for name in SERVICE_NAMES))
        yield stack, keys.private
    if options.keep:
        timing.say(f"data and logs are kept in {stack.run_dir}")


@asynccontextmanager
async def opened(
    stack: LocalStack, key: OKPKey, world: World, options: Options, timing: Timing
) -> AsyncIterator[Stage]:
    """Connect the clients that acts use."""
    # The broker may be killed on the way; that our own clients do not find it is told by what they wait for.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    clock = SystemClock()
    ports = {name: child.port for name, child in stack.state.services.items()}
    # One for all: a context of its own costs each client 20 ms, for certificates that nobody asks for here.
    tls = ssl.create_default_context()
    clients = {name: _client(port, tls) for name, port in ports.items()}
    lines = {name: _lines(name, port, tls) for name, port in ports.items()}
    producer = Producer(stack.kafka, client_id="gridloop-demo")
    await producer.start()
    try:
        yield Stage(
            stack=stack,
            world=world,
            options=options,
            timing=timing,
            clock=clock,
            ulids=UlidFactory(clock),
            tokens=Tokens(key, clock),
            producer=producer,
            clients=clients,
            lines=lines,
        )
    finally:
        await producer.stop()
        for client in clients.values():
            await client.aclose()
        for each in lines.values():
            await each.close()


def _client(port: int, tls: ssl.SSLContext) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10.0, verify=tls)


def _lines(name: str, port: int, tls: ssl.SSLContext) -> Lines:
    number = LINES_OF_THE_OFFICE if name == "checkpoint" else LINES
    return Lines([_client(port, tls) for _ in range(number)])


async def _apply_topics(servers: str) -> None:
    settings = ServiceSettings(kafka=servers)
    async with TopicAdmin(servers) as admin:
        await admin.apply(wanted(settings.partitions), replication=settings.replication)


def _with(program: Program, own: Mapping[str, str]) -> Program:
    return replace(program, env={**program.env, **own})


def _deadlines(folder: Path, speed: float) -> Path:
    """Write dated deadlines for people who live `speed` times faster than the clock."""
    path = folder / "deadlines.yaml"
    version = {
        "valid_from": datetime(2020, 1, 1, tzinfo=UTC),
        "done": 14_400.0,
        "step": 1_800.0,
        "alert": {"done": ALERT_DONE_S / speed, "step": ALERT_STEP_S / speed},
    }
    path.write_text(yaml.safe_dump({"versions": [version]}), encoding="utf-8")
    return path


def _kept() -> Path:
    return Path(tempfile.mkdtemp(prefix="gridloop-demo-"))
