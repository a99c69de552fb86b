"""Structured field values (RFC 9651) as far as HTTP signatures need them: dictionaries of items and inner lists.

Strict where the RFC is: what is not read to the end, or named twice, is refused. A name given twice would let
two readers see two different signatures, so it is an error here although the RFC lets the last one hold.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

MAX_CHARS = 16_384

KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*")
INTEGER = re.compile(r"-?[0-9]{1,15}(?![0-9.])")
STRING = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*")
BYTES = re.compile(r":([A-Za-z0-9+/]*={0,2}):")
BOOLEAN = re.compile(r"\?([01])")


class BadField(ValueError):
    """This is not a structured field of the kinds we read."""


class Token(str):
    """A word without quotation marks."""


Bare = int | bool | bytes | str  # str is a quoted string, Token its subclass
Params = dict[str, Bare]


@dataclass(frozen=True, slots=True)
class Item:
    """One value with its parameters."""

    value: Bare
    params: Params = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InnerList:
    """Values in parentheses, with the parameters of the list."""

    items: tuple[Item, ...]
    params: Params = field(default_factory=dict)


def read_dictionary(text: str) -> dict[str, Item | InnerList]:
    """A dictionary by its keys, in their order; BadField for anything else."""
    if len(text) > MAX_CHARS:
        raise BadField("the field is too long")
    reader = _Reader(text.strip(" "))
    found: dict[str, Item | InnerList] = {}
    while not reader.at_end:
        key = reader.take(KEY, "a key")
        if key in found:
            raise BadField("a key stands twice")
        if reader.takes("="):
            found[key] = reader.inner_list() if reader.peeks("(") else reader.item()
        else:
            found[key] = Item(True, reader.params())
        reader.spaces("\t ")
        if reader.at_end:
            break
        reader.expect(",")
        reader.spaces("\t ")
        if reader.at_end:
            raise BadField("a comma at the end")
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0

    @property
    def at_end(self) -> bool:
        return self.place >= len(self.text)

    def peeks(self, sign: str) -> bool:
        return self.text.startswith(sign, self.place)

    def takes(self, sign: str) -> bool:
        if not self.peeks(sign):
            return False
        self.place += len(sign)
        return True

    def expect(self, sign: str) -> None:
        if not self.takes(sign):
            raise BadField(f"{sign!r} is missing")

    def spaces(self, kinds: str = " ") -> bool:
        before = self.place
        while not self.at_end and self.text[self.place] in kinds:
            self.place += 1
        return self.place > before

    def take(self, pattern: re.Pattern[str], what: str) -> str:
        match = pattern.match(self.text, self.place)
        if match is None:
            raise BadField(f"{what} is missing")
        self.place = match.end()
        return match[1] if pattern.groups else match[0]

    def inner_list(self) -> InnerList:
        self.expect("(")
        items: list[Item] = []
        while True:
            spaced = self.spaces()
            if self.takes(")"):
                return InnerList(tuple(items), self.params())
            if items and not spaced:
                raise BadField("values of a list are parted by spaces")
            items.append(self.item())

    def item(self) -> Item:
        return Item(self.bare(), self.params())

    def params(self) -> Params:
        found: Params = {}
        while self.takes(";"):
            self.spaces()
            key = self.take(KEY, "the name of a parameter")
            if key in found:
                raise BadField("a parameter stands twice")
            found[key] = self.bare() if self.takes("=") else True
        return found

    def bare(self) -> Bare:
        if self.peeks('"'):
            return re.sub(r'\\(["\\])', r"\1", self.take(STRING, "the end of a string"))
        if self.peeks(":"):
            try:
                return base64.b64decode(self.take(BYTES, "the end of a byte sequence"), validate=True)
            except binascii.Error as error:
                raise BadField("a byte sequence is not base64") from error
        if self.peeks("?"):
            return self.take(BOOLEAN, "a boolean") == "1"
        if TOKEN.match(self.text, self.place):
            return Token(self.take(TOKEN, "a token"))
        return int(self.take(INTEGER, "a value"))


def write_inner_list(value: InnerList) -> str:
    """The one form in which an inner list is written (RFC 9651, 4.1.1.1)."""
    return f"({' '.join(write_item(one) for one in value.items)}){_write_params(value.params)}"


def write_item(item: Item) -> str:
    """The one form in which an item is written."""
    return _write_bare(item.value) + _write_params(item.params)


def _write_params(params: Params) -> str:
    return "".join(
        f";{name}" + ("" if value is True else f"={_write_bare(value)}") for name, value in params.items()
    )


def _write_bare(value: Bare) -> str:
    if isinstance(value, bool):
        return "?1" if value else "?0"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return f":{base64.b64encode(value).decode('ascii')}:"
    if isinstance(value, Token):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
