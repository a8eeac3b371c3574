"""A service's copies of the rosters: who holds which post now, and so who may say what."""

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from fastapi import Request

from shared.contracts import registry
from shared.contracts.registry import Roster
from shared.domain.authority import Refusal, beyond_authority
from shared.flow.documents import Body, Collection
from shared.flow.merge import KeepNewest
from shared.kernel.clock import Clock
from shared.kernel.codes import InvalidCode, desk_of, desk_of_post
from shared.mongo.client import Database
from shared.runtime.problems import Problem
from shared.runtime.tokens import Verifier, bearer_token
from shared.service.process import Group


def _encode(roster: Roster) -> Body:
    held = [(seat.post, seat.holder) for seat in roster.seats if seat.holder]
    return {
        "path": list(roster.path),
        "roster_v": roster.v,
        "roster": roster.model_dump_json(exclude_none=True),
        # What every request asks, apart: hundreds of seats are not read to find one person's.
        "held": json.dumps(held, ensure_ascii=False, separators=(",", ":")),
        "holders": sorted({holder for _, holder in held}),
    }


@lru_cache(maxsize=16)
def _read(text: str) -> Roster:
    """Read a roster: at one desk the same one is asked for again and again, and it is hundreds of seats."""
    return Roster.model_validate_json(text)


ROSTERS: Collection[Roster] = Collection("rosters", _encode, decode=lambda body: _read(body["roster"]))
INDEXES: Sequence[Sequence[str]] = [["holders"]]


def copies() -> KeepNewest[Roster]:
    """Return the handler that keeps the newest roster of each desk."""
    return KeepNewest(Roster, ROSTERS, id_of=lambda roster: roster.desk, version_of=lambda roster: roster.v)


def group(service: str) -> Group:
    """Return a service's group for the rosters topic."""
    return Group(f"{service}.rosters", (registry.ROSTERS_TOPIC,), copies(), max_records=200, seldom=True)


@dataclass(frozen=True, slots=True)
class Holding:
    """A post somebody holds, with its desk and the desks above it."""

    post: str
    desk: str
    path: tuple[str, ...]


class Rosters:
    """Reads of the copies, from majority-committed documents."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def roster(self, desk: str) -> Roster | None:
        """Return the copy of a desk's roster."""
        body = await self._database.one(ROSTERS.name, desk)
        return None if body is None else ROSTERS.decode(body)

    async def versions(self, desks: Sequence[str]) -> dict[str, int]:
        """Return how new the copy of each desk's roster is, where there is one."""
        where = {"_id": {"$in": list(desks)}}
        bodies = await self._database.find(ROSTERS.name, where, limit=len(desks) or 1, fields=["roster_v"])
        return {body["_id"]: body["roster_v"] for body in bodies}

    async def holders(self, desk: str) -> dict[str, str]:
        """Return post → holder for the held posts of a desk."""
        bodies = await self._database.find(ROSTERS.name, {"_id": desk}, limit=1, fields=["held"])
        return {post: holder for body in bodies for post, holder in json.loads(body["held"])}

    async def posts_of(self, person: str) -> list[Holding]:
        """Return the posts a person holds now: authority ends with the appointment."""
        bodies = await self._database.find(
            ROSTERS.name, {"holders": person}, limit=100, fields=["path", "held"]
        )
        return [
            Holding(post, body["_id"], tuple(body["path"]))
            for body in bodies
            for post, holder in json.loads(body["held"])
            if holder == person
        ]


class Holders:
    """Who holds which post of a desk, remembered for a second: a new appointment counts at once enough.

    Every answer asks, and a desk's roster is hundreds of seats to read.
    """

    FRESH = timedelta(seconds=1)
    MOST = 200

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[str, tuple[datetime, dict[str, str]]] = OrderedDict()

    async def of(self, desk: str, rosters: Rosters) -> dict[str, str]:
        """Return post → holder for the held posts of a desk."""
        now = self._clock.now()
        since, holders = self._known.get(desk, (now, {}))
        if not now - self.FRESH < since < now:
            holders = await rosters.holders(desk)
            self._known[desk] = now, holders
            self._known.move_to_end(desk)
            if len(self._known) > self.MOST:
                self._known.popitem(last=False)
        return holders


@dataclass(frozen=True, slots=True)
class Callers:
    """Who asks, and what they may do: the same in every service that acts by posts."""

    rosters: Callable[[], Rosters]
    holders: Holders
    verifier: Verifier
    clock: Clock

    def person(self, request: Request) -> str:
        """Return the person a request's token names; raises a 401 problem."""
        return self.verifier.person(bearer_token(request.headers), self.clock.now())

    async def refuse_outsider(self, person: str, post: str) -> None:
        """Raise a 403 problem unless the person holds the post now: authority ends with the appointment."""
        try:
            desk = desk_of_post(post)
        except InvalidCode as error:
            raise Problem("invalid-body", str(error)) from error
        if (await self.holders.of(desk, self.rosters())).get(post) != person:
            raise Problem("forbidden")

    async def refuse_beyond_authority(self, person: str, issuer: str, scope: str) -> None:
        """Raise a 403 problem for what is not this person's to do there; the decision asks again."""
        place, where = _desk(desk_of_post, issuer), _desk(desk_of, scope)
        here = await self.rosters().roster(place)
        # A desk's roster is hundreds of seats, and most orders stay at their issuer's own desk.
        there = here if where == place else await self.rosters().roster(where)
        refused: Refusal | None = beyond_authority(issuer, scope, actor=person, here=here, there=there)
        if refused is not None:
            raise Problem("forbidden", refused.detail, reason=refused.code)

    async def sees(self, person: str, desk: str, path: Sequence[str]) -> bool:
        """Return whether somebody holds a post at a desk, above it or below it."""
        return any(
            held.desk in (desk, *path) or desk in held.path for held in await self.rosters().posts_of(person)
        )


def _desk(desk: Callable[[str], str], of: str) -> str:
    try:
        return desk(of)
    except InvalidCode as error:
        raise Problem("invalid-body", str(error)) from error
