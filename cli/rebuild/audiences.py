"""Who an order was addressed to, as published: shown to dispatch as the roster it froze from.

A roster of today is another one. Of the one that was frozen the fact keeps exactly the seats and child desks
addressed, and choosing from these alone chooses them all again.
"""

from collections import defaultdict
from datetime import date

from cli.rebuild.memory import Documents, Memory
from cli.verify.log import Log
from services.dispatch.domain.sheet import sheet_id
from services.dispatch.store import SHEETS
from shared.contracts import dispatch as contract
from shared.contracts import registry
from shared.contracts.dispatch import Fill, Relay, SheetFrozen
from shared.contracts.registry import Roster
from shared.flow.records import Record
from shared.kernel.clock import utc_ms
from shared.service.rosters import ROSTERS

NOBODY: Documents = {ROSTERS.name: {}}
_ANY_DAY = date.min


class Audiences:
    """What was frozen for each version of an order at each desk, and when desks without a roster got one."""

    def __init__(self, log: Log) -> None:
        self._frozen = {
            (sheet_id(fact.directive, fact.desk), fact.version): fact
            for _, fact in log.of(contract.PROGRESS_TOPIC, SheetFrozen)
        }
        self._filled: dict[str, list[int]] = defaultdict(list)
        for said, fill in log.of(contract.DESKS_TOPIC, Fill):
            self._filled[sheet_id(fill.directive, fill.desk)].append(said.at)
        self._paths = {
            desk: roster.path for desk, roster in log.newest(registry.ROSTERS_TOPIC, Roster).items()
        }

    def instead(self, record: Record, memory: Memory) -> Documents | None:
        """Return the roster that a relay or a fill froze from; none where it froze nothing."""
        match record.body:
            case Relay() as relay:
                id_, version = sheet_id(relay.order.directive, relay.to), relay.order.version
                # Only a desk that stood without a roster is ever asked to fill: it froze then, not now.
                waits = any(at > utc_ms(record.at) for at in self._filled[id_])
                known = (id_, version - 1) in self._frozen
                return NOBODY if waits and not known else self._roster(id_, version)
            case Fill() as fill:
                id_ = sheet_id(fill.directive, fill.desk)
                stored = memory.documents[SHEETS.name].get(id_)
                return self._roster(id_, stored["version"]) if stored else NOBODY
            case _:
                return None

    def _roster(self, id_: str, version: int) -> Documents:
        fact = self._frozen.get((id_, version))
        if fact is None:
            return NOBODY
        path = self._paths.get(fact.desk, ())
        roster = Roster(
            desk=fact.desk, v=fact.roster_v, on=_ANY_DAY, path=path, seats=fact.seats, children=fact.children
        )
        return {ROSTERS.name: {fact.desk: {"_id": fact.desk, "v": 1, **ROSTERS.encode(roster)}}}
