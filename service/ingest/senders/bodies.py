"""The body of a call as what its media type says, within limits; CannotParse for everything else."""

from __future__ import annotations

import email.parser
import email.policy
import json
import xml.etree.ElementTree as ElementTree
from typing import Any
from urllib.parse import parse_qsl

from service.ingest.incoming import Call, CannotParse
from service.ingest.senders.contract import HttpAnswer, TryLater

MAX_DEPTH = 64
MAX_FIELDS = 10_000  # of a form; keys and list entries of a JSON body, all levels together


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
    head = f"Content-Type: {call.headers.get('content-type', '')}\r\n\r\n".encode("latin-1", "replace")
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + call.body)
    if not message.is_multipart():
        raise CannotParse("the body is not a multipart form")
    fields: dict[str, str] = {}
    for number, part in enumerate(message.iter_parts()):
        if number >= MAX_FIELDS:
            raise CannotParse(f"the form has more than {MAX_FIELDS} fields")
        name = part.get_param("name", header="content-disposition")
        if not isinstance(name, str) or part.get_filename() is not None:
            continue
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            fields.setdefault(name, content.decode("utf-8", "replace"))
    return fields


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
