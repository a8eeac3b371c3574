"""A person at dispatch's HTTP API."""

from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import httpx
from joserfc.jwk import OKPKey

from shared.runtime.tokens import mint
from tests.harness.waiting import until
from tests.harness.world import holder

HOUR = timedelta(hours=1)


class Api:
    """Every call is made as the holder of a post."""

    def __init__(self, port: int, key: OKPKey) -> None:
        self._key = key
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    def bearer(self, person: str, *, lifetime: timedelta = HOUR, key: OKPKey | None = None) -> dict[str, str]:
        token = mint(key or self._key, person, lifetime=lifetime, now=datetime.now(UTC))
        return {"authorization": f"Bearer {token}"}

    async def call(
        self, method: str, path: str, post: str, *, key: str | None = None, **other: Any
    ) -> httpx.Response:
        headers = self.bearer(holder(post)) | ({"idempotency-key": key} if key else {})
        return await self.http.request(method, path, headers=headers, **other)

    async def issue(
        self, issuer: str, scope: str, *, key: str | None = None, post: str | None = None, **other: Any
    ) -> httpx.Response:
        """Ask for an order with deadlines far away, as the holder of `post` (default: the issuer's)."""
        body = {
            "issuer": issuer,
            "scope": scope,
            "text": "逐户排查",
            "deadlines": {"done": 3600, "step": 1800},
            **other,
        }
        return await self.call("POST", "/directives", post or issuer, key=key, json=body)

    async def issued(self, issuer: str, scope: str, **other: Any) -> str:
        """Give an order and return its id."""
        answer = await self.issue(issuer, scope, **other)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["directive"])

    async def progress(self, directive: str, post: str, **query: Any) -> dict[str, Any]:
        """Return progress as the holder of a post sees it; {} while there is none."""
        answer = await self.call("GET", f"/directives/{directive}/progress", post, params=query)
        return dict(answer.json()) if answer.status_code == 200 else {}

    async def entries(self, directive: str, desk: str, post: str) -> dict[str, dict[str, Any]]:
        """Return a desk's entries by addressee; {} while there are none."""
        found = await self.call("GET", f"/directives/{directive}/entries", post, params={"desk": desk})
        return {row["addressee"]: row for row in found.json().get("items", ())}

    async def listed(self, directive: str, desk: str, post: str) -> dict[str, str]:
        """Return why answers were kept and not counted, by their ids."""
        found = await self.call("GET", f"/directives/{directive}/entries", post, params={"desk": desk})
        return {item["id"]: item["why"] for item in found.json().get("listed", ())}

    async def when(
        self,
        directive: str,
        post: str,
        *,
        within_s: float = 20.0,
        desk: str | None = None,
        **counts: int | bool,
    ) -> dict[str, Any]:
        """Wait until progress shows these counts, or (`complete`, `all_reported`) says so."""
        shown: dict[str, Any] = {}

        async def look() -> bool:
            nonlocal shown
            shown = await self.progress(directive, post, **({"desk": desk} if desk else {}))
            flat = {**shown, **shown.get("total", {})} if shown else {}
            return bool(shown) and all(flat.get(name) == wanted for name, wanted in counts.items())

        try:
            await until(look, what=f"{directive}: {counts}", within_s=within_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; progress: {shown.get('total')}") from None
        return shown
