"""`gridloop visits add|import`: what was found at one door, or at those of a whole spreadsheet."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from cli.errors import UserError
from cli.screening_api import AsJson, Desk, Json, ScreeningApi, Token, Url, faults_of, tell
from cli.visit_files import Entry, Fault, read_visits

ENTERED_AT_ONCE = 500
CITY = "Asia/Shanghai"

OfRound = Annotated[str, typer.Option("--round", help="The round's id.")]
By = Annotated[str, typer.Option(help="The post that made the visit; the token's person holds it.")]
Means = Annotated[str, typer.Option(help="door, phone, message, data, gate or self.")]


def add_visit(
    context: typer.Context,
    household: Annotated[str, typer.Argument(help="The household's id.")],
    found: Annotated[str, typer.Argument(help="screened, nobody-home, refused, vacant or moved-away.")],
    member: Annotated[
        list[str] | None, typer.Argument(help="handle[:temperature[:question=yes|no,…]], one a member.")
    ] = None,
    *,
    url: Url,
    token: Token,
    round_: OfRound,
    desk: Desk,
    by: By,
    means: Means = "door",
    at: Annotated[str | None, typer.Option(help="When, ISO 8601 with zone; now by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Enter one visit."""
    visit = {
        "round": round_, "desk": desk, "household": household, "found": found, "by": by, "means": means,
        "members": [_member(text) for text in member or ()],
    }  # fmt: skip
    with ScreeningApi(url, token, context.obj) as api:
        entered = api.call("POST", "/visits", json=visit | ({"at": at} if at else {}))
    tell(entered, f"entered {entered['visit']}", as_json=as_json)


def import_visits(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A .csv or .xlsx file.")],
    *,
    url: Url,
    token: Token,
    round_: OfRound,
    desk: Desk,
    by: By,
    means: Means = "door",
    source: Annotated[str | None, typer.Option(help="Where the rows come from, kept with each.")] = None,
    zone: Annotated[str, typer.Option(help="Time zone of times that name none.")] = CITY,
    as_json: AsJson = False,
) -> None:
    """Enter the visits of a spreadsheet, one line a member.

    A file with a bad line is not entered at all. The same file again is the same visits again.
    """
    common = {"round": round_, "desk": desk, "by": by, "means": means, "source": source}
    entries, faults = read_visits(file, common, ZoneInfo(zone))
    accepted: list[Json] = []
    if not faults:
        with ScreeningApi(url, token, context.obj) as api:
            accepted, faults = _entered(api, entries)
    lines = [f"line {fault.line}: {fault.code}: {fault.detail}" for fault in faults]
    told = f"{len(accepted)} of {len(entries)} households entered" if accepted else "nothing was entered"
    refused = [asdict(fault) for fault in faults]
    tell({"accepted": accepted, "refused": refused}, "\n".join([*lines, told]), as_json=as_json)
    if faults:
        raise typer.Exit(1)


def _entered(api: ScreeningApi, entries: list[Entry]) -> tuple[list[Json], list[Fault]]:
    accepted: list[Json] = []
    refused: list[Fault] = []
    for start in range(0, len(entries), ENTERED_AT_ONCE):
        chunk = entries[start : start + ENTERED_AT_ONCE]
        try:
            items = _answered(api, chunk)
        except UserError as error:
            told = f"{len(accepted)} households were entered and {len(refused)} refused before line"
            again = "what became of the rest is not known: import the same file again"
            raise UserError(f"{error}. {told} {chunk[0].line}; {again}") from error
        for item in items:
            line = chunk[item["index"]].line
            if item["accepted"]:
                accepted.append({"line": line, "id": item["id"]})
            else:
                refused.append(_fault(line, item["problem"]))
    return accepted, refused


def _answered(api: ScreeningApi, chunk: list[Entry]) -> list[Json]:
    """Enter some households; the key is of what they say, so that the same file again has the same ids."""
    visits = [entry.visit for entry in chunk]
    key = hashlib.sha256(json.dumps(visits, sort_keys=True).encode()).hexdigest()
    body = {"visits": visits}
    reply = api.call("POST", "/visits/bulk", json=body, headers={"Idempotency-Key": key})
    items: list[Json] = reply["items"]
    return items


def _fault(line: int, problem: Json) -> Fault:
    code = str(problem.get("reason", problem["code"]))
    return Fault(line, code, problem["detail"] or faults_of(problem) or str(problem["title"]))


def _member(text: str) -> Json:
    person, _, rest = text.partition(":")
    temperature, _, answers = rest.partition(":")
    said = dict(part.partition("=")[::2] for part in answers.split(",") if part)
    if wrong := {question: answer for question, answer in said.items() if answer not in ("yes", "no")}:
        raise UserError(f"{text}: an answer is question=yes or question=no, not {wrong}")
    measured = {"temperature": temperature} if temperature else {}
    return {"person": person, "answers": {name: answer == "yes" for name, answer in said.items()}, **measured}
