"""Fictional residents in households, by handle: each household with exactly one main charge post."""

from collections.abc import Iterator, Sequence
from datetime import date
from random import Random

from shared.contracts.registry import PutHousehold

SPANS = {"cw5:floor-head": (5, 6), "cw5:courtyard-head": (6, 7)}
"""Households of one head: a floor head's span is the source's (S0-07), a courtyard's fits the total."""

_SIZES = (1, 2, 3, 4, 5, 6)
_OFTEN = (18, 30, 26, 16, 8, 2)


def opaque(rng: Random, letter: str) -> str:
    """Return an opaque id of a person or a household: nobody in the demonstration has a name."""
    return f"{letter}{rng.getrandbits(80):020x}"


def settle(
    charges: Sequence[tuple[str, str, str]], *, residents: int, since: date, rng: Random
) -> Iterator[PutHousehold]:
    """Yield households at each (unit, charge post, type of post); their members are `residents` in all."""
    homes = [(unit, post) for unit, post, type_ in charges for _ in range(rng.randint(*SPANS[type_]))]
    for (unit, post), size in zip(homes, _sizes(len(homes), residents, rng), strict=True):
        yield PutHousehold(
            household=opaque(rng, "h"),
            unit=unit,
            members=tuple(opaque(rng, "p") for _ in range(size)),
            charges={"main": post},
            valid_from=since,
        )


def _sizes(homes: int, residents: int, rng: Random) -> list[int]:
    """Return household sizes as they are common, then moved by ones until they add up."""
    if not homes <= residents:
        raise ValueError(f"{residents} residents do not fill {homes} households")
    sizes = rng.choices(_SIZES, _OFTEN, k=homes)
    missing = residents - sum(sizes)
    step = 1 if missing > 0 else -1
    while missing:
        home = rng.randrange(homes)
        if sizes[home] + step >= 1:
            sizes[home] += step
            missing -= step
    return sizes
