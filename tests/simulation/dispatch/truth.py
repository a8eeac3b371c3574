"""How much can be true by now: valid, distinct answers appended so far, counted per desk as they come in."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.contracts.directives import IssueDirective, Order
from shared.contracts.dispatch import Answer
from tests.simulation.dispatch.ladder import COUNTED, finishes, height, shown_by
from tests.simulation.dispatch.world import World

Series = tuple[int, str]
"""(epoch, effect): inside one, a newer version counts what was said to an older one."""

Place = tuple[str, Series, str]


@dataclass(slots=True)
class Truth:
    """An upper bound of every count that only grows; nothing shown may ever be above it."""

    world: World
    orders: Mapping[str, IssueDirective]
    counts: dict[Place, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    versions: dict[tuple[str, int], Order] = field(default_factory=dict)
    _reached: dict[tuple[Place, str], int] = field(default_factory=lambda: defaultdict(int))
    _facts: set[tuple[Place, str, str]] = field(default_factory=set)

    def learn(self, order: Order) -> None:
        """Take note of a version, before anybody can have been told of it."""
        self.versions.setdefault((order.directive, order.version), order)

    def series(self, directive: str, version: int) -> Series:
        """Return what counts together with this version; who guesses, guesses the first."""
        order = self.versions.get((directive, version))
        return (order.epoch, order.effect) if order else (0, "order")

    def answer(self, answer: Answer) -> None:
        """Take an answer as it is appended, before anybody has processed it."""
        if not self._valid(answer):
            return
        place = answer.directive, self.series(answer.directive, answer.version), answer.desk
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
        if finishes(answer.state, self._done_at(answer)):
            self._fact(place, answer.addressee, "done")

    def was_done(self, directive: str, version: int, desk: str, addressee: str) -> bool:
        """Return whether an entry has been done at some time, or may be once its answers are merged."""
        return ((directive, self.series(directive, version), desk), addressee, "done") in self._facts

    def subtree(self, directive: str, series: Series, desk: str) -> dict[str, int]:
        """Return the bounds for a desk with everything below it."""
        sums: dict[str, int] = defaultdict(int)
        for below in self.world.below(desk):
            for name, number in self.counts.get((directive, series, below), {}).items():
                sums[name] += number
        return sums

    def able(self, directive: str, desk: str, addressee: str) -> set[str]:
        """Return who may decide for an addressee: the issuer, the line to its desk, those above it there."""
        issuer = self.orders[directive].issuer
        line = self.world.line(issuer.partition("/")[0], desk)
        return {issuer, *line, *self.world.superiors(desk, addressee)}

    def _done_at(self, answer: Answer) -> str:
        if self.series(answer.directive, answer.version)[1] == "cancel":
            return "read"
        seat = None if answer.addressee.endswith("/*") else self.world.seat(answer.desk, answer.addressee)
        return seat.done_at if seat else "executed"

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
        able = self.able(answer.directive, answer.desk, answer.addressee)
        return answer.by != answer.addressee and answer.by in able
