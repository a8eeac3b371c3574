"""The states of an entry, in their fixed total order, and what "done" means (design §4.3)."""

from enum import IntEnum
from typing import Final

from shared.contracts.registry import DoneAt


class State(IntEnum):
    """Higher wins when two answers meet, whichever arrived first."""

    ADDRESSED = 0
    DELIVERED = 1
    READ = 2
    REFUSED = 3
    ACCEPTED = 4
    RELAYED = 5
    EXECUTED = 6
    EXCUSED = 7


NAMED: Final = {state.name.lower(): state for state in State}
PROGRESS: Final = (State.DELIVERED, State.READ, State.ACCEPTED, State.RELAYED, State.EXECUTED)
"""The states that are counted cumulatively, as "reached at least"."""


def reached_by(state: State) -> State:
    """Return how far along the counted states an answer shows its addressee to be.

    Who refuses has read; who is excused by a superior has said nothing.
    """
    if state is State.EXCUSED:
        return State.ADDRESSED
    return State.READ if state is State.REFUSED else state


def is_done(state: int, reached: int, done_at: int) -> bool:
    """Return whether an entry needs nothing more. A refusal never is done, until a superior decides."""
    return state == State.EXCUSED or (state != State.REFUSED and reached >= done_at)


def releases(state: int, *, answered_for: bool) -> bool:
    """Return whether an entry in this state lets the order pass to those below it."""
    return answered_for or state >= State.RELAYED


def done_state(done_at: DoneAt) -> State:
    """Return the state at which a post of this kind is done."""
    return NAMED[done_at]
