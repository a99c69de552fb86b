"""What holds for every sender: recorded calls, signatures, hostile bodies, guides and their document."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse, Parsed
from service.ingest.senders import SENDERS
from service.ingest.senders.guide import GUIDES, document, read_guide
from service.ingest.senders.signatures import SenderOptions
from tests.ingest.senders.recorded import FIXTURES, Recorded, accepted, options, parsed, recorded

ROOT = Path(__file__).resolve().parents[3]
NAMED_IN_THE_ISSUE = (
    *("standard-webhooks", "zendesk", "intercom", "freshdesk", "helpscout", "front", "hubspot", "salesforce"),
    *("jira-sm", "chatwoot", "zammad", "gorgias", "crisp"),
    *("typeform", "surveymonkey", "qualtrics", "google-forms", "delighted", "formbricks", "tally", "jotform"),
    *("trustpilot", "judgeme", "app-store", "google-play"),
    *("cloudevents", "rfc9421"),
)
# files, and one field of a call shown unpacked
NO_CALLS = (".csv", ".xlsx", ".zip", ".gz", ".ndjson", "rawRequest.json")
CALLS = [
    (folder.name, meta.name.removesuffix(".meta.json"))
    for folder in sorted(FIXTURES.iterdir())
    if folder.name in SENDERS and folder.name != "generic"
    for meta in sorted(folder.glob("*.meta.json"))
    if not json.loads(meta.read_text(encoding="utf-8"))["body_file"].endswith(NO_CALLS)
]
CLOCK = recorded("standard-webhooks", "feedback.created").clock
SIGNED = [(sender, name) for sender, name in CALLS if recorded(sender, name).meta["signature"]]
UNSIGNED = [(sender, name) for sender, name in CALLS if (sender, name) not in SIGNED]
WRONG_SECRETS = (
    "wrong",
    "",
    "ünïcode",
    "whsec_" + base64.b64encode(b"x" * 32).decode(),
    "whpk_" + base64.b64encode(b"x" * 32).decode(),
    base64.b64encode(b"y" * 32).decode(),
    "-----BEGIN PUBLIC KEY-----",
)
GARBLED = ("", " ", "garbage", "=", ",", "sha256=", "sha1=é", "v1,", "sig1=:::", "\x00", "0" * 64, "A" * 5000)
HOSTILE = (
    b"",
    b" ",
    b"null",
    b"[]",
    b"{}",
    b'""',
    b"7",
    b"true",
    b"[null]",
    b"[[[]]]",
    b'{"data":null}',
    b'{"a":1',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"data":' * 60 + b"1" + b"}" * 60,
    json.dumps({f"f{n}": n for n in range(100_000)}).encode(),
    json.dumps([{}] * 100_000).encode(),
    b"&".join(b"f%d=1" % n for n in range(100_000)),
    b"\xff\xfe\x00\x01",
    '{"id":"é"}'.encode("latin-1"),
    b'{"id":"\x00","text":"\x00"}',
    b'{"id":"\\u0000","text":"\\ud800"}',
    b'{"id":' + b"9" * 5000 + b"}",
    b'{"id":1e999,"created_at":NaN}',
    b"<a/>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    b"<a>" * 20_000,
    b"a=%ff%00&b",
    b"--x\r\n\r\n--x--",
)
OTHER_KINDS: tuple[Any, ...] = (None, [], {}, "", 7, [None], "\x00\ud800")


def secret_of(one: Recorded) -> str:
    return str(one.secret or one.meta["signature"]["secret_base64"])


def test_every_sender_of_the_issue_is_here() -> None:
    assert sorted(set(NAMED_IN_THE_ISSUE) - set(SENDERS)) == []


def test_there_are_calls_to_look_at() -> None:
    assert {sender for sender, _ in CALLS} >= set(NAMED_IN_THE_ISSUE) - {"google-play"}
    assert len(SIGNED) > 20


@pytest.mark.parametrize(("sender", "name"), SIGNED)
def test_a_recorded_signature_holds_and_nothing_else_does(sender: str, name: str) -> None:
    one = recorded(sender, name)
    secret = secret_of(one)
    SENDERS[sender].check_secret(secret)
    assert accepted(sender, one.call, [secret], one.clock)
    assert accepted(sender, one.call, [*WRONG_SECRETS[:1], secret], one.clock), "another secret is active as well"
    # where old versions do not sign, an address may do without a secret
    assert accepted(sender, one.call, [], one.clock) is not SENDERS[sender].secret_needed
    for wrong in (*WRONG_SECRETS, secret.rstrip("=")[:-1], secret + "x", secret[::-1]):
        assert not accepted(sender, one.call, [wrong], one.clock), wrong
    start, end = signed_part(one)
    for place in {start, (start + end) // 2, end - 1}:
        flipped = bytearray(one.call.body)
        flipped[place] ^= 1
        assert not accepted(sender, replace(one.call, body=bytes(flipped)), [secret], one.clock), place
    assert not accepted(sender, replace(one.call, body=b""), [secret], one.clock)


def signed_part(one: Recorded) -> tuple[int, int]:
    """From where to where the body is signed: all of it, or one field of a form."""
    body = one.call.body
    if "field" not in one.meta["signature"]:
        return 0, len(body)
    start = body.index(b"MSG=") + 4
    return start, body.find(b"&", start) if b"&" in body[start:] else len(body)


def signature_headers(one: Recorded) -> list[str]:
    """The headers without which the signature can't hold."""
    named = str(one.meta["signature"].get("header") or "").split(" ")[0].lower()
    return [named] if named else [key for key in one.call.headers if "signature" in key or "digest" in key]


@pytest.mark.parametrize(("sender", "name"), SIGNED)
def test_missing_and_garbled_headers_are_refused_and_never_crash(sender: str, name: str) -> None:
    one = recorded(sender, name)
    secret, needed = secret_of(one), signature_headers(one)
    if "field" in one.meta["signature"]:
        body = one.call.body.replace(b"HMAC=", b"HMAX=")
        assert body != one.call.body
        assert not accepted(sender, replace(one.call, body=body), [secret], one.clock)
    else:
        assert set(needed) & set(one.call.headers)
        assert not accepted(sender, replace(one.call, headers={}), [secret], one.clock)
    for header, good in one.call.headers.items():
        rest = {key: value for key, value in one.call.headers.items() if key != header}
        variants = [rest, *({**rest, header: bad} for bad in (*GARBLED, good[:-2], good[1:]))]
        held = [accepted(sender, replace(one.call, headers=headers), [secret], one.clock) for headers in variants]
        if header in needed:
            assert not any(held), header


@pytest.mark.parametrize(("sender", "name"), UNSIGNED)
def test_what_is_not_signed_needs_the_token_where_one_is_set(sender: str, name: str) -> None:
    one = recorded(sender, name)
    token = "t" * 43
    assert not accepted(sender, one.call, [token], one.clock)
    assert accepted(sender, one.call, [], one.clock) is not SENDERS[sender].secret_needed
    if SENDERS[sender].secret_needed or sender in {signing for signing, _ in SIGNED}:
        return  # this one can sign, and the recorded call has no signature
    for headers, expected in (
        ({"x-journeymap-token": token}, True),
        ({"authorization": f"Bearer {token}"}, True),
        ({"authorization": "Basic " + base64.b64encode(f"u:{token}".encode()).decode()}, True),
        ({"x-journeymap-token": token[1:]}, False),
        ({"authorization": "Basic ***"}, False),
        ({"authorization": "\x00é"}, False),
    ):
        call = replace(one.call, headers={**one.call.headers, **headers})
        assert accepted(sender, call, ["old", token], one.clock) is expected


@pytest.mark.parametrize(("sender", "name"), CALLS)
def test_a_recorded_call_is_understood(sender: str, name: str) -> None:
    one = recorded(sender, name)
    if "broken" in name:
        with pytest.raises(CannotParse):
            SENDERS[sender].parse(one.call, options(sender))
        return
    found = parsed(sender, one.call)
    assert found.items or found.erased or found.merged or found.wanted or found.ignored, (
        "nothing came of it, and no reason"
    )
    # the same content again is the same items
    assert parsed(sender, replace(one.call, body=one.call.body + b"\n")).items == found.items
    if found.wanted:
        assert SENDERS[sender].fetcher is not None


@pytest.mark.parametrize("sender", SENDERS)
def test_hostile_bodies_are_understood_or_refused_and_nothing_else(sender: str) -> None:
    one = SENDERS[sender]
    media_types = {
        recorded(sender, name).call.headers.get("content-type", "") for own, name in CALLS if own == sender
    }
    media_types |= {"", "application/json", "multipart/form-data", "multipart/form-data; boundary=x"}
    for media_type in sorted(media_types):
        for body in HOSTILE:
            if len(body) > 50_000 and media_type not in ("application/json", "application/x-www-form-urlencoded"):
                continue
            for fetched in ("", "response") if one.fetcher or one.poller else ("",):
                call = Call(
                    {"content-type": media_type}, body, url="https://feedback.example.com/h", fetched=fetched
                )
                try:
                    found = one.parse(call, options(sender))
                except CannotParse:
                    found = Parsed()
                assert isinstance(found, Parsed)
                key = one.delivery_id(call)
                assert key is None or isinstance(key, str)
                if one.reply is not None and not fetched:
                    one.reply(call, options(sender))
            assert accepted(sender, replace(call, fetched=""), ["x" * 32], CLOCK) is False


def variants(value: Any, change: Callable[[Any], None]) -> None:
    """Call `change` with the value once for each place in it, that place set to something else, then put back."""

    def walk(inner: Any) -> None:
        places = list(inner) if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ()
        for place in places:
            kept = inner[place]
            for other in OTHER_KINDS:
                inner[place] = other
                change(value)
            inner[place] = kept
            walk(kept)

    walk(value)


@pytest.mark.parametrize(("sender", "name"), [(one, name) for one, name in CALLS if one != "salesforce"])
def test_any_value_of_a_recorded_call_may_be_of_another_kind(sender: str, name: str) -> None:
    one = recorded(sender, name)
    try:
        payload = json.loads(one.call.body)
    except ValueError:
        return  # forms; their fields are texts anyway
    understood = 0

    def changed(value: Any) -> None:
        nonlocal understood
        call = replace(one.call, body=json.dumps(value).encode())
        try:
            found = SENDERS[sender].parse(call, options(sender))
        except CannotParse:
            return
        understood += isinstance(found, Parsed)
        SENDERS[sender].delivery_id(call)

    variants(payload, changed)
    assert understood, "not even a change in an unimportant place is understood"


@pytest.mark.parametrize("sender", SENDERS)
def test_options_and_secrets(sender: str) -> None:
    one = SENDERS[sender]
    assert one.name == sender
    assert issubclass(one.options, SenderOptions)
    assert one.options().replay_window_seconds == 300
    assert all(field.description for field in one.options.model_fields.values()), "the page shows what each is"
    if one.new_secret is not None:
        made = one.new_secret()
        one.check_secret(made)
        assert len(made) >= 32
        assert made != one.new_secret()
    for asked in (one.fetcher, one.poller):
        if asked is not None:
            assert asked.requests_per_minute > 0
            assert asked.credentials.model_fields


@pytest.mark.parametrize("sender", SENDERS)
def test_every_sender_has_its_guide(sender: str) -> None:
    guide = read_guide(sender)
    assert len(guide.steps) >= 2
    for text in (*guide.steps, guide.taken, guide.ignored, guide.signature, guide.unverified):
        assert text.strip(), "every key is filled in"
        assert text.strip()[-1] in ".:!?)`…", text
    if guide.template is not None:
        assert guide.template.strip()
        assert guide.template_title.strip()


def test_every_guide_has_its_sender() -> None:
    assert {path.stem for path in GUIDES.glob("*.toml")} == set(SENDERS)


def test_the_document_is_made_of_the_guides() -> None:
    written = (ROOT / "docs" / "senders.md").read_text(encoding="utf-8")
    assert written == document(), "run: python -m service.ingest.senders.guide > docs/senders.md"
    for one in SENDERS.values():
        section = written.partition(f"\n### {one.title}\n")[2].partition("\n### ")[0]
        for part in ("**Set-up**", "**Taken:**", "**Ignored:**", "**Signature:**", "**Not verified:**"):
            assert part in section, (one.name, part)
