"""The street whose gates are asked: compounds with a gate each, their households, and a pass for everybody.

A street of the sources has 7 communities and 57,125 residents (design: sizes).
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bench.dispatch.world import AT, SOURCE
from services.checkpoint.keys import SigningKey
from services.checkpoint.pass_text import text_of
from shared.contracts import checkpoint as contract
from shared.contracts.base import Model
from shared.contracts.checkpoint import GateFact, PassFact
from shared.contracts.envelope import Context, Message, message
from shared.contracts.registry import HOUSEHOLD, HOUSEHOLDS_TOPIC, HouseholdFact
from shared.contracts.topics import Topic
from shared.kernel.ids import derived_id

STREET: Final = "610702001"
COMMUNITIES: Final = 7
COMPOUNDS: Final = 9
MEMBERS: Final = (1, 2, 2, 3, 3, 3, 4)
WINDOW: Final = timedelta(days=20)


@dataclass(frozen=True)
class Compound:
    """A closed area with its one exit."""

    desk: str
    area: str
    gate: str


@dataclass(frozen=True)
class Place:
    """The street: who lives behind which gate, and with which pass."""

    compounds: tuple[Compound, ...]
    households: tuple[HouseholdFact, ...]
    passes: tuple[PassFact, ...]

    def facts(self) -> Iterator[Message]:
        """Yield gates, households and passes as registry and checkpoint would have published them."""
        for compound in self.compounds:
            gate = GateFact(
                gate=compound.gate,
                v=1,
                desk=compound.desk,
                area=compound.area,
                open=True,
                duty=f"{compound.area}/cw5:grid-chief",
            )
            yield _fact(contract.GATES_TOPIC, contract.GATE, compound.gate, gate)
        for household in self.households:
            yield _fact(HOUSEHOLDS_TOPIC, HOUSEHOLD, household.household, household)
        for pass_ in self.passes:
            yield _fact(contract.PASSES_TOPIC, contract.PASS, pass_.pass_id, pass_)

    def requests(self, key: SigningKey, token: str) -> list[bytes]:
        """Return everybody going out and then everybody coming in, as bytes on a wire."""
        gate_of = {compound.area: compound.gate for compound in self.compounds}
        asked = [(gate_of[pass_.area], text_of(pass_, key)) for pass_ in self.passes]
        random.Random(len(asked)).shuffle(asked)
        return [_request(gate, token, direction, text) for direction in ("out", "in") for gate, text in asked]


def build_place(residents: int, now: datetime) -> Place:
    """Return the street with as many residents as asked for, each with a pass that is good now."""
    compounds = [_compound(number) for number in range(COMMUNITIES * COMPOUNDS)]
    chance = random.Random(residents)
    households: list[HouseholdFact] = []
    left = residents
    while left:
        size = min(chance.choice(MEMBERS), left)
        households.append(_household(compounds[len(households) % len(compounds)], len(households), size))
        left -= size
    since = now.replace(microsecond=0) - timedelta(hours=1)
    passes = [
        _pass(household, member, since)
        for household in households
        for member in range(len(household.members))
    ]
    return Place(tuple(compounds), tuple(households), tuple(passes))


def _compound(number: int) -> Compound:
    desk = f"{STREET}{number // COMPOUNDS + 1:03}"
    area = f"{desk}001.c{number % COMPOUNDS + 1}"
    return Compound(desk, area, f"{area}.k1")


def _household(compound: Compound, number: int, members: int) -> HouseholdFact:
    building = f"{compound.area}.b{number % 12 + 1}"
    unit = f"{building}.d{number}"
    id_ = f"household-{number:06}"
    return HouseholdFact(
        household=id_,
        v=1,
        desk=compound.desk,
        unit=unit,
        within=(f"{compound.desk}001", compound.area, building, unit),
        care_unit=f"{compound.desk}001",
        members=tuple(f"{id_}-{member}" for member in range(members)),
        charges={"main": f"{building}/cw5:building-head"},
    )


def _pass(household: HouseholdFact, member: int, since: datetime) -> PassFact:
    area = household.within[1]
    return PassFact(
        pass_id=derived_id("pass", household.household, member),
        v=1,
        kind="home",
        desk=household.desk,
        area=area,
        household=household.household,
        subject=derived_id("subject", household.household, member).replace("-", "")[:20],
        since=since,
        until=since + WINDOW,
        issuer=f"{area}/cw5:grid-chief",
    )


def _request(gate: str, token: str, direction: str, text: str) -> bytes:
    body = f'{{"direction":"{direction}","pass":"{text}","temperature":36.5}}'.encode()
    head = (
        f"POST /gates/{gate}/decisions HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _fact(topic: Topic, type_: str, key: str, body: Model) -> Message:
    return message(topic, type_, key, body, Context(id=derived_id("bench", key), source=SOURCE, at=AT))
