"""Group `dispatch.progress`: tallies become progress, progress goes up, and a finished loop asks to close."""

from collections.abc import Iterator
from datetime import datetime

from services.dispatch.domain import progress as rules
from services.dispatch.domain.directive import SYSTEM
from services.dispatch.store import ROLLS
from shared.contracts import dispatch as contract
from shared.contracts.base import Model
from shared.contracts.directives import CloseDirective, DirectiveCommand
from shared.contracts.dispatch import Tally, Tick
from shared.contracts.envelope import Message, message
from shared.contracts.topics import Topic
from shared.domain.roll import Roll
from shared.flow.records import Record
from shared.kernel.codes import desk_of_post
from shared.kernel.ids import derived_id
from shared.service.rollup import RollUp


class ProgressRoll(RollUp[Tally]):
    """Publishes each touched desk's sum, upward and to whoever watches, and a close when all is done."""

    def __init__(self, *, source: str) -> None:
        super().__init__(ROLLS, Tally)
        self._source = source

    def place(self, body: Model) -> tuple[str, str, datetime | None]:
        """Return the directive, the desk that receives its tally or tick, and a tick's due time."""
        match body:
            case Tally():
                return body.directive, body.to, None
            case Tick():
                return body.directive, body.desk, body.due
            case _:
                raise TypeError(type(body).__name__)

    def told(self, id_: str, roll: Roll[Tally], v: int, cause: Record) -> Iterator[Message]:
        """Yield progress, the tally to the desk above, and the close of a whole loop."""
        shown = rules.view(roll, v)
        if roll.own is None or shown is None:
            return
        yield self._message(
            contract.PROGRESS_TOPIC, contract.PROGRESS, id_, shown, cause, "progress", id_, shown.v
        )
        tally = rules.upward(roll, shown)
        if tally is not None:
            yield self._message(
                contract.TALLIES_TOPIC, contract.TALLY, f"{tally.to}/{tally.directive}", tally, cause,
                "subtree", id_, shown.v,
            )  # fmt: skip
        if rules.closable(shown):
            close = CloseDirective(
                directive=roll.subject,
                issuer=roll.own.issuer,
                version=shown.version,
                changes=shown.changes,
            )
            key = f"{desk_of_post(close.issuer)}/{close.directive}"
            yield self._message(
                contract.COMMANDS_TOPIC, contract.COMMAND, key, DirectiveCommand(command=close), cause,
                "close", close.directive, close.version, close.changes,
            )  # fmt: skip

    def _message(
        self, topic: Topic, type_: str, key: str, body: Model, cause: Record, *name: str | int
    ) -> Message:
        context = cause.causing(derived_id(*name), source=self._source, actor=SYSTEM)
        return message(topic, type_, key, body, context)
