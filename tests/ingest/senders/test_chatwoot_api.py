"""Chatwoot's poller against a fake of its API: whole rounds, nothing missed, nothing asked for in vain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from service.ingest.incoming import Call, Erased, Parsed
from service.ingest.senders import SENDERS
from service.ingest.senders.chatwoot_api import ApiToken, Options, poll
from service.ingest.senders.contract import Refused, TryLater
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.fake_api import Answer, Asked, FakeApi, PlainHttp, fake_api
from tests.ingest.senders.recorded import json_call, order_free, parsed

START = 1_795_000_000
STEPS = 200  # more than any round here takes


@dataclass
class Chatwoot:
    """The account behind the API."""

    conversations: dict[int, dict[str, Any]] = field(default_factory=dict)
    messages: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)
    status: int = 200
    may_list_inboxes: bool = True

    def write(self, conversation: int, at: int, text: str, **fields: Any) -> int:
        number = 1000 + sum(map(len, self.messages.values()))
        self.messages.setdefault(conversation, []).append(
            {
                "id": number,
                "content": text,
                "message_type": 0,
                "content_type": "text",
                "content_attributes": {},
                "private": False,
                "created_at": at,
                "conversation_id": conversation,
                "inbox_id": 45,
                "sender": {"id": 70, "name": "Test", "type": "contact"},
                **fields,
            }
        )
        self.conversations[conversation] = {
            "id": conversation,
            "inbox_id": 45,
            "status": "open",
            "labels": ["billing"],
            "meta": {"sender": {"id": 70, "type": "contact"}, "channel": "Channel::WebWidget"},
            "last_activity_at": at,
            "updated_at": at + 0.25,
        }
        return number

    def rate(self, message: int, conversation: int, at: int, rating: int, comment: str | None = None) -> None:
        self.answers.append(
            {
                "id": len(self.answers) + 1,
                "rating": rating,
                "feedback_message": comment,
                "message_id": message,
                "conversation_id": conversation,
                "contact": {"id": 70},
                "account_id": 7,
                "created_at": at,
            }
        )

    def answer(self, asked: Asked) -> Answer:
        root = "/api/v1/accounts/7"
        if self.status != 200:
            return self.status, {"error": "no"}
        if asked.headers.get("api_access_token") != "token-1":
            return 401, {"error": "Invalid Access Token"}
        path, page = asked.path.removeprefix(root), int(asked.params.get("page", 1))
        if path == "/inboxes":
            if not self.may_list_inboxes:
                return 403, {}
            return 200, {"payload": [{"id": 45, "name": "Website", "channel_type": "Channel::WebWidget"}]}
        if path == "/conversations":
            assert asked.params["status"] == asked.params["assignee_type"] == "all"
            rows = sorted(self.conversations.values(), key=lambda one: -one["last_activity_at"])
            return 200, {"data": {"meta": {}, "payload": rows[(page - 1) * 25 : page * 25]}}
        if path == "/csat_survey_responses":
            rows = sorted(self.answers, key=lambda one: -one["created_at"])
            return 200, rows[(page - 1) * 25 : page * 25]
        number = int(path.split("/")[2])
        if number in self.gone:
            return 404, {}
        if not path.endswith("/messages"):
            return 200, self.conversations[number]
        before = int(asked.params.get("before", 10**9))
        return 200, {"meta": {}, "payload": [one for one in self.messages[number] if one["id"] < before][-20:]}


@contextmanager
def running(chatwoot: Chatwoot) -> Iterator[tuple[FakeApi, Options]]:
    with fake_api(chatwoot.answer) as api:
        yield api, Options(base_url=api.url + "/", account_id="7")


def whole_round(options: Options, cursor: Mapping[str, Any]) -> tuple[dict[str, Any], list[Call]]:
    calls = []
    for _ in range(STEPS):
        found = poll(PlainHttp(), ApiToken(api_access_token="token-1"), options, cursor)
        cursor = found.cursor
        if found.page is not None:
            calls.append(Call({}, found.page.body, fetched=found.page.what))
        if not found.more:
            return dict(cursor), calls
    raise AssertionError("the round never ends")


def taken(calls: list[Call], options: Options) -> Parsed:
    found = [parsed("chatwoot", call, **options.model_dump()) for call in calls]
    return Parsed([item for one in found for item in one.items], [gone for one in found for gone in one.erased])


def test_a_round_reads_everything_and_the_next_only_what_is_new() -> None:
    chatwoot = Chatwoot()
    for number in range(1, 31):  # more than a page
        chatwoot.write(number, START + number, f"words {number}")
        chatwoot.write(number, START + number, "an answer", message_type=1, sender={"id": 1, "type": "user"})
    chatwoot.rate(9001, 30, START + 31, 2, "Took days")
    with running(chatwoot) as (api, options):
        cursor, calls = whole_round(options, {})
        found = taken(calls, options)
        assert sorted(item["text"] for item in found.items) == sorted(
            [f"words {number}" for number in range(1, 31)] + ["Took days"]
        )
        rating = next(item for item in found.items if item["text"] == "Took days")
        assert rating["external_id"] == "9001"
        assert rating["conversation_id"] == "30"
        assert rating["score"] == {"kind": "csat", "value": 2, "scale_min": 1, "scale_max": 5}
        words = next(item for item in found.items if item["text"] == "words 3")
        assert words["attributes"]["inbox"] == "Website"
        assert words["attributes"]["labels"] == "billing"
        assert words["url"] == f"{api.url}/app/accounts/7/conversations/3"

        api.asked.clear()
        cursor, calls = whole_round(options, cursor)
        asked = [one.path.rpartition("/7/")[2] for one in api.asked]
        # the newest is looked at again, because more may have come within its second
        assert asked == [
            "conversations",
            "inboxes",
            "conversations/30",
            "conversations/30/messages",
            "csat_survey_responses",
        ]

        new = chatwoot.write(4, START + 500, "still broken")
        cursor, calls = whole_round(options, cursor)
        assert str(new) in {item["external_id"] for item in taken(calls, options).items}
        assert {item["conversation_id"] for item in taken(calls, options).items} == {"4", "30"}


def test_long_conversations_are_read_page_by_page_back_to_the_last_round() -> None:
    chatwoot = Chatwoot()
    for number in range(65):
        chatwoot.write(1, START + number, f"words {number}")
    with running(chatwoot) as (api, options):
        cursor, calls = whole_round(options, {})
        assert len(taken(calls, options).items) == 65
        for number in range(25):
            chatwoot.write(1, START + 1000 + number, f"more {number}")
        api.asked.clear()
        _, calls = whole_round(options, cursor)
        texts = {item["text"] for item in taken(calls, options).items}
        assert {f"more {number}" for number in range(25)} <= texts
        assert len([one for one in api.asked if one.path.endswith("/messages")]) == 2


def test_a_round_that_breaks_off_goes_on_where_it_was() -> None:
    chatwoot = Chatwoot()
    for number in range(1, 4):
        chatwoot.write(number, START + number, f"words {number}")
    with running(chatwoot) as (_, options):
        step = poll(PlainHttp(), ApiToken(api_access_token="token-1"), options, {})
        chatwoot.status = 500
        with pytest.raises(TryLater):
            poll(PlainHttp(), ApiToken(api_access_token="token-1"), options, step.cursor)
        chatwoot.status = 200
        _, calls = whole_round(options, step.cursor)
        assert {item["text"] for item in taken(calls, options).items} == {"words 1", "words 2", "words 3"}


def test_what_is_gone_meanwhile_is_passed_over_and_deleted_messages_are_erased() -> None:
    chatwoot = Chatwoot()
    chatwoot.write(1, START, "here")
    chatwoot.write(2, START + 1, "gone")
    deleted = chatwoot.write(1, START + 2, "deleted", content_attributes={"deleted": True})
    chatwoot.gone.add(2)
    with running(chatwoot) as (_, options):
        _, calls = whole_round(options, {})
        found = taken(calls, options)
        assert [item["text"] for item in found.items] == ["here"]
        assert found.erased == [Erased("item", str(deleted))]


def test_only_as_much_history_as_wanted_is_read_at_first() -> None:
    chatwoot = Chatwoot()
    chatwoot.write(1, START - 40 * 86_400, "long ago")
    chatwoot.write(2, START, "now")
    with running(chatwoot) as (_, options):
        _, calls = whole_round(options, {})
        assert [item["text"] for item in taken(calls, options).items] == ["now"]
        _, calls = whole_round(options.model_copy(update={"history_days": 90}), {})
        assert {item["text"] for item in taken(calls, options).items} == {"now", "long ago"}


def test_comments_added_to_ratings_seen_before_are_found_and_pages_of_answers_too() -> None:
    chatwoot = Chatwoot()
    chatwoot.write(1, START, "words")
    for number in range(60):
        chatwoot.rate(9000 + number, 1, START + number, 3)
    with running(chatwoot) as (api, options):
        cursor, calls = whole_round(options, {})
        assert len([item for item in taken(calls, options).items if "score" in item]) == 60
        chatwoot.answers[10]["feedback_message"] = "Too slow"
        chatwoot.rate(9100, 1, START + 100 * 86_400, 1)
        cursor, calls = whole_round(options, cursor)
        assert any(item.get("text") == "Too slow" for item in taken(calls, options).items)
        api.asked.clear()
        whole_round(options, cursor)
        assert len([one for one in api.asked if one.path.endswith("/csat_survey_responses")]) == 1


def test_an_empty_account_a_wrong_token_and_a_missing_number() -> None:
    chatwoot = Chatwoot(may_list_inboxes=False)
    with running(chatwoot) as (_, options):
        cursor, calls = whole_round(options, {})
        assert calls == []
        assert not whole_round(options, cursor)[1]
        chatwoot.write(1, START, "first words ever")
        _, calls = whole_round(options, cursor)
        assert [item["text"] for item in taken(calls, options).items] == ["first words ever"]
        with pytest.raises(Refused):
            poll(PlainHttp(), ApiToken(api_access_token="wrong"), options, {})
        with pytest.raises(Refused):
            poll(PlainHttp(), ApiToken(api_access_token="token-1"), Options(base_url=options.base_url), {})


@pytest.mark.parametrize(
    "content", [None, [], {}, "x", {"data": None}, {"data": {"payload": [None, {"id": None}]}}]
)
def test_odd_answers_end_the_round(content: Any) -> None:
    with fake_api(lambda _: (200, content)) as api:
        assert whole_round(Options(base_url=api.url, account_id="7"), {})[1] == []
    with fake_api(lambda _: (200, b"<html>")) as api, pytest.raises(TryLater):
        whole_round(Options(base_url=api.url, account_id="7"), {})


def test_webhooks_and_what_the_api_says_end_in_the_same_state(database: Database, settings: Settings) -> None:
    chatwoot = Chatwoot()
    first = chatwoot.write(85, START, "It is broken")
    chatwoot.rate(9001, 85, START + 60, 2, "Took days")
    with running(chatwoot) as (_, options):
        _, calls = whole_round(options, {})
    conversation = {
        "id": 85,
        "channel": "Channel::WebWidget",
        "status": "open",
        "meta": {"sender": {"id": 70, "type": "contact"}},
        "updated_at": START + 0.25,
    }
    hook = {
        "event": "message_created",
        "id": first,
        "content": "It is broken",
        "message_type": "incoming",
        "created_at": "2026-11-18T11:06:40.120Z",
        "inbox": {"id": 45, "name": "Website"},
        "conversation": conversation,
    }
    rated = {
        **hook,
        "event": "message_updated",
        "id": 9001,
        "message_type": "template",
        "content_type": "input_csat",
        "content_attributes": {"submitted_values": {"csat_survey_response": {"rating": 2}}},
        "conversation": {**conversation, "updated_at": START + 60.4},
    }
    assert SENDERS["chatwoot"].poller is not None
    hooks = [json_call("chatwoot", hook), json_call("chatwoot", rated)]
    order_free(database, settings, "chatwoot", [*hooks, *calls])
