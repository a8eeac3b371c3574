"""The reading side of a database, over a storage in memory, for the routes and tickers of services.

What it does not imitate: a server. There is no projection, no index, and of the query language only what
queries of ours use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.fakes.storage import MemoryStorage

Document = dict[str, Any]


@dataclass
class ReadMemory:
    """`shared.mongo.client.Database` over a storage in memory."""

    memory: MemoryStorage

    async def one(self, collection: str, id_: str) -> Document | None:
        return self.memory.body(collection, id_)

    async def find(
        self, collection: str, where: Mapping[str, Any], *, limit: int, order: str = "_id", **_: Any
    ) -> list[Document]:
        bodies = [body for (name, _), body in self.memory.all().items() if name == collection]
        found = [body for body in bodies if matches(body, where) and body.get(order) is not None]
        return sorted(found, key=lambda body: body[order])[:limit]

    async def count(self, collection: str, where: Mapping[str, Any]) -> int:
        return len(await self.find(collection, where, limit=1_000_000))


def matches(body: Document, where: Mapping[str, Any]) -> bool:
    for name, wanted in where.items():
        if name == "$or":
            if not any(matches(body, each) for each in wanted):
                return False
        elif not any(fits(value, wanted) for value in values(body, name.split("."))):
            return False
    return True


def values(body: Any, names: Sequence[str]) -> list[Any]:
    if isinstance(body, list):
        return [value for each in body for value in values(each, names)]
    if not names:
        return [body]
    return values(body.get(names[0]), names[1:]) if isinstance(body, dict) else []


def fits(value: Any, wanted: Any) -> bool:
    tests = {"$in": lambda v, w: v in w, "$gt": lambda v, w: v > w, "$gte": lambda v, w: v >= w}
    tests["$lte"] = lambda v, w: v <= w
    if not isinstance(wanted, dict):
        return bool(value == wanted)
    return value is not None and all(tests[op](value, operand) for op, operand in wanted.items())
