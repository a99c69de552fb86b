"""Shapes that no sender sends on purpose: every one must come out as Parsed or CannotParse."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from service.ingest.incoming import Call, CannotParse
from tests.ingest.senders.recorded import parsed

ODD: tuple[Any, ...] = (
    None,
    "",
    " ",
    [],
    {},
    [None],
    [[]],
    0,
    -1,
    1.5,
    10**30,
    1e308,
    True,
    False,
    "\x00",
    "\ud83d",
    "x" * 500,  # longer ids are refused as such when an item is checked
    {"a": {"b": []}},
    "2026-13-45",
    [{"id": None}],
)
BODIES = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b"[[]]",
    b"[null]",
    b'"x"',
    b"7",
    b"\xff\xfe",
    b"{",
    b"[" * 5000,
    b"<a/>",
    b"\x00",
)


def check_hostile(sender: str, call: Call, **given: Any) -> None:
    """Every place of the call's JSON in turn is missing or something odd; and bodies that are nothing at all."""
    came_through = 0
    for shape in _spoiled(json.loads(call.body)):
        came_through += _is_taken(sender, replace(call, body=json.dumps(shape).encode()), given)
    assert came_through, "even what differs in one unimportant place was refused"
    for body in BODIES:
        _is_taken(sender, replace(call, body=body), given)


def _is_taken(sender: str, call: Call, given: dict[str, Any]) -> bool:
    reason = ""
    try:
        parsed(sender, call, **given)
    except CannotParse as error:
        reason = str(error) or "none"
    assert reason != "none", "the reason is shown"
    return not reason


def _spoiled(value: Any) -> Iterator[Any]:
    for place in list(_places(value)):
        for odd in ODD:
            yield _with(value, place, odd)
        yield _without(value, place)


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield (*place, key)
        yield from _places(inner, (*place, key))


def _with(value: Any, place: tuple[Any, ...], odd: Any) -> Any:
    changed = copy.deepcopy(value)
    holder = changed
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = odd
    return changed


def _without(value: Any, place: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(value)
    holder = changed
    for key in place[:-1]:
        holder = holder[key]
    del holder[place[-1]]
    return changed
