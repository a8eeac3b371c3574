"""What every act of the demonstration stands on: a throw-away stack, its services, clients and a clock."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
from joserfc.jwk import OKPKey

from cli.demo.voice import Tokens
from cli.demo.world import World
from cli.stack.local import LocalStack
from cli.stack.services import Program, service_program
from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidFactory
from shared.messaging.admin import TopicAdmin, wanted
from shared.messaging.producer import Producer
from shared.runtime.settings import ServiceSettings
from shared.runtime.tokens import generate_key_pair

LINES = 16
SERVICES = ("registry", "dispatch")


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
    lines: Sequence[httpx.AsyncClient]


@contextmanager
def running(options: Options, timing: Timing) -> Iterator[tuple[LocalStack, OKPKey]]:
    """Run servers and services on fresh data until the block ends, however it ends."""
    keys = generate_key_pair()
    with LocalStack(_kept() if options.keep else None, prepare=None) as stack:
        keys.write(stack.run_dir)
        timing.say("Kafka and MongoDB answer; starting registry and dispatch")
        asyncio.run(_apply_topics(stack.kafka))
        stack.start(*(_with_key(name, stack.run_dir / "token.public.jwk") for name in SERVICES))
        yield stack, keys.private
    if options.keep:
        timing.say(f"data and logs are kept in {stack.run_dir}")


@asynccontextmanager
async def opened(
    stack: LocalStack, key: OKPKey, world: World, options: Options, timing: Timing
) -> AsyncIterator[Stage]:
    """Connect the clients that acts use."""
    clock = SystemClock()
    ports = {name: child.port for name, child in stack.state.services.items()}
    clients = {name: _client(port) for name, port in ports.items()}
    # A client a line: one pool of sixteen costs twice as much, for it looks at all of them for each request.
    lines = tuple(_client(ports["dispatch"]) for _ in range(LINES))
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
        for client in (*clients.values(), *lines):
            await client.aclose()


def _client(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10.0)


async def _apply_topics(servers: str) -> None:
    settings = ServiceSettings(kafka=servers)
    async with TopicAdmin(servers) as admin:
        await admin.apply(wanted(settings.partitions), replication=settings.replication)


def _with_key(name: str, public_key: Path) -> Program:
    program = service_program(name)
    return replace(program, env={**program.env, "GRIDLOOP_TOKEN_KEY": str(public_key)})


def _kept() -> Path:
    return Path(tempfile.mkdtemp(prefix="gridloop-demo-"))
