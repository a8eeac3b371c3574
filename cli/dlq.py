"""`gridloop dlq list|show|replay`: what was set aside as bad data, and taken up again once that is mended.

A letter's body is whatever a stranger sent, and so are headers that are not ours: they are shown on request.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from cli.errors import UserError
from cli.target import asked, local_stack, settings_of
from cli.waiting import within
from shared.contracts.catalog import dead_letter_topics
from shared.contracts.envelope import Headers
from shared.flow.dead_letters import REPLAY_OF
from shared.kernel.clock import SystemClock
from shared.messaging.letters import Kept, Letters, opened, replay
from shared.messaging.producer import Producer
from shared.service.process import security_of

# Far more than all that is ever kept takes to read: what is not there by then will not come.
READ_WITHIN_S = 120.0
CLOUD_EVENT = {f"ce_{name}" for name in ("specversion", "id", "type", "source", "time", "subject", "actor")}
OURS = {"content-type", "traceparent", REPLAY_OF, *CLOUD_EVENT}
TOPIC = Annotated[str, typer.Option(help="Only this dead-letter topic.")]
AS_JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the `dlq` commands."""
    dlq = typer.Typer(
        help="Dead letters: records set aside as bad data, each at its place (topic/partition/offset).",
        no_args_is_help=True,
    )
    dlq.command("list")(list_letters)
    dlq.command("show")(show)
    dlq.command("replay")(replay_letters)
    app.add_typer(dlq, name="dlq")


def list_letters(
    topic: Annotated[str, typer.Argument(help="A dead-letter topic, to list its letters.")] = "",
    *,
    as_json: AS_JSON = False,
) -> None:
    """Count the letters of every dead-letter topic by their codes, or list those of one."""
    kept = asked(_read(topic))
    if topic:
        rows = [_row(each) for each in kept]
        _print(rows, as_json, "{place:<50} {code:<16} {state:<9} {failed_at}  {detail}")
    else:
        _print(_counted(kept), as_json, "{topic:<60} waiting {waiting:<6} replayed {replayed:<6} {codes}")


def show(
    place: Annotated[str, typer.Argument(help="Where the record stood: topic/partition/offset.")],
    *,
    body: Annotated[
        bool,
        typer.Option(help="The body and foreign headers too: they may hold personal data."),
    ] = False,
) -> None:
    """Show the letters about one record as JSON: why, whose, and the headers that are ours."""
    print(json.dumps(asked(_show(place, whole=body)), indent=2, ensure_ascii=False))


def replay_letters(
    places: Annotated[list[str] | None, typer.Argument(help="Where the records stood.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every letter that waits.")] = False,
    code: Annotated[str, typer.Option(help="Only letters with this code.")] = "",
    topic: TOPIC = "",
    again: Annotated[bool, typer.Option(help="Also what was replayed before.")] = False,
) -> None:
    """Append records to their topics again, as they came; once only, unless told `--again`."""
    if bool(places) == every:
        raise UserError("name places, or say --all.")
    done, left = asked(_replay(set(places or ()), code, topic, again=again))
    for place in done:
        print(f"replayed {place}")
    for place, why in left:
        print(f"left     {place}: {why}")
    print(f"{len(done)} replayed, {len(left)} left")
    if left:
        raise typer.Exit(1)


async def _read(topic: str) -> list[Kept]:
    settings = settings_of(local_stack())
    async with opened(settings.kafka, security_of(settings)) as letters:
        return await _kept(letters, topic)


async def _kept(letters: Letters, topic: str) -> list[Kept]:
    async with within(READ_WITHIN_S, "the dead letters could not be read"):
        return await letters.read(_topics(topic))


async def _show(place: str, *, whole: bool) -> list[dict[str, Any]]:
    settings = settings_of(local_stack())
    async with opened(settings.kafka, security_of(settings)) as letters:
        found = [each for each in await _kept(letters, "") if each.letter.place == place]
        if not found:
            raise UserError(f"there is no letter about {place!r}; `gridloop dlq list` counts what there is.")
        shown = []
        for each in found:
            text = {"body": _text(await letters.body(each.letter))} if whole else {}
            shown.append({**_row(each), **_headers(each.letter.came_with, whole=whole), **text})
        return shown


async def _replay(
    places: set[str], code: str, topic: str, *, again: bool
) -> tuple[list[str], list[tuple[str, str]]]:
    settings = settings_of(local_stack())
    security = security_of(settings)
    async with opened(settings.kafka, security) as letters:
        kept = await _kept(letters, topic)
        unknown = places - {each.letter.place for each in kept}
        wanted = [
            each
            for each in kept
            if (not places or each.letter.place in places) and code in ("", each.letter.code)
        ]
        reasons = [(each.letter, _hindrance(each, again=again)) for each in wanted]
        chosen = [letter for letter, why in reasons if not why]
        producer = Producer(settings.kafka, client_id="gridloop-dlq", security=security)
        try:
            await producer.start()
            done = await replay(letters, producer, chosen, SystemClock())
        finally:
            await producer.stop()
    # What was replayed before is no news where all that waits is asked for.
    silent = "" if places else "replayed"
    left = [(letter.place, why) for letter, why in reasons if why and why != silent]
    return done, [*left, *((place, "unknown") for place in sorted(unknown))]


def _hindrance(kept: Kept, *, again: bool) -> str:
    return "replayed" if kept.replayed and not again else kept.letter.hindrance


def _topics(topic: str) -> Sequence[str]:
    if topic and topic not in dead_letter_topics():
        raise UserError(f"there is no dead-letter topic {topic!r}.")
    return (topic,) if topic else dead_letter_topics()


def _counted(kept: Sequence[Kept]) -> list[dict[str, Any]]:
    rows = []
    for topic in dict.fromkeys(each.letter.topic for each in kept):
        here = [each for each in kept if each.letter.topic == topic]
        waiting = [each.letter for each in here if not each.replayed]
        codes = Counter(letter.code for letter in waiting)
        oldest = min((letter.failed_at for letter in waiting), default=None)
        rows.append(
            {
                "topic": topic,
                "waiting": len(waiting),
                "replayed": len(here) - len(waiting),
                "codes": dict(sorted(codes.items())),
                "oldest": oldest,
            }
        )
    return rows


def _row(kept: Kept) -> dict[str, Any]:
    letter = kept.letter
    return {
        "place": letter.place,
        "group": letter.group,
        "code": letter.code,
        "detail": letter.detail,
        "failed_at": letter.failed_at,
        "state": "replayed" if kept.replayed else letter.hindrance or "waiting",
        "bytes": letter.size,
    }


def _headers(headers: Headers, *, whole: bool) -> dict[str, Any]:
    shown = {
        name: value.decode("utf-8", "backslashreplace") for name, value in headers if whole or name in OURS
    }
    return {"headers": shown, "other_headers": len({name for name, _ in headers} - shown.keys())}


def _text(body: bytes | None) -> str | None:
    return None if body is None else body.decode("utf-8", "backslashreplace")


def _print(rows: Sequence[dict[str, Any]], as_json: bool, form: str) -> None:  # noqa: FBT001 (the caller's own flag)
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        codes = ", ".join(f"{code} {count}" for code, count in row.get("codes", {}).items())
        print(form.format(**{**row, "codes": codes}).rstrip())
    if not rows:
        print("no dead letters")
