"""One group's partitions in lanes that work side by side: while one waits for the database, another folds.

A lane is a `Flow` of its own with a database session of its own, and a partition is always the same lane's.
Lanes are to each other what replicas are, but for the poll they share.
"""

import asyncio
from collections.abc import Sequence

from shared.flow.batch import Flow
from shared.flow.records import Arrival


class Lanes:
    """Hands each arrival to its lane: `await lanes(arrivals)` returns once all offsets may be committed."""

    def __init__(self, flows: Sequence[Flow]) -> None:
        self._flows = flows

    def reassigned(self) -> None:
        """Tell every lane of a new assignment."""
        for flow in self._flows:
            flow.reassigned()

    def is_first(self, partition: int) -> bool:
        """Whether nobody applied this partition before."""
        return self._flows[self._lane(partition)].is_first(partition)

    async def __call__(self, arrivals: Sequence[Arrival]) -> None:
        """Apply one poll. A lane that fails raises once the others are done: what they applied stays so."""
        shares: list[list[Arrival]] = [[] for _ in self._flows]
        for arrival in arrivals:
            shares[self._lane(arrival.origin.partition)].append(arrival)
        work = (flow(share) for flow, share in zip(self._flows, shares, strict=True) if share)
        for failure in await asyncio.gather(*work, return_exceptions=True):
            if failure is not None:
                raise failure

    def _lane(self, partition: int) -> int:
        return partition % len(self._flows)
