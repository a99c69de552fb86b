"""Any other tool: an administrator says where in its body everything stands (`mapped_options`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from service.ingest.incoming import Call, CannotParse, Erased, Parsed
from service.ingest.senders.contract import Sender
from service.ingest.senders.mapped_bodies import body_value
from service.ingest.senders.mapped_fields import Entry, holds, item_of, read_fields
from service.ingest.senders.mapped_options import BODY, TIMESTAMP, MappedOptions
from service.ingest.senders.paths import leaves, read_path, values_at, where_it_ends
from service.ingest.senders.signatures import (
    check_fresh,
    check_hmac,
    check_token,
    new_token,
    unix_time,
)
from service.ingest.senders.values import identifier, moment

NO_MAPPING = "there is no mapping yet: give the path of the text or of the score"
NO_IDS = "without an id, feedback that is sent again or changed can be taken for a second one"


def verify(call: Call, secrets: Sequence[str], options: MappedOptions, now: datetime) -> None:
    """BadSignature unless the signature that is set up fits, or else the token, where there is one."""
    one = options.signature
    if one is None:
        check_token(call, secrets)
        return
    signed_at = call.headers.get(one.timestamp_header, "") if one.timestamp_header else ""
    if one.timestamp_header:
        check_fresh(_signed_time(signed_at), now=now, window_seconds=options.replay_window_seconds)
    head, _, tail = one.signed.partition(BODY)
    head, tail = (part.replace(TIMESTAMP, signed_at) for part in (head, tail))
    check_hmac(
        call.headers.get(one.header),
        secrets,
        head.encode("utf-8", "replace") + call.body + tail.encode("utf-8", "replace"),
        algorithm=one.algorithm,
        encoding=one.encoding,
        prefix=one.prefix,
    )


def _signed_time(text: str) -> float:
    if not text.isdecimal() and (time := moment(text)) is not None:
        return datetime.fromisoformat(time).timestamp()
    return unix_time(text)


def parse(call: Call, options: MappedOptions) -> Parsed:
    """The items that the paths lead to and the filters let through, and what is said to be gone."""
    body = body_value(call)
    if options.is_empty() and not options.erase_when:
        raise CannotParse(NO_MAPPING)
    entries = _entries(body, options)
    gone: list[Erased] = []
    rest = []
    for entry in entries or [Entry(body, body)]:
        erased = _erased(entry, options)
        gone += erased
        if entries and not erased:
            rest.append(entry)
    held = [entry for entry in rest if all(holds(entry, one) for one in options.filters)]
    items = [item for entry in held if (item := item_of(read_fields(entry, options), options)) is not None]
    if items or gone:
        return Parsed(items, gone)
    return Parsed(ignored=_why_nothing(len(entries), len(held)))


def _why_nothing(entries: int, held: int) -> str:
    if not entries:
        return "there is nothing at the path of the items"
    return "there is neither a text nor a score in it" if held else "the filters leave nothing of it"


def _entries(body: Any, options: MappedOptions) -> list[Entry]:
    """The items of the body: what the path names, each entry of a list; without a path the body itself."""
    found = values_at(body, read_path(options.items).steps) if options.items else [body]
    flat = [one for value in found for one in (value if isinstance(value, list) else [value])]
    return [Entry(one, body) for one in flat if one is not None]


def _erased(entry: Entry, options: MappedOptions) -> list[Erased]:
    gone = []
    for rule in options.erase_when:
        if not holds(entry, rule):
            continue
        keys = [key for one in entry.at(rule.id) if (key := identifier(one))]
        if not keys:
            raise CannotParse("it says that something is gone, and there is no id at the path of erase_when")
        gone += [Erased(rule.kind, key) for key in keys]
    return gone


@dataclass(frozen=True, slots=True)
class Tried:
    """One line of the mapping on one delivery."""

    name: str  # as in the options: "items", "fields.text", "attributes.plan", "filters.0", "erase_when.0"
    path: str
    value: Any  # what was found, as it would be stored; None: nothing
    problem: str  # empty: as it should be


@dataclass(frozen=True, slots=True)
class Trial:
    """What a mapping makes of one delivery; nothing is stored."""

    lines: list[Tried] = field(default_factory=list)  # of the first item that is taken, else of the first
    entries: int = 0
    taken: int = 0
    items: list[Any] = field(default_factory=list)
    erased: list[Erased] = field(default_factory=list)
    problem: str = ""  # why nothing is taken; empty: something is


def try_mapping(call: Call, options: MappedOptions) -> Trial:
    """Try the mapping on a delivery, for who sets it up: each path with what it leads to, or why to nothing."""
    try:
        body = body_value(call)
    except CannotParse as error:
        return Trial(problem=str(error))
    entries = _entries(body, options)
    held = [entry for entry in entries if all(holds(entry, one) for one in options.filters)]
    lines = [_items_line(body, options, len(entries))]
    shown = next(iter(held or entries), Entry(body, body))
    lines += _field_lines(shown, options)
    lines += _filter_lines(shown, options, entries)
    try:
        found = parse(call, options)
    except CannotParse as error:
        return Trial(lines, len(entries), problem=str(error))
    return Trial(lines, len(entries), len(found.items), found.items, found.erased, found.ignored)


def places(call: Call, items: str, *, limit: int) -> list[tuple[str, Any]]:
    """What stands in a delivery, as paths with their values: of its first item, then with `$.` of all of it."""
    try:
        body = body_value(call)
        entries = _entries(body, MappedOptions(items=items))
    except ValueError:  # CannotParse, or a path that can't be read
        return []
    found = leaves(entries[0].value, limit=limit) if entries else []
    if entries and entries[0].value is body:
        return found
    rest = limit - len(found)
    whole = leaves(body, limit=rest)
    return found + [(f"${path}" if path.startswith("[") else f"$.{path}", value) for path, value in whole]


def _items_line(body: Any, options: MappedOptions, count: int) -> Tried:
    problem = ""
    if not count:
        problem = where_it_ends(body, read_path(options.items).steps) if options.items else ""
        problem = problem or "the list is empty here"
    return Tried("items", options.items, count, problem)


def _field_lines(entry: Entry, options: MappedOptions) -> list[Tried]:
    paths = {name: path for name, path in options.fields.model_dump().items() if path}
    paths |= {f"attributes.{name}": path for name, path in options.attributes.items()}
    lines = [
        Tried(name if "." in name else f"fields.{name}", paths[name], one.value, one.problem)
        for name, one in read_fields(entry, options).items()
    ]
    if not options.fields.external_id:
        lines.append(Tried("fields.external_id", "", None, NO_IDS))
    return lines


def _filter_lines(entry: Entry, options: MappedOptions, entries: Sequence[Entry]) -> list[Tried]:
    lines = []
    for number, one in enumerate(options.filters):
        count = sum(holds(each, one) for each in entries)
        problem = (
            "" if count else entry.why_not(one.path) if not entry.at(one.path) else "it holds for no item here"
        )
        lines.append(Tried(f"filters.{number}", one.path, _shown(entry.at(one.path)), problem))
    for number, rule in enumerate(options.erase_when):
        problem = ""
        if holds(entry, rule) and not any(identifier(one) for one in entry.at(rule.id)):
            problem = f"there is no id: {entry.why_not(rule.id)}"
        lines.append(Tried(f"erase_when.{number}", rule.path, _shown(entry.at(rule.path)), problem))
    return lines


def _shown(values: list[Any]) -> Any:
    plain = [one for one in values if not isinstance(one, dict | list)]
    return plain[0] if len(plain) == 1 else plain or None


SENDER = Sender(
    name="mapped",
    title="Any other tool",
    kind="any",
    default_channel="other",
    verify=verify,
    parse=parse,
    options=MappedOptions,
    new_secret=new_token,
    secret_needed=False,
)
