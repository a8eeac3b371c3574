"""Compiling: the state of a desk on a day → its roster. Pure, and the same whatever order things came in."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from services.registry.domain.desk import Desk, parent_of, place_of
from services.registry.domain.on_day import OnDay
from services.registry.domain.superior import Types, superior_of
from shared.contracts.registry import ChildDesk, Roster, Seat, Superior


@dataclass(frozen=True, slots=True)
class Compiled:
    """A roster, and the posts whose chain breaks above them."""

    roster: Roster
    broken: tuple[str, ...]


def compile_desk(desk: Desk, types: Types, day: date) -> Compiled:
    """Compile one desk on one day; posts and children stand in the order of their ids."""
    here = OnDay(desk, day)
    # A scheme file may have lost a type that desks still have: such posts are shown, never guessed at.
    unknown = [post for post in here.posts if place_of(post)[1] not in types]
    for post in unknown:
        del here.posts[post]
    links = {post: superior_of(post, here, types) for post in sorted(here.posts)}
    looping = _looping({post: link.superior for post, link in links.items()}, desk.code)
    seats = tuple(
        _seat(post, None if post in looping else link.superior, here, types) for post, link in links.items()
    )
    roster = Roster(
        desk=desk.code, v=0, on=day, path=here.path, seats=seats, children=tuple(_children(desk, here))
    )
    broken = [post for post, link in links.items() if link.broken or post in looping]
    return Compiled(roster, tuple(sorted([*broken, *unknown])))


def commander(roster: Roster) -> str | None:
    """Return the post at the desk above to which this desk's top posts report."""
    parent = parent_of(roster.path)
    above = [s.superior.post for s in roster.seats if s.superior and s.superior.desk == parent != roster.desk]
    return min(above, default=None)


def counted_by_type(posts: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(place_of(post)[1] for post in posts).items()))


def loops_back(post: str, superior: Superior, here: OnDay, types: Types) -> bool:
    """Say whether a post would, through this superior, stand above itself."""
    seen: set[str] = set()
    above: Superior | None = superior
    while above is not None and above.desk == here.desk.code and above.post not in seen:
        if above.post == post:
            return True
        seen.add(above.post)
        known = above.post in here.posts and place_of(above.post)[1] in types
        above = superior_of(above.post, here, types).superior if known else None
    return False


def _seat(post: str, superior: Superior | None, here: OnDay, types: Types) -> Seat:
    unit, type_ = place_of(post)
    scheme, definition = types[type_]
    return Seat(
        post=post,
        level=f"{scheme.scheme}:{definition.level_at(here.kind(unit))}",
        verb=definition.verb,
        done_at=definition.done,
        superior=superior,
        holder=here.posts[post].holder(here.day),
        unit=unit,
        within=here.inside(unit),
    )


def _children(desk: Desk, here: OnDay) -> Iterable[ChildDesk]:
    for code, child in sorted(desk.children.items()):
        if child.gone:
            continue
        commands = child.commander if child.commander in here.posts else None
        yield ChildDesk(desk=code, commander=commands, posts=sum(child.posts_by_type.values()))


def _looping(superiors: Mapping[str, Superior | None], desk: str) -> set[str]:
    """Return the posts that stand on a cycle; those below a cycle are not on it."""
    visited: set[str] = set()
    looping: set[str] = set()
    for start in superiors:
        trail: list[str] = []
        post: str | None = start
        while post is not None and post not in visited:
            visited.add(post)
            trail.append(post)
            above = superiors[post]
            post = above.post if above and above.desk == desk and above.post in superiors else None
        if post in trail:
            looping.update(trail[trail.index(post) :])
    return looping
