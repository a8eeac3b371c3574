"""How much can be true by now: valid, distinct answers appended so far, counted per desk as they come in."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.contracts.directives import IssueDirective
from shared.contracts.dispatch import Answer
from tests.simulation.oracle import COUNTED, height, shown_by
from tests.simulation.world import World

Place = tuple[str, int, str]


@dataclass(slots=True)
class Truth:
    """An upper bound of every count that only grows; nothing shown may ever be above it."""

    world: World
    orders: Mapping[str, IssueDirective]
    counts: dict[Place, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    _reached: dict[tuple[Place, str], int] = field(default_factory=lambda: defaultdict(int))
    _facts: set[tuple[Place, str, str]] = field(default_factory=set)

    def answer(self, answer: Answer) -> None:
        """Take an answer as it is appended, before anybody has processed it."""
        if not self._valid(answer):
            return
        place = answer.directive, answer.version, answer.desk
        counts, entry = self.counts[place], (place, answer.addressee)
        reached = shown_by(answer.state)
        for state in COUNTED:
            if self._reached[entry] < height(state) <= reached:
                counts[state] += 1
        self._reached[entry] = max(self._reached[entry], reached)
        if answer.state == "excused":
            self._fact(place, answer.addressee, "excused")
        if answer.by is not None:
            self._fact(place, answer.addressee, "answered_for")
        if self.done_by(answer):
            self._fact(place, answer.addressee, "done")

    def was_done(self, place: Place, addressee: str) -> bool:
        """Return whether an entry has been done at some time, or may be once its answers are merged."""
        return (place, addressee, "done") in self._facts

    def done_by(self, answer: Answer) -> bool:
        """Return whether an answer, taken alone, finishes its entry."""
        if answer.state == "excused":
            return True
        done_at = "executed"
        if not answer.addressee.endswith("/*"):
            seat = self.world.seat(answer.desk, answer.addressee)
            done_at = seat.done_at if seat else "executed"
        if answer.version > 1:  # in this world every later version withdraws the order
            done_at = "read"
        return answer.state != "refused" and shown_by(answer.state) >= height(done_at)

    def subtree(self, directive: str, version: int, desk: str) -> dict[str, int]:
        """Return the bounds for a desk with everything below it."""
        sums: dict[str, int] = defaultdict(int)
        for below in self.world.below(desk):
            for name, number in self.counts.get((directive, version, below), {}).items():
                sums[name] += number
        return sums

    def _fact(self, place: Place, addressee: str, name: str) -> None:
        if (place, addressee, name) not in self._facts:
            self._facts.add((place, addressee, name))
            self.counts[place][name] += 1

    def _valid(self, answer: Answer) -> bool:
        whole_desk = answer.addressee == f"{answer.desk}/*"
        if not whole_desk and self.world.seat(answer.desk, answer.addressee) is None:
            return False
        if answer.by is None:
            return answer.state != "excused" and not whole_desk
        issuer = self.orders[answer.directive].issuer
        able = {issuer, *self.world.line(issuer.partition("/")[0], answer.desk)}
        return answer.by != answer.addressee and (
            answer.by in able or answer.by in self.world.superiors(answer.desk, answer.addressee)
        )
