"""Bodies of feedback calls: unpacked within limits, and JSON or NDJSON told where it breaks."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Depends, Request

from service.dependencies import AnyCaller, SettingsOf, body_within
from service.errors import BadInput, FieldError, TooLarge, UnsupportedMedia

NDJSON_TYPES = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
        "application/jsonlines",
    }
)
GZIP_WINDOW = 31  # zlib's way to say: with a gzip header


async def unpacked_within(request: Request, limit_bytes: int) -> bytes:
    """The body, gunzipped where `Content-Encoding: gzip` says so; at most `limit_bytes` before and after."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise UnsupportedMedia("Content-Encoding is gzip or none.")
    body = await body_within(request, limit_bytes)
    return gunzip(body, limit_bytes) if encoding.endswith("gzip") else body


def gunzip(packed: bytes, limit_bytes: int) -> bytes:
    """Unpack gzip, member by member; TooLarge before more than the limit is held, BadInput if it is broken."""
    out = b""
    try:
        while packed:
            member = zlib.decompressobj(wbits=GZIP_WINDOW)
            out += member.decompress(packed, limit_bytes + 1 - len(out))
            if len(out) > limit_bytes:
                raise TooLarge(f"The body has more than {limit_bytes} bytes after unpacking.")
            if not member.eof:
                raise zlib.error("ends early")
            packed = member.unused_data
    except zlib.error as error:
        detail = "the gzip data is broken or ends early"
        raise BadInput(detail, errors=[FieldError("", "bad_gzip", detail)]) from error
    return out


async def _feedback_body(request: Request, _caller: AnyCaller, settings: SettingsOf) -> bytes:
    return await unpacked_within(request, settings.max_json_bytes)


async def _batch_body(request: Request, _caller: AnyCaller, settings: SettingsOf) -> bytes:
    return await unpacked_within(request, settings.max_batch_bytes)


FeedbackBody = Annotated[bytes, Depends(_feedback_body)]
BatchBody = Annotated[bytes, Depends(_batch_body)]


def read_json(body: bytes) -> Any:
    """The JSON value; BadInput with line and column where it breaks, never with what stands there."""
    if not body.strip():
        raise BadInput("The body is empty; send JSON.", errors=[FieldError("", "empty", "the body is empty")])
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        detail = f"line {error.lineno} column {error.colno}: {error.msg}"
    except UnicodeDecodeError as error:
        detail = f"byte {error.start}: this is not UTF-8"
    except RecursionError:
        detail = "it is nested too deeply"
    except ValueError:
        detail = "a number has too many digits"
    raise BadInput(f"The JSON can't be read: {detail}", errors=[FieldError("", "json_invalid", detail)])


def batch_entries(body: bytes, content_type: str) -> Iterator[Any]:
    """The entries of a JSON array or of NDJSON, in order; a line that can't be read comes as its BadInput.

    NDJSON by its media type, else by the first byte: `[` starts an array.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if not start or (media_type not in NDJSON_TYPES and start != b"{"):
        entries = read_json(body)
        if not isinstance(entries, list):
            detail = "send a JSON array of items, or NDJSON: one item a line"
            raise BadInput(detail, errors=[FieldError("", "not_an_array", detail)])
        yield from entries
        return
    for number, line in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            yield read_json(line)
        except BadInput as error:
            detail = error.errors[0].detail.removeprefix("line 1 ")
            yield BadInput(error.detail, errors=[FieldError("", "json_invalid", f"line {number} {detail}")])
