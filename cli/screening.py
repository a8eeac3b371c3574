"""`gridloop rounds …` and `gridloop visits …`: screening at the keyboard, over its HTTP API."""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import typer

from cli.screening_api import AsJson, Desk, Json, ScreeningApi, Token, Url, tell
from cli.visits import add_visit, import_visits

Round = Annotated[str, typer.Argument(metavar="ROUND", help="The round's id.")]


def register(app: typer.Typer) -> None:
    """Add the `rounds` and `visits` commands."""
    rounds = typer.Typer(help="Rounds over every household of a place.", no_args_is_help=True)
    for command in (open_round, close_round, list_rounds, coverage, holes, revisits, worklist):
        rounds.command(command.__name__.removesuffix("_rounds").removesuffix("_round"))(command)
    app.add_typer(rounds, name="rounds")
    visits = typer.Typer(help="Visits to households.", no_args_is_help=True)
    visits.command("add")(add_visit)
    visits.command("import")(import_visits)
    app.add_typer(visits, name="visits")


def open_round(
    context: typer.Context,
    issuer: Annotated[str, typer.Argument(help="The post that opens it.")],
    scope: Annotated[str, typer.Argument(help="Code of the place.")],
    title: Annotated[str, typer.Argument(help="What the round is called.")],
    *,
    url: Url,
    token: Token,
    criterion: Annotated[str | None, typer.Option(help="Name of the scope's criterion.")] = None,
    day: Annotated[list[str] | None, typer.Option(help="A day of the window, ISO 8601; repeat.")] = None,
    as_json: AsJson = False,
) -> None:
    """Open a round; its denominator is frozen at each desk as the round arrives there."""
    body = {"issuer": issuer, "scope": scope, "title": title, "criterion": criterion, "days": day or []}
    with ScreeningApi(url, token, context.obj) as api:
        opened = api.call("POST", "/rounds", json=body)
    tell(opened, f"round {opened['number']} of {scope}: {opened['round']}", as_json=as_json)


def close_round(
    context: typer.Context,
    round_: Round,
    *,
    url: Url,
    token: Token,
    issuer: Annotated[str | None, typer.Option(help="The post that closes; else who opened it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Close a round: coverage changes no more, and what is not covered stays a named hole."""
    with ScreeningApi(url, token, context.obj) as api:
        closed = api.call("POST", f"/rounds/{round_}/closure", json={"issuer": issuer})
    tell(closed, f"{round_} is closed", as_json=as_json)


def list_rounds(
    context: typer.Context,
    *,
    url: Url,
    token: Token,
    scope: Annotated[str | None, typer.Option(help="Only rounds over this place.")] = None,
    status: Annotated[str | None, typer.Option(help="open or closed.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the rounds a person's posts let them see."""
    with ScreeningApi(url, token, context.obj) as api:
        items = list(api.every("/rounds", scope=scope, status=status))
    _list(items, _round_line, as_json=as_json)


def coverage(
    context: typer.Context,
    round_: Round,
    *,
    url: Url,
    token: Token,
    desk: Annotated[str | None, typer.Option(help="A desk; else that of the round's scope.")] = None,
    depth: Annotated[int, typer.Option(help="How many levels below it.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Show how much of a round is covered, desk by desk."""
    with ScreeningApi(url, token, context.obj) as api:
        tree = api.call("GET", f"/rounds/{round_}/coverage", params={"desk": desk, "depth": depth})
    tell(tree, "\n".join(_tree_lines(tree, "")), as_json=as_json)


def holes(
    context: typer.Context,
    round_: Round,
    *,
    url: Url,
    token: Token,
    desk: Desk,
    kind: Annotated[str, typer.Option(help="households, or persons (by day).")] = "households",
    as_json: AsJson = False,
) -> None:
    """Name every household, or every person and day, that is not covered."""
    with ScreeningApi(url, token, context.obj) as api:
        items = list(api.every(f"/rounds/{round_}/holes", desk=desk, kind=kind))
    _list(items, _work_line, as_json=as_json)


def revisits(
    context: typer.Context, round_: Round, *, url: Url, token: Token, desk: Desk, as_json: AsJson = False
) -> None:
    """List the households where nobody was home or the door stayed shut, the oldest attempt first."""
    with ScreeningApi(url, token, context.obj) as api:
        items = list(api.every(f"/rounds/{round_}/revisits", desk=desk))
    _list(items, _work_line, as_json=as_json)


def worklist(
    context: typer.Context,
    round_: Round,
    post: Annotated[str, typer.Argument(help="The post.")],
    *,
    url: Url,
    token: Token,
    as_json: AsJson = False,
) -> None:
    """List what a post has to visit today, its own households first."""
    with ScreeningApi(url, token, context.obj) as api:
        items = list(api.every(f"/rounds/{round_}/worklist", post=post))
    _list(items, _work_line, as_json=as_json)


def _list(items: Sequence[Json], line: Callable[[Json], str], *, as_json: bool) -> None:
    tell(items, "\n".join(map(line, items)) or "none", as_json=as_json)


def _round_line(item: Json) -> str:
    days = f"{item['days'][0]}…{item['days'][-1]}" if item["days"] else "whole"
    where = f"{item['scope']['unit']} no. {item['number']}"
    return f"{item['round']}  {where}  {item['status']}  {days}  {item['title']}"


def _tree_lines(node: Json, margin: str) -> Iterator[str]:
    total, checked = node["total"], node["reports"]["checked"]
    percent = "  —" if checked["percent"] is None else f"{checked['percent']:6.2f} %"
    silent = f", {node['missing']} desks have not reported" if node["missing"] else ""
    yield (
        f"{margin}{node['desk']}  {percent}  households {total['covered']}/{total['households']}, "
        f"persons {total['persons_covered']}/{total['persons']}{silent}"
    )
    for below in node.get("below", ()):
        yield from _tree_lines(below, margin + "  ")


def _work_line(item: Json) -> str:
    said = item["found"] or "not visited"
    last = f" at {item['at']} ({item['means']})" if item.get("at") else ""
    who = item.get("person")
    names = [
        item["slot"],
        item["unit"],
        item["household"],
        who,
        f"{said}{last}",
        item["charge"] or "nobody's",
    ]
    return "  ".join(name for name in names if name)
