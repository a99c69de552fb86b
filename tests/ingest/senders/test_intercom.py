"""Intercom: notifications of conversations, tickets, ratings, surveys and deletions."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse, Erased, Merged
from service.ingest.senders import SENDERS
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.hostile import survives
from tests.ingest.senders.recorded import accepted, json_call, order_free, parsed, recorded

NAMES = ("conversation.user.created", "conversation.user.replied", "conversation.admin.closed")
CONTACT = "66500000000000000000aa01"
USER = {"type": "user", "id": CONTACT, "email": "contact@example.com"}
NOW = 1795166045


@pytest.mark.parametrize("name", NAMES)
def test_what_was_recorded_is_accepted_and_nothing_else(name: str) -> None:
    one = recorded("intercom", name)
    assert one.secret
    assert accepted("intercom", one.call, [one.secret], one.clock)
    assert accepted("intercom", one.call, ["new", one.secret], one.clock)
    assert not accepted("intercom", one.call, ["wrong"], one.clock)
    assert not accepted("intercom", one.call, [], one.clock)
    for place in (0, len(one.call.body) // 2, len(one.call.body) - 1):
        body = bytearray(one.call.body)
        body[place] ^= 1
        assert not accepted("intercom", replace(one.call, body=bytes(body)), [one.secret], one.clock)


def test_a_missing_or_garbled_signature_is_refused() -> None:
    one = recorded("intercom", "conversation.user.created")
    assert one.secret
    good = one.call.headers["x-hub-signature"]
    sha256 = "sha256=" + hmac.new(one.secret.encode(), one.call.body, hashlib.sha256).hexdigest()
    for value in (
        None,
        "",
        "sha1=",
        "sha1",
        good.removeprefix("sha1="),
        good[:-1],
        "sha1=\xe9",
        sha256,
        good + good,
    ):
        headers = {key: text for key, text in one.call.headers.items() if key != "x-hub-signature"}
        if value is not None:
            headers["x-hub-signature"] = value
        assert not accepted("intercom", replace(one.call, headers=headers), [one.secret], one.clock)


def test_the_recorded_conversation() -> None:
    (opening,) = parsed("intercom", recorded("intercom", "conversation.user.created").call).items
    assert opening == {
        "external_id": "conversation:21300000001",
        "conversation_id": "21300000001",
        "respondent": CONTACT,
        "text": "Hi, your app logs me out every time I switch tabs & I lose my draft.",
        "occurred_at": "2026-11-20T09:13:05+00:00",
        "updated_at": "2026-11-20T09:14:05+00:00",
        "attributes": {"priority": "not_priority", "team": "5017000", "via": "conversation"},
    }
    (reply,) = parsed("intercom", recorded("intercom", "conversation.user.replied").call).items
    assert reply["external_id"] == "2824000001"
    assert reply["text"] == "It also happens on my tablet."
    assert (reply["conversation_id"], reply["respondent"]) == ("21300000001", CONTACT)
    closed = parsed("intercom", recorded("intercom", "conversation.admin.closed").call)
    assert not closed.items
    assert closed.ignored


def test_ids_of_deliveries() -> None:
    delivery_id = SENDERS["intercom"].delivery_id
    one = recorded("intercom", "conversation.user.created").call
    assert delivery_id(one) == "notif_9b0c11d2-0000-4000-8000-000000000001"
    assert delivery_id(replace(one, body=b'{"topic":"ping","id":null}')) is None
    assert delivery_id(replace(one, body=b"nonsense")) is None


def note(topic: str, item: Any, *, at: int = NOW, **fields: Any) -> Call:
    return json_call(
        "intercom",
        {
            "type": "notification_event",
            "app_id": "i6wc9test",
            "data": {"type": "notification_event_data", "item": item},
            "links": {},
            "id": f"notif_{topic}_{at}",
            "topic": topic,
            "delivery_attempts": 1,
            "created_at": at,
            **fields,
        },
    )


def part(number: str, body: Any, author: Any = None, **fields: Any) -> dict[str, Any]:
    author = USER if author is None else author
    return {
        "type": "conversation_part",
        "id": number,
        "part_type": "comment",
        "body": body,
        "created_at": NOW,
        "updated_at": NOW,
        "author": author,
        **fields,
    }


def conversation(*parts: Any, **fields: Any) -> dict[str, Any]:
    return {
        "type": "conversation",
        "id": "21300000001",
        "created_at": NOW - 60,
        "updated_at": NOW,
        "source": {"type": "conversation", "id": "331", "body": "<p>It logs me out.</p>", "author": USER},
        "contacts": {"type": "contact.list", "contacts": [{"type": "contact", "id": CONTACT}]},
        "conversation_parts": {"type": "conversation_part.list", "conversation_parts": list(parts)},
        **fields,
    }


def test_a_ping_without_an_id_is_a_test() -> None:
    ping = json_call("intercom", {"type": "notification_event", "topic": "ping", "id": None, "data": {"item": {}}})
    assert "test" in parsed("intercom", ping).ignored
    assert "test" in parsed("intercom", json_call("intercom", {"topic": "ping", "id": None, "data": None})).ignored


@pytest.mark.parametrize(
    "written",
    [
        part("1", "<p>We are looking.</p>", {"type": "admin", "id": "9"}),
        part("1", "<p>Have you tried this?</p>", {"type": "bot", "id": "9"}),
        part("1", "<p>Refund.</p>", {"type": "team", "id": "9"}),
        part("1", "<p>Refund.</p>", part_type="note"),
        part("1", "<p>Refund.</p>", part_type="note_and_reopen"),
        part("1", "", part_type="close"),
        part("1", None),
        part("1", '<div class="intercom-container"><img src="https://a.example/x.png"></div>'),
        part("1", "Assigned", {"id": "9"}, part_type="assignment"),
        part("", "no id"),
        None,
        "odd",
    ],
)
def test_what_contacts_did_not_write_is_left_out(written: Any) -> None:
    found = parsed("intercom", note("conversation.user.replied", conversation(written)))
    assert not found.items
    assert found.ignored


def test_what_contacts_wrote_is_taken_from_every_kind_of_contact() -> None:
    for kind in ("user", "lead", "contact", "visitor"):
        call = note("conversation.user.replied", conversation(part("1", "Hello?", {"type": kind, "id": 5})))
        (item,) = parsed("intercom", call).items
        assert (item["text"], item["respondent"]) == ("Hello?", "5")
    # a reply that opens a closed conversation again, and one whose author has no kind
    for given in ({"part_type": "open"}, {"author": {"id": "5"}}):
        call = note("conversation.user.replied", conversation(part("1", "Hello?", **given)))
        assert len(parsed("intercom", call).items) == 1


def test_several_parts_and_the_same_part_twice() -> None:
    parts = (part("1", "One"), part("2", "Two", {"type": "bot"}), part("3", "Three"), part("1", "One"))
    found = parsed("intercom", note("conversation.user.replied", conversation(*parts)))
    assert [item["external_id"] for item in found.items] == ["1", "3"]


@pytest.mark.parametrize(
    "topic",
    [
        "conversation.admin.replied",
        "conversation.admin.noted",
        "conversation.admin.single.created",
        "conversation.operator.replied",
        "conversation.priority.updated",
        "conversation_part.tag.created",
        "conversation.read",
        "ticket.note.created",
        "ticket.admin.replied",
        "contact.archived",
        "contact.user.created",
        "company.created",
        "something.new",
    ],
)
def test_other_topics_are_ignored_by_name(topic: str) -> None:
    found = parsed("intercom", note(topic, conversation(part("1", "Words of a customer"))))
    assert not found.items
    assert not found.erased
    assert topic in found.ignored


def test_a_conversation_that_the_team_opened_is_not_the_customers() -> None:
    outbound = conversation(
        source={"type": "email", "body": "Try our plan", "author": {"type": "admin", "id": "9"}}
    )
    assert parsed("intercom", note("conversation.user.created", outbound)).ignored
    outbound["conversation_parts"]["conversation_parts"] = [part("1", "No thanks")]
    (item,) = parsed("intercom", note("conversation.user.created", outbound)).items
    assert (item["text"], item["channel"]) == ("No thanks", "ticket")


def test_mails_have_a_subject_and_attributes_are_what_one_filters_by() -> None:
    item = conversation(
        source={"type": "email", "subject": "<p>Invoice</p>", "body": "It is wrong.", "author": USER},
        tags={"type": "tag.list", "tags": [{"name": "billing"}, {"name": "vip"}]},
        topics={"type": "topic.list", "topics": [{"name": "Invoices"}]},
        custom_attributes={"plan": "pro", "seats": 5, "nested": {"a": 1}},
        links={"conversation_web": "https://app.intercom.com/a/apps/x/conversations/21300000001"},
    )
    (found,) = parsed("intercom", note("conversation.user.created", item)).items
    assert found["text"] == "Invoice\n\nIt is wrong."
    assert found["channel"] == "ticket"
    assert found["url"].endswith("/21300000001")
    assert found["attributes"] == {
        "tags": "billing, vip",
        "topics": "Invoices",
        "via": "email",
        "plan": "pro",
        "seats": "5",
    }


def test_payloads_from_before_version_2() -> None:
    item: dict[str, Any] = {
        "type": "conversation",
        "id": "550",
        "created_at": NOW,
        "user": {"type": "user", "id": "530370b477ad7120001d", "email": "joe@example.com"},
        "conversation_message": {
            "type": "conversation_message",
            "subject": "",
            "body": "<p>How do I export?</p>",
            "author": {"type": "user", "id": "530370b477ad7120001d"},
        },
        "conversation_parts": {"type": "conversation_part.list", "conversation_parts": []},
        "links": {"conversation_web": "https://app.intercom.io/a/apps/x/conversations/550"},
    }
    (opening,) = parsed("intercom", note("conversation.user.created", item)).items
    assert opening["text"] == "How do I export?"
    assert opening["respondent"] == "530370b477ad7120001d"
    del item["conversation_message"]["author"]
    (again,) = parsed("intercom", note("conversation.user.created", item)).items
    assert again == opening


def test_redacted_parts_are_erased() -> None:
    deleted = "<p><i>This message was deleted</i></p>"
    redacted = part("77", deleted, {"type": "admin"}, redacted=True)
    for item in (
        conversation(redacted),
        conversation(part("77", deleted)),  # payloads without the mark
        conversation(redacted, part("78", "Other words", redacted=False)),
        {"type": "conversation_part", "id": "77", "part_type": "comment", "body": deleted},
        {"type": "x", "conversation_part": {"id": 77}, "conversation": {"id": "21300000001"}},
        {"id": "21300000001", "ticket_parts": {"ticket_parts": [redacted]}},
    ):
        found = parsed("intercom", note("conversation_part.redacted", item))
        assert found.erased == [Erased("item", "77")]
        assert not found.items
    opening = conversation(source={"redacted": True, "body": deleted, "author": USER})
    found = parsed("intercom", note("conversation_part.redacted", opening))
    assert found.erased == [Erased("item", "conversation:21300000001")]
    with pytest.raises(CannotParse):
        parsed("intercom", note("conversation_part.redacted", conversation()))
    late = parsed("intercom", note("conversation.user.replied", conversation(part("77", deleted, redacted=True))))
    assert (late.items, late.erased) == ([], [Erased("item", "77")])


def test_deletions_are_erased() -> None:
    for topic, item, erased in (
        ("conversation.deleted", {"type": "conversation", "id": "21300000001"}, ("conversation", "21300000001")),
        ("conversation.deleted", {"conversation_id": 5}, ("conversation", "5")),
        ("ticket.deleted", {"ticket": {"id": "61"}}, ("conversation", "61")),
        ("contact.deleted", {"type": "contact", "id": CONTACT, "deleted": True}, ("respondent", CONTACT)),
        ("user.deleted", {"type": "user", "id": CONTACT}, ("respondent", CONTACT)),
        ("contact.deleted", {"contact": {"id": CONTACT}}, ("respondent", CONTACT)),
    ):
        assert parsed("intercom", note(topic, item)).erased == [Erased(*erased)]  # type: ignore[arg-type]
    for topic in ("conversation.deleted", "ticket.deleted", "contact.deleted"):
        with pytest.raises(CannotParse):
            parsed("intercom", note(topic, {}))


def rated(rating: Any, at: int = NOW, **fields: Any) -> Call:
    given = {"rating": rating, "created_at": NOW, "contact": {"id": CONTACT}, "teammate": {"id": 9}, **fields}
    return note("conversation.rating.added", conversation(updated_at=at, conversation_rating=given), at=at)


def test_ratings_become_csat_with_their_remark() -> None:
    (item,) = parsed("intercom", rated(2, remark="Nobody read what I wrote.")).items
    assert item["external_id"] == item["response_id"] == "rating:21300000001"
    assert item["score"] == {"kind": "csat", "value": 2, "scale_min": 1, "scale_max": 5}
    assert item["text"] == "Nobody read what I wrote."
    assert item["respondent"] == CONTACT
    assert item["conversation_id"] == "21300000001"
    assert parsed("intercom", rated("4", remark=None)).items[0]["score"]["value"] == 4
    assert "text" not in parsed("intercom", rated(5)).items[0]
    assert "score" not in parsed("intercom", rated(9, remark="Words")).items[0]
    for nothing in (rated(None), rated(0), rated("great"), note("conversation.rating.added", conversation())):
        assert parsed("intercom", nothing).ignored


def ticket(*parts: Any, **fields: Any) -> dict[str, Any]:
    return {
        "type": "ticket",
        "id": "61",
        "ticket_id": "7",
        "category": "Customer",
        "ticket_attributes": {"_default_title_": "Broken export", "_default_description_": "The file is empty."},
        "ticket_state": "submitted",
        "ticket_type": {"type": "ticket_type", "name": "Bug"},
        "contacts": {"type": "contact.list", "contacts": [{"type": "contact", "id": CONTACT}]},
        "created_at": NOW - 60,
        "updated_at": NOW,
        "ticket_parts": {"type": "ticket_part.list", "ticket_parts": list(parts)},
        **fields,
    }


def test_tickets_and_their_replies() -> None:
    (opened,) = parsed("intercom", note("ticket.created", ticket())).items
    assert opened["external_id"] == "ticket:61"
    assert opened["conversation_id"] == "61"
    assert opened["text"] == "Broken export\n\nThe file is empty."
    assert opened["respondent"] == CONTACT
    assert opened["attributes"] == {"ticket type": "Bug", "status": "submitted"}
    reply = part("88", "<p>Any news?</p>", type="ticket_part")
    for item in (ticket(reply), {"ticket": ticket(reply)}, {"ticket": ticket(), "ticket_part": reply}):
        (found,) = parsed("intercom", note("ticket.contact.replied", item)).items
        assert (found["external_id"], found["conversation_id"], found["text"]) == ("88", "61", "Any news?")


def test_a_closed_ticket_is_wrapped_once_more() -> None:
    closed = ticket(ticket_state={"internal_label": "Resolved", "category": "resolved"}, updated_at=NOW + 5)
    for topic, item in (("ticket.resolved", closed), ("ticket.closed", {"type": "x", "ticket": closed})):
        (found,) = parsed("intercom", note(topic, item, at=NOW + 5)).items
        assert found["external_id"] == "ticket:61"
        assert found["attributes"]["status"] == "Resolved"
    rating = {"rating": 5, "remark": "Fixed at once."}
    for item in (ticket(conversation_rating=rating), {"ticket": ticket(), "ticket_rating": rating}):
        (found,) = parsed("intercom", note("ticket.rating.provided", item)).items
        assert (found["external_id"], found["text"], found["score"]["value"]) == ("rating:61", "Fixed at once.", 5)
    (found,) = parsed("intercom", note("ticket.rating.provided", ticket(rating=4))).items
    assert found["score"]["value"] == 4


@pytest.mark.parametrize(
    "item",
    [
        ticket(category="Back-office"),
        ticket(category=None, ticket_type={"category": "Tracker"}),
        ticket(part("1", None, {"type": "admin"}, part_type="ticket_created_by_admin")),
        ticket(ticket_attributes=None),
        ticket(ticket_attributes={"_default_title_": " "}),
        ticket(id=None, ticket_id=None),
    ],
)
def test_tickets_that_are_not_the_customers_words(item: dict[str, Any]) -> None:
    assert parsed("intercom", note("ticket.created", item)).ignored


def test_written_answers_of_a_survey() -> None:
    stat: dict[str, Any] = {
        "id": 1,
        "content_type": "survey",
        "content_id": 44,
        "content_title": "After onboarding",
        "receipt_id": 901,
        "answers": [
            {"question_id": "q1", "question_text": "How likely?", "response": "9"},
            {"question_id": "q2", "question_text": "Why?", "response": "It saves me an hour."},
            {"question_id": "q3", "question_text": "Missing?", "response": None},
            "odd",
        ],
    }
    item: dict[str, Any] = {
        "type": "content_stat.survey",
        "created_at": "2026-11-20T09:14:05.000Z",
        "content_stat": stat,
    }
    item["contact"] = {"id": CONTACT}
    (found,) = parsed("intercom", note("content_stat.survey.completion", item)).items
    assert found["external_id"] == "survey:901:q2"
    assert found["response_id"] == "survey:901"
    assert (found["question"], found["text"]) == ("Why?", "It saves me an hour.")
    assert found["attributes"] == {"survey": "After onboarding", "How likely?": "9"}
    assert (found["channel"], found["respondent"]) == ("survey", CONTACT)
    # one answer by itself, with the same id
    del stat["answers"]
    stat |= {"question_id": "q2", "question_text": "Why?", "response": "It saves me an hour."}
    assert parsed("intercom", note("content_stat.survey.answer", item)).items[0]["external_id"] == "survey:901:q2"
    del stat["response"]
    assert parsed("intercom", note("content_stat.survey.answer", item)).ignored


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"topic":null}', b'{"topic":"conversation.user.created"}'])
def test_what_is_no_notification_is_refused(body: bytes) -> None:
    with pytest.raises(CannotParse):
        parsed("intercom", Call({"content-type": "application/json"}, body))


def test_a_conversation_arrives_in_any_order(database: Database, settings: Settings) -> None:
    vip = {"tags": {"type": "tag.list", "tags": [{"name": "vip"}]}}
    calls = [
        recorded("intercom", "conversation.user.created").call,
        recorded("intercom", "conversation.user.replied").call,
        recorded("intercom", "conversation.admin.closed").call,
        note(
            "conversation.user.replied", conversation(part("5", "Still."), updated_at=NOW + 9, **vip), at=NOW + 9
        ),
        note("conversation.operator.replied", conversation(part("6", "Hi!", {"type": "bot"})), at=NOW + 10),
        rated(2, NOW + 20),
        rated(4, NOW + 30, remark="Better now."),
        note("conversation_part.redacted", conversation(part("5", "gone", redacted=True)), at=NOW + 40),
    ]
    order_free(database, settings, "intercom", calls)


def test_a_ticket_arrives_in_any_order(database: Database, settings: Settings) -> None:
    calls = [
        note("ticket.created", ticket()),
        note("ticket.contact.replied", ticket(part("88", "Any news?"))),
        # all in one second
        note("ticket.state.updated", ticket(ticket_state="in_progress")),
        note("ticket.resolved", ticket(ticket_state="resolved")),
        note("ticket.closed", {"ticket": ticket(ticket_state="closed")}),
    ]
    order_free(database, settings, "intercom", calls)


def test_who_was_deleted_stays_gone_in_any_order(database: Database, settings: Settings) -> None:
    calls = [
        recorded("intercom", "conversation.user.created").call,
        recorded("intercom", "conversation.user.replied").call,
        note(
            "conversation.user.created", conversation(id="2", source={"body": "Mine", "author": {"id": "other"}})
        ),
        note("contact.deleted", {"type": "contact", "id": CONTACT, "deleted": True}, at=NOW + 5),
    ]
    order_free(database, settings, "intercom", calls)


@pytest.mark.parametrize(
    "call",
    [
        recorded("intercom", "conversation.user.created").call,
        recorded("intercom", "conversation.user.replied").call,
        rated(2, remark="No."),
        note("ticket.closed", {"ticket": ticket(part("1", "Words"))}),
        note("conversation_part.redacted", conversation(part("77", "gone", redacted=True))),
        note("contact.deleted", {"type": "contact", "id": CONTACT}),
        note(
            "content_stat.survey.answer", {"content_stat": {"receipt_id": 1, "answers": [{"response": "Words"}]}}
        ),
    ],
    ids=lambda call: json.loads(call.body)["topic"],
)
def test_content_of_any_shape_is_understood_or_refused(call: Call) -> None:
    assert survives("intercom", call) > 50


def test_a_remark_beside_a_bare_rating_and_tasks_of_the_team() -> None:
    (item,) = parsed("intercom", note("ticket.rating.provided", ticket(rating=3, remark="Slow."))).items
    assert (item["score"]["value"], item["text"]) == (3, "Slow.")
    assert parsed("intercom", note("ticket.created", ticket(category="task"))).ignored


def test_a_mail_comes_without_what_it_quotes() -> None:
    outlook = "<p>It fails.</p><div><b>From:</b> Acme<br><b>Sent:</b> Friday<br></div><p>We are sorry</p>"
    (item,) = parsed("intercom", note("conversation.user.replied", conversation(part("9", outlook)))).items
    assert item["text"] == "It fails."


def test_the_nps_of_a_survey_is_a_score_also_without_words() -> None:
    nps = {"question_id": "q1", "question_text": "How likely are you to recommend us?", "response": 9}
    faces = {"question_id": "q3", "question_text": "How satisfied are you?", "response": 4}
    item = {"contact": {"id": CONTACT}, "content_stat": {"receipt_id": 901, "answers": [nps, faces]}}
    (found,) = parsed("intercom", note("content_stat.survey.answer", item)).items
    assert (found["external_id"], found["response_id"]) == ("survey:901:q1", "survey:901")
    assert found["score"] == {"kind": "nps", "value": 9, "scale_min": 0, "scale_max": 10}
    assert found["attributes"] == {"How satisfied are you?": "4"}, "its scale is not told"
    told = {"scales": {"How satisfied are you?": "csat:1-5"}}
    (found,) = parsed("intercom", note("content_stat.survey.answer", item), **told).items
    assert found["score"]["kind"] == "nps", "a response has one score: the first"
    item["content_stat"]["answers"].reverse()
    (found,) = parsed("intercom", note("content_stat.survey.answer", item), **told).items
    assert (found["external_id"], found["response_id"]) == ("survey:901:q3", "survey:901")
    assert found["score"] == {"kind": "csat", "value": 4, "scale_min": 1, "scale_max": 5}
    (found,) = parsed("intercom", note("content_stat.survey.answer", item), scales={"q3": "ces:1-7"}).items
    assert found["score"] == {"kind": "ces", "value": 4, "scale_min": 1, "scale_max": 7}
    off = {"scales": {"q3": "csat:1-3", "q1": "none"}}
    assert parsed("intercom", note("content_stat.survey.answer", item), **off).ignored
    nps["response"] = 11
    assert parsed("intercom", note("content_stat.survey.answer", item)).ignored


def test_merged_contacts_are_one_in_any_order(database: Database, settings: Settings) -> None:
    lead, user = {"type": "lead", "id": "lead-1"}, {"type": "user", "id": "user-1"}
    said = {"type": "conversation", "id": "331", "body": "<p>It logs me out.</p>"}
    calls = [
        note("conversation.user.created", conversation(id="1", source=said | {"author": lead})),
        note("conversation.user.created", conversation(id="2", source=said | {"author": user}), at=NOW + 1),
    ]
    merged = note("contact.merged", {"type": "contact", "id": "user-1", "merged_from": {"id": "lead-1"}})
    assert parsed("intercom", merged).merged == [Merged("lead-1", "user-1")]
    ends = order_free(database, settings, "intercom", [*calls, merged])
    assert len({row["respondent"] for row in ends.values()}) == 1
    gone = note("contact.deleted", {"type": "contact", "id": "user-1"})
    assert order_free(database, settings, "intercom", [*calls, merged, gone]) == {}
    only_the_lead = note("contact.deleted", {"type": "contact", "id": "lead-1"}, at=NOW + 1)
    assert set(order_free(database, settings, "intercom", [*calls, merged, only_the_lead])) == {"conversation:2"}


@pytest.mark.parametrize("item", [{}, {"id": "user-1"}, {"id": "user-1", "from": {"id": "user-1"}}])
def test_a_merge_that_names_one_contact_is_kept_to_be_seen(item: dict[str, Any]) -> None:
    with pytest.raises(CannotParse):
        parsed("intercom", note("contact.merged", item))
