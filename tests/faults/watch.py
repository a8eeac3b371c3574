"""What the service shows while faults are injected: every progress it publishes, and what it answers."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import httpx
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from tests.faults.load import Load
from tests.faults.loops import Loop
from tests.harness.log import header

LOOK_S: Final = 0.2
ANSWER_S: Final = 3.0
POLL_MS: Final = 50


class Watch:
    """Compares every count that is shown with the load's own, and remembers when counts rose."""

    def __init__(self, kafka: str, loop: Loop, load: Load) -> None:
        self._loop = loop
        self._load = load
        # Without a group: every partition is its own.
        self._consumer = AIOKafkaConsumer(
            loop.progress.name,
            bootstrap_servers=kafka,
            enable_auto_commit=False,
            fetch_max_wait_ms=POLL_MS,
        )
        self._reading: asyncio.Task[None] | None = None
        self.partitions = 0
        self.newest: dict[tuple[str, str], dict[str, Any]] = {}
        """The newest progress of (task, desk)."""
        self.counted: Counter[tuple[str, str]] = Counter()
        self.last_task = ""
        self.samples = 0
        self.above = 0
        self.wrong: list[str] = []
        self.rises: list[float] = []
        """When something was newly counted at the top, by this process's stopwatch."""

    async def start(self) -> None:
        """Stand at the present ends, and read on."""
        await self._consumer.start()
        places = sorted(self._consumer.assignment())
        self.partitions = len(places)
        await self._consumer.seek_to_end(*places)
        for place in places:
            await self._consumer.position(place)
        self._reading = asyncio.create_task(self._read())

    async def stop(self) -> None:
        if self._reading:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        await self._consumer.stop()

    async def _read(self) -> None:
        while True:
            for records in (await self._consumer.getmany(timeout_ms=POLL_MS)).values():
                for record in records:
                    self._see(record)

    def _see(self, record: ConsumerRecord) -> None:
        if header(record, "ce_type") != self._loop.progress_type:
            return
        shown = json.loads(record.value)
        task = shown.get("directive") or shown["round"]
        if task not in self._load.tasks:
            return  # of an earlier row
        place = task, shown["desk"]
        before = self.newest.get(place)
        if before is not None and before["v"] >= shown["v"]:
            return  # published again after a takeover; who reads the topic drops it as well
        counted = self.sampled(task, shown, where="published")
        self.newest[place] = shown
        self.last_task = task
        if counted > self.counted[place]:
            if shown["desk"] == self._loop.top:
                self.rises.append(time.perf_counter())
            self.counted[place] = counted
        elif counted < self.counted[place]:
            self.wrong.append(f"{place}: fell from {self.counted[place]} to {counted}")

    def sampled(self, task: str, shown: dict[str, Any], *, where: str) -> int:
        """Compare one count with what was said up to now; returns it."""
        self.samples += 1
        counted = self._loop.counted(shown)
        said = self._load.given[task, shown["desk"]]
        if counted > said:
            self.above += 1
            self.wrong.append(f"{where}: {counted} counted of {task} at {shown['desk']}, {said} said")
        return counted

    def caught_up(self, said: Counter[tuple[str, str]]) -> bool:
        """Return whether every desk counts at least what had been said then; raises if reading has ended."""
        if self._reading and self._reading.done():
            self._reading.result()
        return all(self.counted[place] >= many for place, many in said.items())

    def first_rise(self, since: float) -> float | None:
        """Return when something was first newly counted after a moment."""
        return next((at for at in self.rises if at >= since), None)

    def longest_gap(self) -> float:
        """Return the longest time in which nothing was newly counted."""
        pairs = zip(self.rises, self.rises[1:], strict=False)
        return max((later - earlier for earlier, later in pairs), default=0.0)

    def differences(self, tasks: list[str]) -> list[str]:
        """Return every desk whose newest progress is not exactly the truth."""
        wrong = []
        for task in tasks:
            for roster in self._loop.rosters:
                shown = self.newest.get((task, roster.desk))
                if shown is None:
                    wrong.append(f"{task} at {roster.desk}: nothing shown")
                elif not self._loop.exact(roster.desk, shown, self._load.given[task, roster.desk]):
                    wrong.append(f"{task} at {roster.desk}: {shown['total']}")
        return wrong


class Asking:
    """A person who asks for the newest tasks over HTTP, again and again, of whoever answers."""

    def __init__(self, loop: Loop, load: Load, watch: Watch) -> None:
        self._loop, self._load, self._watch = loop, load, watch
        self.answered = 0
        self.unanswered = 0

    async def run(self, ports: Callable[[], list[int]], headers: Callable[[], dict[str, str]]) -> None:
        """Ask until cancelled; no answer, or an error, is no violation while a server is away."""
        async with httpx.AsyncClient(timeout=ANSWER_S) as client:
            while True:
                # One replica that does not answer keeps nobody from asking the others.
                await asyncio.gather(*(self._ask(client, port, headers()) for port in ports()))
                await asyncio.sleep(LOOK_S)

    async def _ask(self, client: httpx.AsyncClient, port: int, headers: dict[str, str]) -> None:
        # The newest that was published, and the newest of all: who asks may know either.
        for task in {self._watch.last_task, *self._load.tasks[-1:]} - {""}:
            url = f"http://127.0.0.1:{port}{self._loop.path(task)}"
            try:
                answer = await client.get(url, headers=headers)
            except httpx.HTTPError:
                self.unanswered += 1
                continue
            if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                self.unanswered += 1
            elif answer.status_code == httpx.codes.OK:
                self.answered += 1
                self._watch.sampled(task, answer.json(), where=url)
