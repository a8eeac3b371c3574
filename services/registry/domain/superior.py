"""Who stands above a post: an explicit dated edge wins, else what its scheme says of its place.

A link may be left out only where its level is optional. What cannot be found is said to be broken, never
mended by guessing: the chain then ends there and a finding tells whose task it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.registry.domain.desk import place_of
from services.registry.domain.on_day import OnDay
from services.registry.domain.scheme import PostDefinition, ReportsTo, Scheme
from shared.contracts.registry import Superior
from shared.kernel.codes import desk_of

Types = Mapping[str, tuple[Scheme, PostDefinition]]


@dataclass(frozen=True, slots=True)
class Link:
    """What was found: a superior, the top of the chain (`None`), or a break (`None` and `broken`)."""

    superior: Superior | None
    broken: bool = False


TOP = Link(None)
BROKEN = Link(None, broken=True)


def superior_of(post: str, here: OnDay, types: Types) -> Link:
    """Return the link above a post that exists at this desk on this day."""
    explicit = here.posts[post].superior(here.day)
    if explicit is not None:
        missing = explicit.desk == here.desk.code and explicit.post not in here.posts
        return BROKEN if missing else Link(explicit)
    unit, type_ = place_of(post)
    scheme, definition = types[type_]
    if definition.above is not None:
        return _reports_to(unit, type_, scheme, definition.above, here, types)
    return _by_template(unit, type_, scheme, here, types)


def _reports_to(unit: str, type_: str, scheme: Scheme, above: ReportsTo, here: OnDay, types: Types) -> Link:
    wanted = scheme.qualified(above.post)
    # A type that reports to itself means the next unit up; where there is none, it is the top.
    again = wanted == type_
    found = _nearest(unit, wanted, here, types, kind=above.unit, but=unit if again else "")
    if found is not None:
        return Link(found)
    return TOP if again else BROKEN


def _by_template(unit: str, type_: str, scheme: Scheme, here: OnDay, types: Types) -> Link:
    """Climb the template of the place's residential type; others count where that one has no such post."""
    above = scheme.above[type_.partition(":")[2]]
    residential = _residential(unit, here) if len(above) > 1 else None
    fits = residential is not None and residential in above
    chosen = {types_above for key, types_above in above.items() if key == residential or not fits}
    links = {_climb(unit, named, scheme, here, types) for named in chosen}
    # Templates that agree need no residential type; where they differ, guessing would misdirect orders.
    return links.pop() if len(links) == 1 else BROKEN if links else TOP


def _climb(unit: str, above: tuple[str, ...], scheme: Scheme, here: OnDay, types: Types) -> Link:
    for named in reversed(above):
        for alternative in scheme.instead_of(named):
            found = _nearest(unit, scheme.qualified(alternative), here, types)
            if found is not None:
                return Link(found)
        if not scheme.optional(named):
            return BROKEN
    top = scheme.posts[above[0]].above if above else None
    if top is None:
        return TOP
    # Every level above was left out: the superior of the one that would be the top stands in.
    found = _nearest(unit, scheme.qualified(top.post), here, types, kind=top.unit)
    return Link(found) if found else BROKEN


def _nearest(
    unit: str, wanted: str, here: OnDay, types: Types, *, kind: str | None = None, but: str = ""
) -> Superior | None:
    """Return the nearest seat of a type upwards; above this desk its existence is taken on trust."""
    for place in here.upwards(unit):
        if place == but or (kind is not None and here.kind(place) != kind):
            continue
        if desk_of(place) == here.desk.code:
            seats = here.seats.get((place, wanted))
            if seats:
                return Superior(desk=here.desk.code, post=seats[0])
        elif here.kind(place) in types[wanted][1].kinds:
            return Superior(desk=desk_of(place), post=f"{place}/{wanted}")
    return None


def _residential(unit: str, here: OnDay) -> str | None:
    for place in here.upwards(unit):
        known = here.places.get(place)
        if known is not None and known.residential is not None:
            return known.residential
    return None
