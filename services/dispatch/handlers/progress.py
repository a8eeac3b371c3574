"""Group `dispatch.progress`: tallies become progress, progress goes up, and a finished loop asks to close."""

from collections.abc import Iterable, Iterator, Sequence

from services.dispatch.domain import progress as rules
from services.dispatch.domain.directive import SYSTEM
from services.dispatch.domain.progress import Roll
from services.dispatch.domain.sheet import sheet_id
from services.dispatch.store import ROLLS
from shared.contracts import dispatch as contract
from shared.contracts.base import Model
from shared.contracts.dispatch import CloseDirective, DirectiveCommand, Progress, Tally, Tick
from shared.contracts.envelope import Context, Message, message
from shared.contracts.topics import Topic
from shared.flow.documents import Documents
from shared.flow.merge import Merge
from shared.flow.records import Arrival, Record
from shared.kernel.clock import utc_ms
from shared.kernel.codes import desk_of_post
from shared.kernel.ids import derived_id


class ProgressRoll(Merge):
    """Keeps the newest tally of each desk and publishes the sum, upward and to whoever watches."""

    def __init__(self, *, source: str) -> None:
        self._source = source

    async def load(self, docs: Documents, arrivals: Sequence[Arrival]) -> None:
        """Load the progress of every receiving desk."""
        await docs.load(ROLLS, {_id(arrival.body) for arrival in arrivals if isinstance(arrival, Record)})

    def rule(self, docs: Documents, record: Record) -> None:
        """Merge one tally or tick."""
        body = record.body
        id_ = _id(body)
        match body:
            case Tally():
                roll = docs.get(ROLLS, id_) or Roll(body.directive, body.to)
                rules.merge_tally(roll, body)
            case Tick():
                roll = docs.get(ROLLS, id_) or Roll(body.directive, body.desk)
                rules.tick(roll, utc_ms(body.due))
            case _:
                return
        docs.put(ROLLS, id_, roll)

    def derive(self, docs: Documents, arrivals: Sequence[Arrival]) -> Iterable[Message]:
        """Publish each touched desk's progress, its tally to the desk above, and a close when all is done."""
        last = {_id(arrival.body): arrival for arrival in arrivals if isinstance(arrival, Record)}
        for id_, record in last.items():
            roll = docs.get(ROLLS, id_)
            shown = rules.view(roll, docs.version(ROLLS, id_)) if roll else None
            if roll is not None and shown is not None:
                yield from self._of_roll(id_, roll, shown, record)

    def _of_roll(self, id_: str, roll: Roll, shown: Progress, cause: Record) -> Iterator[Message]:
        yield self._message(
            contract.PROGRESS_TOPIC, contract.PROGRESS, id_, shown, cause, "progress", id_, shown.v
        )
        tally = rules.upward(roll, shown)
        if tally is not None:
            yield self._message(
                contract.TALLIES_TOPIC, contract.TALLY, f"{tally.to}/{tally.directive}", tally, cause,
                "subtree", id_, shown.v,
            )  # fmt: skip
        if roll.own is not None and rules.closable(shown):
            close = CloseDirective(
                directive=roll.directive,
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
        context = Context(
            id=derived_id(*name),
            source=self._source,
            at=cause.at,
            actor=SYSTEM,
            traceparent=cause.traceparent,
        )
        return message(topic, type_, key, body, context)


def _id(body: Model) -> str:
    match body:
        case Tally():
            return sheet_id(body.directive, body.to)
        case Tick():
            return sheet_id(body.directive, body.desk)
        case _:
            raise TypeError(type(body).__name__)
