"""The HTTP edge: bodies read with a limit and validated, page cursors, idempotency keys."""

import base64
import binascii
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from shared.kernel.ids import UlidFactory
from shared.runtime.problems import Problem, faults

MAX_DEPTH = 32
MAX_PAGE = 200
_MAX_CURSOR = 512
_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")
_DERIVED = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-5[0-9a-fA-F]{3}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")

M = TypeVar("M", bound=BaseModel)
CursorParts = tuple[str | int, ...]


async def read_body(request: Request, limit: int) -> bytes:
    """Read a body, stopping at the limit whatever Content-Length promised."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise Problem("body-too-large", limit=limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Problem("body-too-large", limit=limit)
    return bytes(body)


async def read_model(request: Request, model: type[M], limit: int) -> M:
    """Read and validate a JSON body; every way it can be wrong is a problem with its own code."""
    return parse_model(await read_body(request, limit), model)


def parse_model(body: bytes, model: type[M]) -> M:
    check_json(body)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise invalid_body(error) from error


def invalid_body(error: ValidationError) -> Problem:
    """Return the problem that says what is wrong, and never what was sent."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return Problem("invalid-body", errors=faults(found))


def check_json(body: bytes) -> None:
    """Refuse what the models' own parser lets through: NaN, 1e400 (read as infinity), deep nesting."""
    try:
        level: list[Any] = [[from_json(body, allow_inf_nan=False)]]
    except ValueError as error:
        # The parser's own limit of nesting, near 200, speaks first for a very deep body.
        if "recursion limit" in str(error):
            raise Problem("too-deep", limit=MAX_DEPTH) from error
        raise Problem("not-json") from error
    for _ in range(MAX_DEPTH + 1):
        level = [inner for outer in level for inner in _containers(outer)]
        if not level:
            return
    raise Problem("too-deep", limit=MAX_DEPTH)


def _containers(outer: dict[str, Any] | list[Any]) -> Iterator[Any]:
    for value in outer.values() if isinstance(outer, dict) else outer:
        if isinstance(value, dict | list):
            yield value
        elif isinstance(value, float) and not math.isfinite(value):
            raise Problem("not-json", "a number is out of range")


@dataclass(frozen=True, slots=True)
class Page:
    """What part of a list is asked for: at most `limit` items behind the position `after`."""

    limit: int
    after: CursorParts | None


def page(
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=_MAX_CURSOR)] = None,
) -> Page:
    """Give the page a request asks for; used as a FastAPI dependency."""
    return Page(limit, None if cursor is None else decode_cursor(cursor))


def encode_cursor(*parts: str | int) -> str:
    """Name the last item of a page by its sort key, in a form callers do not take apart."""
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> CursorParts:
    # A cursor comes back from outside and ends in a query: scalars only, so it cannot carry operators.
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise Problem("invalid-cursor") from error
    if not isinstance(parts, list) or not all(type(part) in (str, int) for part in parts):
        raise Problem("invalid-cursor")
    return tuple(parts)


def idempotency_key(request: Request, ulids: UlidFactory) -> str:
    """Give the caller's Idempotency-Key, which becomes the command's id, or mint one.

    A key that is not well-formed is refused, not replaced: the caller's retry would count as new. So is one
    in the form of the ids that rules and loops derive for their commands: it would stand in their way.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return ulids.new()
    if _KEY.fullmatch(key) is None or _DERIVED.fullmatch(key) is not None:
        raise Problem("invalid-idempotency-key")
    return key
