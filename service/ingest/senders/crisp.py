"""Crisp: events of a website, pushed by a plugin's hook (signed) or a website's hook (a key in its address)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import Field

from service.ingest.incoming import Call, CannotParse, Channel, Erased, Parsed
from service.ingest.senders.bodies import json_object
from service.ingest.senders.contract import Sender
from service.ingest.senders.questions import asks_contact, has_words, is_e_mail, is_phone
from service.ingest.senders.quotes import plain_reply
from service.ingest.senders.signatures import (
    BadSignature,
    SenderOptions,
    check_fresh,
    check_hmac,
    same,
    unix_time,
)
from service.ingest.senders.values import attributes, identifier, inner, moment, number, said, words

SIGNATURE, TIMESTAMP = "x-crisp-signature", "x-crisp-request-timestamp"
TAKEN = frozenset(
    (
        "message:send",
        "message:received",
        "message:updated",
        "message:removed",
        "session:sync:rating",
        "session:removed",
        "people:profile:removed",
    )
)
CHANNELS: tuple[tuple[str, Channel], ...] = (
    ("email", "ticket"),
    ("twitter", "social"),
    ("instagram", "social"),
    ("facebook", "social"),
    ("phone", "call"),
    ("call", "call"),
)


class Options(SenderOptions):
    """Which of Crisp's two kinds of hooks calls."""

    scheme: Literal["plugin", "website"] = Field(
        default="plugin",
        description="Hook of a plugin (signed), or of the website settings (the secret is ?key= in the address).",
    )


def verify(call: Call, secrets: Sequence[str], options: Options, now: datetime) -> None:
    """BadSignature unless the plugin's signature fits a secret, or the website hook's key is one."""
    if options.scheme == "website":
        keys = parse_qs(urlsplit(call.url).query).get("key", [])
        if not any(same(key, secret) for key in keys for secret in secrets):
            raise BadSignature("The key in the address is missing or wrong.")
        return
    signed_at = call.headers.get(TIMESTAMP, "")
    check_fresh(unix_time(signed_at), now=now, window_seconds=options.replay_window_seconds)
    check_hmac(
        call.headers.get(SIGNATURE), secrets, b"[" + signed_at.encode() + b";" + call.body + b"]", encoding="hex"
    )


def parse(call: Call, options: Options) -> Parsed:
    """The visitor's message or rating, or what was removed."""
    body = json_object(call)
    event, data = body.get("event"), body.get("data")
    if not isinstance(event, str):
        raise CannotParse("there is no event in it")
    if event not in TAKEN:
        return Parsed(ignored="only messages and ratings of visitors are taken")
    if not isinstance(data, dict):
        raise CannotParse("there is no data in the event")
    if event in ("message:send", "message:received"):
        # which way it goes is said by `from`; a bot that asks may have filled the field in for the visitor
        return _field(body, data) if _is_field(data) and data.get("from") == "user" else _message(body, data)
    if event == "session:sync:rating":
        return _rating(body, data)
    if event == "message:removed":
        return Parsed(erased=[Erased("item", _key(data))])
    if event == "session:removed":
        return Parsed(erased=[Erased("conversation", _session(data))])
    if event == "people:profile:removed":
        person = identifier(data.get("people_id"))
        if person is None:
            raise CannotParse("it does not say who is gone")
        return Parsed(erased=[Erased("respondent", person)])
    if _is_field(data):
        return _field(body, data)
    if "from" not in data:
        return Parsed(ignored="an edit does not say whose message it was")
    return _message(body, data)


def _session(data: dict[str, Any]) -> str:
    session = identifier(data.get("session_id"))
    if session is None:
        raise CannotParse("it does not say which conversation it belongs to")
    return session


def _key(data: dict[str, Any]) -> str:
    """A fingerprint is only the message's within its conversation."""
    key = identifier(f"{_session(data)}:{identifier(data.get('fingerprint'))}")
    if identifier(data.get("fingerprint")) is None or key is None:
        raise CannotParse("the message has no fingerprint")
    return key


def _message(body: dict[str, Any], data: dict[str, Any]) -> Parsed:
    if data.get("from") != "user":
        return Parsed(ignored="only what visitors write is taken")
    if data.get("automated") is True:
        return Parsed(ignored="sent by a machine in the visitor's name")
    if data.get("type") != "text":
        return Parsed(ignored="no text: a file, an animation, an answer to buttons or a note")
    text = words(data.get("content"))
    if _origin(data) == "email":
        text = plain_reply(text)
    if text is None:
        return Parsed(ignored="a message without words")
    told = moment(body.get("timestamp"))
    # an edit without the message's own time changes the words and not when they were first written
    written = moment(data.get("timestamp")) or (told if body.get("event") != "message:updated" else None)
    item = {
        "external_id": _key(data),
        "text": text,
        "channel": next((channel for word, channel in CHANNELS if word in _origin(data)), "chat"),
        "occurred_at": written,
        "updated_at": told or written,
        "conversation_id": _session(data),
        "respondent": _visitor(data),
        "url": _link(body, data),
        "attributes": _attributes(body, data),
    }
    return Parsed([said(item)])


def _is_field(data: dict[str, Any]) -> bool:
    content = data.get("content")
    if not isinstance(content, dict) or data.get("type", "field") != "field":
        return False
    return "value" in content or data.get("type") == "field"


def _field(body: dict[str, Any], data: dict[str, Any]) -> Parsed:
    """What the visitor wrote into the field that a bot asked to fill in; not who they are."""
    value, question = words(inner(data, "content", "value")), words(inner(data, "content", "text"))
    if value is None:
        return Parsed(ignored="a bot asks for something, nothing is answered yet")
    name = words(inner(data, "content", "id"))
    if is_e_mail(value) or is_phone(value) or asks_contact(question or name) or not has_words(value):
        return Parsed(ignored="a bot asked who the visitor is, or for a number")
    told = moment(body.get("timestamp"))
    item = {
        "external_id": _key(data),
        "text": value,
        "question": question,
        "channel": "chat",
        "occurred_at": told or moment(data.get("timestamp")),
        "updated_at": told or moment(data.get("timestamp")),
        "conversation_id": _session(data),
        # the message is the bot's, and so is its `user`
        "respondent": _visitor(data if data.get("from") == "user" else {"session_id": data.get("session_id")}),
        "url": _link(body, data),
        "attributes": _attributes(body, data),
    }
    return Parsed([said(item)])


def _rating(body: dict[str, Any], data: dict[str, Any]) -> Parsed:
    rated = number(inner(data, "rating", "stars"))
    if rated is None or not 1 <= rated <= 5:
        return Parsed(ignored="a rating without stars")
    session = _session(data)
    happened = moment(body.get("timestamp")) or moment(data.get("timestamp"))
    item = {
        "external_id": identifier(f"rating:{session}"),
        "text": words(inner(data, "rating", "comment")),
        "score": {"kind": "csat", "value": rated, "scale_min": 1, "scale_max": 5},
        "occurred_at": happened,
        "updated_at": happened,
        "conversation_id": session,
        "respondent": _visitor(data),
        "url": _link(body, data),
        "attributes": _attributes(body, data),
    }
    if item["external_id"] is None:
        raise CannotParse("the conversation's id is too long")
    return Parsed([said(item)])


def _visitor(data: dict[str, Any]) -> str | None:
    return identifier(inner(data, "user", "user_id")) or identifier(data.get("session_id"))


def _origin(data: dict[str, Any]) -> str:
    return str(data.get("origin") or "").lower()


def _website(body: dict[str, Any], data: dict[str, Any]) -> str | None:
    return identifier(body.get("website_id")) or identifier(data.get("website_id"))


def _link(body: dict[str, Any], data: dict[str, Any]) -> str | None:
    website, session = _website(body, data), identifier(data.get("session_id"))
    return f"https://app.crisp.chat/website/{website}/inbox/{session}/" if website and session else None


def _attributes(body: dict[str, Any], data: dict[str, Any]) -> dict[str, str]:
    """What Crisp knows of the session, where it sends it along."""
    about = next((one for name in ("session", "meta", "user") if isinstance(one := data.get(name), dict)), {})
    own = about.get("data")
    return attributes(
        {
            "origin": data.get("origin"),
            "website": _website(body, data),
            "segments": about.get("segments"),
            "country": inner(about, "device", "geolocation", "country"),
            **(own if isinstance(own, dict) else {}),
        }
    )


SENDER = Sender(
    name="crisp",
    title="Crisp",
    kind="support",
    default_channel="chat",
    verify=verify,
    parse=parse,
    options=Options,
)
