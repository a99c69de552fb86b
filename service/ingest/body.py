"""Bodies of feedback calls: unpacked within limits, and JSON or NDJSON told where it breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Depends, Request

from service.dependencies import AnyCaller, SettingsOf, unpacked_within
from service.errors import BadInput, FieldError

NDJSON_TYPES = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
        "application/jsonlines",
    }
)


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
