"""Bytes to text: which encoding, judged so that reading never fails half-way."""

from __future__ import annotations

import codecs
import io
import re

from service.ingest.files.table import FileRefused
from service.ingest.files.unpack import BUFFER_BYTES, PackedFile, Unpacked

BROKEN = "\udcff"  # stands for bytes that are no text; a lone surrogate, so that no file can hold it by itself
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16LE, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ESCAPED = re.compile("[\udc80-\udcff]+")


def _mark(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return BROKEN, error.end
    raise error


codecs.register_error("journeymap.mark", _mark)


def named_encoding(name: str) -> str:
    """Python's name of a text encoding that a caller names; FileRefused if there is none."""
    try:
        found = codecs.lookup(name.strip()).name
        "a,1".encode(found).decode(found)
    except (LookupError, TypeError, ValueError, UnicodeError) as error:
        raise FileRefused(
            "unknown_encoding",
            "This encoding is not known; utf-8, utf-16, windows-1252 and iso-8859-15 are common ones.",
            pointer="encoding",
        ) from error
    # a byte mark in front, if there is one, is no part of the first column's name
    return {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}.get(found, found)


def marked_encoding(head: bytes) -> tuple[str, int] | None:
    """The encoding that a byte-order mark names, and the mark's length."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name, len(mark)
    return None


def _by_nul_pattern(head: bytes) -> str | None:
    """UTF-16 without a mark: in western text every second byte is NUL."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = max(1, len(head) // 2)
    if odd > half * 0.3 and even < half * 0.05:
        return "utf-16-le"
    if even > half * 0.3 and odd < half * 0.05:
        return "utf-16-be"
    return None


def judge_encoding(file: PackedFile, *, limit_bytes: int | None) -> tuple[str, bool]:
    """The encoding of a file without a mark, and whether that is sure.

    Strict UTF-8 if the bytes are; Windows-1252 (never Latin-1: 0x80 to 0x9F are real characters in exports) if
    they are not. A file with at least ten times as many good UTF-8 sequences as bad bytes is UTF-8 with some
    broken rows, which are then refused one by one. Reads `limit_bytes` at most, None the whole file.
    """
    seen = good = bad = 0
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    with file.open() as stream:
        head = stream.read(4096) or b""
        chunk: bytes | None = head
        if (name := _by_nul_pattern(head)) is not None:
            return name, True
        while chunk:
            seen += len(chunk)
            if not (chunk.isascii() and not decoder.getstate()[0]):
                text = decoder.decode(chunk)
                escaped = sum(len(part) for part in _ESCAPED.findall(text))
                bad += escaped
                good += (len(text.encode("utf-8", "replace")) - len(text)) if not escaped else _good(text)
            if limit_bytes is not None and seen >= limit_bytes:
                # the cut may run through a character, so that what the decoder still holds says nothing
                return ("utf-8" if good >= 10 * bad else "cp1252"), False
            chunk = stream.read(BUFFER_BYTES)
    bad += len(decoder.decode(b"", True))
    return ("utf-8" if good >= 10 * bad else "cp1252"), True


def _good(text: str) -> int:
    return sum(1 for char in text if char > "\x7f" and not "\udc80" <= char <= "\udcff")


class TextOfFile:
    """The file's text as a stream that never fails on bytes that are no text (they become `BROKEN`)."""

    def __init__(self, file: PackedFile, encoding: str | None, *, judge_bytes: int | None) -> None:
        self.file = file
        with file.open() as stream:
            head = stream.read(4) or b""
        marked = marked_encoding(head)
        self.skip_bytes = 0
        self.sure = True
        if encoding is not None:
            self.encoding = named_encoding(encoding)
            if marked is not None and (
                marked[0] == self.encoding or encoding.lower().replace("_", "-") == "utf-16"
            ):
                self.encoding, self.skip_bytes = marked
        elif marked is not None:
            self.encoding, self.skip_bytes = marked
        else:
            self.encoding, self.sure = judge_encoding(file, limit_bytes=judge_bytes)
        self.unpacked: Unpacked | None = None

    def open(self) -> io.TextIOWrapper:
        """A text stream from the start, line ends untouched."""
        self.unpacked = self.file.open()
        buffered = io.BufferedReader(self.unpacked, BUFFER_BYTES)
        if self.skip_bytes:
            buffered.read(self.skip_bytes)
        return io.TextIOWrapper(buffered, encoding=self.encoding, errors="journeymap.mark", newline="")

    @property
    def fraction(self) -> float:
        """The share of the file that has been read."""
        return self.unpacked.fraction if self.unpacked is not None else 0.0
