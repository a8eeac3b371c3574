"""Message in: one consumer group. Flow calls the handler; nothing is decided here."""

from services.registry.domain.scheme import Schemes
from services.registry.handlers import RegistryCommands, RegistryDecider
from services.registry.settings import RegistrySettings
from shared.contracts.registry import COMMANDS_TOPIC
from shared.service.process import Group


def groups(settings: RegistrySettings, schemes: Schemes) -> list[Group]:
    """Return registry's consumer groups."""
    decider = RegistryDecider(schemes, settings.zone, source=settings.ce_source)
    handler = RegistryCommands(decider, source=settings.ce_source)
    # A record may touch a desk of its own, and a desk is a large document: fewer at once than elsewhere.
    return [Group("registry.commands", (COMMANDS_TOPIC,), handler, max_records=50, max_weight=1_000)]
