"""Visits from a spreadsheet, `.csv` or `.xlsx`: one line a member, a household's lines together one visit.

The first line names the columns, in any order:

household    the household's id, in every line
found        screened, nobody-home, refused, vacant or moved-away; the same in all lines of a household
person       a member's handle; empty in the one line of a household where nobody was seen
temperature  °C; empty if it was not measured
symptoms, travelled, contact
             yes or no (是/否, 有/无, 1/0); empty if it was not asked, which is not a "no"
at           when, ISO 8601, without a zone that of the city; empty: when it is entered
means        door, phone, message, data, gate or self; empty: what the whole file is

Only `household` and `found` must be there. A column of another name is refused: it may be a member's answer.
So is a line with cells beyond the columns: one of them may be the other half of `37,5`.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import python_calamine
from pydantic import ValidationError

from cli.errors import UserError
from shared.contracts.screening import Question, Visit

QUESTIONS: tuple[str, ...] = get_args(Question)
OF_HOUSEHOLD = ("found", "at", "means")
COLUMNS = ("household", *OF_HOUSEHOLD, "person", "temperature", *QUESTIONS)
NEEDED = ("household", "found")
_YES = {"yes", "y", "true", "1", "是", "有"}
_NO = {"no", "n", "false", "0", "否", "无"}

Line = dict[str, str]
Beyond = Sequence[str]
"""The cells of a line to the right of the last column."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a line of the file cannot be a visit."""

    line: int
    code: str
    detail: str


@dataclass(slots=True)
class Entry:
    """One household's lines as one visit; `line` is the first of them."""

    line: int
    visit: dict[str, Any]
    first: Line
    faults: list[Fault] = field(default_factory=list)


def read_visits(path: Path, common: dict[str, Any], zone: ZoneInfo) -> tuple[list[Entry], list[Fault]]:
    """Return the visits of a file, and every fault of it in order of lines; `common` is of every visit."""
    entries: dict[str, Entry] = {}
    faults: list[Fault] = []
    for number, line, beyond in _lines(path):
        if any(beyond):
            found = ", ".join(filter(None, beyond))
            faults.append(Fault(number, "beyond-columns", f"cells to the right of the last column: {found}"))
            continue
        if not line["household"]:
            faults.append(Fault(number, "no-household", "the household's id is empty"))
            continue
        entry = entries.get(line["household"])
        if entry is None:
            entry = entries[line["household"]] = Entry(number, _household(line, common, zone), line)
        _add(entry, number, line)
    for entry in entries.values():
        entry.faults += _refused(entry)
        faults += entry.faults
    good = [entry for entry in entries.values() if not entry.faults]
    return good, sorted(faults, key=lambda fault: fault.line)


def _household(line: Line, common: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    own = {name: line[name] for name in ("household", *OF_HOUSEHOLD) if line.get(name)}
    if "at" in own:
        own["at"] = _zoned(own["at"], zone)
    return {**common, **own, "members": []}


def _zoned(at: str, zone: ZoneInfo) -> str:
    """Return a time with its zone; what is no time stays as it is, for the contract to refuse."""
    try:
        read = datetime.fromisoformat(at)
    except ValueError:
        # The contract reads a bare number as seconds since 1970: it must not get to see one.
        return f"no time: {at}"
    return (read if read.tzinfo else read.replace(tzinfo=zone)).isoformat()


def _add(entry: Entry, number: int, line: Line) -> None:
    """Add a line to its household's visit, or to its faults."""
    differing = [name for name in OF_HOUSEHOLD if line.get(name, "") != entry.first.get(name, "")]
    if differing:
        detail = f"{', '.join(differing)} differ from line {entry.line}, of the same household"
        entry.faults.append(Fault(number, "differs", detail))
    answers: dict[str, bool] = {}
    for question in QUESTIONS:
        said = line.get(question, "").lower()
        if said in _YES | _NO:
            answers[question] = said in _YES
        elif said:
            entry.faults.append(Fault(number, "neither-yes-nor-no", f"{question}: {said}"))
    person, temperature = line.get("person", ""), line.get("temperature", "")
    if not person and (temperature or answers):
        entry.faults.append(Fault(number, "no-person", "a temperature or an answer of nobody"))
    elif person in {member["person"] for member in entry.visit["members"]}:
        entry.faults.append(Fault(number, "person-twice", person))
    elif person:
        measured = {"temperature": temperature} if temperature else {}
        entry.visit["members"].append({"person": person, "answers": answers, **measured})


def _refused(entry: Entry) -> Iterator[Fault]:
    """Yield what the contract has against a visit; a fault of a member names the household's first line."""
    at = entry.visit.get("at") or "2000-01-01T00:00:00Z"
    try:
        Visit.model_validate({**entry.visit, "at": at})
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False, include_input=False):
            where = [*fault["loc"]]
            if where[:1] == ["members"] and len(where) > 1:
                where[1] = entry.visit["members"][where[1]]["person"]
            yield Fault(entry.line, "invalid", f"{'.'.join(map(str, where)) or 'visit'}: {fault['msg']}")


def _lines(path: Path) -> Iterator[tuple[int, Line, Beyond]]:
    """Yield each filled line with its number, the first of the file being 1, and what stands beyond it."""
    rows = _rows_of(path)
    number, header = next(((number, row) for number, row in rows if any(row)), (1, []))
    names = [name.lower() for name in header]
    while names and not names[-1]:
        names.pop()
    unknown = [name or "(empty)" for name in names if name not in COLUMNS]
    missing = [name for name in NEEDED if name not in names]
    if unknown or missing or len(set(names)) < len(names):
        told = f"line {number}: columns are {', '.join(COLUMNS)}, each once"
        raise UserError(f"{path.name}: {told}; missing: {missing}, unknown: {unknown}")
    for number, row in rows:
        if any(row):
            yield number, dict(zip(names, [*row, *[""] * len(names)], strict=False)), row[len(names) :]


def _rows_of(path: Path) -> Iterator[tuple[int, list[str]]]:
    readers = {".csv": _csv, ".xlsx": _xlsx}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path.name}: only {' and '.join(readers)} files are read")
    try:
        yield from reader(path)
    except (OSError, csv.Error, python_calamine.CalamineError) as error:
        raise UserError(f"{path.name} cannot be read: {error}") from error


def _csv(path: Path) -> Iterator[tuple[int, list[str]]]:
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # What a spreadsheet program of a Chinese desktop saves by default.
        text = raw.decode("gb18030", "replace")
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    for row in reader:
        yield reader.line_num, [cell.strip() for cell in row]


def _xlsx(path: Path) -> Iterator[tuple[int, list[str]]]:
    with python_calamine.CalamineWorkbook.from_path(path) as book:
        # Empty lines above the table are lines all the same: a fault must name what the eye sees.
        rows: Sequence[Sequence[Any]] = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
    for number, row in enumerate(rows, 1):
        yield number, [_text(cell) for cell in row]


def _text(cell: Any) -> str:
    """Return what a cell shows: a spreadsheet keeps an id of digits as a number."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, datetime) else str(cell).strip()
