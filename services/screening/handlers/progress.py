"""Group `screening.progress`: tallies become coverage, and coverage goes up."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from services.screening.domain import coverage as rules
from services.screening.store import ROLLS
from shared.contracts import screening as contract
from shared.contracts.base import Model
from shared.contracts.envelope import Message, message
from shared.contracts.screening import CoverageTally, RoundTick
from shared.contracts.topics import Topic
from shared.domain.roll import Roll
from shared.flow.records import Record
from shared.kernel.ids import derived_id
from shared.service.rollup import RollUp

SYSTEM: Final = "screening"


class CoverageRoll(RollUp[CoverageTally]):
    """Publishes each touched desk's coverage, upward and to whoever watches."""

    def __init__(self, *, source: str) -> None:
        super().__init__(ROLLS, CoverageTally)
        self._source = source

    def place(self, body: Model) -> tuple[str, str, datetime | None]:
        """Return the round, the desk that receives its tally or tick, and a tick's due time."""
        match body:
            case CoverageTally():
                return body.round, body.to, None
            case RoundTick():
                return body.round, body.desk, body.due
            case _:
                raise TypeError(type(body).__name__)

    def told(self, id_: str, roll: Roll[CoverageTally], v: int, cause: Record) -> Iterator[Message]:
        """Yield the coverage and the tally to the desk above."""
        shown = rules.view(roll, v)
        if shown is None:
            return
        yield self._message(contract.PROGRESS_TOPIC, contract.COVERAGE, id_, shown, cause, "coverage", id_, v)
        tally = rules.upward(roll, shown)
        if tally is not None:
            key = f"{tally.to}/{tally.round}"
            yield self._message(contract.TALLIES_TOPIC, contract.TALLY, key, tally, cause, "subtree", id_, v)

    def _message(
        self, topic: Topic, type_: str, key: str, body: Model, cause: Record, *name: str | int
    ) -> Message:
        context = cause.causing(derived_id(*name), source=self._source, actor=SYSTEM)
        return message(topic, type_, key, body, context)
