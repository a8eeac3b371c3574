"""How many of everything the street of source 000 has, and the same shape at a smaller size for tests."""

from dataclasses import dataclass

LEAST_POSTS = 40
_FEWEST_COMMUNITIES = 2


@dataclass(frozen=True, slots=True)
class Shape:
    """Units of a street; every one of them has its head, a community and a grid have two (S0-03, S0-14)."""

    communities: int
    grids: int
    buildings: int
    floors: int
    lanes: int
    courtyards: int
    residents: int

    @property
    def posts(self) -> int:
        """The posts of the last tier, without the duty desks above it."""
        heads = self.buildings + self.floors + self.lanes + self.courtyards
        return 2 * self.communities + 2 * self.grids + heads


STREET = Shape(
    communities=7,
    grids=64,
    buildings=181,
    floors=562,
    lanes=520,
    courtyards=2765,
    residents=57_125,
)


def scaled(posts: int) -> Shape:
    """Return a street of exactly so many posts, as nearly of the same proportions as whole numbers allow."""
    if not LEAST_POSTS <= posts <= STREET.posts:
        raise ValueError(f"a street has {LEAST_POSTS} to {STREET.posts} posts, not {posts}")

    def share(count: int, *, at_least: int) -> int:
        return max(at_least, round(count * posts / STREET.posts))

    communities = share(STREET.communities, at_least=_FEWEST_COMMUNITIES)
    grids = share(STREET.grids, at_least=communities)
    buildings = share(STREET.buildings, at_least=grids)
    floors = share(STREET.floors, at_least=buildings)
    lanes = share(STREET.lanes, at_least=grids)
    others = 2 * communities + 2 * grids + buildings + floors + lanes
    return Shape(
        communities=communities,
        grids=grids,
        buildings=buildings,
        floors=floors,
        lanes=lanes,
        courtyards=posts - others,
        residents=share(STREET.residents, at_least=posts),
    )
