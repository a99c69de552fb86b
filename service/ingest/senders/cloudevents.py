"""CloudEvents 1.0 over HTTP: one event as JSON (structured), many (batch), or in headers (binary).

`data` is read like that of Standard Webhooks. An event is known by its source and id; what it is about is known
by the id in `data`, else by the event itself, or by its subject where the endpoint says so.

Brokers ask with OPTIONS before they send, and may put the token into the address (CloudEvents' HTTP 1.1 Web Hooks
for Event Delivery 1.0, sections 3 and 4).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import unquote

from pydantic import Field

from service.ingest.incoming import MAX_ATTRIBUTES, MAX_ID_CHARS, Call, CannotParse, Erased, Parsed
from service.ingest.senders.bodies import json_value, media_type
from service.ingest.senders.contract import Sender
from service.ingest.senders.plain_events import read_kind
from service.ingest.senders.plain_items import MAX_FIELDS, MAX_ITEMS, read_data
from service.ingest.senders.signatures import SenderOptions, check_token, decode_base64, new_token
from service.ingest.senders.values import attributes, identifier

PREFIX = "ce-"
REQUIRED = ("id", "source", "type")
VERSIONS = ("1.0", "0.3")
# attributes of the specification and of its documented extensions for tracing, order and transport
NO_EXTENSIONS = frozenset(
    (
        *("specversion", "id", "source", "type", "subject", "time", "data", "data_base64", "datacontenttype"),
        *("dataschema", "schemaurl", "datacontentencoding", "dataref", "traceparent", "tracestate", "sequence"),
        *("sequencetype", "partitionkey", "sampledrate", "recordedtime", "expirytime", "authtype", "authid"),
    )
)
ORIGIN = re.compile(r"[!-+\--~]{1,255}")  # one name: visible ASCII without a comma
KEPT = ("type", "source", "subject")  # as attributes, under event_type and so on


class Options(SenderOptions):
    """What tells whether two events are about the same feedback."""

    identity: Literal["event", "subject"] = Field(
        default="event",
        description="What names an item whose data has no id: the event itself, or its subject, if the sender "
        "uses one subject for all events of one feedback.",
    )


def verify(call: Call, secrets: Sequence[str], options: Options, now: datetime) -> None:
    """CloudEvents are not signed: the address, and a token where one is set, are the credential."""
    check_token(call, secrets, parameter="access_token")


def handshake(headers: Mapping[str, str]) -> dict[str, str]:
    """Consent to what the origin that asks will send, at any rate; none to who does not say who it is.

    The rate is not ours to promise or to hold: what is too much is answered 429 with its `Retry-After`. A callback
    by which consent could be given later is not called, for this answer gives it.
    """
    origin = headers.get("webhook-request-origin", "").strip()
    if not ORIGIN.fullmatch(origin):
        return {}
    return {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"}


def delivery_id(call: Call) -> str | None:
    """Source and id of a single event; a batch has no name of its own."""
    try:
        event = _binary(call.headers) if _is_binary(call) else json_value(call, max_fields=MAX_FIELDS)
    except CannotParse:
        return None
    if not isinstance(event, dict):
        return None
    source, event_id = _name(event.get("source")), _name(event.get("id"))
    return f"{source} {event_id}" if source and event_id else None


def parse(call: Call, options: Options) -> Parsed:
    """The items of one event or of a batch."""
    if _is_binary(call):
        event = _binary(call.headers)
        event["data"] = _content(call.body, media_type(call))
        return _read(event, options)
    value = json_value(call, max_fields=MAX_FIELDS)
    if isinstance(value, dict):
        return _read(value, options)
    if not isinstance(value, list):
        raise CannotParse("the body is not a CloudEvent")
    if len(value) > MAX_ITEMS:
        raise CannotParse(f"more than {MAX_ITEMS} events in one batch")
    found = Parsed(ignored="" if value else "there is no event in the batch")
    reasons: list[str] = []
    for event in value:
        try:
            one = _read(event, options)
        except CannotParse:
            found.items.append(None)  # refused for itself, the others of the batch are taken
            continue
        found.items.extend(one.items)
        found.erased.extend(one.erased)
        reasons += [one.ignored] if one.ignored else []
    return Parsed(found.items, found.erased, ignored=found.ignored or "; ".join(dict.fromkeys(reasons)))


def _is_binary(call: Call) -> bool:
    return f"{PREFIX}specversion" in call.headers and not media_type(call).startswith("application/cloudevents")


def _binary(headers: Mapping[str, str]) -> dict[str, Any]:
    """The attributes of an event in headers, where characters beyond ASCII are percent-encoded."""
    return {
        name.removeprefix(PREFIX): unquote(value.strip().strip('"'))
        for name, value in headers.items()
        if name.startswith(PREFIX)
    }


def _read(event: Any, options: Options) -> Parsed:
    if not isinstance(event, dict) or not all(_name(event.get(name)) for name in REQUIRED):
        raise CannotParse("a CloudEvent has specversion, id, source and type")
    if str(event.get("specversion")) not in VERSIONS:
        raise CannotParse("this is not CloudEvents 1.0")
    kind = str(event["type"])
    subject = identifier(event.get("subject"))
    data, gone = _data(event), read_kind(kind).gone
    by_subject = subject if options.identity == "subject" and gone == "item" else None
    if data is None and by_subject:
        data = {}
    if data is None:
        return Parsed(ignored="an event without data")
    found = read_data(data, kind=kind, told_at=event.get("time") if isinstance(event.get("time"), str) else None)
    if by_subject and not found.erased:
        return Parsed(erased=[Erased("item", by_subject)])
    own = {f"event_{name}": event.get(name) for name in KEPT}
    # extensions: what the sender's own pipeline knows of the event, like its tenant or plan
    own |= {str(name): value for name, value in event.items() if str(name).lower() not in NO_EXTENSIONS}
    about = subject if options.identity == "subject" and subject else _event_id(event)
    for place, item in enumerate(found.items):
        if not isinstance(item, dict):
            continue
        if item.get("external_id") is None:
            item["external_id"] = about if len(found.items) == 1 else f"{about}:{place}"
        given = item.get("attributes") or {}
        free = dict(list(own.items())[: max(0, MAX_ATTRIBUTES - len(given))])
        item["attributes"] = attributes({**given, **{name: free[name] for name in free if name not in given}})
    return found


def _name(value: Any) -> str:
    """An attribute of an event, which may be longer than an id; empty where there is none."""
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _event_id(event: Mapping[str, Any]) -> str:
    """Source and id, within the length of an id."""
    name = f"{_name(event['source'])} {_name(event['id'])}"
    if len(name) <= MAX_ID_CHARS - 16:  # room for the place in a list
        return name
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()


def _data(event: Mapping[str, Any]) -> Any:
    """The data of an event in JSON: an object, a list, or a text that is one of them or the words themselves."""
    encoded = event.get("data_base64")
    declared = str(event.get("datacontenttype") or "application/json").partition(";")[0].strip().lower()
    if encoded is not None:
        try:
            return _content(decode_base64(str(encoded)), declared)
        except ValueError as error:  # CannotParse is one
            raise CannotParse("data_base64 can't be read") from error
    data = event.get("data")
    if not isinstance(data, str):
        return data
    try:
        return _content(data.encode("utf-8", "replace"), declared)
    except CannotParse:
        # a string is JSON of its own: the words themselves, unless it was meant to be more and is broken
        if not declared.endswith("json") or data.lstrip()[:1] in ("{", "["):
            raise
        return {"text": data}


def _content(content: bytes, declared: str) -> Any:
    """JSON by its value, a plain text as the words of an item; None for nothing, CannotParse for other kinds."""
    if not content.strip():
        return None
    if declared.startswith("text/plain"):
        return {"text": content.decode("utf-8", "replace")}
    value = json_value(Call({}, content), max_fields=MAX_FIELDS)
    return {"text": value} if isinstance(value, str) else value


SENDER = Sender(
    name="cloudevents",
    title="CloudEvents",
    kind="any",
    default_channel="other",
    verify=verify,
    parse=parse,
    options=Options,
    delivery_id=delivery_id,
    new_secret=new_token,
    secret_needed=False,
    handshake=handshake,
)
