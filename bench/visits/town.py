"""The city that is visited: the same desks and posts as dispatch's, and households behind every door.

What every desk must show is a plain sum over households that no message ever touches.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from bench.dispatch.world import AT, GRIDS_A_DESK, POSTS_A_DESK, SOURCE, World, build
from shared.contracts import screening as contract
from shared.contracts.envelope import Context, Message, message
from shared.contracts.registry import (
    CHARGES,
    CHARGES_TOPIC,
    HOUSEHOLD,
    HOUSEHOLDS_TOPIC,
    Charges,
    HouseholdFact,
)
from shared.contracts.screening import CloseRound, OpenRound, PersonSeen, ScreeningCommand, Visit
from shared.kernel.codes import desk_of
from shared.kernel.ids import derived_id

CITY: Final = "6109"
ISSUER: Final = f"{CITY}/city-vertical:duty-desk"
ISSUER_HOLDER: Final = f"duty-{CITY}"
HOUSEHOLDS_A_DESK: Final = 1_350
BUILDINGS_A_DESK: Final = POSTS_A_DESK - 1 - GRIDS_A_DESK
MEMBERS: Final = (1, 2, 2, 3, 3, 3, 4)
"""How many live behind a door, as often as it stands here: 2.57 on average."""
NOBODY_HOME_FIRST: Final = 0.10
DUPLICATED: Final = 0.05


@dataclass(frozen=True)
class Town:
    """Rosters from the city down, and the households of every community."""

    world: World
    households: tuple[HouseholdFact, ...]

    @cached_property
    def truth(self) -> dict[str, Counter[str]]:
        """Return how many households and persons every desk has, all below it included."""
        truth: dict[str, Counter[str]] = {roster.desk: Counter() for roster in self.world.rosters}
        above = {roster.desk: roster.path for roster in self.world.rosters}
        for household in self.households:
            for desk in (*above[household.desk], household.desk):
                truth[desk] += Counter(households=1, persons=len(household.members))
        return truth

    def homes(self) -> Iterator[Message]:
        """Yield what registry would have published of households, beside the rosters of the world."""
        yield from self._households()
        yield from self._charges()

    def opening(self, round_: str) -> Message:
        """Return the city's command to open a round over all of it."""
        command = OpenRound(round=round_, issuer=ISSUER, scope=CITY, title="Visit every household.")
        return _command(round_, command)

    def closing(self, round_: str) -> Message:
        """Return the command that closes it, so that the next run starts in quiet."""
        return _command(f"{round_}-close", CloseRound(round=round_, issuer=ISSUER, scope=CITY))

    def visits(self, round_: str, seed: int, at: datetime) -> list[Message]:
        """Return visits in random order: each door answered, some empty before, some told twice."""
        chance = random.Random(seed)
        visits = [self._visit(round_, household, at) for household in self.households]
        empty = chance.sample(self.households, int(len(self.households) * NOBODY_HOME_FIRST))
        visits += [self._nobody_home(round_, household, at) for household in empty]
        visits += chance.sample(visits, int(len(visits) * DUPLICATED))
        chance.shuffle(visits)
        return visits

    def distinct(self) -> int:
        """Return how many different visits `visits` holds."""
        return len(self.households) + int(len(self.households) * NOBODY_HOME_FIRST)

    def _visit(self, round_: str, household: HouseholdFact, at: datetime) -> Message:
        seen = tuple(
            PersonSeen(person=person, temperature=36.0 + number / 10, answers={"symptoms": False})
            for number, person in enumerate(household.members)
        )
        visit = Visit(
            round=round_,
            desk=household.desk,
            household=household.household,
            found="screened",
            members=seen,
            by=household.charges["main"],
            at=at,
        )
        return _visited(visit, at)

    def _nobody_home(self, round_: str, household: HouseholdFact, at: datetime) -> Message:
        visit = Visit(
            round=round_,
            desk=household.desk,
            household=household.household,
            found="nobody-home",
            by=household.charges["main"],
            at=at,
        )
        return _visited(visit, at)

    def _households(self) -> Iterator[Message]:
        for fact in self.households:
            context = Context(id=derived_id("bench", fact.household), source=SOURCE, at=AT)
            yield message(HOUSEHOLDS_TOPIC, HOUSEHOLD, fact.household, fact, context)

    def _charges(self) -> Iterator[Message]:
        for desk in sorted({household.desk for household in self.households}):
            there = [household for household in self.households if household.desk == desk]
            charges = Charges(
                desk=desk,
                v=1,
                households=len(there),
                members=sum(len(household.members) for household in there),
                uncharged=0,
                by_post=Counter(household.charges["main"] for household in there),
            )
            context = Context(id=derived_id("bench", "charges", desk), source=SOURCE, at=AT)
            yield message(CHARGES_TOPIC, CHARGES, desk, charges, context)


def build_town(households: int) -> Town:
    """Return a city of full communities with as many households as asked for, spread evenly."""
    desks = -(-households // HOUSEHOLDS_A_DESK)
    world = build(desks * POSTS_A_DESK, CITY)
    communities = [roster.desk for roster in world.rosters if desk_is_community(roster.desk)]
    chance = random.Random(households)
    return Town(
        world,
        tuple(
            _household(communities[number % desks], number // desks, chance.choice(MEMBERS))
            for number in range(households)
        ),
    )


def desk_is_community(code: str) -> bool:
    """Return whether a desk has twelve digits, so households of its own."""
    return len(code) == 12  # noqa: PLR2004 - the community's level of the national division codes


def _household(desk: str, number: int, members: int) -> HouseholdFact:
    building = number % BUILDINGS_A_DESK
    grid = f"{desk}{building % GRIDS_A_DESK + 1:03}"
    unit = f"{grid}.b{building + 1}"
    id_ = f"household-{desk}-{number}"
    return HouseholdFact(
        household=id_,
        v=1,
        desk=desk,
        unit=unit,
        within=(grid, unit),
        care_unit=grid,
        members=tuple(f"{id_}-{member}" for member in range(members)),
        charges={"main": f"{unit}/cw5:building-head"},
    )


def _visited(visit: Visit, at: datetime) -> Message:
    id_ = derived_id("visit", visit.round, visit.household, visit.found)
    context = Context(id=id_, source=SOURCE, at=at, actor="bench")
    return message(contract.VISITS_TOPIC, contract.VISIT, visit.desk, visit, context)


def _command(id_: str, command: OpenRound | CloseRound) -> Message:
    context = Context(id=id_, source=SOURCE, at=AT, actor=ISSUER_HOLDER)
    body = ScreeningCommand(command=command)
    return message(contract.COMMANDS_TOPIC, contract.COMMAND, desk_of(command.scope), body, context)
