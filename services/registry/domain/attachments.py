"""Which scheme governs a unit: exactly one on each day, the nearest one attached above it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from services.registry.domain.desk import Attachment, Desk, holds
from services.registry.domain.refused import Refused
from services.registry.domain.scheme import Schemes
from shared.contracts.outcomes import Event
from shared.contracts.registry import AttachScheme

SCHEME_ATTACHED = "scheme-attached"


def governing(
    unit: str, path: Sequence[str], attachments: Iterable[Attachment], schemes: Schemes, day: date
) -> str | None:
    """Return the name of the scheme that governs a unit on a day, given the attachments along its path."""
    here = {each.unit: each.scheme for each in attachments if holds(each, day) and each.scheme in schemes}
    for place in (unit, *reversed(path)):
        scheme = here.get(place)
        if scheme is not None and (place != unit or schemes[scheme].attach.governs == "self"):
            return scheme
    return None


def attach_scheme(desk: Desk, row: AttachScheme, schemes: Schemes) -> tuple[Event, ...]:
    """Attach a scheme to a unit from a day on; what was attached until then ends that day."""
    if row.unit not in desk.units:
        raise Refused("unknown-unit", row.unit)
    scheme = schemes.get(row.scheme)
    if scheme is None:
        raise Refused("unknown-scheme", row.scheme)
    place = desk.place(row.unit, row.valid_from)
    if place is None or (row.valid_to is not None and row.valid_to <= row.valid_from):
        raise Refused("before-valid", f"{row.unit} on {row.valid_from}")
    if place.kind not in scheme.attach.kinds:
        kinds = " or ".join(scheme.attach.kinds)
        raise Refused("scheme-unit-mismatch", f"{row.scheme} is attached to {kinds}, not {place.kind}")
    wanted = Attachment(row.unit, row.scheme, row.valid_from, row.valid_to)
    if wanted in desk.attachments:
        return ()
    if any(a.unit == row.unit and a.valid_from >= row.valid_from for a in desk.attachments):
        raise Refused("already-attached", f"{row.unit} has a scheme from {row.valid_from} or later")
    return (Event(type=SCHEME_ATTACHED, data=row.model_dump(mode="json", exclude={"do"}, exclude_none=True)),)


def apply_scheme_attached(desk: Desk, data: dict[str, Any]) -> None:
    row = AttachScheme.model_validate(data)
    earlier = (
        replace(a, valid_to=row.valid_from)
        if a.unit == row.unit and (a.valid_to is None or a.valid_to > row.valid_from)
        else a
        for a in desk.attachments
    )
    desk.attachments = (*earlier, Attachment(row.unit, row.scheme, row.valid_from, row.valid_to))
