"""The invariants, at every appended record and every commit; `final` has those of a quiet system.

`refused`, `overdue`, `vacant` and `unreached` may fall again and are compared at the end only; `done` may
fall when somebody who had only to read refuses later, so it is held against the truth but not to grow.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.contracts.base import Model
from shared.contracts.directives import DirectiveFact
from shared.contracts.dispatch import Answer, Delivery, Escalate, Progress, Tally
from shared.contracts.outcomes import Outcome
from shared.flow.documents import Write
from shared.flow.records import Arrival, Unreadable
from tests.simulation.applying import Applying
from tests.simulation.oracle import COUNTED, Oracle
from tests.simulation.storage import Store, View
from tests.simulation.truth import Truth
from tests.simulation.violation import require

GROWING = (*COUNTED, "excused", "answered_for")


@dataclass(slots=True)
class Checks:
    """Watches one simulation."""

    store: Store
    truth: Truth
    oracle: Oracle
    shown: dict[str, dict[int, Progress]] = field(default_factory=lambda: defaultdict(dict))
    delivered: dict[tuple[str, int, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    told: dict[str, Model] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)
    applying: Applying = field(init=False)

    def __post_init__(self) -> None:
        self.applying = Applying(self.store)

    def appended(self, arrival: Arrival) -> None:
        """Check a record the moment it stands in the log."""
        if isinstance(arrival, Unreadable):
            origin = arrival.origin
            self.bad.add(f"{origin.topic}/{origin.partition}/{origin.offset}")
            return
        body: Model = arrival.body
        match body:
            case Answer():
                self.truth.answer(body)
            case Progress():
                self._progress(body)
            case Tally():
                name = f"{body.covers} tally of {body.directive}/{body.desk}@{body.version}.{body.v}"
                require(self.told.setdefault(name, body) == body, "one version, one content", name)
            case DirectiveFact():
                name = f"{body.order.directive}@{body.v}"
                require(self.told.setdefault(name, body) == body, "one version, one content", name)
            case Delivery():
                self._delivery(body)
            case Escalate():
                self._escalation(body)
            case Outcome():
                known = self.outcomes.setdefault(body.command, body.model_dump_json())
                require(known == body.model_dump_json(), "one outcome a command", body.command)
            case _:
                pass

    def committing(self, view: View, writes: Sequence[Write]) -> None:
        """Check what a transaction claims to have applied, and fold exactly that into the oracle."""
        froze = {write.id: write.body["roster_v"] for write in writes if write.collection == "frozen"}
        for record in self.applying.fresh(view, writes):
            if view.group == "dispatch.sheets":
                self.oracle.apply(record, froze)
        for write in writes:
            if write.collection == "directives" and write.body["status"] == "closed":
                self._accounted(write.id, write.body["order"]["version"], write.body["order"]["desk"], 10**6)

    def _progress(self, progress: Progress) -> None:
        name = f"{progress.directive}/{progress.desk}"
        self._never_above(progress, name)
        known = self.shown[name].setdefault(progress.v, progress)
        require(known == progress, "one version, one content", f"{name}@{progress.v}")
        if progress.complete:
            stored = self.store.get("directives", progress.directive)
            closed = stored is not None and stored["status"] == "closed"
            require(closed, "complete only once a close was accepted", name)
        if progress.all_reported:
            self._accounted(progress.directive, progress.version, progress.desk, progress.changes)

    def _never_above(self, progress: Progress, name: str) -> None:
        most = self.truth.subtree(progress.directive, progress.version, progress.desk)
        for count in (*GROWING, "done"):
            shown = getattr(progress.total, count)
            require(
                shown <= most[count], "no count above the truth", f"{name} {count} {shown} > {most[count]}"
            )

    def _accounted(self, directive: str, version: int, desk: str, changes: int) -> None:
        """Require that every entry below a desk is done by answers in the log."""
        where = f"{directive}/{desk}"
        sheet = self.store.get("sheets", where)
        require(sheet and sheet["order"] and sheet["version"] >= version, "all reported", f"no {where}")
        frozen = self.store.get("frozen", f"{where}/{version}")
        for post in frozen["posts"] if frozen else [f"{desk}/*"]:
            done = self.truth.was_done((directive, version, desk), post)
            require(done, "all reported only if it is so", f"{where} v{version} {post}")
        children = {child["desk"] for child in frozen["children"]} if frozen else set()
        stored = self.store.get("directives", directive)
        for extension in stored["order"]["extensions"][:changes] if stored else ():
            children |= {extension["child"]} if extension["desk"] == desk else set()
        for child in children:
            self._accounted(directive, version, child, changes)

    def _delivery(self, delivery: Delivery) -> None:
        if delivery.decide_for:
            return
        for entry in delivery.entries:
            seat = self.truth.world.seat(delivery.desk, entry.addressee)
            require(seat and entry.holder, "only the audience is told", f"{delivery.desk} {entry.addressee}")
        place = delivery.directive, delivery.version, delivery.desk
        self.delivered[place] |= {entry.addressee for entry in delivery.entries}

    def _escalation(self, escalate: Escalate) -> None:
        """Nobody vacant is asked, and nobody about a post of their own, but the issuer."""
        require(escalate.to.holder, "no vacant post is asked", escalate.to.post)
        if escalate.to.post == self.truth.orders[escalate.directive].issuer:
            return
        frozen = self.store.get("frozen", f"{escalate.directive}/{escalate.sheet}/{escalate.version}")
        holders = dict(zip(frozen["posts"], frozen["seats"], strict=True)) if frozen else {}
        for entry in escalate.entries:
            holder = holders.get(entry.addressee, {}).get("holder")
            require(holder != escalate.to.holder, "nobody is asked about their own post", entry.addressee)
