"""Workbooks, read as a stream: what openpyxl writes comes back, and hostile ones cost nothing."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from service.ingest.files import FileOptions, FileRefused, Row, RowError, open_table

NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., tuple[Any, list[Row | RowError]]]:
    def read(content: bytes, **options: Any) -> tuple[Any, list[Row | RowError]]:
        path = tmp_path / "upload"
        path.write_bytes(content)
        with open_table(path, FileOptions(filename="file.xlsx", **options)) as table:
            rows = list(table.rows())
        return table, rows

    return read


def workbook(*sheets: tuple[str, list[list[Any]]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)  # type: ignore[arg-type]
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def by_hand(sheet: str, *, strings: str | None = None, before: str = "", **more: str) -> bytes:
    """A workbook of one sheet from its XML, for what no library would write."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships><Relationship Id="r1" Type="{LINKS}/worksheet" Target="worksheets/a.xml"/>'
            "</Relationships>",
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook {NAMESPACE} xmlns:r="{LINKS}"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets>'
            "</workbook>",
        )
        archive.writestr(
            "xl/worksheets/a.xml", f"{before}<worksheet {NAMESPACE}><sheetData>{sheet}</sheetData></worksheet>"
        )
        if strings is not None:
            archive.writestr("xl/sharedStrings.xml", f"<sst {NAMESPACE}>{strings}</sst>")
        for name, content in more.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_values_of_every_kind_come_back(opened: Any) -> None:
    moment, clock = datetime(2026, 11, 20, 9, 14, 3), time(9, 14, 3)
    row = [
        "Größe – 👍\nline 2",
        7,
        3.25,
        True,
        moment,
        date(2026, 2, 28),
        clock,
        None,
        "=1+1",
        "_x000D_ kept",
        12345678901,
    ]
    header = [f"c{n}" for n in range(len(row))]
    book = openpyxl.load_workbook(io.BytesIO(workbook(("Data", [header, row]))))
    book["Data"]["I2"].data_type = "s"  # a text, not a formula
    out = io.BytesIO()
    book.save(out)
    table, rows = opened(out.getvalue())
    assert (table.format, table.sheet, table.columns) == ("xlsx", "Data", header)
    values = rows[0].cells
    assert values[:4] == ["Größe – 👍\nline 2", 7, 3.25, True]
    assert values[4:7] == [moment, datetime(2026, 2, 28), "09:14:03"]
    assert values[7:9] == [None, "=1+1"]
    assert values[10] == 12345678901


def test_random_sheets_read_as_openpyxl_reads_them(opened: Any) -> None:
    chance = random.Random(7)

    def cell() -> Any:
        return chance.choice(
            [
                None,
                chance.randint(-5, 10**9),
                round(chance.uniform(-99, 99), 3),
                chance.choice([True, False]),
                datetime(2026, chance.randint(1, 12), 3, chance.randint(0, 23), 5, 6),
                "".join(chance.choices("aé<>&\"' ü漢", k=chance.randint(1, 40))).strip() or "x",
            ]
        )

    rows = [["a", "b", "c", "d"]] + [[chance.randint(1, 9), *(cell() for _ in range(3))] for _ in range(300)]
    content = workbook(("S", rows))
    _, found = opened(content)
    sheet = openpyxl.load_workbook(io.BytesIO(content), data_only=True)["S"]
    expected = [list(row) for row in sheet.iter_rows(min_row=2, values_only=True)]
    assert [list(row.cells) for row in found] == expected


def test_the_first_sheet_with_rows_is_taken_or_the_one_that_is_named(opened: Any) -> None:
    content = workbook(
        ("Cover", []), ("Answers", [[], [], ["id", "text"], [], [1, "a"], [2, "b"]]), ("Z", [["x"], [9]])
    )
    table, rows = opened(content)
    assert table.sheet == "Answers"
    assert [(row.number, list(row.cells)) for row in rows] == [(2, [1, "a"]), (3, [2, "b"])]
    assert opened(content, sheet="z")[0].sheet == "Z"
    with pytest.raises(FileRefused) as caught:
        opened(content, sheet="nope")
    assert caught.value.code == "unknown_sheet"
    with pytest.raises(FileRefused) as caught:
        opened(content, sheet="Cover")
    assert caught.value.code == "empty_file"


def test_cells_beyond_the_header_refuse_their_row(opened: Any) -> None:
    _, rows = opened(workbook(("S", [["a", "b"], [1, 2], [1, 2, 3], [1]])))
    assert [row.code if isinstance(row, RowError) else None for row in rows] == [None, "wrong_width", None]
    assert rows[1].cells == [1, 2, 3]
    assert rows[2].cells == [1, None]


def test_a_cell_in_the_last_corner_costs_no_memory(opened: Any) -> None:
    head = '<row r="1"><c r="A1" t="inlineStr"><is><t>text</t></is></c></row>'
    _, rows = opened(by_hand(head + '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'))
    assert [(row.number, row.code) for row in rows] == [(1048575, "wrong_width")]


def test_shared_strings_with_runs_and_readings(opened: Any) -> None:
    strings = (
        "<si><t>text</t></si><si><r><t>bold </t></r><r><t>plain</t></r></si>"
        "<si><t>漢</t><rPh><t>kan</t></rPh></si><si/>"
    )
    sheet = (
        '<row r="1"><c r="A1" t="s"><v>0</v></c></row><row r="2"><c r="A2" t="s"><v>1</v></c></row>'
        '<row r="3"><c r="A3" t="s"><v>2</v></c></row><row r="4"><c r="A4" t="s"><v>99</v></c></row>'
        '<row r="5"><c r="A5" t="e"><v>#N/A</v></c></row><row r="6"><c><v>5</v></c></row>'
    )
    _, rows = opened(by_hand(sheet, strings=strings))
    assert [row.code if isinstance(row, RowError) else row.cells[0] for row in rows] == [
        "bold plain",
        "漢",
        "broken_cell",
        5,
    ]


def test_long_cells_are_refused_alone(opened: Any) -> None:
    long = "x" * (1024 * 1024 + 1)
    sheet = "".join(
        f'<row r="{n}"><c r="A{n}" t="inlineStr"><is><t>{text}</t></is></c></row>'
        for n, text in enumerate(["text", long, "fine"], start=1)
    )
    _, rows = opened(by_hand(sheet))
    assert [row.code if isinstance(row, RowError) else None for row in rows] == ["cell_too_long", None]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (
            by_hand('<row r="1"><c r="A1"><v>1</v></c></row>', before='<!DOCTYPE x [<!ENTITY e "e">]>'),
            "broken_workbook",
        ),
        (by_hand("<row><c></row>"), "broken_workbook"),
        (by_hand(""), "empty_file"),
        (by_hand('<row r="1"><c r="ZZ1"><v>1</v></c></row>'), "too_many_columns"),
        (by_hand('<row r="1"><c r="A1"><v>1</v></c></row>', **{"xl/vbaProject.bin": "x"}), "unsupported_format"),
        (workbook(("S", [["a"], [1]]))[:-40], "broken_zip"),
    ],
)
def test_workbooks_that_cannot_be_read_say_why(opened: Any, content: bytes, code: str) -> None:
    with pytest.raises(FileRefused) as caught:
        opened(content)
    assert caught.value.code == code


def test_a_workbook_that_breaks_off_keeps_the_rows_before(opened: Any) -> None:
    rows = "".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c></row>' for n in range(1, 20_001))
    _, found = opened(by_hand(rows + "<row><c></row>"))
    assert len(found) == 20_000
    assert isinstance(found[-1], RowError)
    assert (found[-1].code, found[-1].fatal) == ("broken_workbook", True)


def test_a_workbook_that_unpacks_to_too_much_is_refused(opened: Any) -> None:
    rows = "".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c></row>' for n in range(1, 20_001))
    with pytest.raises(FileRefused) as caught:
        opened(by_hand(rows), max_unpacked_bytes=100_000)
    assert caught.value.code == "unpacked_too_large"


def test_a_workbook_inside_a_zip_is_read(opened: Any) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("folder/export.xlsx", workbook(("S", [["a"], [1]])))
    table, rows = opened(out.getvalue())
    assert (table.format, table.packing, [list(row.cells) for row in rows]) == ("xlsx", "zip", [[1]])


def test_dates_since_1904(opened: Any) -> None:
    styles = f'<styleSheet {NAMESPACE}><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>'
    sheet = (
        '<row r="1"><c r="A1" t="str"><v>day</v></c></row><row r="2"><c r="A2" s="1"><v>44884</v></c></row>'
        '<row r="3"><c r="A3" s="0"><v>44884</v></c></row>'
    )
    content = by_hand(sheet, **{"xl/styles.xml": styles})
    _, rows = opened(content)
    assert [row.cells[0] for row in rows] == [datetime(2022, 11, 19), 44884]


def test_a_cover_sheet_is_left_aside_unless_it_is_asked_for(opened: Any) -> None:
    content = workbook(("Cover", [["Made by a tool"]]), ("Blank", []), ("Data", [["id", "comment"], [1, "good"]]))
    table, rows = opened(content)
    assert (table.sheet, table.columns, [row.cells for row in rows]) == ("Data", ["id", "comment"], [[1, "good"]])
    table, rows = opened(content, sheet="cover")
    assert (table.sheet, table.columns, rows) == ("Cover", ["Made by a tool"], [])
    table, rows = opened(workbook(("A", [["id"]]), ("B", [["comment"]])))
    assert (table.sheet, rows) == ("A", []), "where no sheet has rows, the first is told of"


def test_titles_above_the_header_of_a_sheet_are_no_header(opened: Any) -> None:
    table = [["id", "comment", "nps"], [1, "good", 9], [2, "bad", 3]]
    found, rows = opened(workbook(("S", [["Feedback 2026"], [datetime(2026, 11, 20)], [], *table])))
    assert found.columns == ["id", "comment", "nps"]
    assert [row.cells for row in rows] == table[1:]
    assert [row.number for row in rows] == [1, 2]


def test_one_column_with_stray_notes_keeps_its_name(opened: Any) -> None:
    for stray in (["slow", "call back"], ["slow", 3]):
        found, rows = opened(workbook(("S", [["comment"], ["good"], stray, ["bad"]])))
        assert found.columns[0] == "comment"
        assert len(rows) == 3


def test_formulas_without_a_value_are_told_of(opened: Any) -> None:
    def row(number: int, formula: str) -> str:
        return (
            f'<row r="{number}"><c r="A{number}"><v>{number}</v></c><c r="B{number}">{formula}</c>'
            f'<c r="C{number}" t="str"><f>A{number}</f><v>good</v></c></row>'
        )

    names = ("id", "comment", "stored")
    head = "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in names)
    sheet = f'<row r="1">{head}<c r="D1"><f>A1</f></c></row>'
    sheet += row(2, "<f>A2&amp;B1</f>") + row(3, '<f t="shared" si="0"/>') + row(4, "<f>1</f><v>7</v>")
    sheet += row(5, '<f>""</f><v></v>') + row(6, "")
    for below in range(7, 7 + 1500):
        sheet += row(below, "<f>A1</f>")
    table, rows = opened(by_hand(sheet))
    assert [one.cells[:3] for one in rows[:3]] == [[2, None, "good"], [3, None, "good"], [4, 7, "good"]]
    (note,) = table.notes
    assert "«comment»" in note
    assert "1,502 of its cells have a formula" in note


def test_a_single_formula_without_a_value_and_a_file_without_any(opened: Any) -> None:
    head = '<row r="1"><c t="inlineStr"><is><t>comment</t></is></c></row>'
    table, _ = opened(by_hand(head + '<row r="2"><c r="A2"><f>B1</f></c></row><row r="3"><c><v>1</v></c></row>'))
    assert "1 of its cells has a formula" in table.notes[0]
    table, _ = opened(by_hand(head + '<row r="2"><c r="A2"><f>B1</f><v>2</v></c></row>'))
    assert table.notes == []
