"""The parts of an XLSX that its sheets refer to: which sheets there are, styles, shared strings.

Source of the format: ECMA-376 part 1, chapter 18 (SpreadsheetML).
"""

from __future__ import annotations

import mmap
import posixpath
import re
import tempfile
import zipfile
from array import array
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import IO
from xml.parsers import expat

from service.ingest.files.unpack import BUFFER_BYTES

# number formats that Excel has built in and that show a date or a time
_DATE_FORMATS = frozenset({14, 15, 16, 17, 18, 19, 20, 21, 22, 27, 30, 36, 45, 46, 47, 50, 57})
_QUOTED_IN_FORMAT = re.compile(r'"[^"]*"|\\.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_DATE_LETTERS = re.compile(r"[ymdhs]", re.IGNORECASE)
_ESCAPED_CHAR = re.compile(r"_x([0-9A-Fa-f]{4})_")


class BrokenXml(Exception):
    """A part of the workbook is no XML, or XML of a kind that no workbook needs."""


def _local(name: str) -> str:
    return name.rsplit(":", 1)[-1]


def parse(
    stream: IO[bytes],
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None],
    text: Callable[[str], None],
) -> Iterator[int]:
    """Feed a part of the workbook to the callbacks; yields the bytes read after each chunk."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, attributes: start(_local(name), attributes)
    parser.EndElementHandler = lambda name: end(_local(name))
    parser.CharacterDataHandler = text

    def refuse(*_: object) -> None:
        raise BrokenXml("a document type in a workbook")  # entities can be made to grow without end

    parser.StartDoctypeDeclHandler = refuse
    read = 0
    try:
        while chunk := stream.read(BUFFER_BYTES // 4):
            read += len(chunk)
            parser.Parse(chunk, False)
            yield read
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise BrokenXml(f"line {error.lineno}") from error


def unescaped(text: str) -> str:
    return _ESCAPED_CHAR.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


class _Strings:
    """The shared strings, kept in a file that the system may page out: a big workbook has more than memory."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the table
        self._ends = array("Q")
        self._size = 0
        self._map: mmap.mmap | None = None

    def add(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        self._file.write(data)
        self._size += len(data)
        self._ends.append(self._size)

    def ready(self) -> None:
        self._file.flush()
        if self._size:
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    def __getitem__(self, place: int) -> str:
        start, end = (self._ends[place - 1] if place else 0), self._ends[place]
        return self._map[start:end].decode() if self._map is not None else ""

    def __len__(self) -> int:
        return len(self._ends)

    def close(self) -> None:
        if self._map is not None:
            self._map.close()
        self._file.close()


class Workbook:
    """The parts of a workbook that a sheet's cells refer to."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.strings = _Strings()
        self.date_styles: list[bool] = []
        self.from_1904 = False
        self.sheets: list[tuple[str, str]] = []  # name, part
        self._links: dict[str, str] = {}
        self._read_links()
        self._read_sheets()
        self._read_styles()
        self._read_strings()

    def close(self) -> None:
        self.strings.close()

    def _each(
        self,
        part: str,
        start: Callable[[str, dict[str, str]], None],
        end: Callable[[str], None] | None = None,
        text: Callable[[str], None] | None = None,
    ) -> None:
        def nothing(_: str) -> None:
            return None

        if part not in self.archive.NameToInfo:
            return
        with self.archive.open(part) as stream:
            for _ in parse(stream, start, end or nothing, text or nothing):
                pass

    def _read_links(self) -> None:
        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "Relationship":
                target = attributes.get("Target", "")
                part = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")
                self._links[attributes.get("Id", "")] = part

        self._each("xl/_rels/workbook.xml.rels", start)

    def _read_sheets(self) -> None:
        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "workbookPr":
                self.from_1904 = attributes.get("date1904") in ("1", "true")
            elif name == "sheet":
                link = next((value for key, value in attributes.items() if _local(key) == "id"), "")
                part = self._links.get(link, "")
                if part in self.archive.NameToInfo and "worksheets" in part:
                    self.sheets.append((attributes.get("name", ""), part))

        self._each("xl/workbook.xml", start)

    def _read_styles(self) -> None:
        own: dict[int, bool] = {}
        inside = False

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal inside
            if name == "numFmt":
                shown = _QUOTED_IN_FORMAT.sub("", attributes.get("formatCode", "").split(";")[0])
                own[int(attributes.get("numFmtId", "0"))] = bool(
                    _DATE_LETTERS.search(shown.replace("General", ""))
                )
            elif name == "cellXfs":
                inside = True
            elif name == "xf" and inside:
                number = int(attributes.get("numFmtId", "0"))
                self.date_styles.append(own.get(number, number in _DATE_FORMATS))

        def end(name: str) -> None:
            nonlocal inside
            inside = inside and name != "cellXfs"

        self._each("xl/styles.xml", start, end)

    def _read_strings(self) -> None:
        parts: list[str] = []
        inside = phonetic = False

        def start(name: str, _attributes: dict[str, str]) -> None:
            nonlocal inside, phonetic
            if name == "si":
                parts.clear()
            elif name == "rPh":  # how a Japanese word is spoken; no part of the text
                phonetic = True
            elif name == "t":
                inside = not phonetic

        def end(name: str) -> None:
            nonlocal inside, phonetic
            if name == "si":
                self.strings.add(unescaped("".join(parts)))
            elif name == "rPh":
                phonetic = False
            elif name == "t":
                inside = False

        def text(data: str) -> None:
            if inside:
                parts.append(data)

        self._each("xl/sharedStrings.xml", start, end, text)
        self.strings.ready()

    def moment(self, serial: float) -> datetime | str:
        """A serial date: days since the end of 1899 (with a 29 February 1900 that never was), or since 1904."""
        if 0 <= serial < 1 and not self.from_1904:
            return (datetime(2000, 1, 1) + timedelta(seconds=round(serial * 86400))).time().isoformat()  # noqa: DTZ001
        days = serial + 1462 if self.from_1904 else serial
        origin = datetime(1899, 12, 30 if days >= 60 else 31)  # noqa: DTZ001 - a sheet knows no zone
        return origin + timedelta(seconds=round(days * 86400))
