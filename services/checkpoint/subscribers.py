"""Message in: one consumer group a use case. Flow calls the handlers; nothing is decided here."""

from services.checkpoint.domain.rules import GateRules
from services.checkpoint.handlers import copies
from services.checkpoint.handlers.commands import GatesAndPasses
from services.checkpoint.handlers.crossings import Crossings
from services.checkpoint.schemes import load_teams
from services.checkpoint.settings import CheckpointSettings
from shared.contracts import checkpoint, registry
from shared.domain.dated import Dated
from shared.flow.decide import Decide
from shared.runtime.dated import read_versions
from shared.service import rosters
from shared.service.process import Group


def groups(settings: CheckpointSettings) -> list[Group]:
    """Return checkpoint's consumer groups."""
    source, zone = settings.ce_source, settings.zone
    rules = Dated(read_versions(settings.gate_rules, GateRules))
    decider = GatesAndPasses(
        source=source, rules=rules, teams=load_teams(*settings.scheme_folders), zone=zone
    )
    return [
        Group(
            "checkpoint.commands",
            (checkpoint.COMMANDS_TOPIC,),
            Decide(
                decider, outcomes=checkpoint.OUTCOMES_TOPIC, outcome_type=checkpoint.OUTCOME, source=source
            ),
            max_records=100,
        ),
        Group(
            "checkpoint.crossings",
            (checkpoint.CROSSINGS_TOPIC,),
            Crossings(source=source, rules=rules, zone=zone),
            # A poll is merged in one go, and whoever stands at the gate meanwhile waits for it.
            max_records=40,
            gather=True,
        ),
        rosters.group("checkpoint"),
        Group(
            "checkpoint.households",
            (registry.HOUSEHOLDS_TOPIC,),
            copies.households(),
            max_records=1_000,
            seldom=True,
        ),
        Group("checkpoint.units", (registry.UNITS_TOPIC,), copies.Places(), max_records=1_000, seldom=True),
    ]
