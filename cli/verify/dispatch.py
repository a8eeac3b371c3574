"""What follows from orders and answers: each directive, each desk's entries, and the counts on their way up.

Who an order is addressed to is taken from the audience as it was published when it was frozen.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cli.verify.entries import Arrived, Audience, Entry, Version, counts_of, entries_of, nought
from cli.verify.log import Log
from cli.verify.statements import Statements
from shared.contracts import dispatch as contract
from shared.contracts import registry
from shared.contracts.directives import (
    AmendDirective,
    CancelDirective,
    CloseDirective,
    ExtendDirective,
    IssueDirective,
    RaiseDirective,
)
from shared.contracts.dispatch import Answer, Progress, Relay, SheetFrozen

TOPICS = (
    contract.COMMANDS_TOPIC,
    contract.OUTCOMES_TOPIC,
    contract.DESKS_TOPIC,
    contract.ACKS_TOPIC,
    contract.PROGRESS_TOPIC,
    registry.ROSTERS_TOPIC,
)
COPIES = ("rosters",)
NOT_COMPARED = (
    "who is addressed by an order: taken from the audience published when it was frozen",
    "what is overdue, which rung an escalation has reached, first times, reasons, and what was delivered",
    "answers listed and not counted; whether one that met the close within half a minute came before it",
)

Place = tuple[str, str]
"""A directive and a desk."""


@dataclass(slots=True)
class Directive:
    """A directive as its accepted commands leave it."""

    issuer: str | None = None
    version: int = 1
    epoch: int = 0
    changes: int = 0
    effect: str = "order"
    status: str = "open"


@dataclass(slots=True)
class Sheet:
    """One directive at one desk: every version it was told, the newest last, and the close if it came."""

    versions: list[Version]
    closed_at: int | None = None
    changes: int = 0

    @property
    def newest(self) -> Version:
        return self.versions[-1]


def said(log: Log, late: Mapping[Place, frozenset[str]]) -> Statements:
    """Return what the log says of dispatch.

    `late` are the ids that each sheet has listed as late. They are asked only of answers that met the close:
    those stand on another topic, and no log says which the desk read first.
    """
    found: Statements = log.answered(contract.COMMANDS_TOPIC, contract.OUTCOMES_TOPIC)
    directives, sheets = _directives(log), _sheets(log)
    for id_, directive in directives.items():
        found[f"directive {id_}"] = {
            "version": directive.version, "epoch": directive.epoch, "changes": directive.changes,
            "effect": directive.effect, "status": directive.status,
        }  # fmt: skip
    for issuer, ids in _open_by_issuer(directives).items():
        found[f"open directives of {issuer}"] = ids
    answers = _answers(log)
    own: dict[Place, dict[str, dict[str, int]]] = {}
    for place, sheet in sheets.items():
        entries = entries_of(
            sheet.versions,
            answers.get(place, []),
            closed_at=sheet.closed_at,
            late=late.get(place, frozenset()),
        )
        own[place] = counts_of(sheet.newest, entries)
        found |= dict(_of_sheet(place, sheet, entries))
    found |= dict(_progress(sheets, own))
    return found


def published(log: Log) -> Statements:
    """Return what the newest progress on the topic shows."""
    return {
        f"progress of {shown.directive} at {shown.desk}": {
            **_without_overdue(shown.total.model_dump()), "desks": shown.desks, "missing": shown.missing,
            "complete": shown.complete,
        }
        for shown in log.newest(contract.PROGRESS_TOPIC, Progress).values()
    }  # fmt: skip


def _directives(log: Log) -> dict[str, Directive]:
    found: dict[str, Directive] = {}
    for _, body, outcome in log.commands(contract.COMMANDS_TOPIC, contract.OUTCOMES_TOPIC):
        if not outcome.results[0].accepted:
            continue
        command = body.command
        directive = found.setdefault(command.directive, Directive())
        match command:
            case IssueDirective():
                directive.issuer = command.issuer
            case RaiseDirective():
                pass  # it counts against nobody's open directives
            case AmendDirective():
                directive.version += 1
                directive.epoch += command.again
            case CancelDirective():
                directive.version += 1
                directive.effect = "cancel"
            case ExtendDirective():
                directive.changes += 1
            case CloseDirective():
                directive.status = "closed"
    return found


def _open_by_issuer(directives: Mapping[str, Directive]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for id_, directive in sorted(directives.items()):
        if directive.issuer is not None:
            ids = found.setdefault(directive.issuer, [])
            ids += [id_] if directive.status == "open" else []
    return found


def _sheets(log: Log) -> dict[Place, Sheet]:
    audiences = {
        (frozen.directive, frozen.desk, frozen.version): frozen
        for _, frozen in log.of(contract.PROGRESS_TOPIC, SheetFrozen)
    }
    sheets: dict[Place, Sheet] = {}
    for record, relay in log.of(contract.DESKS_TOPIC, Relay):
        order, place = relay.order, (relay.order.directive, relay.to)
        sheet = sheets.get(place)
        if sheet is None or order.version > sheet.newest.order.version:
            frozen = audiences.get((*place, order.version))
            version = Version(order, record.at, relay, Audience.of(relay, frozen))
            sheet = sheets.setdefault(place, Sheet([]))
            sheet.versions.append(version)
            sheet.changes = order.changes
        if order.version == sheet.newest.order.version:
            sheet.changes = max(sheet.changes, order.changes)
            sheet.newest.extensions |= {each.child for each in order.extensions if each.desk == relay.to}
            if order.status == "closed" and sheet.closed_at is None:
                sheet.closed_at = record.at
    return sheets


def _answers(log: Log) -> dict[Place, list[Arrived]]:
    found: dict[Place, list[Arrived]] = defaultdict(list)
    for record, answer in log.of(contract.ACKS_TOPIC, Answer):
        found[answer.directive, answer.desk].append(Arrived(record.id, record.at, answer))
    return found


def _of_sheet(place: Place, sheet: Sheet, entries: Mapping[str, Entry]) -> Iterator[tuple[str, Any]]:
    directive, desk = place
    yield f"{directive} at {desk}", {
        "version": sheet.newest.order.version, "changes": sheet.changes,
        "status": "closed" if sheet.closed_at is not None else "open",
    }  # fmt: skip
    for addressee, entry in entries.items():
        yield f"{directive} at {desk}: {addressee}", entry.statement()


def _progress(
    sheets: Mapping[Place, Sheet], own: Mapping[Place, Mapping[str, Mapping[str, int]]]
) -> Iterator[tuple[str, Any]]:
    """Yield each desk's own counts by cell, and its sum with every desk below it that has the order."""

    def summed(place: Place) -> tuple[dict[str, int], int, int]:
        directive, _ = place
        total = nought()
        _add(total, own[place].values())
        desks, missing = 1, 0
        for child in sheets[place].newest.children:
            below = (directive, child)
            newest = sheets[place].newest.order.version
            if below not in sheets or sheets[below].newest.order.version != newest:
                missing += 1
                continue
            counts, more, lacking = summed(below)
            _add(total, [counts])
            desks, missing = desks + more, missing + lacking
        return total, desks, missing

    for place, sheet in sheets.items():
        directive, desk = place
        for cell, counts in own[place].items():
            yield f"counts of {directive} at {desk}, {cell or 'all'}", counts
        total, desks, missing = summed(place)
        complete = sheet.closed_at is not None
        yield f"progress of {directive} at {desk}", {
            **total, "desks": desks, "missing": missing, "complete": complete
        }  # fmt: skip


def _add(total: dict[str, int], cells: Any) -> None:
    for counts in cells:
        for name, count in counts.items():
            total[name] += count


def _without_overdue(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if name != "overdue"}
