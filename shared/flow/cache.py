"""What a flow remembers between batches: documents that its group alone writes, as they are stored.

What a batch changed and could not finish is never here. The guard of every write finds a memory that is out
of date, and so does the position, which each batch reads: somebody else who wrote here has moved it.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

MOST: Final = 8_192

Key = tuple[str, str]
"""A collection's name, and an id."""


@dataclass(slots=True)
class Held:
    """One document in hand: its value, and the version that is stored of it (0: none)."""

    value: Any = None
    v: int = 0
    body: dict[str, Any] = field(default_factory=dict)
    """The value as it is stored, or is about to be."""
    found: dict[str, Any] = field(default_factory=dict)
    """The lookup document as it is stored."""
    lookups: int = 0
    """How often the lookup document was written: kept in the value's own, whose guard covers both."""
    changed: bool = False


Again = Callable[[], Held]
"""Has a document in hand again; what a batch does to it is done to nothing else."""


class Cache:
    """Documents of earlier batches, least recently used out first; bounded by their number.

    It belongs to one assignment and one remembered position (design §2).
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[Key, Again] = OrderedDict()

    def get(self, key: Key) -> Held | None:
        """Return a document as it is stored."""
        again = self._kept.get(key)
        if again is None:
            return None
        self._kept.move_to_end(key)
        return again()

    def put(self, key: Key, again: Again) -> None:
        """Keep a document as it is stored."""
        self._kept[key] = again
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
