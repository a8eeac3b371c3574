"""One compound and its morning: who lives there, who was given which pass, and how they go. Pure.

The compound is a grid of the street: an area with some hundreds of households, one exit and one closed gate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Literal

from cli.demo.places import grid_of
from cli.demo.residents import opaque
from cli.demo.world import Seat, World
from shared.contracts.registry import PutHousehold
from shared.contracts.teams import TeamDefinition, TeamMember
from shared.kernel.codes import desk_of

Kind = Literal["home", "movement"]

HOME_PASSES, MOVEMENT_PASSES = 300, 100
BY_CAR = 0.08
MEASURED = 0.95


@dataclass(frozen=True, slots=True)
class Resident:
    """Somebody who lives in the compound and is to have a pass of a kind."""

    person: str
    home: PutHousehold
    kind: Kind


@dataclass(frozen=True)
class Compound:
    """The area, its two gates, and everybody who has a part this morning."""

    world: World
    seed: int

    @cached_property
    def area(self) -> str:
        grids = sorted({grid_of(home.unit) for home in self.world.households})
        return self._rng("area").choice(grids)

    @property
    def desk(self) -> str:
        return desk_of(self.area)

    @property
    def exit(self) -> str:
        return f"{self.area}.k1"

    @property
    def closed(self) -> str:
        return f"{self.area}.k2"

    @property
    def issuer(self) -> Seat:
        """Who commands the community, and so decides about its gates and passes."""
        return self.world.by_post[f"{self.desk}/cw5:community-chief"]

    def answers_for(self, gate: str) -> Seat:
        """Return who answers for a gate: for the closed one, whoever had it closed."""
        return self.duty if gate == self.exit else self.issuer

    @property
    def duty(self) -> Seat:
        """Who answers for the exit."""
        return self.world.by_post[f"{self.area}/cw5:grid-chief"]

    @cached_property
    def homes(self) -> tuple[PutHousehold, ...]:
        return tuple(home for home in self.world.households if grid_of(home.unit) == self.area)

    @cached_property
    def _shuffled(self) -> tuple[tuple[str, PutHousehold], ...]:
        everybody = [(person, home) for home in self.homes for person in home.members]
        self._rng("residents").shuffle(everybody)
        return tuple(everybody)

    @cached_property
    def residents(self) -> tuple[Resident, ...]:
        """Who comes and goes all morning: in a small compound half have a home pass, a sixth may go out."""
        half, sixth = len(self._shuffled) // 2, len(self._shuffled) // 6
        home, movement = min(HOME_PASSES, half), min(MOVEMENT_PASSES, sixth)
        chosen = [Resident(*each, "home") for each in self._shuffled[:home]]
        chosen += [Resident(*each, "movement") for each in self._shuffled[home : home + movement]]
        self._rng("order").shuffle(chosen)
        return tuple(chosen)

    def other(self, number: int, kind: Kind) -> Resident:
        """Return one of those with a story of their own, who are not among the others."""
        held = [
            (person, home)
            for person, home in self._shuffled[len(self.residents) :]
            if self.world.by_post[home.charges["main"]].holder
        ]
        return Resident(*held[number], kind)

    @cached_property
    def parties(self) -> tuple[tuple[Resident, ...], ...]:
        """Everybody in the company they go in: alone on foot, or two in a car, the driver first."""
        rng = self._rng("parties")
        waiting = iter(self.residents)
        parties = []
        for resident in waiting:
            # Whoever has the last pass of all goes on foot.
            second = next(waiting, None) if rng.random() < BY_CAR else None
            parties.append((resident,) if second is None else (resident, second))
        return tuple(parties)

    def team(self, definition: TeamDefinition) -> tuple[TeamMember, ...]:
        """Return people who make up a team as the scheme wants it."""
        rng = self._rng("team")
        groups = definition.groups or (None,)
        roles = [
            (name, {key: accepted[0] for key, accepted in role.where.items()})
            for name, role in definition.roles.items()
            for _ in range(role.count)
        ]
        # Whom the roles leave open, somebody of the last one makes up for.
        roles += [roles[-1]] * (definition.size - len(roles))
        return tuple(
            TeamMember(
                person=opaque(rng, "p"), role=name, group=groups[number % len(groups)], attributes=where
            )
            for number, (name, where) in enumerate(roles)
        )

    def _rng(self, name: str) -> Random:
        return Random(f"{self.seed}/gate/{name}")  # noqa: S311 - made-up people, repeatable by the seed


def celsius(rng: Random) -> float | None:
    """Return what is measured of a healthy person; now and then nobody measures."""
    return round(rng.uniform(36.0, 37.0), 1) if rng.random() < MEASURED else None


def forged(text: str) -> str:
    """Return a pass with one letter of its signature changed."""
    place = len(text) - 20
    letter = "A" if text[place] != "A" else "B"
    return text[:place] + letter + text[place + 1 :]


def shares(latencies: Sequence[float]) -> dict[str, float]:
    """Return the median, the 99th percentile and the longest of some seconds, in milliseconds."""
    if not latencies:
        return {}
    ordered = sorted(latencies)
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {
        name: round(1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1)
        for name, share in at.items()
    }
