"""After the rows of a record: the touched desk is compiled once, and its findings are looked at afresh."""

from collections.abc import Iterable
from datetime import date
from functools import partial

from services.registry.domain.compile import compile_desk
from services.registry.domain.desk import Desk, parent_of
from services.registry.domain.findings import (
    DAILY,
    STRUCTURAL,
    FindingCode,
    Gap,
    household_gaps,
    renewed,
    structural_gaps,
)
from services.registry.domain.households import Counted
from services.registry.domain.scheme import Schemes
from services.registry.domain.superior import Types
from services.registry.store import CHARGES, DESKS, FINDINGS, ROSTERS, Findings
from shared.contracts.registry import (
    Roster,
)
from shared.flow.documents import Documents


def compile_and_keep(docs: Documents, desk: Desk, day: date, types: Types, schemes: Schemes) -> None:
    """Keep the roster of the day where it differs, the next day something is due, and structural findings."""
    compiled = compile_desk(desk, types, day)
    known = docs.get(ROSTERS, desk.code)
    if known is None or not _same(known, compiled.roster):
        docs.put(ROSTERS, desk.code, compiled.roster)
    desk.compiled(day)
    desk.parents |= {parent for parent in (parent_of(compiled.roster.path),) if parent}
    docs.put(DESKS, desk.code, desk)
    _renew(docs, desk.code, day, structural_gaps(desk, compiled, schemes), STRUCTURAL)


def look_at_households(docs: Documents, key: str, day: date) -> None:
    """Look at who answers for households, which changes daily and without any change of structure."""
    roster = docs.get(ROSTERS, key) or Roster(desk=key, v=0, on=day)
    _renew(docs, key, day, household_gaps(docs.get(CHARGES, key) or Counted(), roster), DAILY)


def _same(known: Roster, new: Roster) -> bool:
    return (known.path, known.seats, known.children) == (new.path, new.seats, new.children)


def _renew(docs: Documents, key: str, day: date, gaps: Iterable[Gap], codes: frozenset[FindingCode]) -> None:
    known, seen = docs.get(FINDINGS, key) or Findings(), tuple(gaps)
    look = partial(renewed, known.items, seen, codes, desk=key, day=day)
    if look(v=0) == known.items:
        return
    # Put first: the version a finding carries is the one its document will have once stored.
    docs.put(FINDINGS, key, known)
    docs.put(FINDINGS, key, Findings(look(v=docs.version(FINDINGS, key))))
