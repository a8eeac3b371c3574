"""What a transaction claims to have applied: each record once, and no place in the log ever goes back."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from shared.flow.documents import Write
from shared.flow.records import Record
from tests.simulation.log import at_home
from tests.simulation.storage import Store, View
from tests.simulation.violation import require


@dataclass(slots=True)
class Applying:
    """Watches the positions that transactions move."""

    store: Store
    applied: Counter[str] = field(default_factory=Counter)

    def fresh(self, view: View, writes: Sequence[Write]) -> Iterator[Record]:
        """Yield the readable records at home that this transaction applies, in the order it has them."""
        moves = {write.id: self._move(write) for write in writes if write.collection == "positions"}
        for arrival in view.batch:
            origin = arrival.origin
            old, new = moves.get(f"{view.group}/{origin.partition}", {}).get(origin.topic, (0, 0))
            if old <= origin.offset < new:
                self.applied[f"{view.group}/{origin.partition}/{origin.topic}"] += 1
                if isinstance(arrival, Record) and at_home(arrival):
                    yield arrival
        for place, topics in moves.items():
            for topic, (_, new) in topics.items():
                known = self.applied[f"{place}/{topic}"]
                require(known == new, "each record is applied once", f"{place} {topic}: {known} of {new}")

    def _move(self, write: Write) -> Mapping[str, tuple[int, int]]:
        known = self.store.get("positions", write.id)
        old = dict(known["next"]) if known else {}
        new = dict(write.body["next"])
        for topic, at in old.items():
            require(new.get(topic, 0) >= at, "a position never goes back", f"{write.id} {topic}")
        return {topic: (old.get(topic, 0), at) for topic, at in new.items()}
