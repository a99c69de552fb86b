"""Files as tables: every format, every encoding, and what real exports do wrong."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.ingest.files import FileOptions, FileRefused, Row, RowError, open_table, records
from service.ingest.files.records import WINDOW_CHARS
from service.ingest.files.table import MAX_CELL_CHARS, MAX_RECORD_CHARS

FIXTURES = Path(__file__).parent / "fixtures" / "generic"
TEXTS = [
    'Slow, and the "help" page is empty.\nSecond line.',
    "Größe passt, Lieferung schnell – danke!",
    "=1+1 looks like a formula",
]


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., tuple[Any, list[Row | RowError]]]:
    def read(content: bytes, filename: str = "file.csv", **options: Any) -> tuple[Any, list[Row | RowError]]:
        path = tmp_path / "upload"
        path.write_bytes(content)
        with open_table(path, FileOptions(filename=filename, **options)) as table:
            rows = list(table.rows())
        return table, rows

    return read


def codes(rows: list[Row | RowError]) -> list[str | None]:
    return [row.code if isinstance(row, RowError) else None for row in rows]


def cells(rows: list[Row | RowError]) -> list[list[Any]]:
    return [list(row.cells) for row in rows if isinstance(row, Row)]


def refused(opened: Any, content: bytes, filename: str = "file.csv", **options: Any) -> str:
    with pytest.raises(FileRefused) as caught:
        opened(content, filename, **options)
    assert caught.value.errors[0].code == caught.value.code
    return caught.value.code


@pytest.mark.parametrize(
    ("name", "format_", "packing", "encoding"),
    [
        ("utf8-bom-crlf.csv", "csv", None, "utf-8"),
        ("semicolon-cp1252.csv", "csv", None, "cp1252"),
        ("export.zip", "csv", "zip", "utf-8"),
        ("array.json", "json", None, "utf-8"),
        ("lines-gz.ndjson.gz", "ndjson", "gzip", "utf-8"),
        ("lines-with-bad-line.ndjson", "ndjson", None, "utf-8"),
        ("export-xlsx.xlsx", "xlsx", None, None),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_every_fixture_gives_its_three_rows(
    name: str, format_: str, packing: str | None, encoding: str | None, named: bool
) -> None:
    expected = json.loads((FIXTURES / f"{name.split('.')[0]}.meta.json").read_text())["expected_rows"]
    with open_table(FIXTURES / name, FileOptions(filename=name if named else "upload")) as table:
        found = [row for row in table.rows() if isinstance(row, Row)]
        assert (table.format, table.packing, table.encoding) == (format_, packing, encoding)
        assert table.columns == ["id", "created_at", "rating", "text", "author_email"]
        assert table.read_fraction == 1.0
        assert table.encoding_sure
    assert len(found) == expected
    assert [str(row.cells[3]).removeprefix("'") for row in found] == TEXTS


def test_a_bad_line_of_ndjson_is_named_and_alone(opened: Any) -> None:
    lines = [json.dumps({"id": n, "text": "fine"}) for n in range(1, 11)]
    lines[6] = '{"id": 7, "text": "secret words}'
    _, rows = opened("\r\n".join(lines).encode(), "file.ndjson")
    bad = [row for row in rows if isinstance(row, RowError)]
    assert len(rows) == 10
    assert [(row.number, row.code) for row in bad] == [(7, "broken_json")]
    assert "Line 7" in bad[0].detail
    assert "secret" not in bad[0].detail
    assert bad[0].raw == lines[6]


@pytest.mark.parametrize(
    ("sample", "delimiter"),
    [
        ("a;b;c\n1,5;2;3\n1,7;2;3\n", ";"),
        ("a\tb\n1\t2, 3, 4\n", "\t"),
        ("a|b|c\n1|2|3\n", "|"),
        ('a,b\n"x;y;z;w",1\n"x;y",2\n', ","),
        ("sep=|\na|b,c\n1|2\n", "|"),
        ("text\nOne, two\nthree; four\n", None),
    ],
)
def test_delimiters_are_told_from_what_stands_outside_of_quotes(
    opened: Any, sample: str, delimiter: str | None
) -> None:
    table, rows = opened(sample.encode())
    assert table.delimiter == delimiter
    assert codes(rows) == [None] * len(rows)
    assert table.format == ("tsv" if delimiter == "\t" else "csv")


def test_headers_are_made_unique_and_trailing_blank_columns_dropped(opened: Any) -> None:
    table, rows = opened(b"id,comment,,comment,,\n1,a,b,c,,\n2,a,b,c\n3,a,b,c,,x\n")
    assert table.columns == ["id", "comment", "column_3", "comment_2"]
    assert codes(rows) == [None, None, "wrong_width"]
    assert rows[0].cells == ["1", "a", "b", "c"]


def test_rows_of_another_width_are_refused_alone_and_kept_whole(opened: Any) -> None:
    _, rows = opened(b"a,b\n1,2\n3\n4,5,6\n\n7,8\n")
    assert codes(rows) == [None, "wrong_width", "wrong_width", None]
    assert [row.number for row in rows] == [1, 2, 3, 5]
    assert rows[2].cells == ["4", "5", "6"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('2,"He said "wow" to me",5', 'He said "wow" to me'),
        ('2,"never closed,5', '"never closed'),
        ('2,5" screen,5', '5" screen'),
        ('2,"one \\"two, three\\" four",5', 'one "two, three" four'),
        ('2,"doubled ""quotes"", fine",5', 'doubled "quotes", fine'),
        ('2,"over\ntwo lines",5', "over\ntwo lines"),
        ('2,"over\ntwo lines with "wrong" quotes",5', 'over\ntwo lines with wrong" quotes"'),
    ],
)
def test_quotes_as_exporters_write_them_cost_no_row(opened: Any, line: str, text: str) -> None:
    content = f'id,text,n\n1,"first, fine",5\n{line}\n3,"third, fine",5\n4,"fourth",5\n'
    _, rows = opened(content.encode())
    assert codes(rows) == [None] * 4
    assert [row.cells[0] for row in rows] == ["1", "2", "3", "4"]
    assert rows[1].cells[1] == text


def test_a_quote_that_is_never_closed_spoils_one_row_at_most(opened: Any) -> None:
    lines = ["id,text,n"] + [f'{n},"text {n}",5' for n in range(3000)]
    lines[100] = '99,"open, and of another width,5'
    _, rows = opened("\n".join(lines).encode())
    assert len(rows) == 3000
    assert [row.number for row in rows if isinstance(row, RowError)] == [100]
    assert codes(rows)[99] == "unclosed_quote"


def test_hostile_quotes_do_not_make_reading_slow(opened: Any) -> None:
    # every line opens a quote that the next ones close and open again: no row ends by itself
    content = "a,b\n" + '5" x,"y\n' * 200_000
    _, rows = opened(content.encode())
    assert len(rows) >= 200_000 - 1


def test_cells_up_to_the_limit_are_read_longer_ones_refused_alone(opened: Any) -> None:
    million, more = "x" * 1_000_000, "y\n" * MAX_CELL_CHARS
    _, rows = opened(f'id,text\n1,{million}\n2,"{more}"\n3,fine\n'.encode())
    assert codes(rows) == [None, "cell_too_long", None]
    assert len(rows[0].cells[1]) == 1_000_000


def test_a_line_without_end_is_refused_without_holding_it(opened: Any) -> None:
    _, rows = opened(b"id,text\n1," + b"x" * (2 * MAX_RECORD_CHARS) + b"\n2,fine\n")
    assert codes(rows) == ["cell_too_long", None]


def test_nul_bytes_refuse_their_row(opened: Any) -> None:
    _, rows = opened(b'id,text\n1,a\x00b\n2,"c\nd\x00"\n3,fine\n')
    assert codes(rows) == ["nul_byte", "nul_byte", None]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "utf-32"]
)
def test_encodings_are_found(opened: Any, encoding: str) -> None:
    text = "id,text\n1,Größe – schön\n2,naïve café\n" * 20
    table, rows = opened(text.encode(encoding))
    assert rows[0].cells == ["1", "Größe – schön"]
    assert table.columns == ["id", "text"]


def test_an_encoding_is_judged_by_the_whole_file_and_reading_never_fails_half_way(opened: Any) -> None:
    ascii_part = b"id,text\n" + b"1,plain words\n" * 100_000
    table, rows = opened(ascii_part + "2,Größe\n".encode("cp1252"))
    assert table.encoding == "cp1252"
    assert rows[-1].cells == ["2", "Größe"]
    # judged by the beginning alone it is taken for UTF-8, and says that this is not sure
    table, rows = opened(ascii_part + "2,Größe\n3,fine\n".encode("cp1252"), judge_bytes=1000)
    assert (table.encoding, table.encoding_sure) == ("utf-8", False)
    assert codes(rows)[-2:] == ["bad_encoding", None]


def test_utf8_with_a_few_broken_bytes_stays_utf8_and_loses_only_these_rows(opened: Any) -> None:
    content = b"id,text\n" + "1,Größe\n".encode() * 50 + b"2,br\xffken\n" + "3,schön\n".encode()
    table, rows = opened(content)
    assert table.encoding == "utf-8"
    assert codes(rows) == [None] * 50 + ["bad_encoding", None]
    assert rows[-1].cells[1] == "schön"


def test_a_given_encoding_holds_and_an_unknown_one_is_refused(opened: Any) -> None:
    _, rows = opened("id,text\n1,Łódź\n".encode("iso-8859-2"), encoding="iso-8859-2")
    assert rows[0].cells[1] == "Łódź"
    assert refused(opened, b"a,b\n1,2\n", encoding="klingon") == "unknown_encoding"
    assert refused(opened, b"a,b\n1,2\n", encoding="base64") == "unknown_encoding"
    assert refused(opened, b"a,b\n1,2\n", delimiter="a") == "unknown_delimiter"


@pytest.mark.parametrize(
    ("content", "filename", "code"),
    [
        (b"", "x.csv", "empty_file"),
        (b" \n\n ", "x.csv", "empty_file"),
        (b"\xef\xbb\xbf", "x.csv", "empty_file"),
        (gzip.compress(b"", mtime=0), "x.csv.gz", "empty_file"),
        (gzip.compress(b"a,b\n1,2\n" * 9999, mtime=0)[:-20], "x.csv.gz", "file_breaks_off"),
        (gzip.compress(gzip.compress(b"a,b\n1,2\n", mtime=0), mtime=0), "x.csv.gz", "unsupported_format"),
        (b"%PDF-1.7 ...", "x.csv", "unsupported_format"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 600, "x.xls", "unsupported_format"),
        (b"PK\x03\x04 no zip at all", "x.zip", "broken_zip"),
        (b",".join(b"c%d" % n for n in range(501)) + b"\n", "x.csv", "too_many_columns"),
        (b"[]", "x.json", "no_rows"),
        (b'{"responses": []}', "x.json", "no_rows"),
        (b'[{"a": 1', "x.json", "broken_json"),
        (b"hello", "x.json", "broken_json"),
        (b"[1, 2]", "x.json", "no_object"),
        (b'{"a": [{"x": 1}], "b": [{"x": 1}]}', "x.json", "several_lists"),
    ],
)
def test_files_that_cannot_be_read_say_why(opened: Any, content: bytes, filename: str, code: str) -> None:
    assert refused(opened, content, filename) == code


def zipped(*entries: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([("../x.csv", b"a,b\n")], "bad_zip_path"),
        ([("x.csv", b"a,b\n"), ("/etc/x", b"")], "bad_zip_path"),
        ([("C:\\x.csv", b"a,b\n")], "bad_zip_path"),
        ([("a.csv", b"a\n1\n"), ("b.csv", b"a\n1\n")], "several_files_in_zip"),
        ([("inner.zip", zipped(("a.csv", b"a\n1\n")))], "no_data_in_zip"),
        ([("picture.png", b"x")], "no_data_in_zip"),
        ([("a.csv", b"")], "empty_file"),
    ],
)
def test_zip_tricks_are_refused(opened: Any, entries: list[tuple[str, bytes]], code: str) -> None:
    assert refused(opened, zipped(*entries), "x.zip") == code


@pytest.mark.parametrize("kind", ["gz", "zip"])
def test_a_bomb_is_refused_or_ends_at_its_limit(opened: Any, kind: str) -> None:
    content = b"id,text\n" + b"1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" * 500_000
    packed = gzip.compress(content) if kind == "gz" else zipped(("a.csv", content))
    assert refused(opened, packed, f"x.{kind}", max_unpacked_bytes=1_000_000) == "unpacked_too_large"
    if kind == "gz":  # found only while reading, where the encoding is not judged by the whole
        _, rows = opened(packed, "x.csv.gz", max_unpacked_bytes=5_000_000, judge_bytes=100_000)
        assert isinstance(rows[-1], RowError)
        assert (rows[-1].code, rows[-1].fatal) == ("unpacked_too_large", True)
        assert len(rows) > 50_000


def test_json_is_streamed_with_the_line_of_every_fault(opened: Any) -> None:
    lines = [json.dumps({"id": n, "text": "words " * 50}) for n in range(10_000)]
    lines[7000] = '{"id": 7000, "text": oops {"x": "}"}}'
    content = "[\n" + ",\n".join(lines) + "\n]\n"
    assert len(content) > 2 * WINDOW_CHARS
    table, rows = opened(content.encode(), "x.json")
    assert table.columns == ["id", "text"]
    assert len(rows) == 10_000
    bad = [row for row in rows if isinstance(row, RowError)]
    assert [(row.number, row.code, row.fatal) for row in bad] == [(7001, "broken_json", False)]
    assert "Line 7002" in bad[0].detail
    assert bad[0].raw == lines[7000]


def test_many_broken_records_in_a_big_array_stay_quick(opened: Any) -> None:
    content = "[" + ",\n".join('{"a": oops}' if n % 2 else '{"a": 1}' for n in range(100_000)) + "]"
    _, rows = opened(content.encode(), "x.json")
    assert len(rows) == 100_000
    assert sum(isinstance(row, RowError) for row in rows) == 50_000


def test_json_that_breaks_off_keeps_what_came_before(opened: Any) -> None:
    _, rows = opened(b'[{"a": 1},\n{"a": 2},\n{"a": 3', "x.json")
    assert codes(rows) == [None, None, "broken_json"]
    assert isinstance(rows[-1], RowError)
    assert rows[-1].fatal
    assert "Line 3" in rows[-1].detail


def test_json_objects_with_one_list_and_nested_values(opened: Any) -> None:
    document = {
        "total": 2,
        "meta": {"pages": [1, 2]},
        "responses": [{"id": 1, "who": {"plan": "pro"}, "tags": ["a", "b"]}, {"id": 2.5, "who": {}, "more": True}],
        "next": None,
    }
    for indent in (None, 2):
        table, rows = opened(json.dumps(document, indent=indent).encode(), "x.json")
        assert table.format == "json"
        assert table.columns == ["id", "who.plan", "tags", "who", "more"]
        assert cells(rows) == [[1, "pro", "a, b", None, None], [2.5, None, None, None, True]]


def test_a_second_list_that_comes_too_late_to_be_asked_about_is_reported(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_RECORD_CHARS", 2 * WINDOW_CHARS)
    first = ",".join(json.dumps({"id": n, "text": "x" * 1000}) for n in range(2000))
    _, rows = opened(f'{{"a": [{first}], "b": [{{"id": 1}}]}}'.encode(), "x.json")
    assert codes(rows) == [None] * 2000 + ["second_list"]


def test_one_object_and_lines_of_objects_are_ndjson_whatever_the_name(opened: Any) -> None:
    assert opened(b'{"id": 1, "text": "only one"}', "x.json")[0].format == "ndjson"
    assert opened(b'{"id": 1}\n{"id": 2}\n', "x.json")[0].format == "ndjson"
    table, rows = opened(b'{"id": 1}\n{broken\n\n{"id": 2}\n', "upload")
    assert table.format == "ndjson"
    assert [row.number for row in rows] == [1, 2, 4]


def test_json_numbers_that_are_none_and_endless_nesting_are_row_errors(opened: Any) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    _, rows = opened(f'{{"a": 1}}\n{{"a": NaN}}\n{{"a": {deep}}}\n[1]\n{{"a": 2}}'.encode(), "x.ndjson")
    assert codes(rows) == [None, "broken_json", "broken_json", "no_object", None]


def test_rows_can_be_skipped_to_go_on_where_another_reader_ended(tmp_path: Path) -> None:
    contents = {
        "x.csv": b"id\n1\n\n2,bad\n3\n4\n",
        "x.ndjson": b'{"id": 1}\nbad\n{"id": 3}\n\n{"id": 4}\n',
        "x.json": b'[{"id": 1}, {"id": oops}, {"id": 3}, {"id": 4}]',
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.write_bytes(content)
        with open_table(path, FileOptions(filename=name)) as table:
            whole = list(table.rows())
        for skip in range(5):
            with open_table(path, FileOptions(filename=name)) as table:
                assert list(table.rows(skip=skip)) == whole[skip:]


def test_what_an_apis_answer_has_beside_its_records_is_passed_over(opened: Any) -> None:
    document = {
        "links": [{"rel": "next", "href": "x"}],
        "reviews": [{"id": 1, "text": "a"}],
        "included": [{"id": 9, "type": "response"}],
    }
    table, rows = opened(json.dumps(document).encode(), "x.json")
    assert table.columns == ["id", "text"]
    assert cells(rows) == [[1, "a"]]
    assert len(rows) == 1


@pytest.mark.parametrize(
    "above",
    [
        "Feedback export 2026\n\n",
        "Feedback export 2026\n",
        '"Shop north"\n',
        "A b\n2026-11-20\n \n",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_titles_above_the_header_are_no_header(opened: Any, above: str, end: str) -> None:
    text = f'{above}id;comment;nps\n1;"good\nand; more";9\n2;bad, slow;3\n'.replace("\n", end)
    table, rows = opened(text.encode())
    assert table.columns == ["id", "comment", "nps"]
    assert cells(rows) == [["1", f"good{end}and; more", "9"], ["2", "bad, slow", "3"]]
    assert [row.number for row in rows] == [1, 2]


@pytest.mark.parametrize(
    "above",
    [
        "Survey results; November 2026\n",
        "Feedback export;;\n",
        ";Feedback export;\n",
        '"Feedback; all shops"\n',
        "Shop north\nExported 2026-11-20; by Jane; for all; of us\n\n",
        "Shop north; 2026\n;;\n",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_titles_that_hold_the_delimiter_are_no_header(opened: Any, above: str, end: str) -> None:
    text = f'{above}id;comment;nps\n1;"good\nand; more";9\n2;bad, slow;3\n'.replace("\n", end)
    table, rows = opened(text.encode())
    assert table.columns == ["id", "comment", "nps"]
    assert cells(rows) == [["1", f"good{end}and; more", "9"], ["2", "bad, slow", "3"]]
    assert [row.number for row in rows] == [1, 2]


@pytest.mark.parametrize(
    "text",
    [
        "id,comment,nps\n1,good,9\n2,bad,3\n",
        # names that are missing, a row of names as answers, rows of another width
        "id,comment\n1,good,9\n2,bad,3\n3,fine,5\n",
        "Q1,Q2,Q3\nEmail,Rating,Comment\nPhone,Date,Title\nEmail,Text,Url\n",
        "Respondent ID,What do you like?,,\n,Price,Delivery,Comment\n1,x,,fine\n2,,x,good\n",
        "id,comment,nps\nname,text,score\n1,good,9\n2,bad,3\n",
        "Kommentar,,\nEmail,Rating,Comment\n",
        "comment,rating\nid,text\nemail,phone\nname,nps\n",
        "Shop,Notes\n1,a,b\n2,c,d\nname,e,f\n",
    ],
)
def test_the_first_row_of_an_ordinary_file_is_its_header(opened: Any, text: str) -> None:
    table, _ = opened(text.encode())
    first = [name for name in text.partition("\n")[0].split(",") if name]
    assert [name for name in table.columns if not name.startswith("column_")] == first


@pytest.mark.parametrize(
    "text",
    [
        "comment\nI like it, really\nGood, fast\nSlow, sorry\n",
        "comment\n\nI like it, really\nGood, fast\nSlow, sorry\n",
        "What do you think?\nI like it, really\nGood, fast\nSlow, sorry\n",
        "What do you think?\n\nYes, a lot\nGood and fast\nSlow, sorry\n",
        "What do you think?\nfine\nI like it, really, yes\nGood and fast\n",
    ],
)
def test_the_name_of_the_only_column_is_no_title(opened: Any, text: str) -> None:
    table, rows = opened(text.encode())
    assert table.columns == [text.partition("\n")[0]]
    assert len(rows) == len([line for line in text.split("\n")[1:] if line])


@pytest.mark.parametrize("start", ["<html><body>", "<!DOCTYPE html>", " \n<table>", '<?xml version="1.0"?>'])
def test_a_page_under_a_spreadsheets_name_says_so(opened: Any, start: str) -> None:
    page = f"{start}<tr><td>id</td><td>comment</td></tr><tr><td>1</td><td>good</td></tr>"
    assert refused(opened, page.encode(), "export.xls") == "unsupported_format"
