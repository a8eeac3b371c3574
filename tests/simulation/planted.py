"""Faults in the flow that all services share: each breaks one rule of design §2.

A service's own mutants stand beside its simulation, which says there by which of its checks each is found.
Three rules are not here, for breaking them changes nothing that a simulation can see. What a flow remembers
between batches is guarded at every write: out of date, it costs a second try. The write that takes a
partition over keeps reads from being stale and ends transactions left open, but here every read is of the
newest and no commit stays half done; the guard on the position alone keeps zombies out. And what a lapsed
member would publish is stored state with its version, which its readers drop when they have a newer one.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.contracts.counting import AbsoluteTally
from shared.contracts.envelope import Message
from shared.domain.roll import Roll
from shared.flow import documents
from shared.flow.batch import POSITIONS, Flow, Position, position_id
from shared.flow.decide import OUTCOMES, Decide
from shared.flow.documents import Collection, Documents, Write
from shared.flow.records import Arrival, Record, Unreadable
from tests.simulation.frame import Bend, Mutant

Commit = Callable[..., Awaitable[None]]


class AppliesAgain(Flow):
    """Keeps its place, and applies what lies before it all the same."""

    def _fold(self, docs: Documents, arrivals: Sequence[Arrival]) -> int:
        for arrival in arrivals:
            place = position_id(self._group, arrival.origin.partition)
            position = docs.get(POSITIONS, place) or Position()
            before = arrival.origin.offset < position.next.get(arrival.origin.topic, 0)
            if before and isinstance(arrival, Record) and self._at_home(arrival.origin):
                self._handler.rule(docs, arrival)
        return super()._fold(docs, arrivals)


class Reordered(Flow):
    """Runs the steps after loading in an order of its own."""

    async def _apply(self, arrivals: Sequence[Arrival]) -> int:
        async with self._storage.session() as session:
            docs = Documents(session, self._cache)
            await self._take_over(docs, session, {arrival.origin.partition for arrival in arrivals})
            await self._handler.load(docs, arrivals)
            fresh = self._fold(docs, arrivals)
            home = self._home(arrivals)
            await self._steps(docs, session.commit, arrivals, home)
        return fresh

    async def _steps(
        self,
        docs: Documents,
        commit: Callable[..., Any],
        arrivals: Sequence[Arrival],
        home: Sequence[Arrival],
    ) -> None:
        raise NotImplementedError

    def _said(self, docs: Documents, arrivals: Sequence[Arrival], home: Sequence[Arrival]) -> list[Message]:
        return [*self._handler.derive(docs, home), *self._aside(arrivals)]


class PublishFirst(Reordered):
    """Tells the world before the transaction: what is told may never come true."""

    async def _steps(
        self,
        docs: Documents,
        commit: Callable[..., Any],
        arrivals: Sequence[Arrival],
        home: Sequence[Arrival],
    ) -> None:
        await self._publish(self._said(docs, arrivals, home))
        await self._write(docs, commit)
        self._handler.mark(docs, home)
        await self._write(docs, commit)


class MarksFirst(Reordered):
    """Marks what is sent before the broker has acknowledged it: a crash between the two loses it."""

    async def _steps(
        self,
        docs: Documents,
        commit: Callable[..., Any],
        arrivals: Sequence[Arrival],
        home: Sequence[Arrival],
    ) -> None:
        await self._write(docs, commit)
        said = self._said(docs, arrivals, home)
        self._handler.mark(docs, home)
        await self._write(docs, commit)
        await self._publish(said)


class PlacesApart(Reordered):
    """Writes its place in the log in a transaction of its own, after what it stands for."""

    async def _steps(
        self,
        docs: Documents,
        commit: Callable[..., Any],
        arrivals: Sequence[Arrival],
        home: Sequence[Arrival],
    ) -> None:
        async def apart(writes: Sequence[Write]) -> None:
            places = [write for write in writes if write.collection == POSITIONS.name]
            await commit([write for write in writes if write.collection != POSITIONS.name])
            await commit(places)

        await self._write(docs, apart)
        await self._publish(self._said(docs, arrivals, home))
        self._handler.mark(docs, home)
        await self._write(docs, commit)


class SaysOnlyNews(Flow):
    """Publishes what a write changed: a redelivered batch, whose outputs were lost, says nothing."""

    _fresh = 0

    def _fold(self, docs: Documents, arrivals: Sequence[Arrival]) -> int:
        self._fresh = super()._fold(docs, arrivals)
        return self._fresh

    def _home(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        return super()._home(arrivals) if self._fresh else []


class LosesStrays(Flow):
    """Drops what lies on the wrong partition for its key."""

    def _aside(self, arrivals: Sequence[Arrival]) -> Iterable[Message]:
        return super()._aside([each for each in arrivals if isinstance(each, Unreadable)])


class LosesBadData(Flow):
    """Passes over what cannot be read, and tells nobody."""

    def _aside(self, arrivals: Sequence[Arrival]) -> Iterable[Message]:
        return super()._aside([each for each in arrivals if isinstance(each, Record)])


def decides_again(self: Decide, docs: Documents, record: Record) -> None:
    """Decide a command that comes again a second time."""
    held = docs.get(OUTCOMES, record.id)
    if held is not None:
        docs.put(OUTCOMES, record.id, None)  # type: ignore[arg-type] # as if there was none
    _decide(self, docs, record)


_decide = Decide.rule


def last_tally_wins(roll: Roll[Any], tally: AbsoluteTally[Any]) -> bool:
    """Take tallies as they come: an old one from a zombie replaces a newer one."""
    if tally.covers == "own":
        roll.own = tally
    else:
        roll.below[tally.desk] = tally
    return True


def looked_up_once(collection: Collection[Any], id_: str, held: Any) -> list[Write]:
    """Write what a value is found by when it is new, and never again."""
    return [
        write
        for write in _writes(collection, id_, held)
        if write.collection == collection.name or not write.v
    ]


_writes = documents._writes

_FLOWS: tuple[Mutant, ...] = (
    Mutant("replayed records applied again", flow=AppliesAgain),
    Mutant("published before the commit", flow=PublishFirst),
    Mutant("marked before the broker has acknowledged", flow=MarksFirst),
    Mutant("the place in the log in a transaction of its own", flow=PlacesApart),
    Mutant("only what was written just now is published", flow=SaysOnlyNews, first=10),
    Mutant("strays dropped", flow=LosesStrays),
    Mutant("bad data passed over", flow=LosesBadData),
    Mutant("offsets committed before the work", commit_first=True),
    Mutant("writes without guards", guarded=False),
    Mutant("lookups left behind", bends=(Bend(documents, "_writes", looked_up_once),)),
    Mutant("a command decided again", bends=(Bend(Decide, "rule", decides_again),)),
)


def shared_mutants(found_by: Mapping[str, Sequence[str]]) -> list[Mutant]:
    """Return the faults of the flow named here, each with the checks that find it in one simulation."""
    known = {mutant.name: mutant for mutant in _FLOWS}
    return [replace(known[name], found_by=tuple(checks)) for name, checks in found_by.items()]


def bent(
    name: str, owner: Any, rule: str, by: Any, *found_by: str, first: int = 0, within: int = 40
) -> Mutant:
    """Return a mutant that differs in one rule."""
    return Mutant(name, found_by, (Bend(owner, rule, by),), first=first, within=within)
