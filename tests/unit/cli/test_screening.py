"""`gridloop rounds` and `gridloop visits` against a service that answers as the test says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner, Result

from cli import screening
from cli.errors import UserError
from cli.visits import ENTERED_AT_ONCE

GRID = "610802006003001/cw5:grid-chief"
OF_IMPORT = ["--round", "round-0001", "--desk", "610802006003", "--by", GRID]
PROBLEM = {"title": "The command was rejected", "detail": "round-0009", "code": "rejected"}
WORK = {
    "household": "hh-00000001", "unit": "610802006003001.b3.d201", "charge": GRID, "slot": "",
    "found": "nobody-home", "at": "2026-01-01T04:00:00+00:00", "means": "door", "own": True, "unasked": [],
}  # fmt: skip

Answer = Callable[[httpx.Request], httpx.Response]


class Service:
    """Remembers what it was asked, and answers what it is given: a value, or what a function makes of it."""

    def __init__(self, answer: Any, status: int = 200) -> None:
        self.asked: list[httpx.Request] = []
        self._answer = answer
        self._status = status

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if callable(self._answer):
            answered: httpx.Response = self._answer(request)
            return answered
        return httpx.Response(self._status, json=self._answer)

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.asked]


def run(service: Answer, *arguments: str) -> Result:
    app = typer.Typer()
    screening.register(app)
    env = {"GRIDLOOP_URL": "http://screening", "GRIDLOOP_TOKEN": "token-of-somebody"}
    return CliRunner().invoke(app, [*arguments], obj=httpx.MockTransport(service), env=env)


def sentence(result: Result) -> str:
    """Return what a command that could not do it told its user."""
    assert isinstance(result.exception, UserError), result.output
    return str(result.exception)


def test_a_round_is_opened_with_the_callers_token() -> None:
    service = Service({"round": "round-0009", "number": 3}, 201)
    result = run(
        service,
        "rounds",
        "open",
        GRID,
        "610802006003",
        "第三轮",
        "--day",
        "2026-01-01",
        "--day",
        "2026-01-02",
    )
    assert result.stdout == "round 3 of 610802006003: round-0009\n"
    (request,) = service.asked
    assert (request.method, str(request.url)) == ("POST", "http://screening/rounds")
    assert request.headers["authorization"] == "Bearer token-of-somebody"
    assert service.bodies == [
        {
            "issuer": GRID, "scope": "610802006003", "title": "第三轮", "criterion": None,
            "days": ["2026-01-01", "2026-01-02"],
        }
    ]  # fmt: skip


def test_a_round_is_closed() -> None:
    service = Service({"round": "round-0009", "status": "closed"}, 201)
    assert run(service, "rounds", "close", "round-0009").stdout == "round-0009 is closed\n"
    assert service.asked[0].url.path == "/rounds/round-0009/closure"


def test_a_refusal_is_told_with_its_code_and_an_undecided_command_with_where_to_look() -> None:
    refused = Service(PROBLEM | {"reason": "round-already-open"}, 422)
    arguments = ("rounds", "open", GRID, "610802006003", "第三轮")
    told = sentence(run(refused, *arguments))
    assert told == "round-already-open: The command was rejected; round-0009"

    def undecided(_: httpx.Request) -> httpx.Response:
        return httpx.Response(202, headers={"location": "/outcomes/round-0009"})

    assert "/outcomes/round-0009" in sentence(run(undecided, *arguments))


def test_a_service_that_does_not_answer_or_is_no_service_is_told_in_a_sentence() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    assert "does not answer" in sentence(run(away, "rounds", "list"))
    for answer in ("nothing", {"detail": "no"}):
        assert "answered 502" in sentence(run(Service(answer, 502), "rounds", "list"))


def test_lists_are_read_to_their_end() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        second = request.url.params.get("cursor") == "next"
        number = 2 if second else 1
        item = WORK | {"household": f"hh-0000000{number}"}
        return httpx.Response(200, json={"items": [item], "cursor": None if second else "next"})

    service = Service(answer)
    for command in ("holes", "revisits"):
        result = run(service, "rounds", command, "round-0009", "--desk", "610802006003")
        assert [line.split()[1] for line in result.stdout.splitlines()] == ["hh-00000001", "hh-00000002"]
        assert "nobody-home at 2026-01-01T04:00:00+00:00 (door)" in result.stdout
    worklist = run(service, "rounds", "worklist", "round-0009", GRID, "--json")
    assert [item["household"] for item in json.loads(worklist.stdout)] == ["hh-00000001", "hh-00000002"]
    assert service.asked[-1].url.params["post"] == GRID
    assert run(Service({"items": [], "cursor": None}), "rounds", "list").stdout == "none\n"


def test_rounds_and_person_holes_are_one_line_each() -> None:
    scope = {"unit": "610802006003", "desk": "610802006003"}
    item = {
        "round": "round-0009",
        "scope": scope,
        "number": 3,
        "status": "open",
        "days": [],
        "title": "第三轮",
    }
    listed = run(Service({"items": [item], "cursor": None}), "rounds", "list", "--status", "open")
    assert listed.stdout == "round-0009  610802006003 no. 3  open  whole  第三轮\n"
    person = {
        "person": "p-1",
        "household": "hh-00000001",
        "unit": "61.d1",
        "charge": None,
        "slot": "2026-01-01",
    }
    holes = Service({"items": [person | {"found": None}], "cursor": None})
    result = run(holes, "rounds", "holes", "round-0009", "--desk", "61", "--kind", "persons")
    assert result.stdout == "2026-01-01  61.d1  hh-00000001  p-1  not visited  nobody's\n"


def test_coverage_is_shown_as_a_tree_and_hundred_only_of_all() -> None:
    def node(desk: str, have: int, missing: int, *below: Any) -> dict[str, Any]:
        total = {"households": 3, "covered": have, "persons": 9, "persons_covered": have}
        percent = have * 10_000 // 3 / 100
        return {"desk": desk, "total": total, "missing": missing, "below": below,
                "reports": {"checked": {"of": 3, "have": have, "percent": percent}}}  # fmt: skip

    nothing = node("610802006004", 0, 0) | {"reports": {"checked": {"of": 0, "have": 0, "percent": None}}}
    tree = node("610802006", 2, 1, node("610802006003", 3, 0), nothing)
    result = run(Service(tree), "rounds", "coverage", "round-0009", "--depth", "1")
    first, second, third = result.stdout.splitlines()
    assert first == ("610802006   66.66 %  households 2/3, persons 2/9, 1 desks have not reported")
    assert second.startswith("  610802006003  100.00 %")
    assert third.startswith("  610802006004    —")


def test_one_visit_is_entered_with_explicit_negatives() -> None:
    service = Service({"visit": "visit-0001"}, 202)
    arguments = ("visits", "add", "hh-00000001", "screened", "p-1:36.5:symptoms=no,contact=yes", "p-2")
    assert run(service, *arguments, *OF_IMPORT).stdout == "entered visit-0001\n"
    (body,) = service.bodies
    assert body["members"] == [
        {"person": "p-1", "temperature": "36.5", "answers": {"symptoms": False, "contact": True}},
        {"person": "p-2", "answers": {}},
    ]
    assert "at" not in body
    odd = run(service, "visits", "add", "hh-00000001", "screened", "p-1::symptoms=maybe", *OF_IMPORT)
    assert "maybe" in sentence(odd)


def table(folder: Path, households: int, *more: str) -> str:
    lines = [f"hh-{number:08},refused" for number in range(households)]
    path = folder / "visits.csv"
    path.write_text("\n".join(["household,found", *lines, *more]))
    return str(path)


def all_but(*refused: str) -> Answer:
    """Answer a bulk row by row; `refused` households are nobody's to enter."""

    def answer(request: httpx.Request) -> httpx.Response:
        items: list[dict[str, Any]] = []
        for index, visit in enumerate(json.loads(request.content)["visits"]):
            if visit["household"] in refused:
                problem = PROBLEM | {"code": "forbidden", "detail": ""}
                items.append({"index": index, "accepted": False, "problem": problem})
            else:
                items.append({"index": index, "accepted": True, "id": f"visit-{index:04}"})
        return httpx.Response(200, json={"items": items})

    return answer


def test_a_file_is_entered_in_bulks_with_a_key_of_what_it_says(tmp_path: Path) -> None:
    service = Service(all_but())
    file = table(tmp_path, ENTERED_AT_ONCE + 2)
    for _ in range(2):
        result = run(service, "visits", "import", file, *OF_IMPORT)
        assert result.exit_code == 0
        assert result.stdout == f"{ENTERED_AT_ONCE + 2} of {ENTERED_AT_ONCE + 2} households entered\n"
    assert [len(body["visits"]) for body in service.bodies] == [ENTERED_AT_ONCE, 2] * 2
    keys = [request.headers["idempotency-key"] for request in service.asked]
    assert keys[:2] == keys[2:]
    assert len(set(keys)) == 2


def test_every_refused_row_is_named_by_its_line_and_the_command_fails(tmp_path: Path) -> None:
    service = Service(all_but("hh-00000001", f"hh-{ENTERED_AT_ONCE:08}"))
    result = run(service, "visits", "import", table(tmp_path, ENTERED_AT_ONCE + 2), *OF_IMPORT)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "line 3: forbidden: The command was rejected",
        f"line {ENTERED_AT_ONCE + 2}: forbidden: The command was rejected",
        f"{ENTERED_AT_ONCE} of {ENTERED_AT_ONCE + 2} households entered",
    ]
    told = json.loads(run(service, "visits", "import", table(tmp_path, 2), *OF_IMPORT, "--json").stdout)
    assert [row["line"] for row in told["accepted"]] == [2]
    assert [(row["line"], row["code"]) for row in told["refused"]] == [(3, "forbidden")]


def test_of_a_file_with_a_bad_line_nothing_is_entered(tmp_path: Path) -> None:
    service = Service(all_but())
    result = run(service, "visits", "import", table(tmp_path, 3, "hh-00000009,hiding"), *OF_IMPORT)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "nothing was entered"
    assert "line 5: invalid: found" in result.stdout
    assert service.asked == []


def test_what_was_entered_before_the_service_went_away_is_told(tmp_path: Path) -> None:
    first = all_but("hh-00000000")

    def answer(request: httpx.Request) -> httpx.Response:
        if len(service.asked) == 1:
            return first(request)
        return httpx.Response(503, json=PROBLEM | {"code": "append-unknown"})

    service = Service(answer)
    told = sentence(run(service, "visits", "import", table(tmp_path, ENTERED_AT_ONCE + 1), *OF_IMPORT))
    assert told.startswith("append-unknown")
    assert (
        f"{ENTERED_AT_ONCE - 1} households were entered and 1 refused before line {ENTERED_AT_ONCE + 2}"
        in told
    )


@pytest.mark.parametrize("missing", ["GRIDLOOP_URL", "GRIDLOOP_TOKEN"])
def test_without_a_place_or_a_token_nothing_is_asked(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(missing, raising=False)
    app = typer.Typer()
    screening.register(app)
    env = {name: "x" for name in ("GRIDLOOP_URL", "GRIDLOOP_TOKEN") if name != missing}
    result = CliRunner().invoke(app, ["rounds", "list"], env=env)
    assert result.exit_code == 2
