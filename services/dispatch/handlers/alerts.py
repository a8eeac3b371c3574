"""Group `dispatch.alerts`: what a household's chain must hear becomes a command on a directive of its own.

An alert is appended under its own id, so that however often it is said it is one command and one directive;
whether there is a chain to hear it is decided like every order, under the desk's key.
"""

from collections.abc import Iterable, Sequence

from services.dispatch.domain.directive import SYSTEM
from shared.contracts import dispatch as contract
from shared.contracts.alerts import Alert
from shared.contracts.directives import DirectiveCommand, RaiseDirective
from shared.contracts.envelope import Message, message
from shared.flow.documents import Documents
from shared.flow.merge import Merge
from shared.flow.records import Arrival, Record


class Alerts(Merge):
    """Passes every alert on; it keeps nothing, for the directive remembers."""

    def __init__(self, *, source: str) -> None:
        self._source = source

    async def load(self, docs: Documents, arrivals: Sequence[Arrival]) -> None:
        """Load nothing."""

    def rule(self, docs: Documents, record: Record) -> None:
        """Change nothing."""

    def derive(self, docs: Documents, arrivals: Sequence[Arrival]) -> Iterable[Message]:
        """Yield the command of each alert."""
        del docs
        for arrival in arrivals:
            if isinstance(arrival, Record) and isinstance(arrival.body, Alert):
                yield self._raise(arrival.body, arrival)

    def _raise(self, alert: Alert, cause: Record) -> Message:
        context = cause.causing(alert.alert, source=self._source, actor=SYSTEM)
        body = DirectiveCommand(command=RaiseDirective(directive=alert.alert, alert=alert))
        key = f"{alert.desk}/{alert.alert}"
        return message(contract.COMMANDS_TOPIC, contract.COMMAND, key, body, context)
