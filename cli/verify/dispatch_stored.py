"""What dispatch's database says. Entries stand there as arrays by the positions of the frozen audience."""

import json
from typing import Any

from cli.verify.dispatch import Place
from cli.verify.entries import Entry, Level, nought
from cli.verify.statements import Statements
from cli.verify.stored import Documents, outcomes
from shared.contracts.dispatch import Tally

COLLECTIONS = ("outcomes", "directives", "issuers", "sheets", "frozen", "progress", "rosters")
ANSWERED_FOR = 1


def stored(documents: Documents) -> Statements:
    """Return what is stored."""
    found = outcomes(documents["outcomes"])
    for each in documents["directives"]:
        order = each["order"]
        found[f"directive {each['_id']}"] = {
            name: order[name] for name in ("version", "epoch", "changes", "effect", "status")
        }
    found |= {f"open directives of {each['_id']}": each["open"] for each in documents["issuers"]}
    frozen = {each["_id"]: each["posts"].splitlines() for each in documents["frozen"]}
    for sheet in documents["sheets"]:
        if sheet["order"]:  # a stub waits for its order, and nobody has counted it
            found |= _of_sheet(sheet, frozen)
    for roll in documents["progress"]:
        found |= _of_roll(roll)
    return found


def late(documents: Documents) -> dict[Place, frozenset[str]]:
    """Return the ids of the answers that each sheet has listed as late."""
    return {
        (sheet["directive"], sheet["desk"]): frozenset(
            id_ for id_, why, *_ in sheet["listed"] if why == "late"
        )
        for sheet in documents["sheets"]
    }


def _of_sheet(sheet: dict[str, Any], frozen: dict[str, list[str]]) -> Statements:
    order, where = json.loads(sheet["order"]), f"{sheet['directive']} at {sheet['desk']}"
    found: Statements = {where: {name: order[name] for name in ("version", "changes", "status")}}
    posts = frozen[sheet["frozen"]] if sheet["frozen"] else [f"{sheet['desk']}/*"]
    arrays = (sheet["state"], sheet["reached"], sheet["flags"])
    for post, state, reached, flags in zip(posts, *arrays, strict=True):
        entry = Entry(Level(state), Level(reached), bool(flags & ANSWERED_FOR))
        found[f"{where}: {post}"] = entry.statement()
    return found


def _of_roll(roll: dict[str, Any]) -> Statements:
    """Add up the own tally and those of the desks below it that it expects."""
    if not roll["own"]:
        return {}
    where = f"{roll['directive']} at {roll['desk']}"
    own = Tally.model_validate_json(roll["own"])
    below = {each.desk: each for each in map(Tally.model_validate_json, roll["below"])}
    here = [below[desk] for desk in own.children if desk in below and below[desk].version == own.version]
    found: Statements = {
        f"counts of {where}, {cell or 'all'}": counts.model_dump(exclude={"overdue"})
        for cell, counts in own.cells.items()
    }
    total = nought()
    for tally in (own, *here):
        for counts in tally.cells.values():
            for name, count in counts.model_dump(exclude={"overdue"}).items():
                total[name] += count
    found[f"progress of {where}"] = {
        **total,
        "desks": own.desks + sum(tally.desks for tally in here),
        "missing": len(own.children) - len(here) + sum(tally.missing for tally in here),
        "complete": own.status == "closed",
    }
    return found
