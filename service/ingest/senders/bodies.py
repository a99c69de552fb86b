"""The body of a call as what its media type says, within limits; CannotParse for everything else."""

from __future__ import annotations

import base64
import email.parser
import email.policy
import json
import quopri
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from service.ingest.incoming import Call, CannotParse
from service.ingest.senders.contract import HttpAnswer, TryLater

MAX_DEPTH = 64
MAX_FIELDS = 10_000  # of a form; keys and list entries of a JSON body, all levels together
MAX_PARTS = 1000  # of a multipart form: its head's parser is slow, and no tool sends a tenth of them
MAX_HEAD_BYTES = 4096
_PARTS = email.parser.BytesParser(policy=email.policy.HTTP)
_HEAD_END = re.compile(rb"\r?\n\r?\n")


def json_value(call: Call, *, max_fields: int = MAX_FIELDS) -> Any:
    """The JSON value of the body, whatever its declared media type; at most `MAX_DEPTH` deep."""
    try:
        value = json.loads(call.body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CannotParse("the body is not JSON") from error
    _check_size(value, max_fields)
    return value


def json_object(call: Call) -> dict[str, Any]:
    """The JSON object of the body."""
    value = json_value(call)
    if not isinstance(value, dict):
        raise CannotParse("the body is not a JSON object")
    return value


def answer_object(answer: HttpAnswer) -> dict[str, Any]:
    """The JSON object that a sender's API answers with; TryLater where it answers with anything else."""
    try:
        return json_object(Call({}, answer.body))
    except CannotParse as error:
        raise TryLater("the API did not answer with a JSON object") from error


def _check_size(value: Any, max_fields: int) -> None:
    level, fields = [value], 0
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        fields += len(level)
        if fields > max_fields:
            raise CannotParse(f"the body has more than {max_fields} fields")
        if not level:
            return
    raise CannotParse(f"the body is nested deeper than {MAX_DEPTH} levels")


def media_type(call: Call) -> str:
    """The media type in lower case, without parameters."""
    return call.headers.get("content-type", "").partition(";")[0].strip().lower()


def form_fields(call: Call) -> dict[str, str]:
    """The fields of an urlencoded or multipart form (files left out); the first of a name holds."""
    if media_type(call) == "multipart/form-data":
        return _multipart_fields(call)
    try:
        pairs = parse_qsl(call.body.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise CannotParse("the body is not a form") from error
    return dict(reversed(pairs))  # the first of a name holds


def _multipart_fields(call: Call) -> dict[str, str]:
    """The fields of a multipart body (RFC 7578), without looking into parts that are multipart themselves."""
    declared = call.headers.get("content-type", "")[:MAX_HEAD_BYTES]
    boundary = _read_head(f"Content-Type: {declared}\r\n\r\n".encode("latin-1", "replace")).boundary
    if not boundary:
        raise CannotParse("the body is not a multipart form")
    line = re.compile(rb"^--" + re.escape(boundary) + rb"(--)?[ \t]*\r?(?:\n|\Z)", re.M)
    # counted before anything is made of them: to read a part costs a thousand times what it costs to send one
    pieces = line.split(call.body, MAX_PARTS + 2)
    if len(pieces) < 3:
        raise CannotParse("the body is not a multipart form")
    fields: dict[str, str] = {}
    # what is before the first boundary, then for each the mark of the last one and what follows
    for number, (last, part) in enumerate(zip(pieces[1::2], pieces[2::2], strict=True)):
        if last is not None:
            break
        if number >= MAX_PARTS:
            raise CannotParse(f"the form has more than {MAX_PARTS} parts")
        above = _HEAD_END.search(part)
        if above is None or above.start() > MAX_HEAD_BYTES:
            continue  # no field: those have a name, and a short one
        head = _read_head(part[: above.end()])
        if head.name is None or head.is_file:
            continue
        content = part[above.end() :].removesuffix(b"\n").removesuffix(b"\r")
        fields.setdefault(head.name, _decoded(content, head.encoding).decode("utf-8", "replace"))
    return fields


@dataclass(frozen=True, slots=True)
class _Head:
    """What the head of a part, or of the form itself, says."""

    boundary: bytes = b""
    name: str | None = None
    is_file: bool = False
    encoding: str = ""


def _read_head(head: bytes) -> _Head:
    try:
        message = _PARTS.parsebytes(head, headersonly=True)
        name = message.get_param("name", header="content-disposition")
        return _Head(
            boundary=(message.get_boundary() or "").encode("latin-1", "replace"),
            name=name if isinstance(name, str) else None,
            is_file=message.get_filename() is not None,
            encoding=str(message.get("content-transfer-encoding", "")).strip().lower(),
        )
    except (LookupError, ValueError, TypeError, AttributeError):  # the library trips over some broken ones
        return _Head()


def _decoded(content: bytes, encoding: str) -> bytes:
    """The content as it was; RFC 7578 knows these encodings no more, some tools still use them."""
    if encoding == "quoted-printable":
        return quopri.decodestring(content)
    try:
        return base64.b64decode(content) if encoding == "base64" else content
    except ValueError:
        return content


def xml_root(call: Call) -> ElementTree.Element:
    """The root of an XML body. Document types are refused: they are how XML reads files and eats memory."""
    lowered = call.body.replace(b"\x00", b"").lower()  # UTF-16 declares them too
    if b"<!doctype" in lowered or b"<!entity" in lowered:
        raise CannotParse("XML with a document type is not taken")
    try:
        return ElementTree.fromstring(call.body)  # noqa: S314 (without a DTD there is nothing to expand)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # LookupError: an unknown encoding
        raise CannotParse("the body is not XML") from error


def local_name(element: ElementTree.Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2]
