"""The office behind the gate: it registers gates, opens the exit, mans it, and issues and revokes passes."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import httpx
import yaml

from cli.demo.asking import command, read, read_all
from cli.demo.gate.morning import Compound, Resident
from cli.demo.stage import Stage
from cli.errors import UserError
from cli.stack.keys import OPERATOR
from cli.stack.paths import ROOT
from shared.contracts.registry import PutUnit
from shared.contracts.teams import TeamDefinition, TeamMember

SCHEME = ROOT / "schemes" / "jiayu163.yaml"
TEAM = "jiayu163:gate-team"
PASS_LASTS = timedelta(hours=12)
AGAIN_AFTER_S = 0.2
# As long as it takes registry to come back, should it have been killed before it could say so.
TRIES = 200


class Office:
    """What the community's chief decides about one compound; `refusals` are codes that had to come."""

    def __init__(self, stage: Stage, compound: Compound) -> None:
        self._stage = stage
        self._compound = compound
        self._client = stage.clients["checkpoint"]
        self.texts: dict[str, tuple[str, str]] = {}
        self.refusals: list[str] = []

    async def set_up(self) -> None:
        """Register two gates, man the exit and open it, and try what must be refused."""
        compound = self._compound
        await self._register()
        duty = {"duty": compound.duty.post}
        await self._known(compound.exit, duty)
        await self._refused("another-exit-open", compound.closed, "opening", duty)
        await self._done(compound.closed, "closure", {"reason": "one exit a compound"})
        await self._refused("last-exit", compound.exit, "closure", {"reason": "nobody would get out"})
        team = compound.team(_team())
        await self._refused("team-incomplete", compound.exit, "team", _manned(team[:-1]))
        await self._done(compound.exit, "team", _manned(team))

    async def open_for_emergency(self, seconds: float) -> datetime:
        """Let the closed gate stand open for an ambulance until an instant; nobody will have to end it."""
        path = f"/gates/{self._compound.closed}/emergency"
        body = {"kind": "medical", "reason": "an ambulance to the back stairs"}
        while True:
            until = self._stage.clock.now() + timedelta(seconds=seconds)
            reply = await self._post(path, self._by_issuer({**body, "until": until.isoformat()}))
            if reply.is_success:
                return until
            # Without Kafka it may be decided only after its end: then the ambulance still waits.
            if "already-over" not in reply.text:
                raise _unexpected(reply)

    async def issue(self, resident: Resident, window: timedelta = PASS_LASTS) -> datetime:
        """Issue a pass and return the end of its window; whoever had one gets another in its place."""
        while True:
            now = self._stage.clock.now()
            until = (now + window).replace(microsecond=0)
            body = {
                "issuer": self._compound.issuer.post,
                "kind": resident.kind,
                "area": self._compound.area,
                "household": resident.home.household,
                "person": resident.person,
                "since": now.replace(microsecond=0).isoformat(),
                "until": until.isoformat(),
            }
            reply = await self._post("/passes", body)
            if reply.is_success:
                issued = reply.json()
                self.texts[resident.person] = issued["pass"], issued["text"]
                return until
            # As with an emergency.
            if "window-over" not in reply.text:
                raise _unexpected(reply)

    async def issue_all(self, residents: Sequence[Resident]) -> None:
        """Issue everybody's pass, as many at a time as there are lines."""
        async with asyncio.TaskGroup() as group:
            for resident in residents:
                group.create_task(self.issue(resident))

    async def revoke(self, pass_id: str) -> None:
        body = {"issuer": self._compound.issuer.post, "reason": "reported lost"}
        await self._accepted(f"/passes/{pass_id}/revocation", body)

    async def state(self, gate: str) -> Mapping[str, Any]:
        """Return a gate with its day."""
        return await read(self._client, f"/gates/{gate}", headers=self._token)

    async def outside(self) -> list[dict[str, Any]]:
        """Return who of the compound is out, by pass."""
        return await read_all(self._client, f"/areas/{self._compound.area}/presence", headers=self._token)

    @property
    def _token(self) -> dict[str, str]:
        return self._stage.token(self._compound.issuer.post)

    async def _register(self) -> None:
        compound, since = self._compound, self._stage.world.since
        rows = [
            PutUnit(code=gate, name=name, covers=(compound.area,), valid_from=since).model_dump(mode="json")
            for gate, name in ((compound.exit, "南门"), (compound.closed, "北门"))
        ]
        headers = {**self._stage.tokens.of(OPERATOR), "Idempotency-Key": self._stage.ulids.new()}
        registry = self._stage.clients["registry"]
        reply = await command(registry, "/changes", json={"rows": rows}, headers=headers)
        if not reply.is_success or not all(row["accepted"] for row in reply.json()["results"]):
            raise UserError(f"no gate could be registered: {reply.status_code} {reply.text[:300]}")

    async def _known(self, gate: str, body: Mapping[str, Any]) -> None:
        """Open the exit as soon as checkpoint has heard from registry that there is such a gate."""
        for _ in range(TRIES):
            reply = await self._post(f"/gates/{gate}/opening", self._by_issuer(body))
            if reply.is_success:
                return
            if "unknown-gate" not in reply.text:
                raise _unexpected(reply)
            await asyncio.sleep(AGAIN_AFTER_S)
        raise UserError(f"checkpoint does not hear of gate {gate}")

    async def _done(self, gate: str, what: str, body: Mapping[str, Any]) -> None:
        await self._accepted(f"/gates/{gate}/{what}", self._by_issuer(body))

    async def _refused(self, code: str, gate: str, what: str, body: Mapping[str, Any]) -> None:
        reply = await self._post(f"/gates/{gate}/{what}", self._by_issuer(body))
        if reply.is_success or code not in reply.text:
            raise UserError(f"{what} of {gate} was to be refused as {code}: {reply.text[:300]}")
        self.refusals.append(code)

    async def _accepted(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        reply = await self._post(path, body)
        if reply.status_code not in (HTTPStatus.OK, HTTPStatus.CREATED):
            raise _unexpected(reply)
        return reply

    async def _post(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        headers = {**self._token, "Idempotency-Key": self._stage.ulids.new()}
        async with self._stage.lines["checkpoint"].one() as line:
            return await command(line, path, json=dict(body), headers=headers)

    def _by_issuer(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"issuer": self._compound.issuer.post, **body}


def _unexpected(reply: httpx.Response) -> UserError:
    return UserError(f"{reply.request.url} answered {reply.status_code}: {reply.text[:300]}")


def _team() -> TeamDefinition:
    teams = yaml.safe_load(SCHEME.read_text(encoding="utf-8"))["teams"]
    return TeamDefinition.model_validate(teams[TEAM.partition(":")[2]])


def _manned(members: Sequence[TeamMember]) -> dict[str, Any]:
    return {"team": TEAM, "members": [member.model_dump(mode="json") for member in members]}
