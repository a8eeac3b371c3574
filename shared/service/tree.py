"""What stands at a desk and at those below it, read level by level for a page."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from shared.runtime.problems import Problem

MOST = 500
Json = dict[str, Any]
Node = tuple[str, Json, Sequence[str]]
"""A desk, what is shown of it, and the desks below it."""
Read = Callable[[Sequence[str]], Awaitable[Iterable[Node]]]


async def tree(
    desk: str, depth: int, read: Callable[[Sequence[str]], Awaitable[Iterable[Node]]]
) -> Json | None:
    """Return what stands at a desk and `depth` levels below; raise a problem where a level is too wide.

    A level is one question: a city's thousand streets are no more queries than their number asks for (U-07).
    """
    top: list[Json] = []
    # By desk: the list that it belongs in.
    level: dict[str, list[Json]] = {desk: top}
    for left in range(depth, -1, -1):
        if len(level) > MOST:
            raise Problem("invalid-query", f"more than {MOST} desks at one level; ask for one below")
        below: dict[str, list[Json]] = {}
        for at, node, children in await read(sorted(level)):
            level[at].append(node)
            if left and children:
                node["below"] = beneath = list[Json]()
                below |= dict.fromkeys(children, beneath)
        level = below
    return top[0] if top else None
