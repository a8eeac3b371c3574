"""Every error a caller can see: one table of stable codes, answered as RFC 9457 problem documents.

A refusal by a domain rule keeps its own code: the table's, where it is listed, else under `rejected`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
_FAULTS_SHOWN = 20
_TEXT_SHOWN = 200


@dataclass(frozen=True, slots=True)
class ProblemType:
    status: int
    en: str
    zh: str


CATALOGUE: Mapping[str, ProblemType] = MappingProxyType(
    {
        # the request itself
        "bad-request": ProblemType(400, "The request cannot be processed", "请求无法处理"),
        "not-json": ProblemType(400, "The body is not JSON", "请求体不是有效的 JSON"),
        "too-deep": ProblemType(400, "The body is nested too deeply", "请求体嵌套过深"),
        "invalid-query": ProblemType(400, "A parameter is not valid", "请求参数无效"),
        "invalid-cursor": ProblemType(400, "The page cursor is not valid", "分页游标无效"),
        "invalid-idempotency-key": ProblemType(400, "The Idempotency-Key is not valid", "幂等键无效"),
        "body-too-large": ProblemType(413, "The body is too large", "请求体过大"),
        "invalid-body": ProblemType(422, "The body does not have the expected form", "请求体格式不符"),
        # who asks, for what
        "unauthorised": ProblemType(401, "A valid bearer token is needed", "需要有效的访问令牌"),
        "forbidden": ProblemType(403, "This is outside your authority", "超出职权范围"),
        "not-found": ProblemType(404, "There is no such thing here", "未找到"),
        "method-not-allowed": ProblemType(405, "The method is not allowed here", "不支持该请求方法"),
        "too-many-requests": ProblemType(429, "Too many requests", "请求过于频繁"),
        # what a decision says
        "conflict": ProblemType(409, "The state does not allow this now", "与当前状态冲突"),
        "rejected": ProblemType(422, "The command was rejected", "指令被拒绝"),
        "malformed": ProblemType(422, "The record could not be read", "记录无法读取"),
        "idempotency-key-reused": ProblemType(
            422, "The Idempotency-Key was used for another request", "幂等键已用于其他请求"
        ),
        "too-many-open-directives": ProblemType(
            409, "The post has too many open directives", "该岗位未办结的指令过多"
        ),
        # our side
        "internal": ProblemType(500, "An error on our side", "系统内部错误"),
        "append-unknown": ProblemType(
            503,
            "It is not known whether this was recorded; retry with the same Idempotency-Key",
            "尚不能确定是否已记录，请用相同的幂等键重试",
        ),
        "spool-full": ProblemType(
            503,
            "Too many crossings wait to be published; nothing was recorded",
            "待上报的通行记录过多，本次未记录",
        ),
        "too-many-streams": ProblemType(
            503, "Too many event streams are open; read the progress instead", "实时连接过多，请改用进度查询"
        ),
        "unavailable": ProblemType(503, "The service is not ready", "服务暂不可用"),
    }
)
_BY_STATUS: Mapping[int, str] = MappingProxyType(
    {401: "unauthorised", 403: "forbidden", 404: "not-found", 405: "method-not-allowed", 409: "conflict"}
    | {413: "body-too-large", 422: "invalid-body", 429: "too-many-requests", 503: "unavailable"}
)


class Problem(Exception):  # noqa: N818 (the standard's word)
    """An answer of the catalogue, raised; status and titles follow from the code."""

    def __init__(
        self, code: str, detail: str = "", *, headers: Mapping[str, str] | None = None, **extra: object
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.type = CATALOGUE[code]
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra

    @property
    def status(self) -> int:
        return self.type.status

    def body(self) -> dict[str, object]:
        # The standard members come last: no extra member can pass for one.
        return self.extra | {
            "type": f"urn:gridloop:problem:{self.code}",
            "title": self.type.en,
            "title_zh": self.type.zh,
            "status": self.type.status,
            "code": self.code,
            "detail": self.detail,
        }


def rejection(code: str, detail: str = "") -> Problem:
    """Give the problem for a command that a domain rule refused."""
    return Problem(code, detail) if code in CATALOGUE else Problem("rejected", detail, reason=code)


def problem_response(problem: Problem) -> JSONResponse:
    headers = dict(problem.headers)
    if problem.status == 401:  # noqa: PLR2004 (the status RFC 9110 binds to this header)
        headers.setdefault("WWW-Authenticate", "Bearer")
    return JSONResponse(problem.body(), problem.status, headers, media_type=MEDIA_TYPE)


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return what a route's OpenAPI description says of the problems it may answer with, by status."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(CATALOGUE[code].status, []).append(code)
    return {status: _described(of_status) for status, of_status in sorted(by_status.items())}


def _described(codes: Sequence[str]) -> dict[str, Any]:
    texts = ("type", "title", "title_zh", "code", "detail")
    properties: dict[str, Any] = {name: {"type": "string"} for name in texts}
    properties |= {"status": {"type": "integer"}, "code": {"type": "string", "enum": list(codes)}}
    schema = {"type": "object", "required": list(properties), "properties": properties}
    return {
        "description": "; ".join(CATALOGUE[code].en for code in codes),
        "content": {MEDIA_TYPE: {"schema": schema}},
    }


def faults(errors: Sequence[Any]) -> list[dict[str, str]]:
    """Say where and what is wrong; the input itself is left out."""
    return [
        {
            "at": ".".join(str(step) for step in error["loc"]),
            "type": error["type"],
            "message": error["msg"][:_TEXT_SHOWN],
        }
        for error in errors[:_FAULTS_SHOWN]
    ]


def install_problem_handlers(app: FastAPI) -> None:
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_anything)


async def _on_problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 (registered for this type only; tells mypy)
    return problem_response(error)


async def _on_validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for this type only)
    errors = error.errors()
    in_body = any(fault["loc"][0] == "body" for fault in errors)
    return problem_response(Problem("invalid-body" if in_body else "invalid-query", errors=faults(errors)))


async def _on_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for this type only)
    code = _BY_STATUS.get(error.status_code, "bad-request" if error.status_code < 500 else "internal")  # noqa: PLR2004 (the border of the two classes)
    return problem_response(Problem(code, headers=error.headers))


async def _on_anything(_: Request, __: Exception) -> JSONResponse:
    # The text of an unforeseen error may hold anything: it goes to the log, never to the caller.
    return problem_response(Problem("internal"))
