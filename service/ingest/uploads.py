"""Files on their way in: after authentication, streamed to disk with a limit and a hash, never whole in memory."""

from __future__ import annotations

import errno
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import Field
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from service.dependencies import CSRF_HEADER, Importer, SettingsOf, check_csrf, chunks_within
from service.errors import BadInput, CannotStore, FieldError, JourneymapError, TooLarge
from service.ingest.capacity import RoomLeft
from service.ingest.files import FileRefused
from service.ingest.import_files import ImportOptions, Upload, checked_options
from service.packed import gunzipped, is_gzipped
from service.settings import Settings

WRITE_BYTES = 1024 * 1024
MAX_FIELD_BYTES = 64 * 1024
MAX_PARTS = 50
CSRF_FIELD = "csrf"
BeforeFile = Callable[[dict[str, bytes]], None]  # told the fields in front of the file; raises to refuse it
NAMES_OF_TYPES = {
    "text/csv": "upload.csv",
    "text/tab-separated-values": "upload.tsv",
    "application/json": "upload.json",
    "application/x-ndjson": "upload.ndjson",
    "application/ndjson": "upload.ndjson",
    "application/jsonl": "upload.ndjson",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "upload.xlsx",
}


class ImportQuery(ImportOptions):
    """The query of `POST /v1/imports`."""

    dry_run: Annotated[bool, Field(description="Only say what would happen; nothing is stored.")] = False


@dataclass(frozen=True, slots=True)
class Received:
    """An upload with all that was said about it."""

    upload: Upload
    options: ImportOptions
    dry_run: bool

    def discard(self, settings: Settings) -> None:
        """Remove the file: nothing came of it."""
        self.upload.path(settings).unlink(missing_ok=True)


class _Sink:
    """The file being written, hashed as it grows."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = f"{secrets.token_hex(16)}.upload"
        self.path = folder / self.name
        self._file: IO[bytes] = self.path.open("wb")
        self._hash = hashlib.sha256()
        self._waiting = bytearray()
        self.size = 0

    async def write(self, data: bytes | memoryview) -> None:
        self._waiting += data
        self.size += len(data)
        if len(self._waiting) >= WRITE_BYTES:
            await self.flush()

    async def flush(self) -> None:
        data, self._waiting = bytes(self._waiting), bytearray()
        await run_in_threadpool(self._write, data)

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)

    async def finished(self, filename: str) -> Upload:
        await self.flush()
        await run_in_threadpool(self._file.close)
        return Upload(self.name, filename, self.size, self._hash.hexdigest())

    def discard(self) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)


@dataclass(slots=True)
class _Form:
    """What a multipart body holds: one file, and options as fields."""

    header: bytes = b""
    value: bytes = b""
    headers: dict[str, bytes] = field(default_factory=dict)
    name: str = ""
    filename: str | None = None  # of the part in hand
    found: str | None = None  # the file's name, once there is one
    fields: dict[str, bytes] = field(default_factory=dict)
    pending: list[bytes] = field(default_factory=list)  # of the file, to be written
    before_file: BeforeFile | None = None
    parts: int = 0
    ended: bool = False

    def callbacks(self) -> dict[str, Any]:
        return {
            "on_part_begin": self.begin,
            "on_header_field": self.on_field,
            "on_header_value": self.on_value,
            "on_header_end": self.on_header_end,
            "on_headers_finished": self.on_headers,
            "on_part_data": self.on_data,
            "on_end": self.on_end,
        }

    def begin(self) -> None:
        self.headers, self.name, self.filename = {}, "", None
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise _bad_form(f"the form has more than {MAX_PARTS} parts")

    def on_end(self) -> None:
        self.ended = True

    def on_field(self, data: bytes, start: int, end: int) -> None:
        self.header += data[start:end]

    def on_value(self, data: bytes, start: int, end: int) -> None:
        self.value += data[start:end]

    def on_header_end(self) -> None:
        self.headers[self.header.decode("latin-1").lower()] = self.value
        self.header = self.value = b""

    def on_headers(self) -> None:
        _, options = parse_options_header(self.headers.get("content-disposition", b""))
        self.name = _text(options.get(b"name", b""))
        if b"filename" in options:
            if self.found is not None:
                raise _bad_form("the form holds several files; send one")
            if self.before_file is not None:
                self.before_file(self.fields)
            self.filename = self.found = _text(options[b"filename"])
        else:
            self.fields[self.name] = b""

    def on_data(self, data: bytes, start: int, end: int) -> None:
        if self.filename is not None:
            self.pending.append(data[start:end])
            return
        self.fields[self.name] += data[start:end]
        if len(self.fields[self.name]) > MAX_FIELD_BYTES:
            raise _bad_form("a field of the form is too long")


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _bad_form(detail: str) -> BadInput:
    return BadInput(f"The form can't be read: {detail}.", errors=[FieldError("", "bad_form", detail)])


async def _from_form(
    chunks: AsyncIterator[bytes], boundary: bytes, sink: _Sink, before_file: BeforeFile | None
) -> tuple[str, dict[str, str]]:
    """Write the form's file; its name and the form's other fields."""
    form = _Form(before_file=before_file)
    try:
        parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]
        async for chunk in chunks:
            parser.write(chunk)
            for part in form.pending:
                await sink.write(part)
            form.pending.clear()
        parser.finalize()
    except FormParserError as error:
        raise _bad_form("it is no multipart/form-data, or ends early") from error
    if not form.ended:
        raise _bad_form("it is no multipart/form-data, or ends early")
    if form.found is None:
        raise FileRefused("no_file", "The form holds no file; send it as a part with a filename.")
    return form.found, {name: _text(value) for name, value in form.fields.items()}


async def receive_upload(
    request: Request,
    _caller: Importer,
    _room: RoomLeft,
    settings: SettingsOf,
    query: Annotated[ImportQuery, Query()],
) -> Received:
    """The dependency: caller known, options checked, then the body to disk. The route owns the file after that."""
    said: dict[str, Any] = query.model_dump(exclude_unset=True)
    return await _receive(request, settings, said)


async def receive_from_page(
    request: Request, caller: Importer, _room: RoomLeft, settings: SettingsOf
) -> Received | JourneymapError:
    """The same of our own page's form; what can't be used comes back as the error, to be told on that page.

    Nothing of the file is read before the session's token was seen: as a header, or as a field in front of it.
    """
    token = request.headers.get(CSRF_HEADER)
    if token is not None:
        check_csrf(caller, token)

    def check(fields: dict[str, bytes]) -> None:
        if token is None:
            check_csrf(caller, _text(fields.get(CSRF_FIELD, b"")))

    try:
        if parse_options_header(request.headers.get("content-type", ""))[0] != b"multipart/form-data":
            raise _bad_form("it is no multipart/form-data")
        received = await _receive(request, settings, {}, before_file=check)
        if not received.upload.size_bytes:
            received.discard(settings)
            raise FileRefused("empty_file", "No file was chosen, or it is empty.")
        return received
    except (BadInput, TooLarge, CannotStore) as error:
        return error


async def _receive(
    request: Request, settings: Settings, said: dict[str, Any], before_file: BeforeFile | None = None
) -> Received:
    """The body to disk. `said` goes before what the form's fields say."""
    gzipped = is_gzipped(request)
    sink = _Sink(settings.imports_dir)
    try:
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        chunks = chunks_within(request, settings.max_import_bytes)
        if gzipped:
            chunks = gunzipped(chunks, settings.max_unpacked_bytes)
        dry_run = said.pop("dry_run", False)
        if kind == b"multipart/form-data":
            filename, fields = await _from_form(chunks, options.get(b"boundary", b""), sink, before_file)
            if before_file is not None:
                fields.pop(CSRF_FIELD, None)
            in_form = fields.pop("dry_run", None)
            if in_form is not None:
                dry_run = dry_run or in_form.strip().lower() in ("true", "1", "yes", "on")
            said = {**fields, **said}
        else:
            filename = NAMES_OF_TYPES.get(kind.decode("latin-1"), "upload")
            async for chunk in chunks:
                await sink.write(chunk)
        chosen = checked_options(said)
        filename = _base_name(chosen.filename or filename)
        return Received(await sink.finished(filename), chosen, dry_run)
    except OSError as error:
        sink.discard()
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise CannotStore("The disk is full; send the file again later.", retry_after_seconds=60) from error
        raise
    except BaseException:
        sink.discard()
        raise


def _base_name(filename: str) -> str:
    """A file's name as it is shown: without folders and control characters."""
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(char for char in name if char.isprintable())[:255] or "upload"


ReceivedFile = Annotated[Received, Depends(receive_upload)]
FileOfPage = Annotated[Received | JourneymapError, Depends(receive_from_page)]
