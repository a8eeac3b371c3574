"""What registry's database says, and what registry has published of it."""

from datetime import date
from typing import Any

from cli.verify.log import Log
from cli.verify.statements import Statements, fingerprint
from cli.verify.stored import Documents, outcomes
from shared.contracts import registry as contract
from shared.contracts.registry import Charges, HouseholdFact, Roster

COLLECTIONS = ("outcomes", "desks", "rosters", "households", "charges")


def stored(documents: Documents) -> Statements:
    """Return what is stored."""
    found = outcomes(documents["outcomes"])
    for desk in documents["desks"]:
        found |= _of_desk(desk)
    for roster in documents["rosters"]:
        found |= {f"seat {seat['post']}": seat["holder"] or "vacant" for seat in roster["seats"]}
        found |= {
            f"posts below {roster['_id']} at {child['desk']}": child["posts"] for child in roster["children"]
        }
    for household in documents["households"]:
        now = household["states"][-1]
        found[f"household {household['_id']}"] = {
            "desk": household["desk"], "unit": now["unit"], "members": now["members"],
            "charges": now["charges"], "from": _day(now["from"]),
        }  # fmt: skip
    for counted in documents["charges"]:
        found[f"households of {counted['_id']}"] = {
            "households": counted["households"], "members": counted["members"],
            "by post": dict(counted["by_post"]), "without a charge": dict(counted["uncharged"]),
        }  # fmt: skip
    return found


def published(log: Log) -> Statements:
    """Return the newest version on the compacted topics."""
    found: Statements = {}
    for desk, roster in log.newest(contract.ROSTERS_TOPIC, Roster).items():
        found[f"published roster of {desk}"] = (roster.v, fingerprint(roster))
    for desk, charges in log.newest(contract.CHARGES_TOPIC, Charges).items():
        if charges.v:  # a desk without households says so once, under no version
            found[f"published charges of {desk}"] = (charges.v, charges.households, charges.members)
    for id_, household in log.newest(contract.HOUSEHOLDS_TOPIC, HouseholdFact).items():
        found[f"published household {id_}"] = (
            household.v,
            household.unit,
            household.members,
            household.charges,
        )
    return found


def publishable(documents: Documents) -> Statements:
    """Return what should be the newest on those topics, by what is stored."""
    found: Statements = {}
    for each in documents["rosters"]:
        roster = Roster.model_validate({**each, "v": each["v"]})
        found[f"published roster of {roster.desk}"] = (roster.v, fingerprint(roster))
    for each in documents["charges"]:
        found[f"published charges of {each['_id']}"] = (each["v"], each["households"], each["members"])
    for each in documents["households"]:
        now = each["states"][-1]
        found[f"published household {each['_id']}"] = (
            each["v"], now["unit"], tuple(now["members"]), now["charges"],
        )  # fmt: skip
    return found


def _of_desk(desk: dict[str, Any]) -> Statements:
    found: Statements = {}
    for unit in desk["units"]:
        # The states of a unit stand in order: the last one of a code is the newest.
        found[f"unit {unit['code']}"] = {
            "kind": unit["kind"], "path": unit["path"], "name": unit.get("name", ""),
            "areas": unit.get("areas", []), "covers": unit.get("covers", []),
            "residential": unit.get("residential"),
            "from": _day(unit["valid_from"]), "to": _day(unit.get("valid_to")),
        }  # fmt: skip
    for post in desk["posts"]:
        name = post["post"]
        holders = [(who, _day(begins), _day(ends)) for who, _, begins, ends in post.get("held", ())]
        found[f"post {name}"] = {
            "from": _day(post["from"]), "to": _day(post.get("to")), "holders": sorted(holders, key=str),
        }  # fmt: skip
        edges = {_day(begins): above for _, above, begins in post.get("edges", ())}
        found |= {f"post {name} reports to": edges} if edges else {}
    found |= {f"scheme of {each['unit']} from {each['from']}": each["scheme"] for each in desk["attachments"]}
    if desk["compiled_on"]:
        found[f"desk {desk['code']} compiled on"] = _day(desk["compiled_on"])
    return found


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
