"""Tiny worlds for registry: rows of a community with three residential types, and a registry in memory."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from services.registry.domain.desk import Desk
from services.registry.domain.scheme import Scheme
from services.registry.handlers import APPLY, RegistryCommands, RegistryDecider
from services.registry.schemes import load_schemes
from services.registry.store import CHARGES, DESKS, FINDINGS, HOUSEHOLDS, ROSTERS
from shared.contracts.base import json_bytes
from shared.contracts.envelope import Message, header
from shared.contracts.outcomes import Outcome
from shared.contracts.registry import (
    CHANGES,
    COMMANDS_TOPIC,
    AttachScheme,
    Changes,
    PutHousehold,
    PutPost,
    PutUnit,
)
from shared.flow.batch import Flow
from shared.flow.decide import OUTCOMES
from shared.flow.documents import Collection
from shared.flow.records import Arrival, Origin, Record
from tests.fakes.log import Watch
from tests.fakes.storage import MemoryStorage

ROOT = Path(__file__).parents[2]
SHAPES = ROOT / "tests" / "fixtures" / "schemes"
DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
STREET = "610802006"
COMMUNITY = "610802006003"
ZONE = ZoneInfo("Asia/Shanghai")
SOURCE = "/city/6108/registry"


def shipped() -> dict[str, Scheme]:
    return load_schemes(ROOT / "schemes")


def unit(code: str, **facts: Any) -> PutUnit:
    return PutUnit(code=code, **{"valid_from": DAY, **facts})


def post(unit_code: str, type_: str, **facts: Any) -> PutPost:
    """A seat, held by a person named after it unless told otherwise (`holder=None`: vacant)."""
    id_ = f"{unit_code}/{type_}"
    holder = "p-" + "".join(c if c.isalnum() else "-" for c in id_)
    return PutPost(post=id_, **{"holder": holder, "valid_from": DAY, **facts})


def household(number: int, unit_code: str, charge: str | None, members: int = 3) -> PutHousehold:
    return PutHousehold(
        household=f"household-{number}",
        unit=unit_code,
        members=tuple(f"m-{number}-{n}" for n in range(members)),
        charges={"main": charge} if charge else {},
        valid_from=DAY,
    )


def vertical() -> dict[str, list[Any]]:
    """The desks from the province to the street, each with its duty desk; cw5 attached to the street."""
    rows: dict[str, list[Any]] = {
        code: [unit(code), post(code, "city-vertical:duty-desk")] for code in ("61", "6108", "610802", STREET)
    }
    rows["61"].append(AttachScheme(unit="61", scheme="city-vertical", valid_from=DAY))
    rows[STREET].append(AttachScheme(unit=STREET, scheme="cw5", valid_from=DAY))
    return rows


def grid(code: str = f"{COMMUNITY}007") -> list[Any]:
    """One grid: a compound of one building, a bungalow area with one lane, a commercial area."""
    kinds = [
        (f"{code}", None),
        (f"{code}.c1", "apartment"),
        (f"{code}.c1.b1", None),
        (f"{code}.c1.b1.f1", None),
        (f"{code}.c1.b1.f2", None),
        (f"{code}.p1", "bungalow"),
        (f"{code}.p1.l1", None),
        (f"{code}.p1.l1.y1", None),
        (f"{code}.p1.l1.y2", None),
        (f"{code}.m1", "commercial"),
        (f"{code}.m1.s1", None),
    ]
    types = {
        "": ("grid-chief", "grid-member"),
        ".c1.b1": ("building-head",),
        ".c1.b1.f1": ("floor-head",),
        ".c1.b1.f2": ("floor-head",),
        ".p1.l1": ("lane-head",),
        ".p1.l1.y1": ("courtyard-head",),
        ".p1.l1.y2": ("courtyard-head",),
        ".m1": ("supervision-head",),
        ".m1.s1": ("shop-head",),
    }
    posts = [post(code + place, f"cw5:{type_}") for place, named in types.items() for type_ in named]
    return [*(unit(place, residential=residential) for place, residential in kinds), *posts]


def community(code: str = COMMUNITY, grids: int = 1) -> list[Any]:
    """A community with its two chiefs and some grids."""
    top = [unit(code), post(code, "cw5:area-chief"), post(code, "cw5:community-chief")]
    return top + [row for n in range(grids) for row in grid(f"{code}{7 + n:03}")]


def households(code: str = f"{COMMUNITY}007") -> list[PutHousehold]:
    """One household at each post that takes charge in a grid, and the shop."""
    charges = [".c1.b1.f1/cw5:floor-head", ".c1.b1.f2/cw5:floor-head", ".p1.l1.y1/cw5:courtyard-head"]
    charges += [".p1.l1.y2/cw5:courtyard-head", ".m1.s1/cw5:shop-head"]
    return [household(n, code + charge.partition("/")[0], code + charge) for n, charge in enumerate(charges)]


def desk_of_rows(code: str, rows: Iterable[Any], schemes: Mapping[str, Scheme]) -> Desk:
    """A desk as these rows make it, each row decided on what came before; a refusal raises."""
    decider = RegistryDecider(schemes, ZONE, source=SOURCE)
    desk = Desk(code)
    for row in rows:
        for event in decider.events(desk, row):
            APPLY[event.type](desk, event.data)
    return desk


class RegistryInMemory:
    """The registry's consumer over a log and documents in memory; what it publishes to itself is followed."""

    def __init__(self, schemes: Mapping[str, Scheme]) -> None:
        self.memory = MemoryStorage()
        self.watch = Watch()
        self.now = NOON
        self._offsets = count()
        self._ids = count(1)
        self._waiting: list[Message] = []
        self._first: dict[str, str] = {}
        self.handler = RegistryCommands(RegistryDecider(schemes, ZONE, source=SOURCE), source=SOURCE)

    def flow(self) -> Flow:
        return Flow(
            "registry.commands", self.handler, storage=self.memory, publish=self._publish,
            partitions=lambda _: 1, observer=self.watch, max_weight=1000,
        )  # fmt: skip

    async def change(self, key: str, *rows: Any, actor: str = "clerk", id_: str | None = None) -> Outcome:
        """Append rows of one desk in records of at most 200, and run until nothing is left to do."""
        name = ""
        for start in range(0, len(rows), 200):
            name = id_ or f"command-{next(self._ids)}"
            self._first.setdefault(key, name)
            body = Changes(rows=rows[start : start + 200])
            await self.deliver([self.record(key, body, name, actor)])
        return self.value(OUTCOMES, name)

    async def build(self, rows: Mapping[str, Sequence[Any]]) -> None:
        for key, each in rows.items():
            await self.change(key, *each)

    async def deliver(self, arrivals: Sequence[Arrival]) -> None:
        await self.flow()(arrivals)
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            await self.flow()([self._follow(message) for message in waiting])

    def record(self, key: str, body: Changes, id_: str, actor: str) -> Record:
        origin = Origin(COMMANDS_TOPIC.name, 0, next(self._offsets), key.encode(), json_bytes(body), ())
        return Record(origin, id_, CHANGES, body, self.now, actor)

    def value(self, collection: Collection[Any], id_: str) -> Any:
        body = self.memory.body(collection.name, id_)
        return None if body is None else collection.decode(body)

    def first_of(self, key: str) -> str:
        """The id of the first command this desk was given."""
        return self._first[key]

    @property
    def published(self) -> list[Message]:
        return self.watch.published

    def newest(self, topic: str) -> dict[str, Message]:
        """What a compacted topic holds: the last message of each key."""
        return {message.key.decode(): message for message in self.watch.published if message.topic == topic}

    def said(self, since: int) -> dict[str, bytes | None]:
        """What was published from a place in the row on, by id."""
        return {header(message.headers, "ce_id"): message.value for message in self.published[since:]}

    def _follow(self, message: Message) -> Record:
        body = Changes.model_validate_json(message.value or b"")
        id_, actor = header(message.headers, "ce_id"), header(message.headers, "ce_actor")
        return self.record(message.key.decode(), body, id_, actor)

    async def _publish(self, messages: Sequence[Message]) -> None:
        await self.watch.publish(messages)
        self._waiting += [message for message in messages if message.topic == COMMANDS_TOPIC.name]


__all__ = [
    "CHARGES", "COMMUNITY", "DAY", "DESKS", "FINDINGS", "HOUSEHOLDS", "NOON", "OUTCOMES", "ROSTERS", "SHAPES",
    "STREET", "RegistryInMemory", "community", "desk_of_rows", "grid", "household", "households", "post",
    "shipped", "unit", "vertical",
]  # fmt: skip


async def street_and_community() -> RegistryInMemory:
    """Return a registry that was told the levels above and one community."""
    made = RegistryInMemory(shipped())
    await made.build(vertical())
    await made.change(COMMUNITY, *community())
    return made
