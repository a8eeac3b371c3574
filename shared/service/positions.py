"""Is this service's place in the log credible? If not, starting would lose or repeat records silently."""

from shared.flow.batch import POSITIONS, position_id
from shared.kernel.errors import ConfigurationError
from shared.messaging.places import Places
from shared.mongo.client import Database


async def refuse_implausible(group: str, places: Places, database: Database) -> None:
    """Raise `ConfigurationError` unless earliest ≤ committed ≤ next ≤ end, on the log of the stored id.

    Offsets are only ever reset backwards: a committed offset behind `next` only repeats, one before it skips.
    """
    for partition in sorted({place.partition for place in places.ranges}):
        stored = await database.one(POSITIONS.name, position_id(group, partition))
        if stored is None:
            continue
        position = POSITIONS.decode(stored)
        if position.log_id and position.log_id != places.log_id:
            raise ConfigurationError(
                "another-log", f"{group}/{partition} was applied from log {position.log_id}"
            )
        for place, (earliest, end) in places.ranges.items():
            if place.partition != partition or place.topic not in position.next:
                continue
            next_ = position.next[place.topic]
            committed = places.committed.get(place)
            where = f"{group} {place.topic}/{partition}: earliest {earliest}, next {next_}, end {end}"
            if next_ > end:
                raise ConfigurationError("log-shorter-than-state", where)
            if committed is not None and committed > next_:
                raise ConfigurationError("offset-beyond-state", f"{where}, committed {committed}")
            if max(earliest, committed or 0) > next_:
                raise ConfigurationError("records-gone-before-applied", where)
