"""Message in: one consumer group a use case. Flow calls the handlers; nothing is decided here."""

from services.screening.domain.fever import Fever
from services.screening.domain.round import Terms
from services.screening.handlers.progress import CoverageRoll
from services.screening.handlers.rounds import Rounds
from services.screening.handlers.sheets import Sheets
from services.screening.settings import ScreeningSettings
from services.screening.store import CHARGES, HOUSEHOLDS
from shared.contracts import registry, screening
from shared.domain.dated import Dated
from shared.flow.decide import Decide
from shared.flow.merge import KeepNewest
from shared.runtime.dated import read_versions
from shared.service import rosters
from shared.service.process import Group


def groups(settings: ScreeningSettings) -> list[Group]:
    """Return screening's consumer groups."""
    source = settings.ce_source
    rounds = Rounds(source=source, terms=Dated(read_versions(settings.rounds, Terms)))
    fever = Dated(read_versions(settings.fever, Fever))
    return [
        Group(
            "screening.commands",
            (screening.COMMANDS_TOPIC,),
            Decide(rounds, outcomes=screening.OUTCOMES_TOPIC, outcome_type=screening.OUTCOME, source=source),
            max_records=100,
        ),
        # All three topics in one subscriber: a process then owns every side of a desk (design §5).
        Group(
            "screening.sheets",
            (screening.DESKS_TOPIC, screening.VISITS_TOPIC, screening.READINGS_TOPIC),
            Sheets(source=source, fever=fever, zone=settings.zone),
            lanes=2,
            max_records=8_000,
            max_weight=4_000,
            gather=True,
        ),
        Group(
            "screening.progress",
            (screening.TALLIES_TOPIC,),
            CoverageRoll(source=source),
            lanes=2,
            max_records=8_000,
            max_weight=4_000,
            gather=True,
        ),
        Group(
            "screening.households",
            (registry.HOUSEHOLDS_TOPIC,),
            households(),
            max_records=2_000,
            seldom=True,
        ),
        Group("screening.charges", (registry.CHARGES_TOPIC,), charges(), max_records=500, seldom=True),
        rosters.group("screening"),
    ]


def households() -> KeepNewest[registry.HouseholdFact]:
    """Return the handler that keeps the newest fact of each household."""
    return KeepNewest(
        registry.HouseholdFact,
        HOUSEHOLDS,
        id_of=lambda fact: fact.household,
        version_of=lambda fact: fact.v,
    )


def charges() -> KeepNewest[registry.Charges]:
    """Return the handler that keeps the newest charges record of each desk."""
    return KeepNewest(registry.Charges, CHARGES, id_of=lambda fact: fact.desk, version_of=lambda fact: fact.v)
