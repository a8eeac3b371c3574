"""A release of dispatch with a fault: its rule fails on answers that give one reason. Run as a program."""

import runpy
from typing import Final

from services.dispatch.handlers.sheets import Sheets
from shared.contracts.dispatch import Answer
from shared.flow.documents import Documents
from shared.flow.records import Record

SPOILS: Final = "a reason that this release cannot bear"
_rule = Sheets.rule


def _faulty(self: Sheets, docs: Documents, record: Record) -> None:
    if isinstance(record.body, Answer) and record.body.reason == SPOILS:
        raise RuntimeError("planted")
    _rule(self, docs, record)


if __name__ == "__main__":
    Sheets.rule = _faulty  # type: ignore[method-assign] # that is the fault
    runpy.run_module("services.dispatch", run_name="__main__")
