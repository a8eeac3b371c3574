"""Who is out and who is in, from the crossings of a pass: the same however late or often each arrives.

A presence keeps what was said; everything shown is computed from it. `at` is the gate's clock, believed only
up to the broker's time of the record; `said` is the clock as it came, and with the id it ranks a crossing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from shared.contracts.checkpoint import Crosser, Crossing
from shared.kernel.clock import utc_ms

TRACES_MOST: Final = 100
"""Crossings kept of one pass, the newest: weeks of coming and going, and some kilobytes."""

BOUND: Final = "movement"
"""The one kind of pass whose holder must be back: who lives here may stay away."""


class Trace(NamedTuple):
    """One crossing of a pass: times in ms."""

    said: int
    id: str
    at: int
    out: bool
    gate: str


class About(NamedTuple):
    """What the newest crossing said of the pass; an absent text is empty, an absent time 0."""

    said: int
    id: str
    area: str
    kind: str
    household: str
    subject: str
    until: int


@dataclass(slots=True)
class Presence:
    """One pass at one desk. Without `about` it is a stub: a tick came before any crossing."""

    pass_id: str
    desk: str
    about: About | None = None
    traces: dict[str, Trace] = field(default_factory=dict)
    ticked: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the holder of a pass is: `since` is when they were first there, `gate` the last gate, ms."""

    outside: bool
    since: int
    gate: str
    overdue: bool
    overstayed: bool


def presence_id(desk: str, pass_id: str) -> str:
    """Return the id of a presence; the desk is in it, so that one partition alone writes it."""
    return f"{desk}/{pass_id}"


def merge_crossing(presence: Presence, id_: str, crossing: Crossing, person: Crosser, at: int) -> None:
    """Take in one crossing that was allowed; of one id the earliest time wins, whichever came first."""
    said = utc_ms(crossing.at)
    about = About(
        said,
        id_,
        crossing.area,
        person.kind or "",
        person.household or "",
        person.subject or "",
        utc_ms(person.until) if person.until else 0,
    )
    presence.about = max(presence.about, about) if presence.about else about
    trace = Trace(said, id_, at, crossing.direction == "out", crossing.gate)
    known = presence.traces.get(id_)
    presence.traces[id_] = min(known, trace) if known else trace
    if len(presence.traces) > TRACES_MOST:
        # The lowest rank goes. A rank is the crossing's own and never changes, so that what is kept in the
        # end was among the highest all the way.
        del presence.traces[min(presence.traces.values(), key=lambda each: (each.said, each.id)).id]


def merge_tick(presence: Presence, due: int, now: int) -> None:
    """Note that `due` (ms) has passed; a tick from a clock that runs ahead of the broker's says nothing."""
    if due <= now:
        presence.ticked = max(presence.ticked, due)


def standing(presence: Presence) -> Standing | None:
    """Return where the holder is; None for a stub.

    Overdue: outside, and the time to be back has been ticked. Overstayed: that, or they did come back later.
    """
    about, traces = presence.about, _in_order(presence)
    if about is None:
        return None
    last = traces[-1]
    since = last.at
    for trace in reversed(traces):
        if trace.out != last.out:
            break
        since = trace.at
    bound = about.kind == BOUND and about.until > 0
    overdue = bound and last.out and presence.ticked >= about.until
    before = [trace for trace in traces if trace.at <= about.until]
    came_late = bound and bool(before) and before[-1].out and len(before) < len(traces)
    return Standing(last.out, since, last.gate, overdue, overdue or came_late)


def due(presence: Presence) -> int | None:
    """Return when somebody must look whether the holder is back (ms); None while nobody must."""
    about = presence.about
    if about is None or about.kind != BOUND or not about.until:
        return None
    now = standing(presence)
    return about.until if now and now.outside and not now.overdue else None


def flags(presence: Presence, replay_ms: Callable[[int], int]) -> tuple[str, ...]:
    """Return what is odd: `unpaired`, `two-gates`, `late-return`; `replay_ms` is asked by a crossing's time.

    Within that time nobody is at two gates: a pass that was has a copy (F-08).
    """
    traces, now = _in_order(presence), standing(presence)
    pairs = list(pairwise(traces))
    odd = {
        "unpaired": any(one.out == other.out for one, other in pairs),
        "two-gates": any(
            one.gate != other.gate and other.at - one.at <= replay_ms(other.at) for one, other in pairs
        ),
        "late-return": now is not None and now.overstayed and not now.outside,
    }
    return tuple(flag for flag, holds in odd.items() if holds)


def _in_order(presence: Presence) -> list[Trace]:
    return sorted(presence.traces.values(), key=lambda trace: (trace.at, trace.id))
