"""Message in: one consumer group a use case. Flow calls the handlers; nothing is decided here."""

from services.dispatch.domain.deadlines import DefaultDeadlines
from services.dispatch.domain.directive import Limits
from services.dispatch.handlers.alerts import Alerts
from services.dispatch.handlers.directives import Directives
from services.dispatch.handlers.progress import ProgressRoll
from services.dispatch.handlers.sheets import Sheets
from services.dispatch.settings import DispatchSettings
from shared.contracts import checkpoint, dispatch, screening
from shared.domain.dated import Dated
from shared.flow.decide import Decide
from shared.runtime.dated import read_versions
from shared.service import rosters
from shared.service.process import Group


def groups(settings: DispatchSettings) -> list[Group]:
    """Return dispatch's consumer groups."""
    source = settings.ce_source
    deadlines = Dated(read_versions(settings.deadlines, DefaultDeadlines))
    directives = Directives(
        source=source,
        limits=Limits(settings.audience_limit, settings.open_limit),
        deadlines=deadlines,
    )
    return [
        Group(
            "dispatch.commands",
            (dispatch.COMMANDS_TOPIC,),
            Decide(
                directives, outcomes=dispatch.OUTCOMES_TOPIC, outcome_type=dispatch.OUTCOME, source=source
            ),
            max_records=100,
        ),
        # Both topics in one subscriber: a process then owns both sides of a desk (design §5).
        Group(
            "dispatch.sheets",
            (dispatch.DESKS_TOPIC, dispatch.ACKS_TOPIC),
            Sheets(source=source, deadlines=deadlines),
            lanes=2,
            max_records=8_000,
            max_weight=4_000,
            gather=True,
        ),
        Group(
            "dispatch.progress",
            (dispatch.TALLIES_TOPIC,),
            ProgressRoll(source=source),
            lanes=2,
            max_records=8_000,
            max_weight=4_000,
            gather=True,
        ),
        Group(
            "dispatch.alerts",
            (screening.ALERTS_TOPIC, checkpoint.ALERTS_TOPIC),
            Alerts(source=source),
            max_records=500,
            seldom=True,
        ),
        rosters.group("dispatch"),
    ]
