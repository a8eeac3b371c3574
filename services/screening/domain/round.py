"""Rounds and criteria as they are decided: open, close, put a criterion.

Every refusal rests on documents of the scope's own desk and on the roster copies whose versions the outcome
records (design §2).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from shared.contracts.base import Model, Scope
from shared.contracts.registry import Roster
from shared.contracts.screening import CloseRound, Criterion, OpenRound, PutCriterion, Round
from shared.domain.authority import Refusal, beyond_authority
from shared.kernel.codes import desk_of, desk_of_post

Seconds = Annotated[int, Field(ge=1, le=30 * 24 * 3600)]


class Terms(Model):
    """Dated configuration (M-06), in seconds.

    `due`: by when after its opening every desk should have begun to count a round; `skew`: how far ahead of
    the server's clock a visit's time may be.
    """

    due: Seconds
    skew: Seconds


@dataclass(slots=True)
class Scopes:
    """What one scope unit has: how many rounds so far, which of them is open, and its criteria by name."""

    number: int = 0
    live: str | None = None
    criteria: dict[str, Criterion] = field(default_factory=dict)


def open_round(
    command: OpenRound,
    *,
    actor: str,
    now: datetime,
    known: Round | None,
    scopes: Scopes,
    rosters: Mapping[str, Roster],
    terms: Terms,
) -> Round | Refusal:
    """Decide a new round, numbered in its scope; `rosters` are those of the issuer's and scope's desks."""
    if known is not None:
        return Refusal("round-exists", command.round)
    refused = _beyond(command, actor, rosters)
    if refused is not None:
        return refused
    if scopes.live is not None:
        return Refusal("round-already-open", scopes.live)
    criterion = scopes.criteria.get(command.criterion) if command.criterion else None
    if command.criterion is not None and criterion is None:
        return Refusal("unknown-criterion", command.criterion)
    there = rosters[desk_of(command.scope)]
    return Round(
        round=command.round,
        number=scopes.number + 1,
        scope=Scope(unit=command.scope, desk=there.desk, path=there.path),
        issuer=command.issuer,
        title=command.title,
        criterion=command.criterion,
        criterion_version=criterion.version if criterion else 0,
        days=command.days,
        opened_at=now,
        due=now + timedelta(seconds=terms.due),
    )


def close_round(
    command: CloseRound, *, actor: str, now: datetime, known: Round | None, rosters: Mapping[str, Roster]
) -> Round | Refusal:
    """Decide a close, by any post whose scope covers the round's: coverage changes no more (F-12)."""
    if known is None or known.scope.unit != command.scope:
        return Refusal("unknown-round", command.round)
    refused = _beyond(command, actor, rosters)
    if refused is not None:
        return refused
    if known.status == "closed":
        return Refusal("already-closed", command.round)
    return known.model_copy(update={"status": "closed", "closed_at": now})


def put_criterion(
    command: PutCriterion, *, actor: str, scopes: Scopes, rosters: Mapping[str, Roster]
) -> Criterion | Refusal:
    """Decide a criterion: its first version, a wider one, or the same again; never a narrower one."""
    refused = _beyond(command, actor, rosters)
    if refused is not None:
        return refused
    known = scopes.criteria.get(command.name)
    missing = sorted(set(known.areas) - set(command.areas)) if known else []
    if missing:
        return Refusal("not-wider", ", ".join(missing[:10]))
    areas = tuple(sorted(set(command.areas)))
    if known is not None and (known.text, known.areas) == (command.text, areas):
        return known
    return Criterion(
        name=command.name,
        version=known.version + 1 if known else 1,
        scope=command.scope,
        text=command.text,
        areas=areas,
    )


def _beyond(
    command: OpenRound | CloseRound | PutCriterion, actor: str, rosters: Mapping[str, Roster]
) -> Refusal | None:
    here, there = rosters.get(desk_of_post(command.issuer)), rosters.get(desk_of(command.scope))
    return beyond_authority(command.issuer, command.scope, actor=actor, here=here, there=there)
