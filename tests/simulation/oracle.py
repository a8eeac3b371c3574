"""What the documents must say: the raw log folded in the order it was applied, apart from the handlers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared.contracts.directives import Order
from shared.contracts.dispatch import Answer, Fill, Relay
from shared.contracts.registry import ChildDesk, Roster, Seat
from shared.flow.records import Record

LADDER = ("addressed", "delivered", "read", "refused", "accepted", "relayed", "executed", "excused")
COUNTED = ("delivered", "read", "accepted", "relayed", "executed")
SHOWN = {"refused": "read", "excused": "addressed"}


def height(state: str) -> int:
    """Return a state's place in the fixed order."""
    return LADDER.index(state)


def shown_by(state: str) -> int:
    """Return how far an answer in this state shows its addressee to be."""
    return height(SHOWN.get(state, state))


def children_owed(order: Order, roster: Roster) -> list[ChildDesk]:
    """Return the child desks an order must go on to from here."""
    target = order.scope.desk
    if target == roster.desk:
        return list(roster.children) if order.scope.unit == target else []
    if target in roster.path:
        return list(roster.children)
    return [child for child in roster.children if child.desk == target or child.desk in order.scope.path]


def seats_addressed(order: Order, roster: Roster) -> list[Seat]:
    """Return who is addressed at a desk."""
    target = order.scope.desk
    if target != roster.desk and target not in roster.path:
        on_the_way = {child.commander for child in children_owed(order, roster)} - {order.issuer}
        return [seat for seat in roster.seats if seat.post in on_the_way]
    superiors = {seat.post: seat.superior.post if seat.superior else None for seat in roster.seats}
    spared, post = set(), order.issuer
    while post in superiors and post not in spared:
        spared.add(post)
        post = superiors[post] or ""
    named = [seat for seat in roster.seats if seat.post not in spared]
    if order.scope.unit != target:
        named = [seat for seat in named if order.scope.unit in seat.within]
    types = order.audience.types
    return [seat for seat in named if not types or seat.post.split("/")[1] in types]


@dataclass(slots=True)
class Entry:
    """Everything that counted for one addressee."""

    states: list[str] = field(default_factory=list)
    answered_for: bool = False

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


@dataclass(slots=True)
class OracleSheet:
    """One directive at one desk, by brute force."""

    directive: str
    desk: str
    order: Order | None = None
    line: tuple[str, ...] = ()
    seats: dict[str, Seat] | None = None
    children: set[str] = field(default_factory=set)
    told_before: dict[str, Seat] = field(default_factory=dict)
    owed_before: set[str] = field(default_factory=set)
    entries: dict[str, Entry] = field(default_factory=lambda: defaultdict(Entry))
    waiting: dict[str, Answer] = field(default_factory=dict)
    listed: dict[str, str] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)

    def relay(self, relay: Relay, roster: Roster | None) -> None:
        """Take the newest relay; `roster` is the one that was frozen with it, if any."""
        new, old = relay.order, self.order
        if old is not None and _rank(new) <= _rank(old):
            return
        self.line = tuple(post.post for post in relay.line)
        self.order = new
        if old is None or new.version > old.version:
            if self.seats is not None:
                self.told_before |= self.seats
                self.owed_before |= self.children
            self.seats, self.children, self.entries = None, set(), defaultdict(Entry)
            self._address(roster)
        self.children |= {e.child for e in new.extensions if e.desk == self.desk}

    def fill(self, roster: Roster | None) -> None:
        """Address the people of a desk whose roster came late."""
        if self.order is not None and self.seats is None:
            self._address(roster)

    def _address(self, roster: Roster | None) -> None:
        if roster is None or self.order is None:
            return
        cancels = self.order.effect == "cancel"
        self.seats = dict(self.told_before) if cancels else {}
        self.seats |= {seat.post: seat for seat in seats_addressed(self.order, roster)}
        self.children |= {child.desk for child in children_owed(self.order, roster)}
        self.children |= self.owed_before if cancels else set()
        self.entries = defaultdict(Entry)
        waiting, self.waiting = self.waiting, {}
        for id_, answer in waiting.items():
            self.answer(id_, answer)

    def answer(self, id_: str, answer: Answer) -> None:
        """Count, keep or list one answer."""
        order, unfilled = self.order, f"{self.desk}/*"
        if order is None or answer.version > order.version:
            self.waiting[id_] = answer
        elif order.status == "closed" or answer.version < order.version:
            self.listed.setdefault(id_, "late")
        elif answer.epoch != order.epoch:
            self.listed.setdefault(id_, "superseded")
        elif self.seats is None and answer.addressee != unfilled:
            self.waiting[id_] = answer
        elif self.seats is not None and answer.addressee not in self.seats:
            self.listed.setdefault(id_, "stranger")
        elif not self._may_say(answer):
            self.listed.setdefault(id_, "not-entitled")
        else:
            entry = self.entries[answer.addressee]
            entry.states.append(answer.state)
            entry.answered_for |= answer.by is not None
            self.counted.add(id_)

    def _may_say(self, answer: Answer) -> bool:
        if self.seats is None and answer.state not in {"executed", "excused"}:
            return False
        if answer.by is None:
            return answer.state != "excused" and answer.addressee != f"{self.desk}/*"
        above = {*self.line, *self._chain(answer.addressee)}
        return answer.by != answer.addressee and answer.by in above

    def _chain(self, post: str) -> Iterable[str]:
        seats, seen = self.seats or {}, {post}
        while (seat := seats.get(post)) and seat.superior and seat.superior.desk == self.desk:
            post = seat.superior.post
            if post in seen or post not in seats:
                return
            seen.add(post)
            yield post

    def addressees(self) -> dict[str, str]:
        """Return each addressee with the state that is enough for it."""
        if self.seats is None:
            return {f"{self.desk}/*": "executed"}
        cancels = self.order is not None and self.order.effect == "cancel"
        return {post: "read" if cancels else seat.done_at for post, seat in self.seats.items()}

    def totals(self) -> dict[str, int]:
        """Return the whole sheet's counts."""
        counts = dict.fromkeys(("total", *COUNTED, "refused", "excused", "answered_for", "done"), 0)
        for post, done_at in self.addressees().items():
            entry = self.entries.get(post, Entry())
            counts["total"] += 1
            counts["refused"] += entry.state == height("refused")
            counts["excused"] += entry.state == height("excused")
            counts["answered_for"] += entry.answered_for
            counts["done"] += entry.done(done_at)
            for state in COUNTED:
                counts[state] += entry.reached >= height(state)
        return counts


class Oracle:
    """All sheets, folded from what each committed transaction says it has applied."""

    def __init__(self, rosters: Mapping[str, list[Roster]]) -> None:
        self._rosters = rosters
        self.sheets: dict[str, OracleSheet] = {}

    def apply(self, record: Record, froze: Mapping[str, int]) -> None:
        """Fold one record; `froze`: the audiences its transaction stored, with their rosters' versions."""
        body = record.body
        match body:
            case Relay():
                roster = self._frozen(froze, body.order.directive, body.to, body.order.version)
                self._sheet(body.order.directive, body.to).relay(body, roster)
            case Fill():
                sheet = self._sheet(body.directive, body.desk)
                version = sheet.order.version if sheet.order else 0
                sheet.fill(self._frozen(froze, body.directive, body.desk, version))
            case Answer():
                self._sheet(body.directive, body.desk).answer(record.id, body)
            case _:
                pass

    def _sheet(self, directive: str, desk: str) -> OracleSheet:
        return self.sheets.setdefault(f"{directive}/{desk}", OracleSheet(directive, desk))

    def _frozen(self, froze: Mapping[str, int], directive: str, desk: str, version: int) -> Roster | None:
        v = froze.get(f"{directive}/{desk}/{version}")
        return next((roster for roster in self._rosters[desk] if roster.v == v), None)


def _rank(order: Order) -> tuple[int, bool, int]:
    return order.version, order.status == "closed", order.changes
