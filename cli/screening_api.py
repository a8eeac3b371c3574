"""Screening's HTTP API as commands use it: one answer or one sentence that says why there is none."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from types import TracebackType
from typing import Annotated, Any, Self

import httpx
import typer

from cli.errors import UserError

WAIT_S = 30.0
Json = dict[str, Any]

Url = Annotated[str, typer.Option(envvar="GRIDLOOP_URL", help="Where screening answers.")]
Token = Annotated[str, typer.Option(envvar="GRIDLOOP_TOKEN", help="Bearer token; see `gridloop token`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Desk = Annotated[str, typer.Option(help="Code of the desk, e.g. of a community.")]


class ScreeningApi:
    """A person at screening's API; `transport` is a test's own."""

    def __init__(self, url: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=WAIT_S, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def call(self, method: str, path: str, *, params: Json | None = None, **request: Any) -> Json:
        """Return the JSON answer of a call that must succeed."""
        asked = {name: value for name, value in (params or {}).items() if value is not None}
        try:
            reply = self._http.request(method, path, params=asked, **request)
        except httpx.HTTPError as error:
            raise UserError(
                f"{self._http.base_url} does not answer: {error or type(error).__name__}"
            ) from error
        if reply.status_code == HTTPStatus.ACCEPTED and not reply.content:
            raise UserError(f"not decided yet; the answer will be at {reply.headers.get('location')}")
        if not reply.is_success:
            raise UserError(_why(reply))
        answer: Json = reply.json()
        return answer

    def every(self, path: str, **params: Any) -> Iterator[Json]:
        """Yield the items of a list, page after page."""
        cursor: str | None = None
        while True:
            page = self.call("GET", path, params={**params, "limit": 200, "cursor": cursor})
            yield from page["items"]
            cursor = page["cursor"]
            if cursor is None:
                return


def _why(reply: httpx.Response) -> str:
    try:
        problem = reply.json()
        parts = (problem["title"], problem["detail"], faults_of(problem))
        code = problem.get("reason", problem["code"])
    except (ValueError, KeyError, TypeError):
        return f"{reply.request.url} answered {reply.status_code}: {reply.text[:200]}"
    return f"{code}: {'; '.join(part for part in parts if part)}"


def faults_of(problem: Json) -> str:
    """Return where and what is wrong with a body, in words."""
    return "; ".join(f"{fault['at'] or 'body'}: {fault['message']}" for fault in problem.get("errors", ()))


def tell(answer: Any, text: str, *, as_json: bool) -> None:
    """Print an answer, as JSON or in words."""
    print(json.dumps(answer, ensure_ascii=False, indent=2) if as_json else text)
