"""Households and who answers for them; a desk's counts follow each change, so nothing is ever scanned."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from services.registry.domain.attachments import governing
from services.registry.domain.desk import Attachment, Desk, place_of
from services.registry.domain.on_day import OnDay
from services.registry.domain.refused import Refused
from services.registry.domain.scheme import Schemes
from services.registry.domain.superior import Types
from shared.contracts.outcomes import Event
from shared.contracts.registry import Line, PutHousehold

HOUSEHOLD_PUT = "household-put"
MAIN: Line = "main"
MOST_MEMBERS = 300
"""Members of one household: as many as one visit can say something about."""


@dataclass(frozen=True, slots=True)
class Residence:
    """A household as it stands from a day on."""

    unit: str
    valid_from: date
    members: tuple[str, ...] = ()
    charges: Mapping[Line, str] = field(default_factory=dict)


@dataclass(slots=True)
class Household:
    id: str
    desk: str
    states: tuple[Residence, ...] = ()

    @property
    def now(self) -> Residence:
        return self.states[-1]

    def on(self, day: date) -> Residence | None:
        begun = [state for state in self.states if state.valid_from <= day]
        return begun[-1] if begun else None


@dataclass(slots=True)
class Counted:
    """A desk's households in numbers; `uncharged` by unit, `by_post` by main charge post."""

    households: int = 0
    members: int = 0
    uncharged: dict[str, int] = field(default_factory=dict)
    by_post: dict[str, int] = field(default_factory=dict)

    def add(self, state: Residence, sign: int) -> None:
        """Count a state in (+1) or out (-1); what comes to nothing is not kept."""
        self.households += sign
        self.members += sign * len(state.members)
        post = state.charges.get(MAIN)
        counts, name = (self.uncharged, state.unit) if post is None else (self.by_post, post)
        counts[name] = counts.get(name, 0) + sign
        if counts[name] == 0:
            del counts[name]


def put_household(
    desk: Desk, known: Household | None, row: PutHousehold, types: Types, today: date
) -> tuple[Event, ...]:
    """Create or restate a household. One without a main charge is accepted: the gap becomes a finding."""
    if known is not None and known.desk != desk.code:
        raise Refused("wrong-desk", f"{row.household} belongs to {known.desk}")
    if row.valid_from > today:
        raise Refused("not-yet-valid", f"{row.valid_from} is after today, {today}")
    if known is not None and row.valid_from < known.now.valid_from:
        raise Refused("before-valid", f"{row.household} was last restated from {known.now.valid_from}")
    if len(set(row.members)) < len(row.members):
        raise Refused("member-twice", row.household)
    if len(row.members) > MOST_MEMBERS:
        raise Refused("too-many-members", f"{row.household} would have {len(row.members)} members")
    if row.unit not in desk.units:
        raise Refused("unknown-household-unit", row.unit)
    for line, post in row.charges.items():
        _check_charge(desk, line, post, types)
    state = Residence(row.unit, row.valid_from, row.members, dict(row.charges))
    if known is not None and known.now == state:
        return ()
    return (Event(type=HOUSEHOLD_PUT, data=row.model_dump(mode="json", exclude={"do"})),)


def apply_household_put(
    desk: str, known: Household | None, counted: Counted, data: dict[str, Any]
) -> Household:
    """Return the household as it stands now, and move the desk's counts with it."""
    state = Residence(
        data["unit"], date.fromisoformat(data["valid_from"]), tuple(data["members"]), dict(data["charges"])
    )
    household = known or Household(data["household"], desk)
    if household.states:
        counted.add(household.now, -1)
    counted.add(state, +1)
    earlier = tuple(each for each in household.states if each.valid_from != state.valid_from)
    return replace(household, states=(*earlier, state))


def care_unit(
    state: Residence, here: OnDay, attachments: Iterable[Attachment], schemes: Schemes
) -> str | None:
    """Return the unit by which a household is cared for (a grid), or None where its scheme names none.

    The scheme is the one that governs its unit; an import may come before its street's scheme is attached,
    and until then the scheme of the main charge post stands for it.
    """
    within = here.inside(state.unit)
    path = (*here.path, here.desk.code, *within[:-1])
    name = governing(state.unit, path, attachments, schemes, here.day)
    charge = state.charges.get(MAIN)
    if name is None and charge is not None:
        name = place_of(charge)[1].partition(":")[0]
    scheme = schemes.get(name or "")
    kind = scheme.care_unit if scheme else None
    return next((code for code in within if here.kind(code) == kind), None)


def _check_charge(desk: Desk, line: Line, post: str, types: Types) -> None:
    if post not in desk.posts:
        raise Refused("unknown-charge-post", post)
    type_ = place_of(post)[1]
    if type_ not in types:
        raise Refused("unknown-post-type", type_)
    of_type = types[type_][1].line
    if of_type != line:
        raise Refused("charge-line-mismatch", f"{post} is on line {of_type or 'none'}, not {line}")
