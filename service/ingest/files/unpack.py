"""Files on disk as one stream of plain bytes: gzip and zip undone, with limits, never by a path of the archive."""

from __future__ import annotations

import gzip
import io
import re
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from service.ingest.files.table import FileRefused

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
BUFFER_BYTES = 256 * 1024

MAX_ENTRIES = 1000
# real exports pack 5:1 to 30:1; the first part is let through whatever its ratio, small files may repeat a lot
MAX_RATIO = 200
RATIO_FREE_BYTES = 256 * 1024**2

DATA_SUFFIXES = (".csv", ".tsv", ".tab", ".json", ".ndjson", ".jsonl", ".xlsx")
_PARENT = re.compile(r"(^|[\\/])\.\.([\\/]|$)")
_ABSOLUTE = re.compile(r"^([\\/]|[A-Za-z]:)")

# what a broken or cut-off packed stream raises while it is read
STREAM_ERRORS = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile)


class UnpackedTooLarge(Exception):
    """More came out of a packed file than is allowed."""


class Unpacked(io.RawIOBase):
    """Plain bytes with limits on how much may come out, and the share of the file that has gone in."""

    def __init__(
        self, stream: IO[bytes], *, max_bytes: int, packed_bytes: Callable[[], int], size: int, packed: bool
    ) -> None:
        self._stream = stream
        self._max_bytes = max_bytes
        self._packed_bytes = packed_bytes
        self._size = size
        self._packed = packed
        self._out = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._stream.read(len(buffer))
        self._out += len(chunk)
        if self._packed:
            if self._out > self._max_bytes:
                raise UnpackedTooLarge
            if self._out > RATIO_FREE_BYTES and self._out > MAX_RATIO * max(1, self._packed_bytes()):
                raise UnpackedTooLarge
        buffer[: len(chunk)] = chunk
        return len(chunk)

    @property
    def fraction(self) -> float:
        """The share of the file's bytes that has been read."""
        return min(1.0, self._packed_bytes() / self._size) if self._size else 1.0

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


class PackedFile:
    """A file on disk; `open()` gives its plain bytes from the start, as often as needed."""

    def __init__(self, path: Path, filename: str, *, max_unpacked_bytes: int) -> None:
        self.path = path
        self.name = filename  # of the data itself, without .gz and inside the zip
        self.max_unpacked_bytes = max_unpacked_bytes
        self.packing: str | None = None
        self._entry: str | None = None
        self._extracted: IO[bytes] | None = None
        self._size = path.stat().st_size
        with path.open("rb") as stream:
            magic = stream.read(8)
        if not self._size:
            raise FileRefused("empty_file", "The file is empty.")
        if magic.startswith(OLE_MAGIC):
            raise FileRefused(
                "unsupported_format",
                "This is an old .xls file or a password-protected workbook; save it as .xlsx without a password.",
            )
        if magic.startswith(GZIP_MAGIC):
            self.packing = "gzip"
            self.name = filename[:-3] if filename.lower().endswith(".gz") else filename
        elif magic.startswith(ZIP_MAGIC):
            self._look_into_zip()

    @property
    def is_workbook(self) -> bool:
        """Whether this is an XLSX (which is a zip itself)."""
        return self._workbook

    _workbook = False

    def _look_into_zip(self) -> None:
        try:
            with zipfile.ZipFile(self.path) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
            raise FileRefused("broken_zip", "The zip file is damaged; pack it again.") from error
        if len(entries) > MAX_ENTRIES:
            raise FileRefused("broken_zip", f"The zip file has more than {MAX_ENTRIES} entries.")
        names = {entry.filename for entry in entries}
        if any(_PARENT.search(name) or _ABSOLUTE.match(name) for name in names):
            raise FileRefused(
                "bad_zip_path", "The zip file has an entry that leads outside of it; it is not read."
            )
        if "[Content_Types].xml" in names and any(name.startswith("xl/") for name in names):
            if any(name.lower().endswith("vbaproject.bin") for name in names):
                raise FileRefused("unsupported_format", "The workbook holds macros; save it as .xlsx.")
            self._workbook = True
            return
        self.packing = "zip"
        self._choose(entries)

    def _choose(self, entries: list[zipfile.ZipInfo]) -> None:
        files = [
            entry
            for entry in entries
            if not entry.is_dir()
            and not any(part.startswith(".") or part == "__MACOSX" for part in entry.filename.split("/"))
            and not stat.S_ISLNK(entry.external_attr >> 16)
        ]
        data = [entry for entry in files if entry.filename.lower().endswith(DATA_SUFFIXES)]
        if not data:  # plain .txt is data only where nothing else is
            data = [entry for entry in files if entry.filename.lower().endswith(".txt")]
        if not data:
            raise FileRefused("no_data_in_zip", "The zip file holds no csv, tsv, xlsx, json or ndjson file.")
        if len(data) > 1:
            raise FileRefused(
                "several_files_in_zip", f"The zip file holds {len(data)} data files; send one at a time."
            )
        entry = data[0]
        if entry.flag_bits & 0x1:
            raise FileRefused("encrypted_zip", "The zip file has a password; send it without one.")
        too_much = entry.file_size > RATIO_FREE_BYTES and entry.file_size > MAX_RATIO * max(1, entry.compress_size)
        if entry.file_size > self.max_unpacked_bytes or too_much:
            raise self.too_large()
        if entry.file_size == 0:
            raise FileRefused("empty_file", "The file in the zip is empty.")
        self._entry = entry.filename
        self.name = entry.filename.rsplit("/", 1)[-1]
        if self.name.lower().endswith(".xlsx"):
            self._workbook = True

    def too_large(self) -> FileRefused:
        """The refusal of a file that unpacks to more than is allowed."""
        return FileRefused(
            "unpacked_too_large",
            f"The file unpacks to more than {self.max_unpacked_bytes} bytes, or to {MAX_RATIO} times its size.",
        )

    def open(self) -> Unpacked:
        """A new stream over the plain bytes."""
        raw = self.path.open("rb", buffering=BUFFER_BYTES)
        if self._entry is not None:
            archive = zipfile.ZipFile(raw)
            info = archive.getinfo(self._entry)
            stream = _Entry(archive, archive.open(info), raw)
            size, start = info.compress_size, info.header_offset
            return Unpacked(
                stream,  # type: ignore[arg-type]
                max_bytes=self.max_unpacked_bytes,
                packed_bytes=lambda: min(size, max(0, raw.tell() - start)),
                size=size,
                packed=True,
            )
        unzipped: IO[bytes] = _Gzip(raw) if self.packing == "gzip" else raw  # type: ignore[assignment]
        return Unpacked(
            unzipped,
            max_bytes=self.max_unpacked_bytes,
            packed_bytes=raw.tell,
            size=self._size,
            packed=self.packing is not None,
        )

    def seekable(self) -> IO[bytes]:
        """The plain bytes as a file that can be sought in (a workbook inside a zip is unpacked to disk)."""
        if self._entry is None:
            return self.path.open("rb")
        copy: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        with self.open() as stream:
            while chunk := stream.read(BUFFER_BYTES):
                copy.write(chunk)
        copy.seek(0)
        return copy


class _Gzip(gzip.GzipFile):
    """Closes the file below it, too."""

    def __init__(self, raw: IO[bytes]) -> None:
        super().__init__(fileobj=raw, mode="rb")
        self._raw = raw

    def close(self) -> None:
        super().close()
        self._raw.close()


class _Entry:
    """A zip's entry that closes its archive with it."""

    def __init__(self, archive: zipfile.ZipFile, stream: IO[bytes], raw: IO[bytes]) -> None:
        self._archive, self._stream, self._raw = archive, stream, raw
        self.read = stream.read

    def close(self) -> None:
        self._stream.close()
        self._archive.close()
        self._raw.close()
