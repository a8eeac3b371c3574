"""The short rows of the table of faults, on real servers: `make faults` runs all of them, and longer."""

import shutil
from collections.abc import Iterator

import pytest

from tests.faults.fault import Fault
from tests.faults.loops import Loop, Orders
from tests.faults.rows import BrokerKilled, DatabaseKilled, ServiceKilled, TwoReplicas, Zombie
from tests.faults.run import run
from tests.faults.stage import Stage, fresh_servers, staged

POSTS = 80
RATE = 60.0


@pytest.fixture(scope="module")
def loop() -> Loop:
    return Orders(POSTS)


@pytest.fixture(scope="module")
def stage(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    if shutil.which("java") is None:
        pytest.skip("only servers of our own are killed, and Kafka needs Java")
    with fresh_servers() as servers, staged(servers, tmp_path_factory.mktemp("faults"), loop) as ready:
        yield ready


@pytest.mark.req("B-06", "F-03", "U-20")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("fault", "times"),
    [(ServiceKilled, 3), (DatabaseKilled, 1), (BrokerKilled, 1), (TwoReplicas, 1), (Zombie, 1)],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_nothing_is_lost_doubled_or_above_the_truth(
    stage: Stage, fault: type[Fault], times: int
) -> None:
    injected = fault()
    injected.times = times
    result = await run(stage, injected, rate=RATE)
    assert not result.skipped
    assert result.wrong == []
    assert result.injected == times
    assert (result.lost, result.doubled, result.above_truth) == (0, 0, 0)
    # A row without load, or with nobody looking, would prove nothing.
    assert min(result.distinct, result.published, result.sampled, result.asked) > 0
    assert result.good
