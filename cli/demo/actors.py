"""The people of the street: they hear of the order by their deliveries only, and answer as they were drawn.

A post is spoken for by one voice at a time: a superior decides only where the holder has not done it, and
from then on the holder is silent. So whatever was acknowledged must be counted exactly in the end, however
late the services come to it.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field

from cli.demo.behaviour import Behaviour, Verdict
from cli.demo.tail import Records
from cli.demo.voice import Voice
from cli.demo.world import Seat
from shared.contracts.dispatch import Answer, AnsweredState, Delivery, OpenEntry
from shared.kernel.clock import Clock


@dataclass(slots=True)
class Holder:
    """One post with the person on it, if there is one."""

    seat: Seat
    behaviour: Behaviour
    verdict: Verdict
    told: bool = False
    has_done: bool = False
    decided: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class Sent:
    """What an answer must name of the order it answers."""

    directive: str
    version: int
    epoch: int
    desk: str


class Actors:
    """Everybody at once. `misdelivered` lists what came to somebody it was not for."""

    def __init__(self, holders: Iterable[Holder], voice: Voice, clock: Clock) -> None:
        self._holders = {holder.seat.post: holder for holder in holders}
        self._voice = voice
        self._clock = clock
        self.misdelivered: list[str] = []

    async def answer_early(self, directive: str) -> None:
        """Let those answer who heard of the order by other ways, before it has arrived at their desk."""
        early = [holder for holder in self._holders.values() if holder.behaviour.early and _held(holder)]
        async with asyncio.TaskGroup() as group:
            for holder in early:
                sent = Sent(directive, 1, 0, holder.seat.desk)
                group.create_task(self._say(holder, sent, _done(holder)))

    async def run(self, deliveries: Records) -> None:
        """Take part until cancelled."""
        async with asyncio.TaskGroup() as group:
            async for record in deliveries:
                if not isinstance(record.body, Delivery):
                    raise TypeError(type(record.body).__name__)
                for part in self._parts(record.body):
                    group.create_task(part)

    async def settle(self) -> None:
        """Wait until nobody is in the middle of handing something over."""
        for holder in self._holders.values():
            async with holder.lock:
                pass

    def _parts(self, delivery: Delivery) -> list[Coroutine[None, None, None]]:
        """Return what the people named in a delivery do now; what was told before moves nobody."""
        sent = Sent(delivery.directive, delivery.version, delivery.epoch, delivery.sheet or delivery.desk)
        parts = []
        for entry in delivery.entries:
            holder = self._holders.get(entry.addressee)
            if holder is None or holder.seat.holder != entry.holder:
                self.misdelivered.append(f"{entry.addressee} to {entry.holder}")
            elif delivery.decide_for:
                parts += [self._decide(holder, open_, sent) for open_ in delivery.decide_for]
            elif not holder.told:
                holder.told = True
                parts.append(self._take_part(holder, sent))
        return parts

    async def _take_part(self, holder: Holder, sent: Sent) -> None:
        manner = holder.behaviour.manner
        if manner == "silent":
            # The channel confirms the arrival; the person says nothing.
            await self._say(holder, sent, "delivered")
            return
        await asyncio.sleep(holder.behaviour.reads_after_s)
        if manner == "refuses":
            await self._say(holder, sent, "refused", holder.behaviour.refusal)
            return
        if holder.behaviour.reads_first:
            await self._say(holder, sent, "read")
        if not holder.has_done:
            await asyncio.sleep(holder.behaviour.acts_after_s)
            await self._say(holder, sent, _done(holder))

    async def _decide(self, superior: Holder, entry: OpenEntry, sent: Sent) -> None:
        """Decide for an open entry, unless its holder has done it or somebody has decided already."""
        about = self._holders.get(entry.addressee)
        if about is None or superior.behaviour.manner == "silent":
            return
        await asyncio.sleep(about.verdict.after_s)
        async with about.lock:
            if about.has_done or about.decided:
                return
            about.decided = True
            answer = self._answer(about, sent, about.verdict.state, about.verdict.reason, by=superior)
            await self._hand_over(about, answer, superior)

    async def _say(self, holder: Holder, sent: Sent, state: AnsweredState, reason: str | None = None) -> None:
        async with holder.lock:
            if holder.decided or holder.has_done:
                return
            holder.has_done = state == _done(holder)
            await self._hand_over(holder, self._answer(holder, sent, state, reason), holder)

    async def _hand_over(self, about: Holder, answer: Answer, speaker: Holder) -> None:
        await self._voice.say(
            about.seat,
            answer,
            speaker=speaker.seat.holder or "",
            channel=speaker.behaviour.channel,
            twice=speaker.behaviour.twice,
        )

    def _answer(
        self, about: Holder, sent: Sent, state: AnsweredState, reason: str | None, by: Holder | None = None
    ) -> Answer:
        return Answer(
            directive=sent.directive,
            version=sent.version,
            epoch=sent.epoch,
            desk=sent.desk,
            addressee=about.seat.post,
            state=state,
            at=self._clock.now(),
            by=by.seat.post if by else None,
            reason=reason,
        )


def _held(holder: Holder) -> bool:
    return holder.seat.holder is not None


def _done(holder: Holder) -> AnsweredState:
    return holder.seat.done_by
