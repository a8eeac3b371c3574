"""An append is acknowledged, or nobody knows; a producer that can append no more is replaced."""

from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, OutOfOrderSequenceNumber

from shared.contracts.envelope import Message
from shared.messaging.producer import AppendUnknown, Producer

RECORDS = (Message("facts", b"key", b"{}", ()),)


class Client:
    """aiokafka's producer as it behaves to us: the first failures given, then success. It sends nothing."""

    def __init__(self, *failures: KafkaError, absent: bool = False) -> None:
        self._failures = list(failures)
        self._absent = absent
        self.sent = 0
        self.stopped = False

    async def start(self) -> None:
        if self._absent:
            raise KafkaConnectionError

    async def send(self, *_: object, **__: object) -> Any:
        async def acknowledged() -> None:
            if self._failures:
                raise self._failures.pop(0)
            self.sent += 1

        return acknowledged()

    async def stop(self) -> None:
        self.stopped = True


def producer(clients: Sequence[Client], monkeypatch: pytest.MonkeyPatch) -> Producer:
    left = iter(clients)
    monkeypatch.setattr("shared.messaging.producer.AIOKafkaProducer", lambda **_: next(left))
    return Producer("nowhere:1", client_id="test")


async def test_a_gap_in_the_sequence_is_left_with_its_producer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken, fresh = Client(OutOfOrderSequenceNumber()), Client()
    ours, heard = producer([broken, fresh], monkeypatch), []
    ours.renewed = lambda: heard.append("renewed")
    with pytest.raises(AppendUnknown):
        await ours.append(RECORDS)
    await ours.append(RECORDS)
    assert (broken.sent, broken.stopped, fresh.sent, heard) == (0, True, 1, ["renewed"])


async def test_while_the_broker_is_away_the_next_append_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    broken, fresh = Client(OutOfOrderSequenceNumber(), OutOfOrderSequenceNumber()), Client()
    ours = producer([broken, Client(absent=True), fresh], monkeypatch)
    for _ in range(2):
        with pytest.raises(AppendUnknown):
            await ours.append(RECORDS)
    await ours.append(RECORDS)
    assert fresh.sent == 1


async def test_any_other_failure_keeps_the_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    only = Client(KafkaTimeoutError())
    ours = producer([only], monkeypatch)
    with pytest.raises(AppendUnknown):
        await ours.append(RECORDS)
    await ours.append(RECORDS)
    assert (only.sent, only.stopped) == (1, False)
