"""What a sheet must say: the raw log folded in the order it was applied, by name and apart from the rules."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared.contracts.directives import Order
from shared.contracts.dispatch import Answer, Fill, Relay, Tick
from shared.contracts.registry import ChildDesk, Roster, Seat
from shared.flow.records import Record
from shared.kernel.clock import utc_ms
from tests.simulation.dispatch.ladder import COUNTED, Entry, height, passes_on
from tests.simulation.dispatch.world import SOON

STUB_WAITS_MS = int(SOON.done * 1000)


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
class OracleSheet:
    """One directive at one desk, by brute force. `told` and `children` say who may hear, and since when."""

    directive: str
    desk: str
    order: Order | None = None
    line: tuple[str, ...] = ()
    seats: dict[str, Seat] | None = None
    commanders: dict[str, str | None] = field(default_factory=dict)
    children: dict[str, bool] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=lambda: defaultdict(Entry))
    due: int | None = None
    orphaned: bool = False
    waiting: dict[str, tuple[Answer, int]] = field(default_factory=dict)
    listed: dict[str, str] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)

    @property
    def whole(self) -> str:
        """The addressee that stands for a desk whose posts are not known."""
        return f"{self.desk}/*"

    @property
    def step_ms(self) -> int:
        """How long an entry has between two rungs."""
        return int(self.order.deadlines.step * 1000) if self.order else 0

    # --- the order arrives ---

    def relay(self, relay: Relay, roster: Roster | None, now: int) -> None:
        """Take the newest relay; `roster` is the one that was frozen with it, if any."""
        new, old = relay.order, self.order
        if old is not None and _age(new) <= _age(old):
            return
        self.line = tuple(post.post for post in relay.line)
        self.order, self.orphaned = new, False
        if old is None or new.version > old.version:
            self.due = utc_ms(new.due_at)
            self._next_version(old, new, roster, now)
        self.children |= {each.child: True for each in new.extensions if each.desk == self.desk}
        if new.status == "closed":
            self.due, self.children = None, dict.fromkeys(self.children, True)

    def _next_version(self, old: Order | None, new: Order, roster: Roster | None, now: int) -> None:
        goes_on = old is not None and new.effect == "order" and new.epoch == old.epoch
        if goes_on and self.seats is None and self.entries[self.whole].done("executed"):
            roster = None  # a superior has decided for the whole desk
        before = self.seats or {}, self.commanders, self.children, self.told, self.entries
        self.seats, self.commanders, self.children, self.told = None, {}, {}, {}
        self.entries = defaultdict(Entry)
        if roster is not None:
            self._address(roster, before[0], before[1], now)
        if old is not None and new.effect == "order":
            self._carry(before[2], before[3], before[4] if goes_on else {}, now)
        self._hear_waiting()

    def _carry(
        self,
        children: Mapping[str, bool],
        told: Mapping[str, int],
        entries: Mapping[str, Entry],
        now: int,
    ) -> None:
        """Keep who had heard, and unless everybody is asked again what they said."""
        here = self.addressees()
        for post in here.keys() & told.keys():
            self._tell(post, told[post])
        for child, heard in children.items():
            self.children[child] = heard or self.children.get(child, False)
        for post in here.keys() & entries.keys():
            self.entries[post] = entries[post].carried(vacant=self._vacant(post))
        for post in here.keys() & entries.keys():
            entry = self.entries[post]
            if any(passes_on(state, here[post], for_it=entry.answered_for) for state in entry.states):
                self._pass_on(post, now, anew=True)

    def fill(self, roster: Roster | None, now: int) -> None:
        """Address the people of a desk whose roster came late."""
        if self.order is not None and self.seats is None and roster is not None:
            self.entries = defaultdict(Entry)
            self._address(roster, {}, {}, now)
            self._hear_waiting()

    def _address(
        self,
        roster: Roster,
        earlier: Mapping[str, Seat],
        commanders: Mapping[str, str | None],
        now: int,
    ) -> None:
        if self.order is None:
            return
        today = {seat.post: seat for seat in roster.seats}
        self.seats = {seat.post: seat for seat in seats_addressed(self.order, roster)}
        self.seats |= {post: today.get(post, seat) for post, seat in earlier.items()}
        self.commanders = {**commanders}
        self.commanders |= {child.desk: child.commander for child in children_owed(self.order, roster)}
        at_once = self.order.mode == "straight-through" or self.order.effect == "cancel"
        for post in self.seats:
            self.entries[post].rung = int(self._vacant(post))
            if at_once or self._waits_for(post) is None:
                self._tell(post, now)
        for child in self.commanders:
            self.children[child] = at_once or self._child_waits_for(child) is None

    def _hear_waiting(self) -> None:
        waiting, self.waiting = self.waiting, {}
        for id_, (answer, at) in waiting.items():
            self.answer(id_, answer, at)

    # --- who waits for whom ---

    def _vacant(self, post: str) -> bool:
        return self.seats is not None and self.seats[post].holder is None

    def _tell(self, post: str, at: int) -> None:
        self.told[post] = min(at, self.told.get(post, at))

    def _waits_for(self, post: str) -> str | None:
        """Return the nearest superior at this desk who is there to pass the order on."""
        return next((above for above in self.chain(post) if not self._vacant(above)), None)

    def _child_waits_for(self, child: str) -> str | None:
        commander = self.commanders[child]
        if commander is None or commander not in (self.seats or {}):
            return None
        return commander if not self._vacant(commander) else self._waits_for(commander)

    def _pass_on(self, post: str, at: int, *, anew: bool = False) -> None:
        for below in self.seats or {}:
            if self._waits_for(below) == post and not (anew and below in self.told):
                self._tell(below, at)
        for child in self.commanders:
            if self._child_waits_for(child) == post:
                self.children[child] = True

    def chain(self, post: str) -> Iterable[str]:
        """Yield the posts above one, nearest first, as far as they are addressed here."""
        seats, seen = self.seats or {}, {post}
        while (seat := seats.get(post)) and seat.superior and seat.superior.desk == self.desk:
            post = seat.superior.post
            if post in seen or post not in seats:
                return
            seen.add(post)
            yield post

    # --- answers and ticks ---

    def answer(self, id_: str, answer: Answer, at: int) -> None:
        """Count, keep or list one answer that the broker saw at `at`."""
        order = self.order
        if order is None or answer.version > order.version or answer.epoch > order.epoch:
            self.waiting.setdefault(id_, (answer, at))
        elif order.status == "closed" or (answer.version < order.version and order.effect == "cancel"):
            self.listed.setdefault(id_, "late")
        elif answer.epoch != order.epoch:
            self.listed.setdefault(id_, "superseded")
            if self.seats is not None and answer.addressee in self.seats and self._may_say(answer):
                self._heard_from(answer, at)
        elif self.seats is None and answer.addressee != self.whole:
            self.waiting.setdefault(id_, (answer, at))
        elif self.seats is not None and answer.addressee not in self.seats:
            self.listed.setdefault(id_, "stranger")
        elif not self._may_say(answer):
            self.listed.setdefault(id_, "not-entitled")
        else:
            self._count(id_, answer, at)
        if self.order is None and self.due is None and not self.orphaned:
            self.due = at + STUB_WAITS_MS

    def _count(self, id_: str, answer: Answer, at: int) -> None:
        self.counted.add(id_)
        entry = self.entries[answer.addressee]
        entry.hear(id_, answer, min(utc_ms(answer.at), at))
        if answer.state == "refused" and entry.state == height("refused") and self.due is None:
            self.due = at + self.step_ms
        self._heard_from(answer, at)

    def _heard_from(self, answer: Answer, at: int) -> None:
        done_at = self.addressees()[answer.addressee]
        if passes_on(answer.state, done_at, for_it=answer.by is not None):
            self._pass_on(answer.addressee, at)

    def _may_say(self, answer: Answer) -> bool:
        if self.seats is None and answer.state not in {"executed", "excused"}:
            return False
        if answer.by is None:
            return answer.state != "excused" and answer.addressee != self.whole
        above = {*self.line, *self.chain(answer.addressee)}
        return answer.by != answer.addressee and answer.by in above

    def tick(self, due: int, now: int) -> None:
        """Let whoever is open be overdue, and climb a rung where they have had the time of one."""
        if self.due is None or due != self.due:
            return
        if self.order is None:
            self.orphaned, self.due = True, None
            return
        still = [post for post, done_at in self.addressees().items() if not self.entries[post].done(done_at)]
        for post in still:
            entry = self.entries[post]
            entry.overdue = True
            since = 0 if self.seats is None else self.told.get(post)
            if since is not None and since + self.step_ms <= due:
                entry.rung += 1
        missed = max(now - due, 0) // self.step_ms
        self.due = due + self.step_ms * (1 + missed) if still else None

    # --- what it comes to ---

    def addressees(self) -> dict[str, str]:
        """Return each addressee with the state that is enough for it."""
        if self.seats is None:
            return {self.whole: "executed"}
        cancels = self.order is not None and self.order.effect == "cancel"
        return {post: "read" if cancels else seat.done_at for post, seat in self.seats.items()}

    def totals(self) -> dict[str, int]:
        """Return the whole sheet's counts."""
        counts = dict.fromkeys(("total", *COUNTED, "refused", "excused", "answered_for", "done"), 0)
        for post, done_at in self.addressees().items():
            entry = self.entries[post]
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
        body, now = record.body, utc_ms(record.at)
        match body:
            case Relay():
                roster = self._frozen(froze, body.order.directive, body.to, body.order.version)
                self._sheet(body.order.directive, body.to).relay(body, roster, now)
            case Fill():
                sheet = self._sheet(body.directive, body.desk)
                version = sheet.order.version if sheet.order else 0
                sheet.fill(self._frozen(froze, body.directive, body.desk, version), now)
            case Answer():
                self._sheet(body.directive, body.desk).answer(record.id, body, now)
            case Tick():
                self._sheet(body.directive, body.desk).tick(utc_ms(body.due), now)
            case _:
                pass

    def _sheet(self, directive: str, desk: str) -> OracleSheet:
        return self.sheets.setdefault(f"{directive}/{desk}", OracleSheet(directive, desk))

    def _frozen(self, froze: Mapping[str, int], directive: str, desk: str, version: int) -> Roster | None:
        v = froze.get(f"{directive}/{desk}/{version}")
        return next((roster for roster in self._rosters[desk] if roster.v == v), None)


def _age(order: Order) -> tuple[int, bool, int]:
    return order.version, order.status == "closed", order.changes
