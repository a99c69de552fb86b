"""Any body as objects, lists and plain values, so that one kind of path leads through JSON, forms and XML."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

from service.ingest.incoming import Call, CannotParse
from service.ingest.senders.bodies import (
    MAX_DEPTH,
    MAX_FIELDS,
    form_fields,
    json_value,
    local_name,
    media_type,
    xml_root,
)

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
TEXT = "#text"  # the words of an XML element that has attributes or other elements as well


def body_value(call: Call) -> Any:
    """The body by its media type, else by how it begins; CannotParse where it is none of the three.

    A form is an object of its fields, of which those that hold JSON are read too. XML is an object with the root's
    name, elements by their names without namespace, repeated ones as a list, attributes as `@name`.
    """
    kind, start = media_type(call), call.body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if kind == FORMS[1] or (kind == FORMS[0] and start not in (b"{", b"[")):  # curl calls all it sends a form
        return {name: _read(text) for name, text in form_fields(call).items()}
    if kind.endswith("xml") or (start == b"<" and "json" not in kind):
        root = xml_root(call)
        return {local_name(root): _element(root, MAX_DEPTH, [MAX_FIELDS])}
    return json_value(call)


def _read(text: str) -> Any:
    """A form's field; many tools put the whole JSON into one."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json_value(Call({}, text.encode("utf-8", "replace")))
    except CannotParse:
        return text


def _element(element: ElementTree.Element, depth: int, left: list[int]) -> Any:
    left[0] -= 1 + len(element.attrib)
    if depth == 0 or left[0] < 0:
        raise CannotParse("the XML is nested too deep or has too many elements")
    found: dict[str, Any] = {f"@{name.rpartition('}')[2]}": value for name, value in element.attrib.items()}
    several: set[str] = set()
    for child in element:
        name, value = local_name(child), _element(child, depth - 1, left)
        if name in several:
            found[name].append(value)
        elif name in found:
            found[name] = [found[name], value]
            several.add(name)
        else:
            found[name] = value
    text = "".join([element.text or "", *(child.tail or "" for child in element)]).strip()
    if not found:
        return text
    return {**found, TEXT: text} if text else found
