"""Servers and a dispatch process per module: topic names are fixed, so modules do not share a log."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from shared.runtime.tokens import KeyPair, generate_key_pair
from tests.harness.api import Api
from tests.harness.log import Log, new_id
from tests.harness.services import Service, running
from tests.servers import Servers, start


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with start() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("services")


@pytest.fixture(scope="module")
def keys(folder: Path) -> KeyPair:
    pair = generate_key_pair()
    pair.write(folder)
    return pair


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """Overridden by a module that needs dispatch to be set otherwise."""
    return {}


@pytest.fixture(scope="module")
def service(servers: Servers, folder: Path, keys: KeyPair, settings: dict[str, str]) -> Iterator[Service]:
    """A dispatch that is not started yet; whatever the module starts ends with it."""
    del keys
    env = {"GRIDLOOP_TOKEN_KEY": str(folder / "token.public.jwk"), **settings}
    made = Service(servers, folder, database=new_id("test"), env=env)
    yield made
    made.kill()


@pytest.fixture(scope="module")
def dispatch(service: Service) -> Iterator[Service]:
    with running(service):
        yield service


@pytest.fixture
async def log(servers: Servers) -> AsyncIterator[Log]:
    async with Log(servers.kafka) as opened:
        yield opened


@pytest.fixture
async def api(dispatch: Service, keys: KeyPair) -> AsyncIterator[Api]:
    async with Api(dispatch.port, keys.private) as opened:
        yield opened
