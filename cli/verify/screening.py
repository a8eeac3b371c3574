"""What follows from rounds, visits and readings: every household of every denominator, and the counts.

Which households a round must cover is taken from the denominator as it was published when it was frozen.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from cli.verify import copies
from cli.verify.coverage import WHOLE, Desk, Hints, Household, Part, counts_of, nought
from cli.verify.log import Log
from cli.verify.statements import Statements
from shared.contracts import registry
from shared.contracts import screening as contract
from shared.contracts.registry import HouseholdFact
from shared.contracts.screening import (
    CloseRound,
    Coverage,
    CoverageTally,
    Opening,
    OpenRound,
    PartFrozen,
    PutCriterion,
    Reading,
    Visit,
)

TOPICS = (
    contract.COMMANDS_TOPIC, contract.OUTCOMES_TOPIC, contract.DESKS_TOPIC, contract.VISITS_TOPIC,
    contract.READINGS_TOPIC, contract.TALLIES_TOPIC, contract.PROGRESS_TOPIC, registry.ROSTERS_TOPIC,
    registry.CHARGES_TOPIC, registry.HOUSEHOLDS_TOPIC,
)  # fmt: skip
COPIES = ("rosters", "charges", "households")
NOT_COMPARED = (
    "which households a round must cover: taken from the denominator published when it was frozen",
    "times and means of attempts, what persons answered and how warm they were, and alerts",
    "visits listed and not counted; whether one that met the close within half a minute came before it",
)

Place = tuple[str, str]
"""A round and a desk."""


@dataclass(slots=True)
class Round:
    """A round as its accepted commands leave it."""

    number: int
    scope: str
    days: tuple[str, ...]
    status: str = "open"


@dataclass(slots=True)
class Decided:
    """What the accepted commands come to."""

    rounds: dict[str, Round] = field(default_factory=dict)
    opened: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    criteria: dict[tuple[str, str], tuple[int, str, tuple[str, ...]]] = field(default_factory=dict)


def said(log: Log, zone: tzinfo, hints: Hints) -> Statements:
    """Return what the log says of screening; `hints` are asked only where two topics met."""
    found: Statements = log.answered(contract.COMMANDS_TOPIC, contract.OUTCOMES_TOPIC)
    decided = _decided(log)
    for id_, round_ in decided.rounds.items():
        found[f"round {id_}"] = {
            "number": round_.number, "scope": round_.scope, "days": round_.days, "status": round_.status,
        }  # fmt: skip
    for (scope, name), (version, _, areas) in decided.criteria.items():
        found[f"criterion {name} of {scope}"] = (version, areas)
    desks = _desks(log, zone)
    _hear(log, desks, hints)
    for place, desk in desks.items():
        found |= dict(_of_desk(place, desk))
    found |= dict(_coverage(desks))
    return found | copies.said(log, COPIES)


def published(log: Log) -> Statements:
    """Return what the newest coverage on the topic shows."""
    return {
        f"coverage of {shown.round} at {shown.desk}": {
            **shown.total.model_dump(),
            "desks": shown.desks, "missing": shown.missing, "closed": shown.closed,
        }
        for shown in log.newest(contract.PROGRESS_TOPIC, Coverage).values()
    }  # fmt: skip


def _decided(log: Log) -> Decided:
    found = Decided()
    for _, body, outcome in log.commands(contract.COMMANDS_TOPIC, contract.OUTCOMES_TOPIC):
        if not outcome.results[0].accepted:
            continue
        match body.command:
            case OpenRound() as opened:
                found.opened[opened.scope] += 1
                days = tuple(day.isoformat() for day in opened.days)
                found.rounds[opened.round] = Round(found.opened[opened.scope], opened.scope, days)
            case CloseRound() as closed:
                found.rounds[closed.round].status = "closed"
            case PutCriterion() as put:
                key, areas = (put.scope, put.name), tuple(sorted(set(put.areas)))
                version, text, before = found.criteria.get(key, (0, "", ()))
                if (text, before) != (put.text, areas) or not version:
                    found.criteria[key] = version + 1, put.text, areas
    return found


def _desks(log: Log, zone: tzinfo) -> dict[Place, Desk]:
    """Return every desk that a round has reached, with its denominator."""
    desks: dict[Place, Desk] = {}
    below: dict[Place, set[str]] = defaultdict(set)
    for record, opening in log.of(contract.DESKS_TOPIC, Opening):
        place = (opening.round.round, opening.to)
        desk = desks.setdefault(place, Desk(opening.round, zone, record.at))
        if opening.round.status == "closed" and desk.closed_at is None:
            desk.closed_at = record.at
        if opening.sender is not None:
            below[opening.round.round, opening.sender].add(opening.to)
    pages = {
        (part.round, part.desk, part.part, part.page): part
        for _, part in log.of(contract.PROGRESS_TOPIC, PartFrozen)
    }
    for (round_, code, name, _), frozen in sorted(pages.items()):
        part = desks[round_, code].parts.setdefault(name, Part())
        for each in frozen.households:
            part.households[each.household] = Household(each.unit, each.charge, each.members)
    for _, tally in log.of(contract.TALLIES_TOPIC, CoverageTally):
        if tally.covers == "own" and (tally.round, tally.desk) in desks:
            desks[tally.round, tally.desk].reports = True
    for place, children in below.items():
        if place in desks:
            desks[place].children = sorted(children)
    return desks


def _hear(log: Log, desks: Mapping[Place, Desk], hints: Hints) -> None:
    """Let every visit and reading count where it does."""
    lives: dict[str, tuple[int, HouseholdFact]] = {}
    for record, fact in log.of(registry.HOUSEHOLDS_TOPIC, HouseholdFact):
        lives[fact.household] = lives.get(fact.household, (record.at, fact))[0], fact
    for record, visit in log.of(contract.VISITS_TOPIC, Visit):
        desk = desks.get((visit.round, visit.desk))
        if desk is not None:
            desk.visited(visit, record.id, record.at, lives.get(visit.household), hints)
    by_desk: dict[str, list[Desk]] = defaultdict(list)
    for (_, code), desk in desks.items():
        by_desk[code].append(desk)
    for record, reading in log.of(contract.READINGS_TOPIC, Reading):
        for desk in by_desk[reading.desk]:
            desk.measured(reading, record.at, hints)


def _of_desk(place: Place, desk: Desk) -> Iterator[tuple[str, Any]]:
    round_, code = place
    where = f"round {round_} at {code}"
    yield where, "closed" if desk.closed_at is not None else "open"
    for name, part in desk.parts.items():
        for id_, household in part.households.items():
            yield f"{where}: household {id_}", {
                "part": name, "unit": household.unit,
                "charge": household.charge, "members": household.members,
            }  # fmt: skip
            for slot in desk.slots:
                yield f"{where}: household {id_} in {slot or WHOLE}", household.statement(slot)
    for (later, slot), found in desk.later.items():
        yield f"{where}: later household {later} in {slot or WHOLE}", found


def _coverage(desks: Mapping[Place, Desk]) -> Iterator[tuple[str, Any]]:
    """Yield the sum of each desk with everything below it."""

    def summed(place: Place) -> tuple[dict[str, int], int, int, bool]:
        round_, _ = place
        desk = desks[place]
        total = counts_of(desk)
        seen, missing, closed = 1, 0, desk.closed_at is not None
        for child in desk.children:
            below = desks.get((round_, child))
            if below is None or not below.reports:
                missing += 1
                continue
            counts, more, lacking, shut = summed((round_, child))
            total = {name: total[name] + counts[name] for name in total}
            seen, missing, closed = seen + more, missing + lacking, closed and shut
        return total, seen, missing, closed

    for place, desk in desks.items():
        if desk.reports:
            total, seen, missing, closed = summed(place)
            yield f"coverage of {place[0]} at {place[1]}", {
                **nought(), **total, "desks": seen, "missing": missing, "closed": closed and not missing,
            }  # fmt: skip
