"""`gridloop rebuild SERVICE`: the same state again, in another database, and a digest of both."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from cli.errors import UserError
from cli.rebuild.digest import NOT_STATE, Digest, digest_of, is_state, whole
from cli.rebuild.memory import Memory
from cli.rebuild.running import run
from cli.rebuild.services import SERVICES, Rebuilding
from cli.stack.plan import StackState
from cli.target import asked, local_stack
from cli.verify.command import LOG_CUT, NOT_AT_REST
from cli.verify.log import LogCut, read_log
from cli.verify.rest import NotAtRest, at_rest
from cli.verify.stored import read_documents
from shared.mongo.client import Database
from shared.mongo.errors import translated
from shared.runtime.settings import ServiceSettings
from shared.service.process import security_of

AT_ONCE: Final = 1_000
SHOWN_MOST: Final = 10


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The digests of the database a service lives in and of the rebuilt one, by collection."""

    live: Mapping[str, Digest]
    rebuilt: Mapping[str, Digest]

    @property
    def is_equal(self) -> bool:
        return whole(self.live) == whole(self.rebuilt)


def register(app: typer.Typer) -> None:
    """Add the `rebuild` command."""
    app.command("rebuild")(rebuild)


def rebuild(
    service: Annotated[str, typer.Argument(help="The service.")],
    database: Annotated[
        str, typer.Option(help="Prefix of the empty database to fill: <database>_<service>.")
    ] = "gridloop-rebuilt",
    wait: Annotated[float, typer.Option(help="Seconds to wait until nothing flows.")] = 30.0,
) -> None:
    """Rebuild a service's state from outcomes and facts into another database; print the digests of both.

    The service's own settings apply (`GRIDLOOP_*`). The status is 0 if both hold the same, 1 if they differ,
    2 where there is no answer, 3 if a log no longer starts at its beginning, 4 if something was still flowing
    when the time was over, or has flowed meanwhile.
    """
    if service not in SERVICES:
        raise UserError(f"there is no service {service!r}; known are {', '.join(SERVICES)}.")
    settings = settings_for(SERVICES[service], local_stack())
    if database == settings.database:
        raise UserError(f"{database!r} is what the service lives in; a rebuild fills another one.")
    try:
        found = asked(rebuilt(settings, SERVICES[service], database, wait=wait))
    except LogCut as cut:
        print(f"cannot rebuild: {cut.detail} no longer start at their beginning, and there are no snapshots.")
        raise typer.Exit(LOG_CUT) from cut
    except NotAtRest as flowing:
        print(f"cannot compare while records flow: {flowing.detail}.")
        raise typer.Exit(NOT_AT_REST) from flowing
    _show(found, settings.database_name, f"{database}_{service}")
    if not found.is_equal:
        raise typer.Exit(1)


def settings_for(rebuilding: Rebuilding, stack: StackState | None, **named: Any) -> ServiceSettings:
    """Return the service's settings: those of the environment, at the addresses of a local stack."""
    if stack is not None:
        named = {"kafka": stack.kafka, "mongo": stack.mongo, "local": True, **named}
    return rebuilding.settings(**named)


async def rebuilt(
    settings: ServiceSettings, rebuilding: Rebuilding, database: str, *, wait: float
) -> Rebuilt:
    """Fill the other database, and return the digests of both.

    Raises `UserError` if it is not empty; `LogCut`, `NotAtRest`, and `Transient` without a server.
    """
    service, security = settings.service, security_of(settings)
    other = Database(settings.mongo, f"{database}_{service}", settings.mongo_driver)
    try:
        await _refuse_full(other, f"{database}_{service}")
        groups = rebuilding.groups(settings)
        ends = await at_rest(settings.kafka, security, [service], deadline=time.monotonic() + wait)
        log = await read_log(settings.kafka, security, rebuilding.topics(groups))
        memory = Memory()
        await run(rebuilding.plan(groups, log), log, memory)
        await other.ensure_indexes(rebuilding.indexes)
        await _write(other, memory)
    finally:
        await other.close()
    collections = sorted(filter(is_state, rebuilding.indexes))
    live, again = [
        {
            name: digest_of(documents, rebuilding.volatile.get(name, ()))
            for name, documents in (await read_documents(each, service, collections)).items()
        }
        for each in (settings, settings.model_copy(update={"database": database}))
    ]
    if ends != await at_rest(settings.kafka, security, [service], deadline=time.monotonic() + wait):
        # The live state is of a longer log than the one that was rebuilt: neither equal nor different.
        raise NotAtRest("not-at-rest", f"some came meanwhile; {database}_{service} holds those before")
    return Rebuilt(live, again)


async def _refuse_full(database: Database, name: str) -> None:
    with translated():
        collections: Sequence[str] = await database.handle.list_collection_names()
    for collection in collections:
        if await database.count(collection, {}):
            raise UserError(f"the database {name!r} is not empty; name another with --database.")


async def _write(database: Database, memory: Memory) -> None:
    for collection, documents in memory.documents.items():
        bodies = [] if collection in NOT_STATE else list(documents.values())
        for start in range(0, len(bodies), AT_ONCE):
            with translated():
                await database.handle[collection].insert_many(bodies[start : start + AT_ONCE], ordered=False)


def _show(found: Rebuilt, live: str, other: str) -> None:
    for name, digest in found.live.items():
        again = found.rebuilt[name]
        differing = digest.differing(again)
        same = f"{len(differing)} documents differ" if differing else "equal"
        counts = f"{len(digest.documents):>7} {digest.whole}  {len(again.documents):>7} {again.whole}"
        print(f"{name:<14} {counts}  {same}")
        for id_ in differing[:SHOWN_MOST]:
            print(f"  {id_}")
    print(f"{whole(found.live)} {live}")
    print(f"{whole(found.rebuilt)} {other}")
