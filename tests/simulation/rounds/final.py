"""What must hold once nothing is left to do: every number what brute force finds, every hole by its name."""

from collections.abc import Iterator
from itertools import pairwise

from services.screening.domain import tally
from services.screening.domain.sheet import Head, sheet_id
from services.screening.store import DENOMINATORS, HEADS, SHEETS
from shared.contracts.screening import VISITS_TOPIC, Coverage
from tests.simulation.log import Log
from tests.simulation.rounds.checks import Checks, Place
from tests.simulation.rounds.oracle import OracleDesk
from tests.simulation.violation import require

GROWING = ("households", "covered", "persons", "persons_covered", "later", "later_covered")


class RoundChecks(Checks):
    """All checks of a round: those at every step, and these."""

    def quiet(self, log: Log) -> None:
        """Check a quiet system."""
        require(self.alerts == self.truth.fevers, "each fever has its alert", f"{self.truth.fevers}")
        _reached(self)
        for place, desk in self.oracle.desks.items():
            _desk(self, place, desk)
        _nothing_lost(self, log)
        for place, versions in self.shown.items():
            _grows(place, [versions[v] for v in sorted(versions)])
            _exact(self, place, versions[max(versions)])


def _reached(checks: Checks) -> None:
    """Each accepted round is open or closed at every desk it goes to; one scope has one open round."""
    live: dict[str, str] = {}
    for body in checks.store.all("rounds"):
        scope, status = body["scope"], body["status"]
        require(body["_id"] in checks.truth.opened, "no round from nowhere", body["_id"])
        if status == "open":
            require(live.setdefault(scope, body["_id"]) == body["_id"], "one open round a scope", scope)
        for desk in _path(checks, body["_id"], body["desk"]):
            at = checks.oracle.desks[body["_id"], desk]
            reached = at.round is not None and at.round.status == status
            require(reached, "a round and its close reach every desk", f"{body['_id']} {desk}")


def _path(checks: Checks, round_: str, desk: str) -> Iterator[str]:
    yield desk
    head = _head(checks, (round_, desk))
    for child in (head and head.children) or ():
        yield from _path(checks, round_, child)


def _head(checks: Checks, place: Place) -> Head | None:
    body = checks.store.get("heads", "/".join(place))
    return None if body is None else HEADS.decode(body)


def _desk(checks: Checks, place: Place, desk: OracleDesk) -> None:
    name = "/".join(place)
    head = _head(checks, place)
    require(head, "every desk is stored", name)
    if head is None:
        return
    require(head.frozen == (desk.frozen is not None), "frozen as the log says", name)
    require((head.terms is None) == (desk.round is None), "a stub stays a stub", name)
    require({early.id for early in head.early.values()} == set(desk.early), "what is early waits", name)
    if head.terms is not None and not (head.frozen or head.closed):
        require(not _countable(checks, place), "what can be counted is frozen", name)
    _listed(checks, name, head, desk)
    if head.frozen:
        _holes(checks, place, head, desk)


def _countable(checks: Checks, place: Place) -> bool:
    """Whether by the copies as they are now a desk could be frozen."""
    desk = place[1]
    charges = checks.store.get("charges", desk)
    here = sum(body["desk"] == desk for body in checks.store.all("households"))
    known = checks.store.get("rosters", desk) is not None
    return known and (charges["households"] == here if charges else len(desk) != 12)


def _listed(checks: Checks, name: str, head: Head, desk: OracleDesk) -> None:
    """Everything that does not count is listed with its reason, or counted apart."""
    listed = {(entry.id, entry.why) for entry in head.listed}
    owed = {each for each in desk.listed if each[0] in checks.visits}
    strange = {(id_, "stranger") for id_ in desk.aside}
    require(owed <= listed <= owed | strange, "what does not count is listed", f"{name} {owed ^ listed}")
    apart = {id_ for id_ in desk.aside if id_ in checks.visits and (id_, "stranger") not in listed}
    for id_ in apart:
        household = desk.aside[id_]
        counted = any(household == known for known, _ in head.later)
        lived = any(fact.desk == head.desk for fact in checks.world.households.get(household, ()))
        require(counted and lived, "who came later is counted apart", f"{name} {household}")


def _holes(checks: Checks, place: Place, head: Head, desk: OracleDesk) -> None:
    name = "/".join(place)
    body = checks.store.get("denominators", name)
    require(body and head.terms, "a frozen desk has its denominator", name)
    if body is None or head.terms is None:
        return
    denominator = DENOMINATORS.decode(body)
    told = [page for key, page in checks.pages.items() if key[:2] == place]
    known = sorted(each.household for page in told for each in page.households)
    require(known == sorted(desk.frozen or ()), "the denominator is told, each household once", name)
    doors: list[tuple[str, str]] = []
    persons: list[tuple[str, str]] = []
    for part in head.parts:
        stored = checks.store.get("sheets", sheet_id(*place, part))
        require(stored, "each part has its sheet", f"{name} {part}")
        if stored is not None:
            sheet = SHEETS.decode(stored)
            doors += [
                (each.household, each.slot) for each in tally.holes(sheet, denominator, head.terms.slots)
            ]
            found = tally.person_holes(sheet, denominator, head.terms.slots)
            persons += [(each.person, each.slot) for each in found]
    _same(doors, desk.open_doors(), "every open door has its name", name)
    _same(persons, desk.open_persons(), "every person not covered has a name", name)


def _same(shown: list[tuple[str, str]], right: set[tuple[str, str]], invariant: str, name: str) -> None:
    require(len(shown) == len(set(shown)) and set(shown) == right, invariant, f"{name} {shown} {right}")


def _nothing_lost(checks: Checks, log: Log) -> None:
    """Each visit at its desk counts, waits or is listed."""
    said = {record.id for record in log.in_place(VISITS_TOPIC.name)}
    require(said == set(checks.visits), "no visit is lost", f"{said ^ set(checks.visits)}")


def _grows(place: Place, versions: list[Coverage]) -> None:
    for before, after in pairwise(versions):
        name = f"{place}@{before.v}-{after.v}"
        for count in GROWING:
            falls = getattr(after.total, count) < getattr(before.total, count)
            require(not falls, "no count falls", f"{name} {count}")
        if before.missing == 0:
            same = (before.total.households, before.total.persons) == (
                after.total.households,
                after.total.persons,
            )
            require(same, "a denominator never changes", name)
        if before.closed:
            require(after.closed and after.cells == before.cells, "nothing changes after the close", name)


def _exact(checks: Checks, place: Place, last: Coverage) -> None:
    """Compare the newest coverage of a desk with the sum of the desks below it."""
    sums: dict[str, dict[str, int]] = {}
    missing: list[str] = []
    closed = True
    for desk in _path(checks, *place):
        at = checks.oracle.desks.get((place[0], desk))
        head = _head(checks, (place[0], desk))
        reports = head is not None and head.children is not None and (head.frozen or head.closed)
        if at is None or not reports:
            missing.append(desk)
            continue
        closed = closed and at.closed
        for slot, counts in at.cells().items():
            cell = sums.setdefault(slot, dict.fromkeys(counts, 0))
            for count, number in counts.items():
                cell[count] += number
    name = "/".join(place)
    shown = {
        slot: {count: getattr(cell, count) for count in (sums.get(slot) or {"households": 0})}
        for slot, cell in last.cells.items()
        if slot in sums or cell.households
    }
    require(shown == sums, "coverage equals brute force", f"{name} {shown} {sums}")
    require(
        (last.missing > 0) == bool(missing), "missing desks are missing", f"{name} {last.missing} {missing}"
    )
    require(last.closed == (closed and not missing), "closed is said when all are", f"{name} {last}")
