"""Findings: rules across keys and gaps, dated, closed when cured and never silently fixed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from services.registry.domain.compile import Compiled
from services.registry.domain.desk import Desk, holds, place_of
from services.registry.domain.households import Counted
from services.registry.domain.on_day import OnDay
from services.registry.domain.scheme import Declared, Schemes
from services.registry.domain.summaries import posts_by_type
from shared.contracts.registry import Finding, Roster
from shared.kernel.ids import derived_id

FindingCode = Literal[
    "total-does-not-reconcile", "understaffed-grid", "household-without-charge", "chain-broken"
]
STRUCTURAL: frozenset[FindingCode] = frozenset(
    {"total-does-not-reconcile", "understaffed-grid", "chain-broken"}
)
DAILY: frozenset[FindingCode] = frozenset({"household-without-charge"})
# How long a closed finding is still told to whoever missed its closing.
KEPT_CLOSED = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing that is not as it should be."""

    code: FindingCode
    subject: str
    expected: int | None = None
    found: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    finding: Finding
    closed_on: date | None = None


def structural_gaps(desk: Desk, compiled: Compiled, schemes: Schemes) -> Iterator[Gap]:
    """Yield the gaps that follow from units, posts, edges and what the desks below have told."""
    yield from (Gap("chain-broken", post) for post in compiled.broken)
    yield from _understaffed(OnDay(desk, compiled.roster.on), compiled.roster, schemes)
    for attached in desk.attachments:
        scheme = schemes.get(attached.scheme)
        if scheme is None or scheme.declared is None or not holds(attached, compiled.roster.on):
            continue
        if scheme.declared.unit in (None, attached.unit):
            counts = {scheme.qualified(type_): n for type_, n in scheme.declared.by_type.items()}
            found = posts_by_type(desk, compiled.roster)
            yield from _unreconciled(f"{attached.unit}/{scheme.scheme}", scheme.declared, counts, found)


def household_gaps(counted: Counted, roster: Roster) -> Iterator[Gap]:
    """Yield the households nobody answers for: by unit without a charge, by post if it has no holder."""
    for unit, count in sorted(counted.uncharged.items()):
        yield Gap("household-without-charge", unit, expected=0, found=count)
    held = {seat.post for seat in roster.seats if seat.holder is not None}
    for post, count in sorted(counted.by_post.items()):
        if post not in held:
            yield Gap("household-without-charge", post, expected=0, found=count)


def renewed(
    known: Mapping[str, Found],
    gaps: Iterable[Gap],
    codes: frozenset[FindingCode],
    *,
    desk: str,
    day: date,
    v: int,
) -> dict[str, Found]:
    """Return the findings after looking at these kinds afresh: opened, changed, closed, old ones dropped."""
    now = {derived_id("finding", desk, gap.code, gap.subject): gap for gap in gaps}
    kept: dict[str, Found] = {}
    for id_, each in known.items():
        cured = each.finding.open and each.finding.code in codes and id_ not in now
        if cured:
            kept[id_] = Found(each.finding.model_copy(update={"open": False, "v": v}), closed_on=day)
        elif each.closed_on is None or day - each.closed_on <= KEPT_CLOSED:
            kept[id_] = each
    for id_, gap in now.items():
        kept[id_] = _opened(id_, gap, kept.get(id_), desk=desk, day=day, v=v)
    return kept


def total_without(declared: Declared, scheme: str, counts: Mapping[str, int]) -> int:
    """Count a scheme's posts of the types its source gives a figure for; without figures, all of them."""
    own = {type_: n for type_, n in counts.items() if type_.partition(":")[0] == scheme}
    if not declared.by_type:
        return sum(own.values())
    return sum(n for type_, n in own.items() if type_.partition(":")[2] in declared.by_type)


def _opened(id_: str, gap: Gap, known: Found | None, *, desk: str, day: date, v: int) -> Found:
    if known is not None and known.finding.open:
        if (known.finding.expected, known.finding.found) == (gap.expected, gap.found):
            return known
        day = known.finding.since
    return Found(
        Finding(
            finding=id_, v=v, code=gap.code, desk=desk, subject=gap.subject,
            expected=gap.expected, found=gap.found, since=day,
        )
    )  # fmt: skip


def _understaffed(here: OnDay, roster: Roster, schemes: Schemes) -> Iterator[Gap]:
    """Look at each unit of a kind for which a scheme in use here wants so many posts per unit."""
    in_use = {place_of(seat.post)[1].partition(":")[0] for seat in roster.seats}
    for scheme in (schemes[name] for name in sorted(in_use)):
        wanted: dict[str, dict[str, int]] = {}
        for name, post in scheme.posts.items():
            for kind in post.kinds if post.per_unit else ():
                wanted.setdefault(kind, {})[scheme.qualified(name)] = post.per_unit or 0
        for code, place in sorted(here.places.items()):
            needs = wanted.get(place.kind, {})
            found = sum(min(len(here.seats.get((code, type_), ())), n) for type_, n in needs.items())
            if found < sum(needs.values()):
                yield Gap("understaffed-grid", code, expected=sum(needs.values()), found=found)


def _unreconciled(
    subject: str, declared: Declared, counts: Mapping[str, int], found: Mapping[str, int]
) -> Iterator[Gap]:
    scheme = subject.partition("/")[2]
    total = total_without(declared, scheme, found)
    if total != declared.posts:
        yield Gap("total-does-not-reconcile", subject, expected=declared.posts, found=total)
    for type_, expected in counts.items():
        if found.get(type_, 0) != expected:
            yield Gap(
                "total-does-not-reconcile", f"{subject.partition('/')[0]}/{type_}",
                expected=expected, found=found.get(type_, 0),
            )  # fmt: skip
