"""Spreadsheets of visits, real files in both formats: what they say, and every bad line by its number."""

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

import pytest

from cli.errors import UserError
from cli.visit_files import COLUMNS, Entry, Fault, read_visits
from shared.contracts.screening import Visit

ZONE = ZoneInfo("Asia/Shanghai")
COMMON = {
    "round": "round-0001",
    "desk": "610802006003",
    "by": "610802006003001/cw5:grid-chief",
    "means": "door",
}
HEADER = "household,found,person,temperature,symptoms,travelled,contact,at"
GOOD = f"""{HEADER}
hh-00000001,screened,p-1,36.5,no,否,无,2026-01-01T12:00:00
hh-00000002,nobody-home,,,,,,
hh-00000001,screened,p-2,,yes,,,2026-01-01T12:00:00
"""


def csv(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "visits.csv"
    path.write_bytes(text.encode(encoding))
    return path


def xlsx(folder: Path, rows: list[list[str | float]]) -> Path:
    """Write a workbook as small as the format allows: one sheet, texts in their cells."""

    def cell(value: str | float) -> str:
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        return f"<c><v>{value}</v></c>"

    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    lines = "".join(f'<row r="{n}">{"".join(map(cell, row))}</row>' for n, row in enumerate(rows, 1) if row)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="xml" '
        'ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="1" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>',
    }
    path = folder / "visits.xlsx"
    with zipfile.ZipFile(path, "w") as book:
        for name, text in parts.items():
            book.writestr(name, text)
    return path


def read(path: Path) -> tuple[list[Entry], list[Fault]]:
    return read_visits(path, COMMON, ZONE)


@pytest.mark.req("U-12", "U-11")
def test_the_lines_of_a_household_are_one_visit_and_blank_is_not_no(tmp_path: Path) -> None:
    entries, faults = read(csv(tmp_path, GOOD))
    assert not faults
    first, second = [
        (entry.line, Visit.model_validate({"at": "2026-01-01T00:00Z", **entry.visit})) for entry in entries
    ]
    line, visit = first
    assert (line, visit.household, visit.at.isoformat()) == (2, "hh-00000001", "2026-01-01T12:00:00+08:00")
    assert [(member.person, member.temperature, member.answers) for member in visit.members] == [
        ("p-1", 36.5, {"symptoms": False, "travelled": False, "contact": False}),
        ("p-2", None, {"symptoms": True}),
    ]
    assert (second[0], second[1].found, second[1].members) == (3, "nobody-home", ())


def test_both_formats_say_the_same(tmp_path: Path) -> None:
    rows: list[list[str | float]] = [[], *[[*line.split(",")] for line in GOOD.splitlines()]]
    rows[2][3] = 36.5
    of_csv, of_xlsx = read(csv(tmp_path, "\n" + GOOD)), read(xlsx(tmp_path, rows))
    assert of_xlsx == of_csv
    assert [entry.line for entry in of_xlsx[0]] == [3, 4]


def test_what_a_chinese_spreadsheet_program_saves_is_read(tmp_path: Path) -> None:
    for encoding in ("utf-8-sig", "gb18030"):
        entries, faults = read(csv(tmp_path, GOOD, encoding))
        assert (len(entries), faults) == (2, [])


def test_an_id_of_digits_stays_an_id(tmp_path: Path) -> None:
    (entry,), faults = read(xlsx(tmp_path, [["household", "found"], [20260001.0, "refused"]]))
    assert (entry.visit["household"], faults) == ("20260001", [])


BAD = {
    "hh-00000001,screened,p-1,77,,,,": (2, "invalid"),
    "hh-00000001,screened,p-1,warm,,,,": (2, "invalid"),
    "hh-00000001,hiding,,,,,,": (2, "invalid"),
    "hh-00000001,nobody-home,p-1,36.5,,,,": (2, "invalid"),
    "hh-00000001,screened,王 芳,36.5,,,,": (2, "invalid"),
    "hh-00000001,screened,p-1,36.5,,,,noon": (2, "invalid"),
    "hh-00000001,screened,p-1,36.5,,,,5": (2, "invalid"),
    "hh-00000001,screened,p-1,36.5,perhaps,,,": (2, "neither-yes-nor-no"),
    "hh-00000001,screened,,36.5,,,,": (2, "no-person"),
    ",screened,p-1,36.5,,,,": (2, "no-household"),
    "hh-00000001,screened,p-1,36.5,,,,\nhh-00000001,screened,p-1,36.6,,,,": (3, "person-twice"),
    "hh-00000001,screened,p-1,36.5,,,,\nhh-00000001,refused,,,,,,": (3, "differs"),
}


@pytest.mark.parametrize("lines", BAD)
def test_a_bad_line_is_named_and_the_others_are_read(tmp_path: Path, lines: str) -> None:
    entries, faults = read(csv(tmp_path, f"{HEADER}\n{lines}\nhh-00000009,refused,,,,,,\n"))
    assert [entry.visit["household"] for entry in entries] == ["hh-00000009"]
    assert [(fault.line, fault.code) for fault in faults] == [BAD[lines]]


def test_cells_beyond_the_columns_are_a_fault_and_not_the_half_of_a_temperature(tmp_path: Path) -> None:
    header = ["household", "found", "person", "temperature"]
    split = ["hh-00000001", "screened", "p-1", "38", "6"]
    for path in (
        csv(tmp_path, f"{','.join(header)},\n{','.join(split)}\n"),
        xlsx(tmp_path, [[*header], [*split[:3], 38.0, 6.0]]),
    ):
        entries, faults = read(path)
        assert (entries, [(fault.line, fault.code) for fault in faults]) == ([], [(2, "beyond-columns")])
        assert faults[0].detail.endswith(": 6")


def test_empty_cells_beyond_the_columns_say_nothing(tmp_path: Path) -> None:
    entries, faults = read(csv(tmp_path, "household,found\nhh-00000001,refused,,\n"))
    assert (len(entries), faults) == (1, [])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("visits.csv", b""),
        ("visits.csv", b"household,found,oxygen\n"),
        ("visits.csv", b"household,found,found\n"),
        ("visits.csv", b"household\n"),
        ("visits.csv", b'household,found\n"hh-00000001,screened\n'),
        ("visits.xlsx", b"no workbook"),
        ("visits.ods", b""),
    ],
)
def test_a_file_that_is_no_table_of_visits_is_told_in_a_sentence(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=name):
        read(path)


def test_the_columns_are_those_the_module_documents() -> None:
    documented = read_visits.__globals__["__doc__"]
    assert all(column in documented for column in COLUMNS)
