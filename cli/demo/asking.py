"""HTTP to services that may be killed and restarted meanwhile: asked again until somebody answers."""

import asyncio
from http import HTTPStatus
from typing import Any

import httpx

from cli.errors import UserError
from cli.waiting import within

AGAIN_AFTER_S = 0.25
# Whoever was killed is back long before.
ANSWERED_WITHIN_S = 180.0
PAGE = 200
_PASSING = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE}


async def ask(client: httpx.AsyncClient, method: str, path: str, **request: Any) -> httpx.Response:
    """Return the first answer that is one; what changes something carries its Idempotency-Key."""
    async with within(ANSWERED_WITHIN_S, f"nobody answers {method} {path} at {client.base_url}"):
        while True:
            try:
                reply = await client.request(method, path, **request)
            except httpx.TransportError:
                await asyncio.sleep(AGAIN_AFTER_S)
                continue
            if reply.status_code not in _PASSING:
                return reply
            await asyncio.sleep(AGAIN_AFTER_S)


async def command(client: httpx.AsyncClient, path: str, **request: Any) -> httpx.Response:
    """Send a command until it is decided; the key makes it one, however often it has to be sent."""
    async with within(ANSWERED_WITHIN_S, f"nobody decides POST {path} at {client.base_url}"):
        while True:
            reply = await ask(client, "POST", path, **request)
            if reply.status_code != HTTPStatus.ACCEPTED:
                return reply


async def read(client: httpx.AsyncClient, path: str, **request: Any) -> dict[str, Any]:
    """Return the JSON body of a GET that must succeed."""
    reply = await ask(client, "GET", path, **request)
    if reply.status_code != HTTPStatus.OK:
        raise UserError(f"{reply.request.url} answered {reply.status_code}: {reply.text[:200]}")
    body: dict[str, Any] = reply.json()
    return body


async def read_all(client: httpx.AsyncClient, path: str, **request: Any) -> list[dict[str, Any]]:
    """Return the items of every page of a list."""
    params = {"limit": PAGE, **request.pop("params", {})}
    items: list[dict[str, Any]] = []
    while True:
        page = await read(client, path, params=params, **request)
        items += page["items"]
        if page["cursor"] is None:
            return items
        params["cursor"] = page["cursor"]
