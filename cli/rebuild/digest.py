"""A stable digest of what a service owns, to tell whether two databases hold the same."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.flow.documents import LOOKUP

NOT_STATE: Final = frozenset({"positions"})
"""Places in the log, with the sessions that wrote them."""


def is_state(collection: str) -> bool:
    """Return whether a collection is compared: what lookups say follows from the values they find."""
    return collection not in NOT_STATE and not collection.endswith(LOOKUP)


@dataclass(frozen=True, slots=True)
class Digest:
    """One collection: how many documents, the digest of each by id, and of all."""

    documents: Mapping[str, str]

    @property
    def whole(self) -> str:
        """The digest of the collection."""
        lines = (f"{id_}={digest}" for id_, digest in sorted(self.documents.items()))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def differing(self, other: "Digest") -> list[str]:
        """Return the ids of documents that only one has, or that are not the same."""
        ids = self.documents.keys() | other.documents.keys()
        return sorted(id_ for id_ in ids if self.documents.get(id_) != other.documents.get(id_))


def digest_of(documents: Iterable[Mapping[str, Any]], volatile: Sequence[str]) -> Digest:
    """Return the digest of a collection, without how often it was written and what else is `volatile`."""
    return Digest({body["_id"]: _digest(body, ["_id", "v", "lookups", *volatile]) for body in documents})


def whole(digests: Mapping[str, Digest]) -> str:
    """Return the digest of a whole database."""
    lines = "\n".join(f"{name}={digest.whole}" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _digest(body: Mapping[str, Any], but: Sequence[str]) -> str:
    plain = dict(body)
    for name in but:
        field, _, inner = name.partition(".")
        if inner and field in plain:
            plain[field] = [
                {key: value for key, value in each.items() if key != inner} for each in plain[field]
            ]
        elif not inner:
            plain.pop(field, None)
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, default=bytes.hex)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
