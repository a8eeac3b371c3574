"""The observer of the crossings: which of them have come to the topic, and how many readings came of them."""

from dataclasses import dataclass, field

from cli.demo.tail import Records
from shared.contracts.checkpoint import Crossing
from shared.contracts.screening import Reading


@dataclass(slots=True)
class Watch:
    """Crossings by id, each once however often it is on the topic."""

    area: str
    crossings: dict[str, str] = field(default_factory=dict)
    readings: set[str] = field(default_factory=set)

    async def run(self, records: Records) -> None:
        """Observe until cancelled."""
        async for record in records:
            match record.body:
                case Crossing(area=self.area) as crossing:
                    self.crossings[record.id] = crossing.verdict
                case Reading(means="gate"):
                    self.readings.add(record.id)
                case _:
                    continue
