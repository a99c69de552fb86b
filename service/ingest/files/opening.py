"""Which kind of file this is, by its content first and its name second."""

from __future__ import annotations

import json
import re
from pathlib import Path

from service.ingest.files.delimited import DelimitedTable
from service.ingest.files.records import RecordsTable, lists_in
from service.ingest.files.sheets import SheetTable
from service.ingest.files.table import FileOptions, FileRefused, Table
from service.ingest.files.text import TextOfFile
from service.ingest.files.unpack import (
    GZIP_MAGIC,
    OLE_MAGIC,
    STREAM_ERRORS,
    ZIP_MAGIC,
    PackedFile,
    UnpackedTooLarge,
)

HEAD_CHARS = 1024 * 1024
_LOOKS_LIKE_JSON = re.compile(r"\s*(\[\s*[\[{\]]|\{\s*[\"}])")
_MARKUP = re.compile(r"\s*<(!doctype\b|html\b|head\b|body\b|table\b|\?xml\b)", re.IGNORECASE)
_BINARY = (GZIP_MAGIC, OLE_MAGIC, *ZIP_MAGIC, b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"SQLite format", b"PAR1")


def open_table(path: Path, options: FileOptions) -> Table:
    """Open an uploaded file as a table; FileRefused (with a code) where that is not possible.

    The header and the first rows have been read when this returns; the rest streams.
    """
    delimiter = _delimiter(options.delimiter)
    try:
        file = PackedFile(path, options.filename, max_unpacked_bytes=options.max_unpacked_bytes)
        if file.is_workbook:
            return SheetTable(file, sheet=options.sheet, header=options.header)
        return _open_text(file, options, delimiter)
    except UnpackedTooLarge as error:
        raise FileRefused(
            "unpacked_too_large", f"The file unpacks to more than {options.max_unpacked_bytes} bytes."
        ) from error
    except STREAM_ERRORS as error:
        raise FileRefused("file_breaks_off", "The packed file is damaged or cut off; send it again.") from error


def _open_text(file: PackedFile, options: FileOptions, delimiter: str | None) -> Table:
    with file.open() as stream:
        start = stream.read(16) or b""
    if not start:
        raise FileRefused("empty_file", "The file is empty.")
    if start.startswith(_BINARY):
        detail = "This is none of csv, tsv, xlsx, json and ndjson (or one of them packed twice)."
        raise FileRefused("unsupported_format", detail)
    text = TextOfFile(file, options.encoding, judge_bytes=options.judge_bytes)
    with text.open() as characters:
        head = characters.read(HEAD_CHARS)
    if not head.strip():
        raise FileRefused("empty_file", "The file holds nothing but white space.")
    if _MARKUP.match(head):
        detail = (
            "This is a web page or XML under another name, as some tools export for spreadsheets; open it there "
            "and save it as .xlsx or .csv."
        )
        raise FileRefused("unsupported_format", detail)
    suffix = file.name.lower().rsplit(".", 1)[-1]
    if suffix in ("ndjson", "jsonl"):
        return RecordsTable(text, lines=True)
    if delimiter is None and (suffix == "json" or _LOOKS_LIKE_JSON.match(head)):
        return _open_json(text, head)
    hint = "\t" if suffix in ("tsv", "tab") else "," if suffix == "csv" else None
    return DelimitedTable(text, delimiter=delimiter, hint=hint, header=options.header)


def _open_json(text: TextOfFile, head: str) -> Table:
    if head.lstrip()[:1] != "{":
        return RecordsTable(text, lines=False)
    if _is_lines(head):
        return RecordsTable(text, lines=True)
    found = lists_in(text)
    if len(found) > 1:
        names = ", ".join(name[:40] for name in found[:5])
        raise FileRefused("several_lists", f"The document holds several lists of records ({names}); send one.")
    return RecordsTable(text, lines=not found and _is_object(head), array_key=found[0] if found else None)


def _is_lines(head: str) -> bool:
    """Whether two of the first lines are objects of their own; one of them may be broken."""
    lines = [line for line in head.split("\n")[:20] if line.strip()]
    if len(head) == HEAD_CHARS and len(lines) > 1:
        lines = lines[:-1]
    return sum(_is_object(line) for line in lines) >= (2 if len(lines) > 1 else 3)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _delimiter(given: str | None) -> str | None:
    """The delimiter that a caller names."""
    if given is None or given == "":
        return None
    found = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}.get(given.lower(), given)
    if len(found) != 1 or found.isalnum() or found in '"\r\n\x00 ':
        detail = (
            "The delimiter is one character such as , ; | ^ or «tab»; no letter, digit, space or quotation mark."
        )
        raise FileRefused("unknown_delimiter", detail, pointer="delimiter")
    return found
