"""Front: application and rule webhooks, its check of the address, previews that have to be fetched."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse, Erased, Wanted
from service.ingest.senders import SENDERS
from service.ingest.senders.contract import Fetched, NotThere, Refused, TryLater
from service.ingest.senders.front import ApiToken
from service.ingest.senders.signatures import encode_base64, hmac_digest
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.fake_api import Answer, Asked, PlainHttp, fake_api
from tests.ingest.senders.hostile import check_hostile
from tests.ingest.senders.recorded import accepted, json_call, options, order_free, parsed, recorded

SECRET = "test_front_app_signing_key_a4"
FRONT = SENDERS["front"]


def message(number: int, text: str | None, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"msg_{number}",
        "type": "email",
        "is_inbound": True,
        "created_at": 1795166000.5 + number,
        "subject": "Pricing question" if number == 1 else "Re: Pricing question",
        "blurb": "cut off…",
        "body": text and f"<p>{text}</p>",
        "text": text,
        "author": None,
        "recipients": [
            {"handle": "help@example.com", "role": "to", "_links": {"related": {"contact": None}}},
            {
                "handle": "sender@example.com",
                "role": "from",
                "_links": {"related": {"contact": "https://acme.api.frontapp.com/contacts/crd_1"}},
            },
        ],
        **fields,
    }


def event(number: int, kind: str, data: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"evt_{number}",
        "type": kind,
        "emitted_at": 1795166001.25 + number,
        "conversation": {
            "id": "cnv_1",
            "status": "assigned",
            "tags": [{"name": "vip"}, {"name": "billing"}],
            "custom_fields": {"Plan": "Team", "Seats": 12},
        },
        "source": {"_meta": {"type": "inboxes"}, "data": [{"id": "inb_1", "name": "Support"}]},
        "target": {"_meta": {"type": "message"}, "data": data} if data else None,
        **fields,
    }


def application(kind: str, payload: dict[str, Any]) -> Call:
    return json_call("front", {"type": kind, "authorization": {"id": "cmp_1"}, "payload": payload})


def inbound(number: int, text: str | None, **fields: Any) -> Call:
    return application("inbound_received", event(number, "inbound", message(number, text, **fields)))


def test_the_recorded_message_is_verified_and_taken() -> None:
    one = recorded("front", "application.inbound_received")
    assert accepted("front", one.call, [SECRET], one.clock)
    (item,) = parsed("front", one.call).items
    assert item == {
        "external_id": "msg_test01",
        "conversation_id": "cnv_keotest",
        "text": "Pricing question\n\n"
        "The new pricing page is confusing. Is the Team plan per seat or per workspace?",
        "channel": "ticket",
        "occurred_at": "2026-11-20T09:14:01.872000+00:00",
        "updated_at": "2026-11-20T09:14:01.872000+00:00",
        "respondent": "crd_62test",
        "url": "https://app.frontapp.com/open/msg_test01",
        "attributes": {"status": "unassigned", "inbox": "Support", "type": "email"},
    }
    assert FRONT.delivery_id(one.call) == "evt_test01"


@pytest.mark.parametrize("name", ["application.inbound_received", "application.sync-challenge"])
def test_anything_changed_is_refused(name: str) -> None:
    one = recorded("front", name)
    call, clock = one.call, one.clock
    assert accepted("front", call, ["other", SECRET], clock)
    assert not accepted("front", call, ["other"], clock)
    assert not accepted("front", call, [], clock)
    flipped = bytes([call.body[0] ^ 1]) + call.body[1:]
    assert not accepted("front", replace(call, body=flipped), [SECRET], clock)
    for header, values in {
        "x-front-signature": (None, "", "garbage", "é", "a" * 10_000),
        "x-front-request-timestamp": (
            None,
            "",
            "soon",
            "-5",
            "１７９５１６６０４５１２３",
            "1795166045124",
            "9" * 500,
        ),
    }.items():
        for value in values:
            headers = {**call.headers, header: value} if value is not None else {**call.headers}
            if value is None:
                del headers[header]
            assert not accepted("front", replace(call, headers=headers), [SECRET], clock), (header, value)
    for late in (timedelta(seconds=301), timedelta(seconds=-301)):
        assert not accepted("front", call, [SECRET], clock + late)
        assert accepted("front", call, [SECRET], clock + late, replay_window_seconds=400)


def test_each_address_takes_one_of_the_two_schemes() -> None:
    one = recorded("front", "application.inbound_received")
    rule = replace(
        one.call, headers={"x-front-signature": encode_base64(hmac_digest(b"company", one.call.body, "sha1"))}
    )
    assert accepted("front", rule, ["old", "company"], one.clock, scheme="rule")
    assert not accepted("front", rule, ["company"], one.clock)
    assert not accepted("front", one.call, [SECRET], one.clock, scheme="rule")
    assert not accepted("front", replace(rule, body=rule.body + b" "), ["company"], one.clock, scheme="rule")
    assert not accepted("front", replace(rule, headers={}), ["company"], one.clock, scheme="rule")


def test_the_check_of_the_address_is_answered_with_its_challenge() -> None:
    one = recorded("front", "application.sync-challenge")
    answer = FRONT.reply and FRONT.reply(one.call, options("front"))
    assert answer is not None
    assert json.loads(answer.body) == one.meta["expected_response"]["body"]
    assert (answer.status, answer.media_type) == (200, "application/json")
    found = parsed("front", one.call)
    assert not found.items
    assert found.ignored
    # only the check: nothing else in a call decides what we answer
    assert FRONT.reply is not None
    for other in (
        replace(one.call, headers={}),
        replace(one.call, body=b"[]"),
        replace(one.call, body=b"{"),
        replace(one.call, headers={"x-front-challenge": "x" * 2000}),
        replace(inbound(1, "Hello"), headers={"x-front-challenge": "c5f1test"}),
    ):
        assert FRONT.reply(other, options("front")) is None
    quoted = FRONT.reply(replace(one.call, headers={"x-front-challenge": '"},{"'}), options("front"))
    assert quoted is not None
    assert json.loads(quoted.body) == {"challenge": '"},{"'}


def test_a_rule_sends_the_event_as_it_is() -> None:
    (item,) = parsed("front", json_call("front", event(1, "inbound", message(1, "Too dear"))), scheme="rule").items
    assert item["text"] == "Pricing question\n\nToo dear"
    assert item["attributes"] == {
        "status": "assigned",
        "tags": "vip, billing",
        "inbox": "Support",
        "type": "email",
        "Plan": "Team",
        "Seats": "12",
    }
    # one capture has the conversation's id without its prefix
    bare = event(1, "inbound", message(1, "Too dear"))
    bare["conversation"] |= {"id": "1", "_links": {"self": "https://acme.api.frontapp.com/conversations/cnv_1"}}
    assert parsed("front", json_call("front", bare)).items[0]["conversation_id"] == "cnv_1"


def test_follow_ups_belong_to_their_conversation_and_do_not_repeat_the_subject() -> None:
    first, second = (parsed("front", inbound(number, "Still unclear")).items[0] for number in (1, 2))
    assert first["conversation_id"] == second["conversation_id"] == "cnv_1"
    assert first["external_id"] != second["external_id"]
    assert second["text"] == "Still unclear"


def test_quoted_earlier_mails_are_not_taken_again() -> None:
    body = "<p>Thanks</p><blockquote class='front-blockquote'>What we wrote before</blockquote>"
    (item,) = parsed("front", inbound(2, "Thanks\n> What we wrote before", body=body)).items
    assert item["text"] == "Thanks"
    (plain,) = parsed("front", inbound(2, "Thanks\n> What we wrote before", body=None)).items
    assert plain["text"] == "Thanks"
    # a chat's text is plain: what looks like markup in it was typed
    (chat,) = parsed("front", inbound(2, "a<b and c>d", type="sms", body="a")).items
    assert (chat["text"], chat["channel"]) == ("a<b and c>d", "chat")


@pytest.mark.parametrize(
    "call",
    [
        application("outbound_sent", event(1, "outbound", message(1, "We are sorry", is_inbound=False))),
        application("inbound_received", event(1, "inbound", message(1, "We are sorry", is_inbound=False))),
        application("inbound_received", event(1, "inbound", message(1, "Fwd for you", author={"id": "tea_1"}))),
        application("new_comment_added", event(1, "comment", {"id": "com_1", "body": "He is annoying"})),
        application("mention", event(1, "mention", {"id": "com_1", "body": "@anna look"})),
        application("out_reply", event(1, "out_reply", message(1, "Hello there"))),
        application("conversation_archived", event(1, "archive")),
        application("tag_added", event(1, "tag")),
        application("conversation_restored", event(1, "restore")),
        application("something_new", event(1, "something_new", message(1, "Hello"))),
        json_call("front", event(1, "outbound", message(1, "We are sorry"))),
        inbound(1, "", body=""),
        inbound(1, None, body="<img src='a.png'>"),
    ],
)
def test_what_no_customer_wrote_is_ignored_with_its_reason(call: Call) -> None:
    found = parsed("front", call)
    assert not found.items
    assert not found.erased
    assert not found.wanted
    assert found.ignored


@pytest.mark.parametrize("kind", ["conversation_deleted", "trash"])
def test_a_deleted_conversation_is_erased(kind: str) -> None:
    for call in (application(kind, event(9, "trash")), json_call("front", event(9, kind))):
        up_to = "2026-11-20T09:13:30.250000+00:00"
        assert parsed("front", call).erased == [Erased("conversation", "cnv_1", up_to)]
    timeless = application(kind, {**event(9, "trash"), "emitted_at": None})
    assert parsed("front", timeless).erased == [Erased("conversation", "cnv_1")]
    with pytest.raises(CannotParse):
        parsed("front", application(kind, {"id": "evt_9", "type": "trash"}))


def preview(number: int) -> Call:
    return application(
        "inbound_received",
        {
            "id": f"evt_{number}",
            "type": "inbound",
            "emitted_at": 1795166001.25 + number,
            "conversation": {"id": "cnv_1", "subject": "Pricing question"},
        },
    )


def fetched(answer: Fetched) -> Call:
    return Call({}, answer.body, fetched=answer.what)


def test_a_preview_is_fetched_with_the_token_and_then_taken() -> None:
    (wanted,) = parsed("front", preview(1)).wanted
    assert wanted == Wanted("event", {"event": "evt_1", "conversation": "cnv_1"})
    whole = event(1, "inbound", message(1, "Too dear"))

    def api(asked: Asked) -> Answer:
        if asked.headers.get("authorization") != "Bearer t0ken":
            return 401, {"_error": {"status": 401}}
        return (200, whole) if asked.path == "/events/evt_1" else (404, {})

    assert FRONT.fetcher is not None
    with fake_api(api) as front:
        chosen = options("front", api_base_url=front.url + "/")
        (answer,) = FRONT.fetcher.fetch(PlainHttp(), ApiToken(api_token="t0ken"), chosen, wanted)
        with pytest.raises(Refused):
            FRONT.fetcher.fetch(PlainHttp(), ApiToken(api_token="other"), chosen, wanted)
        with pytest.raises(NotThere):
            FRONT.fetcher.fetch(
                PlainHttp(), ApiToken(api_token="t0ken"), chosen, Wanted("event", {"event": "evt_7"})
            )
    assert parsed("front", fetched(answer)).items == parsed("front", inbound(1, "Too dear")).items
    # the answer is a delivery of its own, not a repetition of the preview
    assert FRONT.delivery_id(fetched(answer)) is None


def test_an_event_without_its_message_is_completed_by_the_message() -> None:
    without_words = event(1, "inbound", {"id": "msg_1", "is_inbound": True})
    (wanted,) = parsed("front", json_call("front", without_words)).wanted
    assert wanted.ids["message"] == "msg_1"
    answers: dict[str, Answer] = {
        "/events/evt_1": (200, without_words),
        "/messages/msg_1": (200, message(1, "Too dear")),
    }

    assert FRONT.fetcher is not None
    with fake_api(lambda asked: answers.get(asked.path, (404, {}))) as front:
        chosen = options("front", api_base_url=front.url)
        token = ApiToken(api_token="t0ken")
        (answer,) = FRONT.fetcher.fetch(PlainHttp(), token, chosen, wanted)
        assert parsed("front", fetched(answer)).items == parsed("front", inbound(1, "Too dear")).items
        del answers["/events/evt_1"]  # events are not kept for ever
        (answer,) = FRONT.fetcher.fetch(PlainHttp(), token, chosen, wanted)
        (item,) = parsed("front", fetched(answer)).items
        assert (item["text"], item["conversation_id"]) == ("Pricing question\n\nToo dear", "cnv_1")
        answers["/messages/msg_1"] = (200, b"<html>maintenance</html>")
        with pytest.raises(TryLater):
            FRONT.fetcher.fetch(PlainHttp(), token, chosen, wanted)
        # an id never leaves its place in the address
        with pytest.raises(NotThere):
            FRONT.fetcher.fetch(PlainHttp(), token, chosen, Wanted("event", {"event": "../me?x=1"}))
        assert front.asked[-1].path == "/events/..%2Fme%3Fx%3D1"


def test_a_fetched_message_of_the_team_or_without_words_is_not_taken_and_not_fetched_again() -> None:
    for one in (message(1, "Sorry", is_inbound=False), message(1, None)):
        found = parsed("front", replace(json_call("front", event(1, "inbound", one)), fetched="event"))
        assert not found.items
        assert not found.wanted
        assert found.ignored


def test_any_order_and_repetition_ends_in_the_same_state(database: Database, settings: Settings) -> None:
    later = event(1, "inbound", message(1, "Too dear"))
    later["emitted_at"] += 60
    later["conversation"] |= {"status": "archived", "tags": []}
    calls = [
        inbound(1, "Too dear"),
        inbound(2, "Still waiting"),
        preview(3),
        replace(json_call("front", event(3, "inbound", message(3, "Hello?"))), fetched="event"),
        application("outbound_sent", event(4, "outbound", message(4, "Sorry", is_inbound=False))),
        json_call("front", later | {"id": "evt_8"}),
    ]
    order_free(database, settings, "front", calls)
    order_free(database, settings, "front", [*calls, application("conversation_deleted", event(9, "trash"))])


def test_a_conversation_out_of_the_bin_is_taken_again_in_any_order(database: Database, settings: Settings) -> None:
    restored = event(10, "restore", message(1, "Too dear"))
    calls = [
        inbound(1, "Too dear"),
        inbound(2, "Still waiting"),
        application("conversation_deleted", event(9, "trash")),
        application("conversation_restored", restored),
        inbound(11, "Thanks"),
    ]
    ends = order_free(database, settings, "front", calls)
    assert set(ends) == {"msg_1", "msg_11"}


def test_hostile_shapes() -> None:
    check_hostile("front", inbound(1, "Too dear"))
    check_hostile("front", preview(1))
    check_hostile("front", application("conversation_deleted", event(9, "trash")))


def test_spam_is_not_taken_and_flags_as_text_are_flags() -> None:
    thrown = event(1, "inbound", message(1, "Buy now"), conversation={"id": "cnv_1", "status": "spam"})
    assert "spam" in parsed("front", application("inbound_received", thrown)).ignored
    assert parsed("front", inbound(1, "We look into it", is_inbound="false")).ignored
