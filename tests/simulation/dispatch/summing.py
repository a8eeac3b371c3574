"""What progress must show: the newest tally of each desk, added up apart from the rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.contracts.dispatch import Counts, Progress, Tally
from shared.flow.records import Record

COUNTS = tuple(Counts.model_fields)


@dataclass(frozen=True, slots=True)
class Right:
    """What one version of a desk's progress must say."""

    counts: Mapping[str, int]
    cells: Mapping[str, Mapping[str, int]]
    unreported: tuple[str, ...]
    desks: int
    missing: int
    changes: int
    closed: bool

    def differs(self, shown: Progress) -> str:
        """Name what is shown otherwise, if anything is."""
        found = {
            "counts": (_numbers(shown.total), self.counts),
            "cells": ({cell: _numbers(each) for cell, each in shown.cells.items()}, self.cells),
            "unreported": (shown.unreported, self.unreported),
            "desks": (shown.desks, self.desks),
            "missing": (shown.missing, self.missing),
            "changes": (shown.changes, self.changes),
            "all reported": (shown.all_reported, self.all_reported),
            "complete": (shown.complete, self.closed),
        }
        return ", ".join(f"{name} {a} for {b}" for name, (a, b) in found.items() if a != b)

    @property
    def all_reported(self) -> bool:
        """Whether no desk is missing and no entry is open."""
        return self.missing == 0 and self.counts["done"] == self.counts["total"]


@dataclass(slots=True)
class OracleRoll:
    """The newest tallies that a desk was sent, by when they were counted and never by when they came."""

    own: Tally | None = None
    below: dict[str, Tally] = field(default_factory=dict)

    def hear(self, tally: Tally) -> None:
        """Keep the tally if it is newer than the one there is."""
        known = self.own if tally.covers == "own" else self.below.get(tally.desk)
        if known is not None and _age(tally) <= _age(known):
            return
        if tally.covers == "own":
            self.own = tally
        else:
            self.below[tally.desk] = tally

    def right(self) -> Right | None:
        """Return what is to be shown: nothing without the own tally, nor before that of a newer version."""
        own = self.own
        if own is None or any(each.version > own.version for each in self.below.values()):
            return None
        expected = [(child, self.below.get(child)) for child in own.children]
        counted = [own]
        current = []
        for _, each in expected:
            if each is not None and (each.epoch, each.effect) == (own.epoch, own.effect):
                counted.append(each)
            if each is not None and each.version == own.version:
                current.append(each)
        late = tuple(child for child, each in expected if each is None or each.version != own.version)
        cells: dict[str, dict[str, int]] = {}
        for each in counted:
            for cell, counts in each.cells.items():
                sums = cells.setdefault(cell, dict.fromkeys(COUNTS, 0))
                for count, number in _numbers(counts).items():
                    sums[count] += number
        return Right(
            counts={count: sum(cell[count] for cell in cells.values()) for count in COUNTS},
            cells=cells,
            unreported=late,
            desks=1 + sum(each.desks for each in current),
            missing=len(late) + sum(each.missing for each in current),
            changes=min([own.changes, *(each.changes for each in current)]),
            closed=own.status == "closed",
        )


@dataclass(slots=True)
class Rolls:
    """All desks' progress, folded from what each committed transaction says it has applied."""

    rolls: dict[str, OracleRoll] = field(default_factory=dict)

    def apply(self, record: Record) -> None:
        """Fold one record."""
        if isinstance(record.body, Tally):
            name = f"{record.body.directive}/{record.body.to}"
            self.rolls.setdefault(name, OracleRoll()).hear(record.body)

    def right(self, name: str) -> Right | None:
        """Return what a desk's progress must say now."""
        roll = self.rolls.get(name)
        return roll.right() if roll else None


def _numbers(counts: Counts) -> dict[str, int]:
    return {count: getattr(counts, count) for count in COUNTS}


def _age(tally: Tally) -> tuple[int, int, int]:
    return tally.version, tally.generation, tally.v
