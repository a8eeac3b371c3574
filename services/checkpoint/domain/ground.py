"""What every decision of checkpoint rests on: who speaks, when, and what the rosters say they may do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from services.checkpoint.domain.rules import GateRules
from shared.contracts.registry import Roster
from shared.domain.authority import Refusal, beyond_authority
from shared.kernel.codes import desk_of, parse

SYSTEM: Final = "checkpoint"
"""The actor of the service's own commands: what ends because its time has passed."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The actor, the broker's time with the city's day, the rules, and the two rosters.

    `here` is the roster of the issuer's desk, `there` that of the gate's or area's.
    """

    actor: str
    now: datetime
    today: date
    rules: GateRules
    here: Roster | None
    there: Roster | None

    def not_by_itself(self, until: datetime) -> Refusal | None:
        """Return why something does not end by itself now; None if the service says so and it is time.

        The ticker's clock may be ahead of the broker's, which alone decides: it will ask again.
        """
        if self.actor != SYSTEM:
            return Refusal("not-the-service", "what ends by itself is ended by the service")
        return Refusal("not-over-yet", until.isoformat()) if until > self.now else None


def not_entitled(issuer: str, places: Sequence[str], ground: Ground) -> Refusal | None:
    """Return why this person may not act for this post at the nearest of these places; None if they may.

    A gate or a closed area may host no seat, and then the roster does not know it: what is asked is the
    nearest place around it that the roster knows, at the latest the desk. So a post may act for a gate if
    it covers that place, by path; a post at the gate alone commands no area.
    """
    scope = nearest_known(ground.there, places)
    return beyond_authority(issuer, scope, actor=ground.actor, here=ground.here, there=ground.there)


def nearest_known(roster: Roster | None, places: Sequence[str]) -> str:
    """Return the first of the places that a seat of the roster lies in; else the last, which is the desk."""
    if roster is None:
        return places[-1]
    known = {unit for seat in roster.seats for unit in seat.within}
    return next((place for place in places if place in known), places[-1])


def places_around(area: str, path: Sequence[str]) -> tuple[str, ...]:
    """Return an area and what lies around it inside its community, nearest first, the desk last."""
    desk = desk_of(area)
    around = (place for place in reversed(path) if desk_of(place) == desk and place not in (area, desk))
    return (*(() if area == desk else (area,)), *around, desk)


def default_path(code: str) -> tuple[str, ...]:
    """Return where a place lies as its code says, for want of its fact."""
    return tuple(above.text for above in parse(code).ancestors())
