"""The states in their fixed order, and one entry as everything that was said of it (design §4.3)."""

from dataclasses import dataclass, field

from shared.contracts.dispatch import Answer

LADDER = ("addressed", "delivered", "read", "refused", "accepted", "relayed", "executed", "excused")
COUNTED = ("delivered", "read", "accepted", "relayed", "executed")
SHOWN = {"refused": "read", "excused": "addressed"}
Note = tuple[int, str, str, str]
"""(when, answer, by whom, why)."""


def height(state: str) -> int:
    """Return a state's place in the fixed order."""
    return LADDER.index(state)


def shown_by(state: str) -> int:
    """Return how far an answer in this state shows its addressee to be."""
    return height(SHOWN.get(state, state))


def finishes(state: str, done_at: str) -> bool:
    """Return whether an answer, taken alone, is all that is wanted of its addressee."""
    return state == "excused" or (state != "refused" and shown_by(state) >= height(done_at))


def passes_on(state: str, done_at: str, *, for_it: bool) -> bool:
    """Return whether an answer, taken alone, lets the order pass to those below its addressee."""
    return for_it or height(state) >= height("relayed") or finishes(state, done_at)


@dataclass(slots=True)
class Entry:
    """Everything that counted for one addressee, and how far its silence has climbed."""

    states: list[str] = field(default_factory=list)
    answered_for: bool = False
    first: dict[str, int] = field(default_factory=dict)
    notes: dict[str, Note] = field(default_factory=dict)
    rung: int = 0
    overdue: bool = False

    @property
    def state(self) -> int:
        """Return the highest state."""
        return max((height(state) for state in self.states), default=0)

    @property
    def reached(self) -> int:
        """Return how far the addressee came."""
        return max((shown_by(state) for state in self.states), default=0)

    def done(self, done_at: str) -> bool:
        """Return whether nothing more is needed of it."""
        if self.state == height("excused"):
            return True
        return self.state != height("refused") and self.reached >= height(done_at)

    def hear(self, id_: str, answer: Answer, said_at: int) -> None:
        """Count one answer; of two the earlier one is kept, whichever arrived first."""
        state = answer.state
        self.states.append(state)
        self.first[state] = min(said_at, self.first.get(state, said_at))
        self.answered_for |= answer.by is not None
        if answer.reason is not None:
            note = said_at, id_, answer.by or "", answer.reason
            self.notes[state] = min(note, self.notes.get(state, note))
        if state == "refused":
            self.rung = max(self.rung, 1)

    def carried(self, *, vacant: bool) -> "Entry":
        """Return the entry as a newer version has it: what was said stays, and its silence begins anew."""
        rung = int(vacant or "refused" in self.states)
        return Entry(self.states, self.answered_for, self.first, self.notes, rung)
