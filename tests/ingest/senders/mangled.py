"""Payloads with one thing wrong, and what every adapter makes of them: an answer or CannotParse, nothing else."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from service.errors import BadInput
from service.ingest.incoming import Call, CannotParse, Parsed, read_item
from service.ingest.senders import SENDERS
from tests.ingest.senders.recorded import Recorded, accepted, options

STRANGE: tuple[Any, ...] = (
    None,
    [],
    {},
    "",
    " ",
    0,
    -1,
    1e300,
    True,
    "\x00\ud800",
    [None, [[]], {"a": None}],
    {"a": {"b": [1, {"c": "d"}]}},
    "word " * 300,
    2**70,
)
BROKEN = (b"", b"\xff\xfe", b"null", b"[]", b'"text"', b"7", b"{", b"[" * 100_000, b"a=b&c=d", b"\x00" * 50)


def mangled(payload: Any) -> Iterator[Any]:
    """Copies of the payload, each with something strange at one of its places, or without it."""
    for path in _paths(payload):
        for strange in STRANGE:
            one = copy.deepcopy(payload)
            _parent(one, path)[path[-1]] = strange
            yield one
        one = copy.deepcopy(payload)
        del _parent(one, path)[path[-1]]
        yield one


def _paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*before, key)
        yield from _paths(one, (*before, key))


def _parent(value: Any, path: Sequence[Any]) -> Any:
    for key in path[:-1]:
        value = value[key]
    return value


def understood(sender: str, call: Call, **given: Any) -> Parsed | None:
    """What the adapter makes of the call, None for CannotParse; every item must be valid or only too long."""
    adapter = SENDERS[sender]
    identity = adapter.delivery_id(call)
    assert identity is None or isinstance(identity, str)
    try:
        found = adapter.parse(call, options(sender, **given))
    except CannotParse:
        return None
    assert found.items or found.erased or found.merged or found.wanted or found.ignored
    for item in found.items:
        assert item["external_id"]
        assert _problems(item) <= {"string_too_long"}
    return found


def _problems(item: Any) -> set[str]:
    try:
        read_item(item, max_text_chars=1_000_000)
    except BadInput as error:
        return {one.code for one in error.errors}
    return set()


def survives(sender: str, call: Call, payload: Any, **given: Any) -> int:
    """Try all mangled payloads in the call's place; how many there were."""
    tried = 0
    for one in mangled(payload):
        understood(sender, replace(call, body=json.dumps(one).encode()), **given)
        tried += 1
    for body in BROKEN:
        understood(sender, replace(call, body=body), **given)
    return tried


def only_signed_calls_are_taken(sender: str, one: Recorded, header: str) -> None:
    """The signature in `header` holds for this body and secret, and for nothing else."""
    assert one.secret
    assert accepted(sender, one.call, [one.secret], one.clock)
    assert accepted(sender, one.call, ["another&secret", one.secret], one.clock), "two secrets while they change"
    assert accepted(sender, one.call, [one.secret], one.clock + timedelta(days=3)), "no time is signed"
    assert not accepted(sender, one.call, ["another&secret"], one.clock)
    assert not accepted(sender, one.call, [], one.clock)
    for place in (0, len(one.call.body) // 2, len(one.call.body) - 1):
        body = bytearray(one.call.body)
        body[place] ^= 1
        assert not accepted(sender, replace(one.call, body=bytes(body)), [one.secret], one.clock)
    right = one.call.headers[header]
    for wrong in ("", "garbage", "sha256=", "sha256", "=", ",", right[:-2], right + "A", "é\x00" + right):
        headers = {**one.call.headers, header: wrong}
        assert not accepted(sender, replace(one.call, headers=headers), [one.secret], one.clock), wrong
    without = {name: value for name, value in one.call.headers.items() if name != header}
    assert not accepted(sender, replace(one.call, headers=without), [one.secret], one.clock)
