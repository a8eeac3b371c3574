"""What must hold once nothing is left to do: every loop closed, and every number what brute force finds."""

from itertools import pairwise
from typing import Any

from shared.contracts.dispatch import ACKS_TOPIC, Answer, Progress
from tests.simulation.dispatch.checks import GROWING, Checks
from tests.simulation.dispatch.comparing import compare
from tests.simulation.dispatch.ladder import COUNTED
from tests.simulation.dispatch.oracle import OracleSheet
from tests.simulation.log import Log
from tests.simulation.violation import require


class LoopChecks(Checks):
    """All checks of the loop: those at every step, and these."""

    def quiet(self, log: Log) -> None:
        """Check a quiet system."""
        for directive in self.store.all("directives"):
            id_, order = directive["_id"], directive["order"]
            require(id_ in self.truth.orders, "no order from nowhere", id_)
            require(directive["status"] == "closed", "every loop closes", id_)
            _covered(self, id_, order["desk"], order["extensions"])
        for id_, sheet in self.oracle.sheets.items():
            _sheet(self, id_, sheet)
        _no_answer_lost(self, log)
        for name, versions in self.shown.items():
            _grows(name, [versions[v] for v in sorted(versions)])
            _exact(self, name, versions[max(versions)])


def _covered(checks: Checks, directive: str, desk: str, extensions: list[Any]) -> None:
    """Walk down from the issuing desk: every desk owed the order has it, closed."""
    sheet = checks.oracle.sheets.get(f"{directive}/{desk}")
    require(sheet and sheet.order, "every desk owed the order has it", f"{directive}/{desk}")
    if sheet is None or sheet.order is None:
        return
    require(sheet.order.status == "closed", "the close reaches every desk", f"{directive}/{desk}")
    owed = {e["child"] for e in extensions if e["desk"] == desk}
    require(owed <= sheet.children.keys(), "extensions are owed", f"{directive}/{desk}")
    for child in sheet.children:
        _covered(checks, directive, child, extensions)


def _sheet(checks: Checks, id_: str, sheet: OracleSheet) -> None:
    stored = checks.store.get("sheets", id_)
    require(stored, "every sheet is stored", id_)
    if stored is not None:
        frozen = checks.store.get("frozen", stored["frozen"]) if stored["frozen"] else None
        compare(id_, stored, frozen, sheet)
        _told(checks, id_, sheet)


def _told(checks: Checks, id_: str, sheet: OracleSheet) -> None:
    """Everybody who holds an addressed post was told the newest version, and nobody else."""
    if sheet.order is None:
        return
    told = checks.delivered[sheet.directive, sheet.order.version, sheet.desk]
    owed = {post for post, seat in (sheet.seats or {}).items() if seat.holder is not None}
    require(told == owed, "everybody addressed is told, and nobody else", f"{id_} {sorted(told ^ owed)}")


def _no_answer_lost(checks: Checks, log: Log) -> None:
    for record in log.in_place(ACKS_TOPIC.name):
        if not isinstance(record.body, Answer):
            continue
        sheet = checks.oracle.sheets.get(f"{record.body.directive}/{record.body.desk}")
        found = sheet and (
            record.id in sheet.counted or record.id in sheet.waiting or record.id in sheet.listed
        )
        require(found, "no answer is lost", record.id)


def _grows(name: str, versions: list[Progress]) -> None:
    for before, after in pairwise(versions):
        require(after.version >= before.version, "a version never goes back", name)
        if (after.epoch, after.effect) != (before.epoch, before.effect):
            continue  # everybody is asked again, or the order is withdrawn: another count begins
        for count in GROWING:
            falls = getattr(after.total, count) < getattr(before.total, count)
            require(not falls, "no count falls", f"{name}@{before.v}-{after.v} {count}")


def _exact(checks: Checks, name: str, last: Progress) -> None:
    """Compare the newest progress of a desk with the sum of the sheets it covers."""
    require(last.complete and not last.missing, "the last progress is complete", name)
    sums = dict.fromkeys(("total", *COUNTED, "refused", "excused", "answered_for", "done"), 0)
    covered, desks = [last.desk], 0
    for desk in covered:
        sheet = checks.oracle.sheets[f"{last.directive}/{desk}"]
        covered += sorted(sheet.children)
        desks += 1
        for count, number in sheet.totals().items():
            sums[count] += number
    shown = {count: getattr(last.total, count) for count in sums}
    require(shown == sums and desks == last.desks, "progress equals brute force", f"{name} {shown} {sums}")
    cells = {count: sum(getattr(cell, count) for cell in last.cells.values()) for count in sums}
    require(cells == sums, "the cells add up", name)


def unclosed(checks: Checks) -> str:
    """Name what is still open, for the report of a loop that stands still."""
    found = []
    for id_, sheet in sorted(checks.oracle.sheets.items()):
        if sheet.order is None or sheet.order.status == "closed":
            continue
        still = [
            post for post, done_at in sheet.addressees().items() if not sheet.entries[post].done(done_at)
        ]
        found.append(f"{id_} v{sheet.order.version}: {still}")
    return "; ".join(found)
