"""What screening's database says. Sheets are arrays by the rows of the frozen denominator, slot by slot."""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cli.verify import copies
from cli.verify.coverage import ORDER, WHOLE, Hints, nought
from cli.verify.screening import COPIES
from cli.verify.statements import Statements
from cli.verify.stored import Documents, outcomes
from shared.contracts.screening import CoverageTally, Criterion, Round
from shared.kernel.codes import desk_of

COLLECTIONS = (
    "outcomes", "rounds", "scopes", "heads", "denominators", "sheets", "progress",
    "rosters", "charges", "households",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One household of a denominator in one slot, as stored."""

    round: str
    desk: str
    part: str
    household: str
    unit: str
    charge: str | None
    members: tuple[str, ...]
    slot: str
    found: str
    known: frozenset[str]


def stored(documents: Documents) -> Statements:
    """Return what is stored."""
    found = outcomes(documents["outcomes"])
    for each in documents["rounds"]:
        round_ = Round.model_validate_json(each["round"])
        found[f"round {round_.round}"] = {
            "number": round_.number, "scope": round_.scope.unit,
            "days": tuple(day.isoformat() for day in round_.days), "status": round_.status,
        }  # fmt: skip
    for each in documents["scopes"]:
        for criterion in map(Criterion.model_validate_json, each["criteria"]):
            found[f"criterion {criterion.name} of {each['_id']}"] = (criterion.version, criterion.areas)
    for head in documents["heads"]:
        found |= _of_head(head)
    for row in _rows(documents):
        where = f"round {row.round} at {row.desk}: household {row.household}"
        found[where] = {
            "part": row.part or row.desk, "unit": row.unit, "charge": row.charge, "members": row.members,
        }  # fmt: skip
        found[f"{where} in {row.slot or WHOLE}"] = {"found": row.found, "known": sorted(row.known)}
    for roll in documents["progress"]:
        found |= _of_roll(roll)
    return found | copies.stored(documents, COPIES)


def hints(documents: Documents) -> Hints:
    """Return what is asked where records of two topics met."""
    heads = {(head["round"], head["desk"]): head for head in documents["heads"]}
    return Hints(
        late={
            place: frozenset(id_ for _, id_, why, *_ in head["listed"] if why == "late")
            for place, head in heads.items()
        },
        known={(row.round, row.desk, row.household, row.slot): row.known for row in _rows(documents)},
        later={
            place: frozenset(household for household, *_ in head["later"]) for place, head in heads.items()
        },
    )


def _of_head(head: dict[str, Any]) -> Statements:
    if not head["terms"]:
        return {}  # a stub: visits wait here for a round that nobody has opened
    where = f"round {head['round']} at {head['desk']}"
    found: Statements = {where: "closed" if head["status"] == "closed" else "open"}
    for household, slot, outcome, _ in head["later"]:
        found[f"{where}: later household {household} in {slot or WHOLE}"] = ORDER[outcome]
    return found


def _rows(documents: Documents) -> Iterator[Row]:
    slots = {
        (head["round"], head["desk"]): Round.model_validate_json(head["terms"]).slots
        for head in documents["heads"]
        if head["terms"]
    }
    sheets = {sheet["_id"]: sheet for sheet in documents["sheets"]}
    for denominator in documents["denominators"]:
        round_, desk = denominator["round"], denominator["desk"]
        for part, households in json.loads(zlib.decompress(denominator["parts"])):
            sheet = sheets[f"{round_}/{desk}/{part}"]
            persons = sum(len(members) for *_, members in households)
            for number, slot in enumerate(slots[round_, desk]):
                found = sheet["found"][number * len(households) : (number + 1) * len(households)]
                seen = sheet["seen"][number * persons : (number + 1) * persons]
                first = 0
                for (id_, unit, charge, members), outcome in zip(households, found, strict=True):
                    said = seen[first : first + len(members)]
                    first += len(members)
                    known = frozenset(who for who, bits in zip(members, said, strict=True) if bits)
                    yield Row(
                        round_, desk, part, id_, unit, charge, tuple(members), slot, ORDER[outcome], known
                    )


def _of_roll(roll: dict[str, Any]) -> Statements:
    """Add up the own tally, those of the parts, and those of the desks below."""
    if not roll["own"]:
        return {}
    own = CoverageTally.model_validate_json(roll["own"])
    below = {each.desk: each for each in map(CoverageTally.model_validate_json, roll["below"])}
    here = [below[code] for code in own.children if code in below]
    total = nought()
    for tally in (own, *here):
        for counts in tally.cells.values():
            for name, count in counts.model_dump().items():
                total[name] += count
    missing = len(own.children) - len(here) + sum(tally.missing for tally in here)
    closed = all(tally.status == "closed" for tally in (own, *here))
    desks = own.desks + sum(tally.desks for tally in here if desk_of(tally.desk) == tally.desk)
    return {
        f"coverage of {roll['round']} at {roll['desk']}": {
            **total, "desks": desks, "missing": missing, "closed": closed and not missing,
        }
    }  # fmt: skip
