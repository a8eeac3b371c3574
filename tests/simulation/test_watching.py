"""What all simulations check of a log: strays on any topic, and records that nobody can read."""

from collections.abc import Sequence

import pytest

from shared.contracts import checkpoint, dispatch, screening
from shared.contracts.envelope import Message
from shared.contracts.topics import Topic
from shared.flow.documents import Write
from shared.flow.partitions import partition_of
from shared.flow.records import Record
from tests.simulation.log import PARTITIONS, Log
from tests.simulation.scheduler import Scheduler
from tests.simulation.storage import Store, View
from tests.simulation.violation import Broken
from tests.simulation.watching import Watching

KEY = b"610102001001"
HOME = partition_of(KEY, PARTITIONS)
STRAYED = (
    dispatch.COMMANDS_TOPIC, dispatch.ACKS_TOPIC, screening.COMMANDS_TOPIC, screening.VISITS_TOPIC,
    screening.READINGS_TOPIC, checkpoint.CROSSINGS_TOPIC,
)  # fmt: skip


class Anything(Watching):
    """What holds of every service, and nothing else."""

    def said(self, record: Record) -> None:
        del record

    def committing(self, view: View, writes: Sequence[Write]) -> None:
        del view, writes

    def quiet(self, log: Log) -> None:
        del log


@pytest.fixture
def log() -> Log:
    return Log(Scheduler(0))


@pytest.fixture
def watching(log: Log) -> Watching:
    watching = Anything(Store())
    log.watchers.append(watching.appended)
    return watching


@pytest.mark.parametrize("topic", STRAYED, ids=lambda topic: topic.name)
def test_a_stray_that_nobody_moved_is_found_on_each_topic(log: Log, watching: Watching, topic: Topic) -> None:
    headers = (("ce_id", b"nonsense-1"), ("ce_type", b"none"))
    log.append(Message(topic.name, KEY, b"{}", headers), partition=(HOME + 1) % PARTITIONS)

    with pytest.raises(Broken, match="a record on the wrong partition is moved"):
        watching.final(log)


@pytest.mark.usefixtures("watching")
def test_what_a_service_writes_and_nobody_can_read_is_found(log: Log) -> None:
    headers = (("ce_id", b"derived-1"), ("ce_type", dispatch.TALLY.encode()))

    with pytest.raises(Broken, match="no service writes what cannot be read"):
        log.append(Message(dispatch.TALLIES_TOPIC.name, KEY, b"{}", headers))
