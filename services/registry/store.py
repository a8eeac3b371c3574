"""What registry stores: one aggregate per desk, one document per household, and what was published of each.

Names of fields hold no codes or post ids: these contain dots, which a document's field names must not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from services.registry.domain.desk import (
    Appointment,
    Attachment,
    Child,
    Desk,
    Edge,
    Place,
    Post,
)
from services.registry.domain.findings import Found
from services.registry.domain.households import Counted, Household, Residence
from services.registry.domain.units import place_from, unit_data
from shared.contracts.registry import Finding, Roster, Superior
from shared.flow.documents import Body, Collection


@dataclass(slots=True)
class Findings:
    """All findings of a desk that are open, or were closed not long ago."""

    items: dict[str, Found] = field(default_factory=dict)


def _desk(desk: Desk) -> Body:
    return {
        "code": desk.code,
        "path": list(desk.path(desk.compiled_on)) if desk.compiled_on else [],
        "units": [unit_data(code, place) for code, states in desk.units.items() for place in states],
        "posts": [_post(name, post) for name, post in desk.posts.items()],
        "attachments": [
            {"unit": a.unit, "scheme": a.scheme, "from": _iso(a.valid_from), "to": _iso(a.valid_to)}
            for a in desk.attachments
        ],
        "children": [
            {
                "desk": code,
                "v": child.v,
                "commander": child.commander,
                "posts_by_type": dict(child.posts_by_type),
                "households": child.households,
                "residents": child.residents,
                "gone": child.gone,
            }
            for code, child in desk.children.items()
        ],
        "parents": sorted(desk.parents),
        "compiled_on": _iso(desk.compiled_on),
        "units_told_on": _iso(desk.units_told_on),
        "next_due": _iso(desk.next_due),
    }


def _post(name: str, post: Post) -> Body:
    body: Body = {"post": name, "from": _iso(post.valid_from)}
    if post.valid_to:
        body["to"] = _iso(post.valid_to)
    if post.edges:
        body["edges"] = [[*_superior(edge.superior), _iso(edge.valid_from)] for edge in post.edges]
    if post.appointments:
        body["held"] = [
            [a.holder, a.affiliation, _iso(a.valid_from), _iso(a.valid_to)] for a in post.appointments
        ]
    return body


def _superior(superior: Superior) -> tuple[str, str]:
    return superior.desk, superior.post


def _read_desk(body: Body) -> Desk:
    units: dict[str, tuple[Place, ...]] = {}
    for each in body["units"]:
        units[each["code"]] = (*units.get(each["code"], ()), place_from(each))
    return Desk(
        code=body["code"],
        units=units,
        posts={each["post"]: _read_post(each) for each in body["posts"]},
        attachments=tuple(
            Attachment(a["unit"], a["scheme"], date.fromisoformat(a["from"]), _day(a["to"]))
            for a in body["attachments"]
        ),
        children={
            each["desk"]: Child(**{name: value for name, value in each.items() if name != "desk"})
            for each in body["children"]
        },
        parents=frozenset(body["parents"]),
        compiled_on=_day(body["compiled_on"]),
        units_told_on=_day(body.get("units_told_on", body["compiled_on"])),
        next_due=_day(body["next_due"]),
    )


def _read_post(body: Body) -> Post:
    return Post(
        valid_from=date.fromisoformat(body["from"]),
        valid_to=_day(body.get("to")),
        edges=tuple(
            Edge(Superior(desk=desk, post=post), date.fromisoformat(begins))
            for desk, post, begins in body.get("edges", ())
        ),
        appointments=tuple(
            Appointment(holder, affiliation, date.fromisoformat(begins), _day(ends))
            for holder, affiliation, begins, ends in body.get("held", ())
        ),
    )


def _household(household: Household) -> Body:
    return {
        "desk": household.desk,
        "unit": household.now.unit,
        "charged": "main" in household.now.charges,
        "states": [
            {
                "unit": state.unit,
                "from": _iso(state.valid_from),
                "members": list(state.members),
                "charges": dict(state.charges),
            }
            for state in household.states
        ],
    }


def _read_household(body: Body) -> Household:
    return Household(
        body["_id"],
        body["desk"],
        tuple(
            Residence(
                each["unit"], date.fromisoformat(each["from"]), tuple(each["members"]), dict(each["charges"])
            )
            for each in body["states"]
        ),
    )


def _counted(counted: Counted) -> Body:
    return {
        "households": counted.households,
        "members": counted.members,
        "uncharged": _pairs(counted.uncharged),
        "by_post": _pairs(counted.by_post),
    }


def _read_counted(body: Body) -> Counted:
    return Counted(body["households"], body["members"], dict(body["uncharged"]), dict(body["by_post"]))


def _findings(findings: Findings) -> Body:
    return {
        "items": [
            {**found.finding.model_dump(mode="json"), "closed_on": _iso(found.closed_on)}
            for found in findings.items.values()
        ]
    }


def _read_findings(body: Body) -> Findings:
    found = [Found(Finding.model_validate(each), _day(each["closed_on"])) for each in body["items"]]
    return Findings({each.finding.finding: each for each in found})


def _pairs(counts: Mapping[str, int]) -> list[list[Any]]:
    return [[name, count] for name, count in sorted(counts.items())]


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


DESKS: Collection[Desk] = Collection("desks", _desk, _read_desk)
HOUSEHOLDS: Collection[Household] = Collection("households", _household, _read_household)
ROSTERS: Collection[Roster] = Collection(
    "rosters",
    encode=lambda roster: roster.model_dump(mode="json", exclude={"v"}),
    decode=Roster.model_validate,
)
CHARGES: Collection[Counted] = Collection("charges", _counted, _read_counted)
FINDINGS: Collection[Findings] = Collection("findings", _findings, _read_findings)

INDEXES: Mapping[str, Sequence[Sequence[str]]] = {
    "desks": [("next_due",), ("path", "_id")],
    "rosters": [("path", "_id"), ("seats.holder",)],
    "households": [("desk",)],
    "charges": [],
    "findings": [],
    "outcomes": [],
    "positions": [],
}
