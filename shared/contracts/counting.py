"""Absolute counts on their way up: what dispatch's and screening's tallies have in common.

A newer tally replaces an older one and none is a delta (design §1, §4.4).
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Generic, Literal, Self, TypeVar

from pydantic import Field

from shared.contracts.base import Code, Count, Instant, Model

Version = Annotated[int, Field(ge=1, le=1_000_000)]


class Counted(Model):
    """Numbers by name; every field is a count."""

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> Self:
        """Return counts that are known to be whole and right: no validation, for sums in a loop."""
        return cls.model_construct(None, **counts)

    @classmethod
    def total_of(cls, counts: Iterable[Self]) -> Self:
        """Add counts up by field; one value stands for itself, none is all noughts."""
        each = list(counts)
        if len(each) == 1:
            return each[0]
        return cls.of({name: sum(getattr(one, name) for one in each) for name in cls.model_fields})


C = TypeVar("C", bound=Counted)


class AbsoluteTally(Model, Generic[C]):
    """An absolute count: of what is kept at one desk (`own`), or of a place with all below it (`subtree`).

    Newer is the greater (`version`, `generation`, `v`). `children` are those that the desk expects a tally
    from; `missing` counts desks of the subtree that have not reported yet, `desks` those that have.
    """

    desk: Code
    to: Code
    covers: Literal["own", "subtree"]
    parent: Code | None = None
    version: Version = 1
    generation: Count = 0
    v: Count
    changes: Count = 0
    cells: dict[str, C] = Field(default_factory=dict)
    children: tuple[Code, ...] = ()
    desks: Count = 1
    missing: Count = 0
    due: Instant

    @property
    def rank(self) -> tuple[int, int, int]:
        """What makes one tally of a desk newer than another."""
        return self.version, self.generation, self.v

    @property
    def series(self) -> tuple[int | str, ...]:
        """What two tallies must share to be added: inside one series a newer version counts no less.

        Every version is a series of its own, unless its owner says that versions carry counts on.
        """
        return (self.version,)
