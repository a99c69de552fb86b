"""CloudEvents: structured, batch and binary."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse, Erased
from service.ingest.senders import cloudevents
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.recorded import accepted, json_call, order_free, parsed, recorded


def event(**fields: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "A-1",
        "source": "/shop",
        "type": "com.example.feedback.created",
        "time": "2026-11-20T09:14:03Z",
        "data": {"id": "fb-1", "text": "Search is slow", "rating": 2},
        **fields,
    }


def test_the_recorded_event() -> None:
    one = recorded("cloudevents", "structured")
    assert accepted("cloudevents", one.call, [], one.clock)
    assert not accepted("cloudevents", one.call, ["t"], one.clock)
    bearer = replace(one.call, headers={**one.call.headers, "authorization": "Bearer t"})
    assert accepted("cloudevents", bearer, ["old", "t"], one.clock)
    (item,) = parsed("cloudevents", one.call).items
    assert item == {
        "external_id": "https://feedback.example.com/tenants/t1 A234-1234-1234",
        "text": "Search is slow",
        "score": {"kind": "stars", "value": 2, "scale_min": 1, "scale_max": 5},
        "occurred_at": "2026-11-20T09:14:03Z",
        "updated_at": "2026-11-20T09:14:03Z",
        "attributes": {
            "event_type": "com.example.feedback.created",
            "event_source": "https://feedback.example.com/tenants/t1",
            "event_subject": "fb_01JD4M7Q",
        },
    }
    assert cloudevents.delivery_id(one.call) == "https://feedback.example.com/tenants/t1 A234-1234-1234"
    (item,) = parsed("cloudevents", one.call, identity="subject").items
    assert item["external_id"] == "fb_01JD4M7Q"


def test_the_token_may_stand_in_the_address() -> None:
    one = recorded("cloudevents", "structured")
    for query, right in (
        ("?access_token=t%2B1", True),
        ("?p=q&access_token=old&access_token=t%2B1#x", True),
        ("?token=t%2B1", False),
        ("?access_token=", False),
        ("#?access_token=t%2B1", False),
    ):
        call = replace(one.call, url=one.call.url + query)
        assert accepted("cloudevents", call, ["t+1"], one.clock) is right, query


def test_who_says_where_it_is_from_may_send() -> None:
    asked = {"webhook-request-origin": " *.eventgrid.example.com ", "webhook-request-rate": "120"}
    assert cloudevents.handshake(asked) == {
        "WebHook-Allowed-Origin": "*.eventgrid.example.com",
        "WebHook-Allowed-Rate": "*",
    }
    for origin in ("", "a.example, b.example", "a b", "ä.example", "x" * 256):
        assert cloudevents.handshake({"webhook-request-origin": origin}) == {}


def test_the_same_event_in_headers() -> None:
    plain = event()
    headers = {f"ce-{name}": str(value) for name, value in plain.items() if name != "data"}
    headers |= {"content-type": "application/json", "ce-subject": "M%C3%BCnchen"}
    call = Call(headers, json.dumps(plain["data"]).encode())
    (item,) = parsed("cloudevents", call).items
    assert item["external_id"] == "fb-1"
    assert item["attributes"]["event_subject"] == "München"
    assert item["attributes"]["event_type"] == "com.example.feedback.created"
    assert cloudevents.delivery_id(call) == "/shop A-1"
    words = Call({**headers, "content-type": "text/plain; charset=utf-8"}, b"Zu langsam")
    (item,) = parsed("cloudevents", words).items
    assert (item["text"], item["external_id"]) == ("Zu langsam", "/shop A-1")
    assert parsed("cloudevents", replace(call, body=b"")).ignored == "an event without data"
    with pytest.raises(CannotParse):
        parsed("cloudevents", replace(call, headers={**headers, "content-type": "image/png"}, body=b"\x89PNG"))


def test_a_batch_takes_what_is_good() -> None:
    batch = [event(), event(id="A-2", data=[{"text": "a"}, {"text": "b"}]), event(type="x.ping"), event(data=None)]
    call = json_call("cloudevents", batch, content_type="application/cloudevents-batch+json")
    found = parsed("cloudevents", call)
    assert [item["external_id"] for item in found.items] == ["fb-1", "/shop A-2:0", "/shop A-2:1"]
    assert found.ignored == "a test of the connection; an event without data"
    assert cloudevents.delivery_id(call) is None
    bad = cloudevents.parse(json_call("cloudevents", [{"id": "x"}, 7, event()]), cloudevents.Options())
    assert [isinstance(item, dict) for item in bad.items] == [False, False, True]
    assert parsed("cloudevents", json_call("cloudevents", [])).ignored


def test_data_in_base64_and_as_text() -> None:
    def read(**fields: Any) -> Any:
        return parsed("cloudevents", json_call("cloudevents", event(**fields))).items[0]["text"]

    packed = base64.b64encode(b'{"id":"x","comment":"From base64"}').decode()
    assert read(data=None, data_base64=packed) == "From base64"
    words = base64.b64encode("Größe".encode()).decode()
    assert read(data=None, data_base64=words, datacontenttype="text/plain") == "Größe"
    assert read(data="Plain words", datacontenttype="text/plain") == "Plain words"
    assert read(data='{"id":"x","text":"JSON in a text"}') == "JSON in a text"
    assert read(data="A string is JSON too") == "A string is JSON too"
    assert read(data={"items": [{"id": "1", "text": "One of items"}]}) == "One of items"
    for wrong in (
        {"data_base64": "***"},
        {"data_base64": 7},
        {"data": '{"text": "brok'},
        {"data": "<a/>", "datacontenttype": "text/xml"},
    ):
        with pytest.raises(CannotParse):
            read(**{"data": None, **wrong})


def test_deletions() -> None:
    gone = event(type="com.example.feedback.deleted", data={"id": "fb-1"})
    assert parsed("cloudevents", json_call("cloudevents", gone)).erased == [Erased("item", "fb-1")]
    gone = event(type="com.example.customer.erased", data={"customer_id": "c"})
    assert parsed("cloudevents", json_call("cloudevents", gone)).erased == [Erased("respondent", "c")]
    gone = event(type="com.example.feedback.deleted", data=None, subject="fb-9")
    assert parsed("cloudevents", json_call("cloudevents", gone)).erased == []
    by_subject = parsed("cloudevents", json_call("cloudevents", gone), identity="subject")
    assert by_subject.erased == [Erased("item", "fb-9")]


def test_deletions_with_a_version_and_of_other_things() -> None:
    gone = event(type="com.example.feedback.deleted.v1", data=None, subject="fb-9")
    assert parsed("cloudevents", json_call("cloudevents", gone), identity="subject").erased == [
        Erased("item", "fb-9")
    ]
    other = event(type="com.example.attachment.deleted", data={"id": "a"}, subject="fb-9")
    found = parsed("cloudevents", json_call("cloudevents", other), identity="subject")
    assert (found.items, found.erased) == ([], [])
    assert found.ignored


def test_extensions_become_attributes() -> None:
    call = json_call("cloudevents", event(plan="pro", traceparent="00-1-2-00", partitionkey="k"))
    assert parsed("cloudevents", call).items[0]["attributes"]["plan"] == "pro"
    assert not {"traceparent", "partitionkey"} & parsed("cloudevents", call).items[0]["attributes"].keys()


@pytest.mark.parametrize(
    "value",
    [None, "", 7, {}, {"specversion": "1.0"}, event(specversion="2.0"), event(id=""), event(source=None)],
)
def test_what_is_no_event(value: Any) -> None:
    with pytest.raises(CannotParse):
        parsed("cloudevents", json_call("cloudevents", value))


def test_long_names_and_many_attributes_stay_within_the_contract() -> None:
    (item,) = parsed(
        "cloudevents",
        json_call(
            "cloudevents",
            event(source="s" * 600, data={"text": "a", **{f"k{n}": "v" for n in range(50)}}),
        ),
    ).items
    assert len(item["external_id"]) == 64
    assert len(item["attributes"]) == 20


def test_events_in_any_order(database: Database, settings: Settings) -> None:
    later = "2026-11-21T10:00:00Z"
    edited = {"id": "fb-1", "text": "Search is slow and loses my filters", "rating": 1}
    order_free(
        database,
        settings,
        "cloudevents",
        [
            json_call("cloudevents", event()),
            json_call(
                "cloudevents", event(id="A-2", type="com.example.feedback.updated", time=later, data=edited)
            ),
            json_call("cloudevents", [event(id="A-3", data={"text": "No id", "rating": 5}), event()]),
            json_call("cloudevents", event(id="A-4", data={"id": "fb-2", "text": "Gone soon"})),
            json_call("cloudevents", event(id="A-5", type="com.example.feedback.deleted", data={"id": "fb-2"})),
        ],
    )
