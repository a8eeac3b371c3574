"""Posts in numbers: by type, with and without the types a source gives no figure for, and by level."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.registry.domain.findings import total_without
from services.registry.domain.scheme import Schemes
from shared.kernel.codes import parse


@dataclass(frozen=True, slots=True)
class SchemeTotal:
    """One scheme's posts: all, those of types the source counts, and what it declares for this unit."""

    scheme: str
    all_types: int
    counted_types: int
    uncounted: tuple[str, ...]
    declared: int | None
    reconciles: bool | None


def scheme_totals(unit: str, counts: Mapping[str, int], schemes: Schemes) -> list[SchemeTotal]:
    """Return the totals of each scheme that has posts here."""
    present = sorted({type_.partition(":")[0] for type_ in counts} & schemes.keys())
    return [_total(unit, name, counts, schemes) for name in present]


def vertical_coverage(desks: Iterable[tuple[str, bool, bool]]) -> dict[str, dict[str, int]]:
    """Count desks by kind, from (code, has a post, someone holds one): is every level reached."""
    levels: dict[str, dict[str, int]] = {}
    for code, posted, held in desks:
        level = levels.setdefault(parse(code).kind, {"desks": 0, "with_posts": 0, "held": 0})
        level["desks"] += 1
        level["with_posts"] += posted
        level["held"] += held
    return levels


def _total(unit: str, name: str, counts: Mapping[str, int], schemes: Schemes) -> SchemeTotal:
    own = {type_: n for type_, n in counts.items() if type_.partition(":")[0] == name}
    declared = schemes[name].declared
    if declared is None:
        return SchemeTotal(name, sum(own.values()), sum(own.values()), (), None, None)
    given = {schemes[name].qualified(type_) for type_ in declared.by_type} or own.keys()
    counted = total_without(declared, name, counts)
    here = declared.posts if declared.unit in (None, unit) else None
    return SchemeTotal(
        scheme=name,
        all_types=sum(own.values()),
        counted_types=counted,
        uncounted=tuple(sorted(own.keys() - given)),
        declared=here,
        reconciles=None if here is None else here == counted,
    )
