"""What follows from registry's commands: units, posts and holders, households and who answers for them.

Whether a refusal was right is not judged: the rows that were accepted are taken as said, in their order.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, tzinfo
from typing import Any

from cli.verify.log import Log
from cli.verify.statements import Statements
from shared.contracts import registry as contract
from shared.contracts.registry import (
    Appoint,
    AttachScheme,
    Changes,
    EndAppointment,
    PutHousehold,
    PutPost,
    PutUnit,
    Recompile,
    SummariseChild,
)
from shared.kernel.clock import from_ms, local_day
from shared.kernel.codes import desk_of, parse

TOPICS = (
    contract.COMMANDS_TOPIC,
    contract.OUTCOMES_TOPIC,
    contract.ROSTERS_TOPIC,
    contract.CHARGES_TOPIC,
    contract.HOUSEHOLDS_TOPIC,
)
NOT_COMPARED = (
    "superiors that follow from a template, and findings: both are compiled, from what is compared",
    "whether a refused command was refused rightly",
)


@dataclass(slots=True)
class Unit:
    """A unit's dated states, in the order in which they were said."""

    states: list[dict[str, Any]] = field(default_factory=list)

    def on(self, day: date) -> dict[str, Any] | None:
        """Return the state that holds on a day."""
        begun = [state for state in self.states if state["from"] <= day]
        return begun[-1] if begun and _holds(begun[-1]["from"], begun[-1]["to"], day) else None


@dataclass(slots=True)
class Post:
    """A seat with its dated holders and explicit superiors."""

    begins: date
    ends: date | None = None
    holders: list[tuple[str, date, date | None]] = field(default_factory=list)
    superiors: dict[date, str] = field(default_factory=dict)

    def holder(self, day: date) -> str | None:
        """Return who holds it on a day."""
        return next((who for who, begins, ends in self.holders if _holds(begins, ends, day)), None)


@dataclass(slots=True)
class Desk:
    """What was said under one key."""

    units: dict[str, Unit] = field(default_factory=dict)
    posts: dict[str, Post] = field(default_factory=dict)
    schemes: dict[tuple[str, date], str] = field(default_factory=dict)
    households: dict[str, dict[str, Any]] = field(default_factory=dict)
    day: date | None = None

    def parent(self, code: str) -> str | None:
        """Return the desk above on the day this one was compiled; None at the top, and of an ended one."""
        unit = self.units.get(code)
        state = unit.on(self.day) if unit and self.day else None
        if unit and unit.states and state is None:
            return None
        path = state["path"] if state else _default_path(code)
        return desk_of(path[-1]) if path else None

    def seats(self) -> dict[str, str | None]:
        """Return post → holder for the seats there are on the day of its roster."""
        if self.day is None:
            return {}
        there = {code for code, unit in self.units.items() if unit.on(self.day)}
        return {
            name: post.holder(self.day)
            for name, post in self.posts.items()
            if _holds(post.begins, post.ends, self.day) and name.partition("/")[0] in there
        }


def said(log: Log, zone: tzinfo) -> Statements:
    """Return what the log says of registry."""
    desks = fold(log, zone)
    found: Statements = log.answered(contract.COMMANDS_TOPIC, contract.OUTCOMES_TOPIC)
    for code, desk in desks.items():
        found |= _of_desk(code, desk)
    found |= _chain(desks)
    return found


def fold(log: Log, zone: tzinfo) -> dict[str, Desk]:
    """Apply every accepted row, in the order of its desk."""
    desks: dict[str, Desk] = defaultdict(Desk)
    for record, body, outcome in log.commands(contract.COMMANDS_TOPIC, contract.OUTCOMES_TOPIC):
        if not isinstance(body, Changes):
            continue
        desk = desks[record.routing]
        days = [local_day(from_ms(record.at), zone), *([desk.day] if desk.day else [])]
        structural = False
        for row, result in zip(body.rows, outcome.results, strict=True):
            if not result.accepted:
                continue
            _apply(desk, row)
            # A row that said nothing new compiles nothing, nor does a desk below that says the same.
            new = any(event.type != "child-heard" for event in result.events)
            structural = structural or (new and not isinstance(row, PutHousehold))
            days += [row.on] if isinstance(row, Recompile) else []
        if structural:
            desk.day = max(days)
    return dict(desks)


def _apply(desk: Desk, row: Any) -> None:
    match row:
        case PutUnit():
            _put_unit(desk.units.setdefault(row.code, Unit()), row)
        case AttachScheme():
            desk.schemes[row.unit, row.valid_from] = row.scheme
        case PutPost():
            _put_post(desk, row)
        case Appoint():
            _appoint(desk.posts[row.post], row.holder, row.valid_from, row.valid_to)
        case EndAppointment():
            _end(desk.posts[row.post], row.valid_to)
        case PutHousehold():
            desk.households[row.household] = {
                "unit": row.unit, "members": list(row.members), "charges": dict(row.charges),
                "from": row.valid_from,
            }  # fmt: skip
        case SummariseChild() | Recompile():
            pass  # what the desks below come to is added up from themselves
        case _:
            raise TypeError(type(row).__name__)


def _put_unit(unit: Unit, row: PutUnit) -> None:
    state = {
        "kind": row.kind or (unit.states[0]["kind"] if unit.states else parse(row.code).kind),
        "path": _default_path(row.code) if row.path is None else list(row.path),
        "name": row.name, "areas": list(row.areas), "covers": list(row.covers),
        "residential": row.residential, "from": row.valid_from, "to": row.valid_to,
    }  # fmt: skip
    unit.states = [*(each for each in unit.states if each["from"] != row.valid_from), state]


def _put_post(desk: Desk, row: PutPost) -> None:
    known = desk.posts.get(row.post)
    post = desk.posts.setdefault(row.post, Post(row.valid_from))
    if known is None or row.valid_to is not None:
        post.ends = row.valid_to
    if row.superior is not None:
        begun = [day for day in post.superiors if day <= row.valid_from]
        # Said again it is no news, and begins no new edge.
        if not begun or post.superiors[max(begun)] != row.superior.post:
            post.superiors[row.valid_from] = row.superior.post
    if row.holder is not None:
        _appoint(post, row.holder, row.valid_from, row.valid_to)


def _appoint(post: Post, holder: str, begins: date, ends: date | None) -> None:
    if (holder, begins, ends) not in post.holders:
        post.holders.append((holder, begins, ends))


def _end(post: Post, day: date) -> None:
    if any(ends == day for _, _, ends in post.holders):
        return
    post.holders = [
        (who, begins, day if begins < day and (ends is None or day < ends) else ends)
        for who, begins, ends in post.holders
    ]


def _of_desk(code: str, desk: Desk) -> Statements:
    found: Statements = {f"unit {name}": unit.states[-1] for name, unit in desk.units.items()}
    for name, post in desk.posts.items():
        found[f"post {name}"] = {
            "from": post.begins,
            "to": post.ends,
            "holders": sorted(post.holders, key=str),
        }
        found |= {f"post {name} reports to": dict(post.superiors)} if post.superiors else {}
    found |= {f"scheme of {unit} from {day}": scheme for (unit, day), scheme in desk.schemes.items()}
    found |= {f"household {id_}": {"desk": code, **state} for id_, state in desk.households.items()}
    if desk.households:
        found[f"households of {code}"] = _counted(desk)
    if desk.day is not None:
        found[f"desk {code} compiled on"] = desk.day
        found |= {f"seat {post}": holder or "vacant" for post, holder in desk.seats().items()}
    return found


def _counted(desk: Desk) -> dict[str, Any]:
    states = desk.households.values()
    charged = [state["charges"].get("main") for state in states]
    return {
        "households": len(charged),
        "members": sum(len(state["members"]) for state in states),
        "by post": dict(Counter(post for post in charged if post is not None)),
        "without a charge": dict(
            Counter(state["unit"] for state in states if "main" not in state["charges"])
        ),
    }


def _chain(desks: dict[str, Desk]) -> Statements:
    """Return how many posts stand at and below each desk that reports to another."""
    compiled = {code: desk for code, desk in desks.items() if desk.day is not None}
    below: dict[str, list[str]] = defaultdict(list)
    for code, desk in compiled.items():
        parent = desk.parent(code)
        if parent is not None:
            below[parent].append(code)

    def posts(code: str) -> int:
        return len(compiled[code].seats()) + sum(posts(child) for child in below[code])

    return {
        f"posts below {parent} at {child}": posts(child)
        for parent, child in _pairs(below)
        if parent in compiled
    }


def _pairs(below: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    for parent, children in list(below.items()):
        yield from ((parent, child) for child in children)


def _holds(begins: date, ends: date | None, day: date) -> bool:
    return begins <= day and (ends is None or day < ends)


def _default_path(code: str) -> list[str]:
    return [ancestor.text for ancestor in parse(code).ancestors()]
