"""Jira Service Management: who the customer is, two kinds of text, ratings, deletions."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse, Erased
from service.ingest.senders import SENDERS
from service.ingest.senders.jira_text import words
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.hostile import check_hostile
from tests.ingest.senders.recorded import accepted, json_call, order_free, parsed, recorded

SECRET = "test_jira_webhook_secret_90"
SITE = "https://acme.atlassian.example"
CUSTOMER = {"accountId": "qm:1", "accountType": "customer", "displayName": "Test Requester"}
AGENT = {"accountId": "712020:9", "accountType": "atlassian", "displayName": "Test Agent"}
APP = {"accountId": "557058:1", "accountType": "app", "displayName": "Automation for Jira"}
CSAT = "customfield_10017"


def issue(**fields: Any) -> dict[str, Any]:
    return {
        "id": "10042",
        "key": "SUP-42",
        "self": f"{SITE}/rest/api/2/10042",
        "fields": {
            "summary": "VPN drops",
            "description": "Every hour.",
            "issuetype": {"name": "Incident"},
            "project": {"key": "SUP", "name": "Support", "projectTypeKey": "service_desk"},
            "priority": {"name": "High"},
            "status": {"name": "Open"},
            "reporter": CUSTOMER,
            "creator": CUSTOMER,
            "labels": ["vpn", "beta"],
            "created": "2026-11-20T10:14:03.184+0100",
            "updated": "2026-11-20T10:14:03.184+0100",
            **fields,
        },
    }


def comment(key: int, text: Any, **fields: Any) -> dict[str, Any]:
    return {
        "id": str(key),
        "self": f"{SITE}/rest/api/2/issue/10042/comment/{key}",
        "author": CUSTOMER,
        "updateAuthor": CUSTOMER,
        "body": text,
        "created": "2026-11-20T11:06:00.184+0100",
        "updated": "2026-11-20T11:06:00.184+0100",
        "jsdPublic": True,
        **fields,
    }


def event(name: str, **payload: Any) -> Call:
    return json_call("jira-sm", {"timestamp": 1795166045123, "webhookEvent": name, **payload})


def about_issue(name: Any = "updated", *, extra: Any = None, **fields: Any) -> Call:
    return event(f"jira:issue_{name}", issue=issue(**fields), **(extra or {}))


def about_comment(key: int, text: Any, name: str = "created", **fields: Any) -> Call:
    short = issue()
    short["fields"] = {
        one: short["fields"][one] for one in ("summary", "issuetype", "project", "priority", "status")
    }
    return event(f"comment_{name}", comment=comment(key, text, **fields), issue=short)


def test_the_recorded_issue_is_verified_and_taken() -> None:
    one = recorded("jira-sm", "jira-issue_created")
    assert accepted("jira-sm", one.call, [SECRET], one.clock)
    assert parsed("jira-sm", one.call).items == [
        {
            "external_id": "issue:10042",
            "conversation_id": "10042",
            "text": "VPN drops every hour since the last client update\n\n"
            "Steps:\n# connect\n# wait about 60 minutes\n\nAll calls are cut. *Very* annoying.",
            "occurred_at": "2026-11-20T09:14:03.184000+00:00",
            "updated_at": "2026-11-20T09:14:03.184000+00:00",
            "respondent": "qm:test:0001",
            "url": "https://acme.atlassian.example/browse/SUP-42",
            "attributes": {
                "project": "Support",
                "issue_type": "[System] Incident",
                "request_type": "Report an incident",
                "priority": "High",
                "status": "Waiting for support",
            },
        }
    ]


def test_the_recorded_comment_is_verified_and_taken() -> None:
    one = recorded("jira-sm", "comment_created")
    assert accepted("jira-sm", one.call, [SECRET], one.clock)
    assert parsed("jira-sm", one.call).items == [
        {
            "external_id": "10077",
            "conversation_id": "10042",
            "text": "Happened again at 11:05.",
            "occurred_at": "2026-11-20T10:06:00.184000+00:00",
            "updated_at": "2026-11-20T10:06:00.184000+00:00",
            "respondent": "qm:test:0001",
            "url": "https://acme.atlassian.example/browse/SUP-42?focusedCommentId=10077",
            "attributes": {
                "project": "Support",
                "issue_type": "[System] Incident",
                "priority": "High",
                "status": "Waiting for support",
            },
        }
    ]


@pytest.mark.parametrize("name", ["jira-issue_created", "comment_created"])
def test_anything_changed_is_refused(name: str) -> None:
    one = recorded("jira-sm", name)
    call, clock = one.call, one.clock
    assert accepted("jira-sm", call, ["new", SECRET], clock)
    assert not accepted("jira-sm", call, ["new"], clock)
    assert not accepted("jira-sm", call, [], clock)
    assert not accepted("jira-sm", replace(call, body=call.body.replace(b"10042", b"10043")), [SECRET], clock)
    good = call.headers["x-hub-signature"]
    sha1 = "sha1=" + hmac.new(SECRET.encode(), call.body, "sha1").hexdigest()
    sha512 = "sha512=" + hmac.new(SECRET.encode(), call.body, "sha512").hexdigest()
    bare = good.removeprefix("sha256=")
    for value in ("", "sha256=", "garbage", "é", bare, sha1, sha512, "sha1=" + bare, good[:-1]):
        assert not accepted("jira-sm", replace(call, headers={"x-hub-signature": value}), [SECRET], clock), value
    assert not accepted("jira-sm", replace(call, headers={}), [SECRET], clock)


def test_a_retry_is_the_same_delivery_and_the_issue_beside_its_comment_is_not() -> None:
    name = SENDERS["jira-sm"].delivery_id
    first, second = (recorded("jira-sm", one).call for one in ("jira-issue_created", "comment_created"))
    retried = replace(first, headers={**first.headers, "x-atlassian-webhook-retry": "1"})
    assert name(first) == name(retried)
    # the two recorded calls carry the same identifier
    assert name(first) != name(second)
    assert name(replace(first, headers={})) is None
    assert name(replace(first, body=b"{")) == first.headers["x-atlassian-webhook-identifier"]


@pytest.mark.parametrize(
    ("author", "reporter", "taken"),
    [
        (CUSTOMER, None, True),
        (CUSTOMER, AGENT, True),
        (AGENT, CUSTOMER, False),
        (AGENT, None, False),
        (AGENT, AGENT, True),
        (APP, APP, False),
        (APP, None, False),
        ({"key": "jdoe"}, {"key": "jdoe"}, True),
        ({"name": "jdoe"}, {"name": "agent1"}, False),
        ({"displayName": "Nobody"}, {"displayName": "Nobody"}, False),
        (None, None, False),
        (None, CUSTOMER, False),
    ],
)
def test_comments_are_the_customers_by_account_or_as_who_raised_the_issue(
    author: Any, reporter: Any, taken: bool
) -> None:
    call = event("comment_created", comment=comment(1, "Hello?", author=author), issue=issue(reporter=reporter))
    found = parsed("jira-sm", call)
    assert bool(found.items) is taken
    assert bool(found.ignored) is not taken


def test_an_agent_who_is_the_reporter() -> None:
    def found(author: Any, **given: Any) -> list[Any]:
        assignee, fields = given.pop("assignee", None), {"reporter": author, "creator": AGENT}
        both = {"comment": comment(1, "Called again.", author=author)}
        return parsed("jira-sm", about_issue(extra=both, assignee=assignee, **fields), **given).items

    assert len(found(AGENT)) == 2  # a colleague's own request, or a call that was taken down: it can't be told
    assert found(AGENT, assignee=AGENT) == []
    assert found(AGENT, only_customer_accounts=True) == []
    assert len(found(AGENT, assignee={"accountId": "712020:10", "accountType": "atlassian"})) == 2
    assert len(found(CUSTOMER, assignee=AGENT, only_customer_accounts=True)) == 2
    # on own servers accounts have no kind
    assert len(found({"key": "jdoe"}, only_customer_accounts=True)) == 2
    assert found({"key": "jdoe"}, assignee={"key": "jdoe"}) == []


@pytest.mark.parametrize(
    ("reporter", "creator", "taken"),
    [
        (CUSTOMER, AGENT, True),  # an agent opened it for them
        (CUSTOMER, APP, True),  # so did the mail handler
        (AGENT, AGENT, True),
        (APP, APP, False),
        (None, CUSTOMER, True),
        (None, AGENT, False),
        (None, None, False),
    ],
)
def test_issues_are_their_reporters(reporter: Any, creator: Any, taken: bool) -> None:
    found = parsed("jira-sm", about_issue("created", reporter=reporter, creator=creator))
    assert bool(found.items) is taken
    assert bool(found.ignored) is not taken


@pytest.mark.parametrize(
    "call",
    [
        about_comment(1, "He is annoying", jsdPublic=False),
        about_comment(1, "For the admins", visibility={"type": "role", "value": "Administrators"}),
        about_comment(1, "We look into it", author=AGENT),
        about_comment(1, "Status changed", author=APP),
        about_comment(1, "  "),
        about_comment(1, "[~accountid:712020:9] !screen.png|thumbnail!"),
        about_comment(1, None),
        about_issue("created", project={"projectTypeKey": "software"}),
        about_issue("created", summary=None, description=None),
        event("worklog_created", issue=issue()),
        event("jira:version_released"),
        event("attachment_created"),
        event("issuelink_created", issue=issue()),
        event("user_deleted"),
    ],
)
def test_what_no_customer_said_is_ignored_with_its_reason(call: Call) -> None:
    found = parsed("jira-sm", call)
    assert (found.items, found.erased) == ([], [])
    assert found.ignored


def test_a_comment_that_comes_with_its_issue_is_the_same_item_as_alone() -> None:
    both = about_issue(extra={"issue_event_type_name": "issue_commented", "comment": comment(1, "Again")})
    with_issue = {item["external_id"]: item for item in parsed("jira-sm", both).items}
    (alone,) = parsed("jira-sm", about_comment(1, "Again")).items
    assert with_issue.keys() == {"1", "issue:10042"}
    assert with_issue["1"]["text"] == alone["text"]
    # an issue that an agent wrote does not hide what the customer commented
    other = about_issue(reporter=APP, creator=APP, extra={"comment": comment(1, "Again")})
    assert [item["external_id"] for item in parsed("jira-sm", other).items] == ["1"]
    # the issue's number is in the comment's own address
    without = event("comment_created", comment=comment(1, "Again"))
    assert parsed("jira-sm", without).items[0]["conversation_id"] == "10042"


@pytest.mark.parametrize(
    ("call", "erased"),
    [
        (event("comment_deleted", comment=comment(7, "x"), issue=issue()), Erased("item", "7")),
        (event("comment_deleted", comment={"id": 7}), Erased("item", "7")),
        (event("comment_deleted", comment=comment(7, "x", author=AGENT, jsdPublic=False)), Erased("item", "7")),
        (event("jira:issue_deleted", issue=issue()), Erased("conversation", "10042")),
        (event("jira:issue_deleted", issue={"id": 10042}), Erased("conversation", "10042")),
        (event("user_deleted", user=CUSTOMER), Erased("respondent", "qm:1")),
    ],
)
def test_deletions_erase(call: Call, erased: Erased) -> None:
    found = parsed("jira-sm", call)
    assert found.erased == [erased]
    assert found.items == []


def test_an_update_for_a_deleted_comment_does_not_bring_it_back() -> None:
    call = about_issue(extra={"issue_event_type_name": "issue_comment_deleted", "comment": comment(7, "x")})
    found = parsed("jira-sm", call)
    assert found.erased == [Erased("item", "7")]
    assert [item["external_id"] for item in found.items] == ["issue:10042"]


@pytest.mark.parametrize(
    ("value", "score"),
    [
        (4, 4),
        ("4", 4),
        ({"rating": 4}, 4),
        ({"value": "4"}, 4),
        (0, None),
        (6, None),
        ("good", None),
        (None, None),
        ({}, None),
        (True, None),
    ],
)
def test_the_rating_field_becomes_a_score_of_its_own(value: Any, score: int | None) -> None:
    changelog = {"changelog": {"items": [{"field": "Satisfaction", "fieldId": CSAT, "toString": "4"}]}}
    call = about_issue(extra=changelog, **{CSAT: value})
    items = {item["external_id"]: item for item in parsed("jira-sm", call, csat_field=CSAT).items}
    assert "score" not in items["issue:10042"]
    if score is None:
        assert len(items) == 1
        return
    rating = items["issue:10042:csat"]
    assert rating["score"] == {"kind": "csat", "value": score, "scale_min": 1, "scale_max": 5}
    assert (rating["conversation_id"], rating["respondent"]) == ("10042", "qm:1")
    assert rating["occurred_at"] == "2026-11-20T09:14:05.123000+00:00"
    # an event of another change does not tell when the rating was given
    later = parsed("jira-sm", about_issue(**{CSAT: value}), csat_field=CSAT).items
    assert "occurred_at" not in next(item for item in later if item["external_id"].endswith(":csat"))
    assert len(parsed("jira-sm", call).items) == 2, "the change names the field of Jira's own survey"
    silent = about_issue(**{CSAT: 4})
    assert len(parsed("jira-sm", silent).items) == 1, "a number in a field without a name is no rating"


def test_a_rating_has_its_comment_and_counts_whoever_raised_the_issue() -> None:
    for said in ("Fast help", {"body": "Fast help"}):
        call = about_issue(reporter=APP, **{CSAT: {"rating": 5, "comment": said}})
        (rating,) = parsed("jira-sm", call, csat_field=CSAT).items
        assert (rating["score"]["value"], rating["text"]) == (5, "Fast help")


def test_what_leads_filter_by_becomes_attributes() -> None:
    call = about_issue(
        components=[{"name": "Client"}, {"name": "Login"}],
        resolution={"name": "Done"},
        customfield_10002=[
            {"id": "1", "name": "Acme", "_links": {"self": f"{SITE}/rest/servicedeskapi/organization/1"}}
        ],
        customfield_10050={"value": "Team", "id": "3"},
        customfield_10051=[{"value": "EU"}, {"value": "UK"}],
        customfield_10052=12,
    )
    own = {"plan": "customfield_10050", "region": "customfield_10051", "seats": "customfield_10052", "none": "x"}
    (item,) = parsed("jira-sm", call, attribute_fields=own).items
    assert item["attributes"] == {
        "project": "Support",
        "issue_type": "Incident",
        "priority": "High",
        "status": "Open",
        "resolution": "Done",
        "organizations": "Acme",
        "labels": "vpn, beta",
        "components": "Client, Login",
        "plan": "Team",
        "region": "EU, UK",
        "seats": "12",
    }


def adf(*content: Any) -> dict[str, Any]:
    return {"type": "doc", "version": 1, "content": list(content)}


def line(*parts: Any) -> dict[str, Any]:
    texts = [{"type": "text", "text": one} if isinstance(one, str) else one for one in parts]
    return {"type": "paragraph", "content": texts}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("It *fails* at v1.20! Why? Look!", "It *fails* at v1.20! Why? Look!"),
        ("{quote}We wrote this\nto you{quote}\nNo, it fails", "No, it fails"),
        ("{quote}never closed", None),
        ("bq. We wrote\nNo", "No"),
        ("[~accountid:1:2] see [our page|https://x.example/a] [^log.txt]", "see our page"),
        ("a !shot one.png|width=200! b!It works!", "a  b!It works!"),
        ("h2. Problem\n{code:java}x = 1{code} {color:#ff0000}red{color}", "Problem\nx = 1 red"),
        ("a\r\n\r\n\r\n\r\nb", "a\n\nb"),
        (
            adf(line("It ", "fails"), line("since Monday ", {"type": "emoji", "attrs": {"text": "🙁"}})),
            "It fails\nsince Monday 🙁",
        ),
        (adf({"type": "blockquote", "content": [line("We wrote")]}, line("No")), "No"),
        (adf(line({"type": "mention", "attrs": {"text": "@agent"}}, " help")), "help"),
        (adf({"type": "mediaSingle", "content": [{"type": "media", "attrs": {}}]}), None),
        (
            adf({"type": "bulletList", "content": [{"type": "listItem", "content": [line(one)]} for one in "ab"]}),
            "a\nb",
        ),
        (adf(line("a", {"type": "hardBreak"}, "b")), "a\nb"),
        (adf(None, 7, {"type": "text"}, {"type": "text", "text": 5}), None),
        ([], None),
        (7, None),
    ],
)
def test_the_words_of_wiki_markup_and_of_documents(value: Any, expected: str | None) -> None:
    assert words(value) == expected


@pytest.mark.parametrize("opening", ["[", "[~", "[^", "!", "{quote}", "{color:", "[a|", "!a.png|"])
def test_hostile_markup_costs_no_more_than_its_length(opening: str) -> None:
    # a second would be a thousand times too long, and quadratic cost takes minutes here
    words(opening * (300_000 // len(opening)))


def test_documents_are_taken_as_description_and_comment() -> None:
    (item,) = parsed("jira-sm", about_issue(description=adf(line("Every hour.")))).items
    assert item["text"] == "VPN drops\n\nEvery hour."
    (reply,) = parsed("jira-sm", about_comment(1, adf(line("Again.")))).items
    assert reply["text"] == "Again."


def test_any_order_and_repetition_ends_in_the_same_state(database: Database, settings: Settings) -> None:
    solved: dict[str, Any] = {"updated": "2026-11-20T12:00:00.000+0100", "status": {"name": "Done"}}
    rated: dict[str, Any] = {
        "updated": "2026-11-20T13:00:00.000+0100",
        "status": {"name": "Done"},
        CSAT: {"rating": 2},
    }
    calls = [
        about_issue("created"),
        about_comment(1, "Happened agian"),
        about_comment(1, "Happened again", "updated", updated="2026-11-20T11:07:00.000+0100"),
        about_comment(2, "We look into it", author=AGENT),
        about_issue("updated", **solved),
        about_issue(
            "updated", extra={"changelog": {"items": [{"fieldId": CSAT}]}}, description="Every hour!", **rated
        ),
    ]
    order_free(database, settings, "jira-sm", calls, csat_field=CSAT)
    gone = event("comment_deleted", comment=comment(1, "Happened again"), issue=issue())
    order_free(database, settings, "jira-sm", [*calls, gone], csat_field=CSAT)
    order_free(
        database, settings, "jira-sm", [*calls, gone, event("jira:issue_deleted", issue=issue())], csat_field=CSAT
    )


def test_hostile_shapes() -> None:
    rated = about_issue(
        extra={"changelog": {"items": [{"fieldId": CSAT}]}}, **{CSAT: {"rating": 2, "comment": "x"}}
    )
    check_hostile("jira-sm", rated, csat_field=CSAT, attribute_fields={"plan": "customfield_10050"})
    check_hostile("jira-sm", about_comment(1, adf(line("Again."))))
    check_hostile("jira-sm", event("comment_deleted", comment=comment(7, "x"), issue=issue()))
    for broken in (event("jira:issue_deleted"), event("comment_created"), json_call("jira-sm", {"x": 1})):
        with pytest.raises(CannotParse):
            parsed("jira-sm", broken)


def test_a_rating_with_its_comment_needs_no_option() -> None:
    call = about_issue(**{CSAT: {"rating": 2, "comment": {"body": "Slow"}}})
    items = {item["external_id"]: item for item in parsed("jira-sm", call).items}
    assert (items["issue:10042:csat"]["score"]["value"], items["issue:10042:csat"]["text"]) == (2, "Slow")


def test_a_comments_own_property_says_that_it_is_internal() -> None:
    mark = {"key": "sd.public.comment", "value": {"internal": True}}
    found = parsed("jira-sm", about_comment(7, "Call them", jsdPublic=None, properties=[mark]))
    assert (found.items, found.ignored) == ([], "an internal comment")
    mark["value"] = {"internal": False}
    assert parsed("jira-sm", about_comment(7, "Thanks", jsdPublic=None, properties=[mark, None])).items


def test_a_comment_by_mail_comes_without_what_it_quotes() -> None:
    text = "Still broken.\n\nOn Wed, Nov 4, 2026 Acme <help@acme.example> wrote:\n> hello\n> there"
    assert parsed("jira-sm", about_comment(7, text)).items[0]["text"] == "Still broken."
