"""The invariants, at every appended record and every commit; `final` has those of a quiet system.

`refused`, `overdue`, `vacant` and `unreached` may fall again and are compared with brute force only; `done`
may fall when somebody who had only to read refuses later, so it is held against the truth but not to grow.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.dispatch.store import SHEETS
from shared.contracts import dispatch as contract
from shared.contracts.base import Model
from shared.contracts.directives import DirectiveFact
from shared.contracts.dispatch import Answer, Delivery, Escalate, Progress, Relay, Tally
from shared.flow.documents import Body, Write
from shared.flow.records import Record
from shared.service.rosters import ROSTERS
from tests.simulation.dispatch.comparing import compare
from tests.simulation.dispatch.ladder import COUNTED
from tests.simulation.dispatch.oracle import Oracle, children_owed
from tests.simulation.dispatch.summing import Right, Rolls
from tests.simulation.dispatch.truth import Truth
from tests.simulation.storage import View
from tests.simulation.violation import require
from tests.simulation.watching import Watching

LOOKED_AT = timedelta(seconds=120)
"""Tickers compare rosters every other look; even with a process started anew one has looked by then."""

GROWING = (*COUNTED, "excused", "answered_for")


@dataclass(slots=True)
class Checks(Watching):
    """Watches one order, or two."""

    commands = (contract.COMMANDS_TOPIC,)

    truth: Truth
    oracle: Oracle
    rolls: Rolls = field(default_factory=Rolls)
    shown: dict[str, dict[int, Progress]] = field(default_factory=lambda: defaultdict(dict))
    delivered: dict[tuple[str, int, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    seen: Counter[str] = field(default_factory=Counter)
    _right: dict[tuple[str, int], Right | None] = field(default_factory=dict)
    _counted: dict[tuple[str, int], Mapping[str, int]] = field(default_factory=dict)
    _known_since: dict[str, datetime] = field(default_factory=dict)
    _copies: dict[int, dict[str, int]] = field(default_factory=dict)

    # --- what is appended ---

    def said(self, record: Record) -> None:
        """Check a record the moment it stands in the log."""
        body = record.body
        match body:
            case Answer():
                self.truth.answer(body)
            case Progress():
                self._progress(body)
            case Tally():
                self._tally(body)
            case DirectiveFact():
                self.truth.learn(body.order)
                self.same(f"{body.order.directive}@{body.v}", body)
            case Relay():
                self._relay(body)
            case Delivery():
                self._delivery(body)
            case Escalate():
                self._escalation(body)
            case _:
                pass

    def _relay(self, relay: Relay) -> None:
        """An order goes on to a desk only when whoever commands that desk has passed it on."""
        self.truth.learn(relay.order)
        if relay.sender is None:
            return
        sheet = self.oracle.sheets.get(f"{relay.order.directive}/{relay.sender}")
        heard = sheet is not None and sheet.children.get(relay.to)
        require(heard, "a desk hears once its commander has passed it on", f"{relay.sender} {relay.to}")

    def _tally(self, tally: Tally) -> None:
        name = f"{tally.directive}/{tally.desk}"
        self.same(f"{tally.covers} tally of {name}@{tally.version}.{tally.v}", tally)
        if tally.covers == "subtree":
            right = self._right.get((name, tally.v))
            cells = {cell: counts.model_dump() for cell, counts in tally.cells.items()}
            same = right is not None and (cells, tally.missing) == (right.cells, right.missing)
            require(same, "what goes up is what was added", f"{name}@{tally.v} {right}")
            return
        right_counts = self._counted.get((name, tally.v))
        counts = {
            each: sum(getattr(cell, each) for cell in tally.cells.values()) for each in right_counts or ()
        }
        require(counts == right_counts, "a tally is the count of its sheet", f"{name}@{tally.v} {counts}")

    def _progress(self, progress: Progress) -> None:
        name = f"{progress.directive}/{progress.desk}"
        self._never_above(progress, name)
        self.same(f"progress {name}@{progress.v}", progress)
        self.shown[name][progress.v] = progress
        right = self._right.get((name, progress.v))
        require(right, "nothing is shown without the own tally", f"{name}@{progress.v}")
        differs = right.differs(progress) if right else ""
        require(not differs, "progress is the sum of the newest tallies", f"{name}@{progress.v} {differs}")
        if progress.complete:
            stored = self.store.get("directives", progress.directive)
            closed = stored is not None and stored["status"] == "closed"
            require(closed, "complete only once a close was accepted", name)
        if progress.all_reported:
            self._accounted(progress.directive, progress.version, progress.desk, progress.changes)

    def _never_above(self, progress: Progress, name: str) -> None:
        series = progress.epoch, progress.effect
        require(
            series == self.truth.series(progress.directive, progress.version), "an epoch is decided", name
        )
        most = self.truth.subtree(progress.directive, series, progress.desk)
        for count in (*GROWING, "done"):
            shown = getattr(progress.total, count)
            above = shown > most[count]
            require(not above, "no count above the truth", f"{name} {count} {shown} > {most[count]}")

    def _accounted(self, directive: str, version: int, desk: str, changes: int) -> None:
        """Require that every entry below a desk is done by answers in the log."""
        where = f"{directive}/{desk}"
        sheet = self.store.get("sheets", where)
        there = sheet and sheet["order"] and json.loads(sheet["order"])["version"] >= version
        require(there, "all reported only if it is so", f"no {where}")
        frozen = self.store.get("frozen", f"{where}/{version}")
        for post in frozen["posts"].splitlines() if frozen else [f"{desk}/*"]:
            done = self.truth.was_done(directive, version, desk, post)
            require(done, "all reported only if it is so", f"{where} v{version} {post}")
        children = {child["desk"] for child in frozen["children"]} if frozen else set()
        stored = self.store.get("directives", directive)
        for extension in stored["order"]["extensions"][:changes] if stored else ():
            children |= {extension["child"]} if extension["desk"] == desk else set()
        for child in children:
            self._accounted(directive, version, child, changes)

    def _delivery(self, delivery: Delivery) -> None:
        order = self.truth.versions[delivery.directive, delivery.version]
        said = delivery.text, delivery.epoch, delivery.effect
        right = order.text, order.epoch, order.effect
        require(said == right, "what is told is what was ordered", f"{delivery.desk} {said} {right}")
        if delivery.decide_for:
            return
        self.seen["told of an amendment"] += delivery.version > 1 and delivery.effect == "order"
        sheet = self.oracle.sheets[f"{delivery.directive}/{delivery.desk}"]
        for entry in delivery.entries:
            seat = self.truth.world.seat(delivery.desk, entry.addressee)
            named = seat and sheet.seats and entry.addressee in sheet.seats
            require(named, "only the audience is told", f"{delivery.desk} {entry.addressee}")
            told = entry.addressee in sheet.told
            require(told, "told once the superior has passed it on", f"{delivery.desk} {entry.addressee}")
        place = delivery.directive, delivery.version, delivery.desk
        self.delivered[place] |= {entry.addressee for entry in delivery.entries}

    def _escalation(self, escalate: Escalate) -> None:
        """Nobody vacant, nobody above the issuer, and nobody about a post of their own, but the issuer."""
        to, where = escalate.to, f"{escalate.directive}/{escalate.sheet}"
        self.seen["escalations"] += 1
        require(to.holder, "no vacant post is asked", to.post)
        for entry in escalate.entries:
            able = self.truth.able(escalate.directive, escalate.sheet, entry.addressee)
            require(to.post in able, "nobody above the issuer is asked", f"{where} {to.post}")
        if to.post == self.truth.orders[escalate.directive].issuer:
            return
        frozen = self.store.get("frozen", f"{where}/{escalate.version}")
        held = zip(frozen["posts"].splitlines(), frozen["holders"].split("\n"), strict=True) if frozen else ()
        holders = dict(held)
        for entry in escalate.entries:
            require(
                holders.get(entry.addressee) != to.holder,
                "nobody is asked about their own post",
                entry.addressee,
            )

    # --- what is committed ---

    def began(self, view: View) -> None:
        """Remember which rosters were known when a flow opened its session: it can read them from now on."""
        if view.group == "dispatch.sheets":
            known = self.store.all("rosters")
            self._copies[id(view)] = {body["_id"]: body["roster_v"] for body in known}

    def committing(self, view: View, writes: Sequence[Write]) -> None:
        """Check what a transaction claims to have applied, and fold exactly that into the oracle."""
        frozen = {write.id: write.body for write in writes if write.collection == "frozen"}
        froze = {id_: body["roster_v"] for id_, body in frozen.items()}
        self._as_known(view, froze)
        for record in self.applying.fresh(view, writes):
            if view.group == "dispatch.sheets":
                self._not_passed_over(view, record.body, froze)
                self.oracle.apply(record, froze)
            elif view.group == "dispatch.progress":
                self.rolls.apply(record)
        found = {write.id: write.body for write in writes if write.collection == SHEETS.found_in}
        for write in writes:
            match write.collection:
                case "sheets":
                    self._sheet(write, frozen)
                    self._lookup(write, found.get(write.id))
                case "progress":
                    self._right[write.id, write.v + 1] = self.rolls.right(write.id)
                case "rosters":
                    self._known_since[write.id] = view.scheduler.now
                case "directives" if write.body["status"] == "closed":
                    order = write.body["order"]
                    self._accounted(write.id, order["version"], order["desk"], 10**6)
                    self._nobody_forgotten(write.id, view.scheduler.now)
                case _:
                    pass

    def _sheet(self, write: Write, frozen: Mapping[str, Body]) -> None:
        sheet = self.oracle.sheets.get(write.id)
        require(sheet, "no sheet from nowhere", write.id)
        if sheet is None:
            return
        named = write.body["frozen"]
        held = (frozen.get(named) or self.store.get("frozen", named)) if named else None
        compare(write.id, write.body, held, sheet)
        if sheet.order is not None:
            self._counted[write.id, write.v + 1] = sheet.totals()

    def _lookup(self, write: Write, moved: Body | None) -> None:
        found = moved or self.store.get(SHEETS.found_in, write.id) or {}
        right = SHEETS.lookup(SHEETS.decode(write.body)) if SHEETS.lookup else {}
        shown = {name: found.get(name) for name in right}
        require(shown == right, "a sheet is found by what it says", f"{write.id} {shown} {right}")

    def _nobody_forgotten(self, directive: str, now: datetime) -> None:
        """Require that a desk that came to owe the order long ago was taken into it."""
        for sheet in self.oracle.sheets.values():
            order, copy = sheet.order, self.store.get("rosters", sheet.desk)
            if sheet.directive != directive or order is None or sheet.seats is None or copy is None:
                continue
            long_ago = now - LOOKED_AT > max(order.issued_at, self._known_since[sheet.desk])
            if long_ago and order.effect == "order":
                owed = {child.desk for child in children_owed(order, ROSTERS.decode(copy))}
                forgotten = owed - sheet.children.keys()
                require(not forgotten, "who came to owe an order has it", f"{sheet.desk} {forgotten}")

    def _as_known(self, view: View, froze: Mapping[str, int]) -> None:
        """Require that an audience is frozen once, from a roster that this flow can have read."""
        for id_, v in froze.items():
            desk = id_.split("/")[1]
            now = self.store.get("rosters", desk)
            since = self._copies[id(view)].get(desk, 1)
            known = now is not None and since <= v <= now["roster_v"]
            require(known, "frozen from the roster there is", f"{id_} {v}")
            require(self.store.get("frozen", id_) is None, "frozen once", id_)

    def _not_passed_over(self, view: View, body: Model, froze: Mapping[str, int]) -> None:
        """Require that an order whose desk's roster is known does not wait for it."""
        if not isinstance(body, Relay) or body.to not in self._copies[id(view)]:
            return
        sheet, order = self.oracle.sheets.get(f"{body.order.directive}/{body.to}"), body.order
        known = sheet.order if sheet else None
        if known is not None and known.version >= order.version:
            return
        whole = known is not None and sheet is not None and sheet.seats is None
        frozen = f"{order.directive}/{body.to}/{order.version}" in froze
        require(frozen or whole, "a desk whose roster is known is not passed over", body.to)
