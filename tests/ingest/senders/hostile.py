"""What no sender should ever send: every value of a good payload swapped for another kind, and plain junk."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from service.ingest.incoming import Call, CannotParse, Parsed, read_item
from service.ingest.senders import SENDERS
from tests.ingest.senders.recorded import options

OTHER_KINDS: tuple[Any, ...] = (
    None,
    [],
    {},
    "",
    " ",
    "x",
    "{{placeholder}}",
    -1,
    3.5,
    10**30,
    True,
    [None, 1, "a", {}, []],
    {"id": [], "type": {}, "a": {"b": {"c": []}}},
    "\x00\ud800",
    "9" * 400,
)
JUNK = (
    b"",
    b" ",
    b"null",
    b"[]",
    b"{}",
    b'""',
    b"1",
    b"[{}]",
    b"{",
    b"<",
    b"<a/>",
    b"<!DOCTYPE a><a/>",
    b"\xff\xfe",
    b"a=1&a=2&=",
    b"[" * 5000,
    b'{"a":' * 200 + b"1" + b"}" * 200,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in entries:
        yield from _places(below, (*path, key))


def _swapped(payload: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(payload)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return changed


def _without(payload: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(payload)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    return changed


def survives(sender: str, call: Call, **given: Any) -> int:
    """Fails where a body made from this call raises anything but CannotParse, or gives an item that is none.

    Returns how many bodies were understood, so that a test can tell that not all were refused at the door.
    """
    payload = json.loads(call.body)
    bodies = [
        json.dumps(_swapped(payload, path, value)).encode() for path in _places(payload) for value in OTHER_KINDS
    ]
    bodies += [json.dumps(_without(payload, path)).encode() for path in _places(payload) if path]
    understood = 0
    for body in (*bodies, *JUNK):
        try:
            found = SENDERS[sender].parse(replace(call, body=body), options(sender, **given))
        except CannotParse:
            continue
        understood += 1
        assert isinstance(found, Parsed)
        assert found.items or found.erased or found.merged or found.wanted or found.ignored, (
            "nothing came of it, and no reason"
        )
        for item in found.items:
            assert item["external_id"]
            read_item(item, max_text_chars=20_000)
        for gone in found.erased:
            assert gone.key
        SENDERS[sender].delivery_id(replace(call, body=body))
    return understood


def check_hostile(sender: str, call: Call, **given: Any) -> None:
    """`survives`, and fails as well where every body was refused at the door."""
    assert survives(sender, call, **given), "even what differs in one unimportant place was refused"
