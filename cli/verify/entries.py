"""One desk's entries: what the answers on the log come to, for the version of the order the desk is at."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from cli.verify.log import MET_MS
from shared.contracts.directives import Order
from shared.contracts.dispatch import Answer, Counts, Relay, SheetFrozen
from shared.contracts.registry import Seat


class Level(IntEnum):
    """The states of an entry, the later the higher (design §4.3)."""

    ADDRESSED = 0
    DELIVERED = 1
    READ = 2
    REFUSED = 3
    ACCEPTED = 4
    RELAYED = 5
    EXECUTED = 6
    EXCUSED = 7


COUNTED: Final = ("delivered", "read", "accepted", "relayed", "executed")


@dataclass(slots=True)
class Entry:
    """What is known of one addressee."""

    level: Level = Level.ADDRESSED
    reached: Level = Level.ADDRESSED
    answered_for: bool = False

    def hear(self, level: Level, *, by_another: bool) -> None:
        """Take in one answer; a refusal shows that it was read, an excuse shows nothing."""
        reached = {Level.REFUSED: Level.READ, Level.EXCUSED: Level.ADDRESSED}.get(level, level)
        self.level, self.reached = max(self.level, level), max(self.reached, reached)
        self.answered_for = self.answered_for or by_another

    def is_done(self, needed: Level) -> bool:
        if self.level is Level.EXCUSED:
            return True
        return self.level is not Level.REFUSED and self.reached >= needed

    def statement(self) -> dict[str, Any]:
        """Return what is compared of it."""
        return {
            "state": self.level.name.lower(),
            "reached": self.reached.name.lower(),
            "answered for": self.answered_for,
        }


@dataclass(frozen=True, slots=True)
class Arrived:
    """An answer with its id and the broker's time (ms)."""

    id: str
    at: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is addressed at a desk (None: its posts were unknown), the desks below, who decides from above."""

    desk: str
    seats: Mapping[str, Seat] | None
    children: tuple[str, ...]
    line: frozenset[str]

    @classmethod
    def of(cls, relay: Relay, frozen: SheetFrozen | None) -> "Audience":
        """Return the audience of a relay as it was published."""
        seats = None if frozen is None else {seat.post: seat for seat in frozen.seats}
        children = () if frozen is None else tuple(child.desk for child in frozen.children)
        return cls(relay.to, seats, children, frozenset(post.post for post in relay.line))

    @property
    def addressees(self) -> Sequence[str]:
        return [f"{self.desk}/*"] if self.seats is None else list(self.seats)

    def superiors(self, post: str) -> Iterator[str]:
        """Yield who stands above a post at this desk, as far as they are addressed too."""
        seen = {post}
        seat = (self.seats or {}).get(post)
        while seat and seat.superior and seat.superior.desk == self.desk and seat.superior.post not in seen:
            seen.add(seat.superior.post)
            seat = (self.seats or {}).get(seat.superior.post)
            if seat is not None:
                yield seat.post


@dataclass(slots=True)
class Version:
    """One version of an order as a desk was told it, `at` (ms) by the broker's clock."""

    order: Order
    at: int
    relay: Relay
    audience: Audience
    extensions: set[str] = field(default_factory=set)

    @property
    def children(self) -> list[str]:
        """The desks below that are owed an account."""
        return sorted({*self.audience.children, *self.extensions})

    def needed(self, addressee: str) -> Level:
        """Return the state at which an addressee is done; of a withdrawn order one needs only to know."""
        seats = self.audience.seats
        if seats is None:
            return Level.EXECUTED
        return Level.READ if self.order.effect == "cancel" else Level[seats[addressee].done_at.upper()]

    def admits(self, answer: Answer) -> bool:
        """Return whether an answer counts: of somebody addressed, for himself or by one who may decide."""
        if answer.addressee not in self.audience.addressees:
            return False
        level = Level[answer.state.upper()]
        if self.audience.seats is None and (answer.by is None or level < Level.EXECUTED):
            return False
        if answer.by is None:
            return level is not Level.EXCUSED
        if answer.by == answer.addressee and answer.by != self.order.issuer:
            return False
        return answer.by in self.audience.line or answer.by in self.audience.superiors(answer.addressee)


def entries_of(
    versions: Sequence[Version], answers: Sequence[Arrived], *, closed_at: int | None, late: frozenset[str]
) -> dict[str, Entry]:
    """Return every entry of the newest version."""
    newest = versions[-1]
    entries = {addressee: Entry() for addressee in newest.audience.addressees}
    for arrived in answers:
        answer = arrived.answer
        heard = _heard_by(versions, arrived)
        if heard is None or answer.epoch < heard.order.epoch or not heard.admits(answer):
            continue
        withdrawn = heard.order.effect == "cancel" and answer.version < heard.order.version
        if withdrawn or not _carries(heard, newest) or answer.addressee not in entries:
            continue
        if not _is_late(arrived, closed_at, late):
            level = Level[answer.state.upper()]
            entries[answer.addressee].hear(level, by_another=answer.by is not None)
    return entries


def counts_of(version: Version, entries: Mapping[str, Entry]) -> dict[str, dict[str, int]]:
    """Return a desk's own counts by the cells of its order; what is overdue is not among them."""
    cells: dict[str, dict[str, int]] = {}
    for addressee, entry in entries.items():
        seat = (version.audience.seats or {}).get(addressee)
        counts = cells.setdefault(_cell(version.order, seat), nought())
        done = entry.is_done(version.needed(addressee))
        holds: dict[str, bool] = defaultdict(bool)
        holds |= {name: entry.reached >= Level[name.upper()] for name in COUNTED}
        holds |= {
            "total": True, "done": done, "refused": entry.level is Level.REFUSED,
            "excused": entry.level is Level.EXCUSED, "answered_for": entry.answered_for,
            "unreached": entry.level is Level.ADDRESSED,
            "vacant": seat is not None and seat.holder is None and not done,
        }  # fmt: skip
        for name in counts:
            counts[name] += holds[name]
    return cells


def nought() -> dict[str, int]:
    """Return every count there is, at nought; what is overdue is as of a moment, and is not compared."""
    return {name: 0 for name in Counts.model_fields if name != "overdue"}


def _heard_by(versions: Sequence[Version], arrived: Arrived) -> Version | None:
    """Return the version that an answer met: the one the desk was at, or the one it had to wait for."""
    at = max((number for number, each in enumerate(versions) if each.at <= arrived.at), default=0)
    answer = arrived.answer
    waited = (
        each
        for each in versions[at:]
        if each.order.version >= answer.version and each.order.epoch >= answer.epoch
    )
    return next(waited, None)


def _carries(heard: Version, newest: Version) -> bool:
    """Return whether what counted at one version counts at the newest: in one epoch, unless withdrawn."""
    if heard is newest:
        return True
    return newest.order.effect == "order" and newest.order.epoch == heard.order.epoch


def _is_late(arrived: Arrived, closed_at: int | None, late: frozenset[str]) -> bool:
    if closed_at is None or arrived.at < closed_at - MET_MS:
        return False
    return arrived.at > closed_at + MET_MS or arrived.id in late


def _cell(order: Order, seat: Seat | None) -> str:
    if seat is None:
        return ""
    values = {"level": seat.level, "type": seat.post.split("/")[1]}
    return "|".join(values[dimension] for dimension in order.dimensions)
