"""The chain of one household: its main charge post and that post's superiors, desk by desk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from services.registry.domain.desk import place_of
from services.registry.domain.scheme import Schemes
from shared.contracts.registry import Roster, Seat, Verb


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One post of a chain and who holds it; a post above that no roster shows has no level."""

    desk: str
    post: str
    level: str | None = None
    verb: Verb | None = None
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """From the charge post upwards. `household_level` is set where the household itself is the last link."""

    household: str
    links: tuple[ChainLink, ...]
    household_level: str | None = None

    @property
    def length(self) -> int:
        """How many links the last tier has: those of the charge post's scheme, the household if it is one."""
        if not self.links:
            return 0
        scheme = _scheme(self.links[0].post)
        own = sum(_scheme(link.post) == scheme for link in self.links)
        return own + (self.household_level is not None)


class Rosters:
    """Rosters by desk, with their seats found by post."""

    def __init__(self, rosters: Mapping[str, Roster]) -> None:
        self._rosters = rosters

    @cached_property
    def _seats(self) -> dict[str, Seat]:
        return {seat.post: seat for roster in self._rosters.values() for seat in roster.seats}

    def upwards(self, desk: str, post: str) -> Sequence[ChainLink]:
        """Return a post and everyone above it, up to the top or to a desk that is not known."""
        links: dict[str, ChainLink] = {}
        while post not in links:
            seat = self._seats.get(post)
            if seat is None:
                links[post] = ChainLink(desk, post)
                break
            links[post] = ChainLink(desk, post, seat.level, seat.verb, seat.holder)
            if seat.superior is None:
                break
            desk, post = seat.superior.desk, seat.superior.post
        return tuple(links.values())


def responsible(household: str, charge: str | None, desk: str, rosters: Rosters, schemes: Schemes) -> Chain:
    """Return who answers for a household; without a main charge post nobody does, and the chain is empty."""
    if charge is None:
        return Chain(household, ())
    scheme = schemes.get(_scheme(charge))
    level = scheme.household_level if scheme else None
    named = None if scheme is None or level is None else f"{scheme.scheme}:{level}"
    return Chain(household, tuple(rosters.upwards(desk, charge)), named)


def _scheme(post: str) -> str:
    return place_of(post)[1].partition(":")[0]
