"""Waiting until nothing flows: every group has committed up to the end of its topics, and nothing was added.

A group commits after it has published, so whatever it had to say of those records is on the log by then.
"""

import asyncio
import time
from collections.abc import Container, Mapping, Sequence
from typing import Final

from shared.contracts.catalog import TOPICS
from shared.kernel.errors import GridloopError
from shared.messaging.asking import behind, places_of
from shared.messaging.places import Place
from shared.messaging.security import Security

LOOK_S: Final = 0.2
APPENDED: Final = "records are still being appended"
Ends = Mapping[Place, int]


class NotAtRest(GridloopError):  # noqa: N818 - named by what happened
    """Something was still flowing when the time was over."""


def groups_of(services: Container[str] | None = None) -> dict[str, list[str]]:
    """Return the topics of each consumer group of these services, or of all, as the topics' cards say."""
    groups: dict[str, list[str]] = {}
    for topic in TOPICS:
        for group in topic.groups:
            if services is None or group.partition(".")[0] in services:
                groups.setdefault(group, []).append(topic.name)
    return dict(sorted(groups.items()))


async def at_rest(servers: str, security: Security, services: Sequence[str], *, deadline: float) -> Ends:
    """Return where the topics end that these services read, once nothing flows.

    Raises `NotAtRest` where that is not so by the deadline (monotonic), `Transient` without a broker.
    """
    before: Ends | None = None
    while True:
        ends, left = await _look(servers, security, services)
        if not left and ends == before:
            return ends
        # Rest is seen by two looks, however little time there is.
        if time.monotonic() > deadline and (left or before is not None):
            raise NotAtRest("not-at-rest", ", ".join(left) or APPENDED)
        before = None if left else ends
        await asyncio.sleep(LOOK_S if left else 0)


async def _look(servers: str, security: Security, services: Sequence[str]) -> tuple[Ends, list[str]]:
    """Return every end, and which groups are behind it by how much."""
    found = await places_of(servers, groups_of(services), security)
    ends = {place: end for places in found.values() for place, (_, end) in places.ranges.items()}
    lags = {group: sum(behind(places).values()) for group, places in found.items()}
    return ends, [f"{group} is {lag} records behind" for group, lag in sorted(lags.items()) if lag]
