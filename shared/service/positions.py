"""Is this service's place in the log credible? If not, starting would lose or repeat records silently."""

from collections.abc import Mapping

from shared.flow.batch import POSITIONS, Position
from shared.kernel.errors import ConfigurationError
from shared.messaging.places import Places
from shared.mongo.client import Database

MOST_PARTITIONS = 100_000

Positions = Mapping[int, Position]
"""By partition number."""


async def read_positions(group: str, database: Database) -> Positions:
    """Return how far a group has applied each of its partitions."""
    # From the first id that begins with the group and a stroke to the last: "0" is what follows "/".
    where = {"_id": {"$gte": f"{group}/", "$lt": f"{group}0"}}
    bodies = await database.find(POSITIONS.name, where, limit=MOST_PARTITIONS)
    return {int(body["_id"].rpartition("/")[2]): POSITIONS.decode(body) for body in bodies}


def refuse_implausible(group: str, before: Positions, places: Places, after: Positions) -> None:
    """Raise `ConfigurationError` unless earliest ≤ committed ≤ next ≤ end, on the log of the stored id.

    Another replica may be applying records meanwhile, and each of the four only grows: so what was stored
    `before` the broker was asked is held against the end, and what was stored `after` it against the rest.
    Offsets are only ever reset backwards: a committed offset behind `next` only repeats, one before it skips.
    """
    _refuse_lost(group, places, after)
    for partition, position in after.items():
        if position.log_id and position.log_id != places.log_id:
            raise ConfigurationError(
                "another-log", f"{group}/{partition} was applied from log {position.log_id}"
            )
        for place, (earliest, end) in places.ranges.items():
            if place.partition != partition or place.topic not in position.next:
                continue
            next_, was = position.next[place.topic], 0
            if partition in before:
                was = before[partition].next.get(place.topic, 0)
            kept = places.committed.get(place)
            where = f"{group} {place.topic}/{partition}: earliest {earliest}, next {next_}, end {end}"
            if was > end:
                raise ConfigurationError("log-shorter-than-state", where)
            if kept is not None and kept > next_:
                raise ConfigurationError("offset-beyond-state", f"{where}, committed {kept}")
            if max(earliest, kept or 0) > next_:
                raise ConfigurationError("records-gone-before-applied", where)


def _refuse_lost(group: str, places: Places, after: Positions) -> None:
    """Refuse offsets without any position: of a database that is gone, and what they stand for is skipped."""
    for place, committed in places.committed.items():
        position = after.get(place.partition)
        applied = position is not None and place.topic in position.next
        # A partition that nothing was read from is committed where it begins.
        if not applied and committed > places.ranges[place][0]:
            where = f"{group} {place.topic}/{place.partition}: committed {committed}, nothing applied"
            raise ConfigurationError("offset-beyond-state", where)
