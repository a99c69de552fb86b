"""The mapped sender: any tool by paths, from JSON, forms and XML, with filters, erasure and signatures."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from service.errors import BadInput
from service.ingest.endpoints import options_of
from service.ingest.incoming import Call, CannotParse, Erased, Parsed
from service.ingest.senders import SENDERS
from service.ingest.senders.mapped import Trial, try_mapping
from service.ingest.senders.mapped_options import MappedOptions
from service.ingest.senders.signatures import encode_base64, hmac_digest
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.recorded import accepted, json_call, order_free, parsed

NOW = datetime(2026, 11, 20, 9, 14, 5, tzinfo=UTC)
BODY: dict[str, Any] = {
    "event": "comment.created",
    "sent_at": "2026-11-20T09:14:05Z",
    "ticket": {"id": 81, "lang": "de", "tags": ["vip", "refund"], "link": "https://desk.example.com/81"},
    "comments": [
        {
            "id": 5001,
            "author": {"role": "Customer", "ref": "c-7"},
            "subject": "Invoice",
            "body": "Paid <b>twice</b>.",
            "rating": {"stars": "2"},
            "at": 1795166043,
            "custom fields": {"plan.name": "pro", "beta": True},
        },
        {"id": 5002, "author": {"role": "agent"}, "body": "On it", "at": 1795166044},
        {"id": 5003, "author": {"role": "customer", "ref": "c-7"}, "body": "Thanks", "at": 1795166045},
    ],
}
MAPPING: dict[str, Any] = {
    "items": "comments",
    "fields": {
        "text": "body",
        "title": "subject",
        "external_id": "id",
        "occurred_at": "at",
        "updated_at": "$.sent_at",
        "score": "rating.stars",
        "respondent": "author.ref",
        "conversation_id": "$.ticket.id",
        "language": "$.ticket.lang",
        "url": "$.ticket.link",
    },
    "attributes": {
        "plan": '"custom fields"."plan.name"',
        "beta": '["custom fields"].beta',
        "tags": "$.ticket.tags",
    },
    "filters": [{"path": "author.role", "is": "customer"}],
    "erase_when": {"path": "$.event", "is": "comment.deleted", "id": "id"},
    "html": True,
    "channel": "ticket",
}
SMALL: dict[str, Any] = {"fields": {"text": "text", "external_id": "id"}}


def body_call(body: bytes, media_type: str = "", **headers: str) -> Call:
    return Call({"content-type": media_type, **headers}, body)


def refused(options: dict[str, Any]) -> list[str]:
    with pytest.raises(BadInput) as found:
        options_of(SENDERS["mapped"], options)
    return [error.pointer for error in found.value.errors]


def test_the_whole_mapping() -> None:
    first, second = parsed("mapped", json_call("mapped", BODY), **MAPPING).items
    assert first == {
        "external_id": "5001",
        "text": "Invoice\n\nPaid twice.",
        "occurred_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:05+00:00",
        "score": {"kind": "stars", "value": 2, "scale_min": 1, "scale_max": 5},
        "respondent": "c-7",
        "conversation_id": "81",
        "language": "de",
        "url": "https://desk.example.com/81",
        "channel": "ticket",
        "attributes": {"plan": "pro", "beta": "true", "tags": "vip, refund"},
    }
    assert (second["external_id"], second["text"]) == ("5003", "Thanks")
    assert "score" not in second


def test_items_of_a_list_of_one_and_of_the_body_itself() -> None:
    for body, options in (
        ({"id": 1, "text": "late"}, SMALL),
        ([{"id": 1, "text": "late"}], SMALL),
        ({"data": {"items": [{"id": 1, "text": "late"}]}}, {**SMALL, "items": "data.items"}),
        ({"data": {"items": [{"id": 1, "text": "late"}]}}, {**SMALL, "items": "$.data.items[*]"}),
        ({"data": {"items": {"id": 1, "text": "late"}}}, {**SMALL, "items": "data.items"}),
        ({"a": [{"b": [{"id": 1, "text": "late"}]}]}, {**SMALL, "items": "a[*].b"}),
    ):
        (item,) = parsed("mapped", json_call("mapped", body), **options).items
        assert item == {"external_id": "1", "text": "late", "channel": "other"}


def test_texts_at_several_places_are_joined_by_lines() -> None:
    body = {"id": 1, "answers": [{"text": "Too late"}, {"text": None}, {"text": "Too dear"}, {"text": 7}]}
    options = {"fields": {"text": "answers[*].text", "external_id": "id"}}
    assert parsed("mapped", json_call("mapped", body), **options).items[0]["text"] == "Too late\nToo dear\n7"


def test_forms_and_the_json_in_them_are_mapped() -> None:
    fields = {
        "id": "9",
        "comment text": "Trop tard & cher",
        "payload": json.dumps({"user": {"id": 3}}),
        "odd": "[x",
    }
    options = {
        "fields": {"text": '"comment text"', "external_id": "id", "respondent": "payload.user.id"},
        "attributes": {"odd": "odd"},
    }
    boundary = "----x1"
    multipart = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    for call in (
        body_call(urlencode(fields).encode(), "application/x-www-form-urlencoded; charset=utf-8"),
        body_call(f"{multipart}--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"),
    ):
        (item,) = parsed("mapped", call, **options).items
        assert item == {
            "external_id": "9",
            "text": "Trop tard & cher",
            "respondent": "3",
            "channel": "other",
            "attributes": {"odd": "[x"},
        }
    as_curl_sends_it = body_call(b'{"id": 1, "text": "late"}', "application/x-www-form-urlencoded")
    assert parsed("mapped", as_curl_sends_it, **SMALL).items[0]["text"] == "late"


@pytest.mark.parametrize("media_type", ["text/xml", "application/soap+xml; charset=utf-8", "", "text/plain"])
def test_xml_is_mapped_by_element_names(media_type: str) -> None:
    body = """<?xml version="1.0"?><s:Envelope xmlns:s="urn:s"><s:Body>
        <review id="r-1" xmlns="urn:r"><text lang="en">Late &amp; dear</text><tag>a</tag><tag>b</tag></review>
        <review id="r-2" xmlns="urn:r"><text>Fine</text><empty/></review></s:Body></s:Envelope>"""
    options = {
        "items": "Envelope.Body.review",
        "fields": {"text": "text", "external_id": "@id", "language": 'text."@lang"'},
        "attributes": {"tags": "tag[*]"},
    }
    first, second = parsed("mapped", body_call(body.encode(), media_type), **options).items
    assert first == {
        "external_id": "r-1",
        "text": "Late & dear",
        "language": "en",
        "channel": "other",
        "attributes": {"tags": "a, b"},
    }
    assert second == {"external_id": "r-2", "text": "Fine", "channel": "other"}


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"", ""),
        (b"\xff\xfe", "application/json"),
        (b"{", "application/json"),
        (b"[" * 5000, ""),
        (b"<a><b></a>", "text/xml"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "text/xml"),
        (b"<a>" * 70 + b"</a>" * 70, "text/xml"),
        (b"<a>" + b"<b/>" * 10_001 + b"</a>", "text/xml"),
        (b"hello", "multipart/form-data"),
        (b"&".join(b"a=1" for _ in range(10_001)), "application/x-www-form-urlencoded"),
    ],
)
def test_bodies_that_are_none_are_refused(body: bytes, media_type: str) -> None:
    with pytest.raises(CannotParse):
        parsed("mapped", body_call(body, media_type), **SMALL)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"path": "role", "is": "customer"}, True),
        ({"path": "role", "is": "CUSTOMER"}, True),
        ({"path": "role", "is": "agent"}, False),
        ({"path": "missing", "is": "agent"}, False),
        ({"path": "role", "is_not": "agent"}, True),
        ({"path": "role", "is_not": "customer"}, False),
        ({"path": "missing", "is_not": "agent"}, True),
        ({"path": "role", "in": ["user", "customer"]}, True),
        ({"path": "role", "in": ["user"]}, False),
        ({"path": "role", "contains": "Custom"}, True),
        ({"path": "role", "contains": "x"}, False),
        ({"path": "public", "is": True}, True),
        ({"path": "public", "is": "true"}, True),
        ({"path": "public", "is": False}, False),
        ({"path": "kind", "is": 2}, True),
        ({"path": "kind", "is": "2"}, True),
        ({"path": "kind", "in": [1, 2.0]}, True),
        ({"path": "role", "exists": True}, True),
        ({"path": "missing", "exists": True}, False),
        ({"path": "missing", "exists": False}, True),
        ({"path": "null", "exists": True}, False),
        ({"path": "empty", "exists": False}, True),
        ({"path": "tags[*]", "is": "vip"}, True),
        ({"path": "tags[*]", "is_not": "vip"}, False),
        ({"path": "tags[*]", "contains": "ref"}, True),
        ({"path": "tags", "exists": True}, True),
        ({"path": "$.role", "is": "customer"}, True),
    ],
)
def test_filters(condition: dict[str, Any], expected: bool) -> None:
    body = {
        "id": 1,
        "text": "late",
        "role": "Customer",
        "public": True,
        "kind": 2,
        "null": None,
        "empty": [],
        "tags": ["vip", "refund"],
    }
    found = parsed("mapped", json_call("mapped", body), **SMALL, filters=[condition])
    assert bool(found.items) is expected
    assert bool(found.ignored) is not expected


def test_all_filters_must_hold() -> None:
    body = {"id": 1, "text": "late", "role": "customer", "private": True}
    filters = [{"path": "role", "is": "customer"}, {"path": "private", "is": False}]
    assert parsed("mapped", json_call("mapped", body), **SMALL, filters=filters).items == []
    body["private"] = False
    assert len(parsed("mapped", json_call("mapped", body), **SMALL, filters=filters).items) == 1


@pytest.mark.parametrize(
    ("told", "options", "expected"),
    [
        (4, {}, ("stars", 4, 1, 5)),
        ("4,5", {}, ("stars", 4.5, 1, 5)),
        (9, {"score_kind": "nps"}, ("nps", 9, 0, 10)),
        (80, {"score_kind": "csat", "score_min": 0, "score_max": 100}, ("csat", 80, 0, 100)),
        ("Good ", {"score_kind": "csat", "score_words": {"good": 5, "bad": 1}}, ("csat", 5, 1, 5)),
        (True, {"score_words": {"true": 5}}, ("stars", 5, 1, 5)),
        ("n/a", {}, None),
        (None, {}, None),
        ([], {}, None),
    ],
)
def test_scores_by_kind_scale_and_words(
    told: Any, options: dict[str, Any], expected: tuple[Any, ...] | None
) -> None:
    mapping = {"fields": {"text": "text", "external_id": "id", "score": "score"}, **options}
    (item,) = parsed("mapped", json_call("mapped", {"id": 1, "text": "late", "score": told}), **mapping).items
    score = item.get("score")
    assert (score and (score["kind"], score["value"], score["scale_min"], score["scale_max"])) == expected


def test_a_score_off_its_scale_and_an_unreadable_time_are_shown_and_not_passed_over() -> None:
    mapping = {"fields": {"text": "text", "score": "score", "occurred_at": "at"}}
    call = json_call("mapped", {"text": "late", "score": 9, "at": "20.11.2026 halb zehn"})
    with pytest.raises(BadInput) as found:
        parsed("mapped", call, **mapping)
    assert {error.pointer.split("/")[1] for error in found.value.errors} == {"score", "occurred_at"}


def test_a_channel_of_ours_is_taken_another_is_an_attribute() -> None:
    mapping = {"fields": {**SMALL["fields"], "channel": "via"}, "channel": "ticket"}
    for via, channel, kept in (("Chat", "chat", None), ("whatsapp", "ticket", "whatsapp"), (None, "ticket", None)):
        (item,) = parsed("mapped", json_call("mapped", {"id": 1, "text": "late", "via": via}), **mapping).items
        assert item["channel"] == channel
        assert item.get("attributes", {}).get("channel") == kept


def test_what_is_said_to_be_gone_is_erased() -> None:
    rules = [
        {"path": "event", "is": "comment.deleted", "id": "id"},
        {"path": "event", "is": "ticket.deleted", "id": "ticket.id", "kind": "conversation"},
        {"path": "event", "contains": "privacy", "id": "users[*].id", "kind": "respondent"},
    ]
    options = {**SMALL, "erase_when": rules}
    for body, expected in (
        ({"event": "comment.deleted", "id": 5, "text": "late"}, [Erased("item", "5")]),
        ({"event": "ticket.deleted", "ticket": {"id": 81}}, [Erased("conversation", "81")]),
        (
            {"event": "user.privacy", "users": [{"id": 1}, {"id": 2}]},
            [Erased("respondent", "1"), Erased("respondent", "2")],
        ),
    ):
        found = parsed("mapped", json_call("mapped", body), **options)
        assert (found.items, found.erased) == ([], expected)
    assert parsed("mapped", json_call("mapped", {"event": "x", "id": 5, "text": "late"}), **options).erased == []
    with pytest.raises(CannotParse):
        parsed("mapped", json_call("mapped", {"event": "ticket.deleted"}), **options)
    without_items = {**options, "items": "comments"}
    gone = json_call("mapped", {"event": "ticket.deleted", "ticket": {"id": 81}})
    assert parsed("mapped", gone, **without_items).erased == [Erased("conversation", "81")]


def test_before_there_is_a_mapping_every_delivery_waits() -> None:
    with pytest.raises(CannotParse, match="no mapping yet"):
        parsed("mapped", json_call("mapped", BODY))
    only_erasing = {"erase_when": {"path": "gone", "exists": True, "id": "gone"}}
    assert parsed("mapped", json_call("mapped", {"gone": 7}), **only_erasing).erased == [Erased("item", "7")]


def test_what_holds_nothing_is_ignored_with_its_reason() -> None:
    for body, reason in (
        ({"other": []}, "path of the items"),
        ({"comments": []}, "path of the items"),
        ({"comments": [{"author": {"role": "agent"}, "body": "x"}]}, "filters"),
        ({"comments": [{"author": {"role": "customer"}, "body": " "}]}, "neither a text nor a score"),
    ):
        assert reason in parsed("mapped", json_call("mapped", body), **MAPPING).ignored


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"items": "a["}, "/options/items"),
        ({"fields": {"text": "a..b"}}, "/options/fields/text"),
        ({"fields": {"txt": "a"}}, "/options/fields/txt"),
        ({"attributes": {"plan": "a[x]"}}, "/options/attributes/plan"),
        ({"attributes": {"plan": ""}}, "/options/attributes/plan"),
        ({"attributes": {f"a{n}": "b" for n in range(21)}}, "/options/attributes"),
        ({"filters": [{"path": "a", "is": "b"}, {"path": "a."}]}, "/options/filters/1/path"),
        ({"filters": [{"path": "a"}]}, "/options/filters/0"),
        ({"filters": [{"path": "a", "is": "b", "is_not": "c"}]}, "/options/filters/0"),
        ({"filters": [{"path": "a", "equals to": "b"}]}, "/options/filters/0/equals to"),
        ({"filters": [{"path": "a", "in": []}]}, "/options/filters/0/in"),
        ({"erase_when": {"path": "a", "is": "b"}}, "/options/erase_when/0/id"),
        ({"erase_when": {"path": "a", "is": "b", "id": "c["}}, "/options/erase_when/0/id"),
        ({"score_kind": "happiness"}, "/options/score_kind"),
        ({"score_min": 5, "score_max": 1}, "/options"),
        ({"score_min": float("nan")}, "/options/score_min"),
        ({"signature": {"algorithm": "sha256"}}, "/options/signature/header"),
        ({"signature": {"header": "x sig"}}, "/options/signature/header"),
        ({"signature": {"header": "x-sig", "algorithm": "md5"}}, "/options/signature/algorithm"),
        ({"signature": {"header": "x-sig", "signed": "{id}.{body}"}}, "/options/signature/signed"),
        ({"signature": {"header": "x-sig", "signed": "{timestamp}"}}, "/options/signature/signed"),
        ({"signature": {"header": "x-sig", "signed": "{timestamp}.{body}"}}, "/options/signature"),
        ({"signature": {"header": "x-sig", "timestamp_header": "x-time"}}, "/options/signature"),
    ],
)
def test_a_wrong_option_is_refused_by_its_name(options: dict[str, Any], pointer: str) -> None:
    assert pointer in refused(options)


def test_options_come_back_as_they_were_given() -> None:
    options = MappedOptions.model_validate(MAPPING)
    stored = json.loads(json.dumps(options.model_dump()))
    assert MappedOptions.model_validate(stored) == options
    assert stored["filters"] == MAPPING["filters"]
    assert stored["erase_when"] == [{**MAPPING["erase_when"], "kind": "item"}]
    assert MappedOptions.model_validate({"signature": "none"}).signature is None
    with pytest.raises(ValidationError):
        MappedOptions.model_validate({"signature": "hmac"})


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("signed", ["body", "{timestamp}.{body}", "v0:{timestamp}:{body}"])
def test_signatures_as_they_are_set_up(algorithm: str, encoding: str, signed: str) -> None:
    body, secret = b'{"id": 1, "text": "late"}', "s3cret"
    timed = "{timestamp}" in signed
    options: dict[str, Any] = {
        "signature": {
            "header": "X-Tool-Signature",
            "algorithm": algorithm,
            "encoding": encoding,
            "prefix": "sig=",
            "signed": signed,
            "timestamp_header": "X-Tool-Time" if timed else "",
        }
    }

    def call(at: str, key: str = secret, content: bytes = body, prefix: str = "sig=") -> Call:
        head = signed.replace("{timestamp}", at).removesuffix("{body}").removesuffix("body").encode()
        digest = hmac_digest(key.encode(), head + content, algorithm)
        value = digest.hex() if encoding == "hex" else encode_base64(digest)
        return body_call(body, **{"x-tool-signature": prefix + value, "x-tool-time": at})

    unix = str(int(NOW.timestamp()))
    for at in (unix, unix + "000", "2026-11-20T09:14:05Z"):
        assert accepted("mapped", call(at), ["old", secret], NOW, **options)
    assert not accepted("mapped", call(unix), ["old"], NOW, **options)
    assert not accepted("mapped", call(unix), [], NOW, **options), "what is signed needs a secret"
    assert not accepted("mapped", call(unix, "other"), [secret], NOW, **options)
    assert not accepted("mapped", call(unix, content=body + b" "), [secret], NOW, **options)
    assert not accepted("mapped", call(unix, prefix=""), [secret], NOW, **options)
    late = NOW + timedelta(seconds=301)
    assert accepted("mapped", call(unix), [secret], late, **options) is not timed
    for header in ("x-tool-signature", "x-tool-time"):
        for value in (None, "", "garbage", "\ud83d", "9" * 400, "٣"):
            headers = {**call(unix).headers, header: value or ""}
            if value is None:
                del headers[header]
            spoiled = header == "x-tool-signature" or timed
            assert accepted("mapped", Call(headers, body), [secret], NOW, **options) is not spoiled


def test_without_a_signature_the_token_counts() -> None:
    call = json_call("mapped", BODY)
    assert accepted("mapped", call, [], NOW)
    assert not accepted("mapped", call, ["t0ken"], NOW)
    assert accepted("mapped", json_call("mapped", BODY, x_journeymap_token="t0ken"), ["t0ken"], NOW)


def trial(body: Any, **options: Any) -> Trial:
    return try_mapping(json_call("mapped", body), MappedOptions.model_validate(options))


def test_a_trial_shows_what_every_path_found() -> None:
    found = trial(BODY, **MAPPING)
    assert (found.entries, found.taken, found.problem) == (3, 2, "")
    assert found.items == parsed("mapped", json_call("mapped", BODY), **MAPPING).items
    lines = {line.name: line for line in found.lines}
    assert all(not line.problem for line in found.lines), found.lines
    assert lines["items"].value == 3
    assert (lines["fields.text"].path, lines["fields.text"].value) == ("body", "Paid twice.")
    assert lines["fields.occurred_at"].value == "2026-11-20T09:14:03+00:00"
    assert lines["fields.score"].value["value"] == 2
    assert lines["attributes.tags"].value == ["vip", "refund"]
    assert lines["filters.0"].value == "Customer"


@pytest.mark.parametrize(
    ("options", "name", "problem"),
    [
        ({"fields": {"text": "ticket.body"}}, "fields.text", "no «body» in «ticket»"),
        ({"fields": {"text": "comments.body"}}, "fields.text", "list in «comments»"),
        ({"fields": {"text": "comments"}}, "fields.text", "[0] or [*]"),
        ({"fields": {"text": "ticket"}}, "fields.text", "go on to one of id"),
        ({"fields": {"text": "event"}}, "fields.external_id", "sent again"),
        ({"fields": {"text": "event", "score": "event"}}, "fields.score", "score_words"),
        ({"fields": {"text": "event", "score": "ticket.id"}}, "fields.score", "off the scale, 1 to 5"),
        ({"fields": {"text": "event", "occurred_at": "event"}}, "fields.occurred_at", "ISO 8601"),
        ({"fields": {"text": "event", "respondent": "comments[*].id"}}, "fields.respondent", "the first is taken"),
        ({"fields": {"text": "event", "respondent": "ticket"}}, "fields.respondent", "object is here"),
        ({"fields": {"text": "event"}, "attributes": {"a": "b"}}, "attributes.a", "no «b» at the top"),
        (
            {"fields": {"text": "event"}, "filters": [{"path": "event", "is": "x"}]},
            "filters.0",
            "holds for no item",
        ),
        ({"fields": {"text": "event"}, "filters": [{"path": "e", "is": "x"}]}, "filters.0", "no «e» at the top"),
        ({"items": "posts", "fields": {"text": "event"}}, "items", "no «posts» at the top"),
        (
            {"fields": {"text": "event"}, "erase_when": {"path": "event", "exists": True, "id": "gone"}},
            "erase_when.0",
            "no «gone»",
        ),
    ],
)
def test_a_trial_says_what_is_wrong(options: dict[str, Any], name: str, problem: str) -> None:
    lines = {line.name: line.problem for line in trial(BODY, **options).lines}
    assert problem in lines[name]


def test_a_trial_of_nothing_says_why() -> None:
    assert "no mapping yet" in trial(BODY).problem
    assert "not JSON" in try_mapping(body_call(b"{"), MappedOptions()).problem
    assert "filters" in trial(BODY, **{**MAPPING, "filters": [{"path": "id", "is": "none"}]}).problem
    assert trial(BODY, **MAPPING).lines, "and shows the lines"


def test_deliveries_in_any_order_end_in_the_same_state(database: Database, settings: Settings) -> None:
    def at(seconds: int, event: str, *comments: dict[str, Any]) -> Call:
        time = (NOW + timedelta(seconds=seconds)).isoformat()
        return json_call("mapped", {**BODY, "event": event, "sent_at": time, "comments": list(comments)})

    first, agents, second = BODY["comments"]
    calls = [
        at(0, "comment.created", first),
        at(10, "comment.created", agents),
        at(20, "comment.created", second),
        at(30, "comment.updated", {**first, "body": "Paid twice, in <i>October</i>"}),
        at(40, "comment.updated", {**first, "body": "Paid twice, in October", "rating": {"stars": 5}}),
        at(50, "comment.created", {**second, "id": 5004, "body": "A mistake"}),
        at(60, "comment.deleted", {**second, "id": 5004, "body": None}),
    ]
    order_free(database, settings, "mapped", calls, **MAPPING)


odd_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("x" * 600),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "comments",
                    "ticket",
                    "author",
                    "role",
                    "ref",
                    "body",
                    "id",
                    "at",
                    "rating",
                    "stars",
                    "event",
                    "sent_at",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@hypothesis_settings(max_examples=150, deadline=None)
@given(body=odd_values, comments=st.lists(odd_values, max_size=3), deleting=st.booleans())
def test_odd_shapes_are_parsed_or_refused(body: Any, comments: list[Any], deleting: bool) -> None:
    shape = {**body, "comments": comments} if isinstance(body, dict) else body
    call = json_call(
        "mapped", {**shape, "event": "comment.deleted"} if deleting and isinstance(shape, dict) else shape
    )
    options = MappedOptions.model_validate({**MAPPING, "filters": []})
    tried = try_mapping(call, options)
    try:
        found = SENDERS["mapped"].parse(call, options)
    except CannotParse as error:
        found = Parsed(ignored=str(error))
    assert found.items or found.erased or found.ignored
    assert (tried.items, tried.erased, tried.problem) == (found.items, found.erased, found.ignored)
    for item in found.items:
        assert item.get("text") or item.get("score")


def test_bodies_without_the_items_are_ignored_and_told() -> None:
    shapes: tuple[Any, ...] = ([], {}, None, 5, "x", [[]], [None], {"comments": []}, {"comments": [[[[]]]]})
    for body in shapes:
        assert parsed("mapped", json_call("mapped", body), **MAPPING).ignored
        assert trial(body, **MAPPING).problem
