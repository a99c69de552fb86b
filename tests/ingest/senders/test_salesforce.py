"""Salesforce: outbound messages in SOAP and a Flow's callout in JSON, neither of them signed."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

import service.ingest.senders.salesforce as module
from service.ingest.incoming import Call, CannotParse, Erased
from service.ingest.senders import SENDERS
from service.ingest.senders.salesforce_records import long_id
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.hostile import check_hostile
from tests.ingest.senders.recorded import accepted, json_call, options, order_free, parsed, recorded

SALESFORCE = SENDERS["salesforce"]
NAME = "outbound-message.case"
ORG = "00D000000000001EAA"
CASE = "500000000000001AAA"
Fields = dict[str, Any]


def soap(*records: tuple[str, Fields], org: str = ORG, prefix: str = "sf", head: str = "") -> Call:
    notifications = "".join(
        f"<Notification><Id>04l{number:015}</Id>"
        f'<sObject xsi:type="{prefix}:{kind}" xmlns:{prefix}="urn:sobject.enterprise.soap.sforce.com">'
        + "".join(
            f'<{prefix}:{name} xsi:nil="true"/>'
            if value is None
            else f"<{prefix}:{name}>{escape(str(value))}</{prefix}:{name}>"
            for name, value in fields.items()
        )
        + "</sObject></Notification>"
        for number, (kind, fields) in enumerate(records)
    )
    body = (
        f'{head}<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
        '<notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
        f"<OrganizationId>{org}</OrganizationId><ActionId>04k1</ActionId><SessionId xsi:nil='true'/>"
        "<EnterpriseUrl>https://acme.my.salesforce.example/services/Soap/c/62.0/00D1</EnterpriseUrl>"
        f"{notifications}</notifications></soapenv:Body></soapenv:Envelope>"
    )
    return Call({"content-type": "text/xml; charset=utf-8"}, body.encode())


def case(**fields: Any) -> tuple[str, Fields]:
    return "Case", {
        "Id": CASE,
        "Subject": "Totals do not match",
        "Description": "Since Monday.",
        "ContactId": "003000000000001AAA",
        "CreatedDate": "2026-11-20T09:14:03.000Z",
        "LastModifiedDate": "2026-11-20T09:14:03.000Z",
        **fields,
    }


def flow(**fields: Any) -> Call:
    return json_call("salesforce", {"object": "Case", "organization_id": ORG, "id": CASE, **fields})


def items(call: Call, **given: Any) -> list[dict[str, Any]]:
    return parsed("salesforce", call, **given).items


def test_the_recorded_case_is_taken_and_acknowledged() -> None:
    one = recorded("salesforce", NAME)
    assert accepted("salesforce", one.call, [], one.clock)
    assert items(one.call) == [
        {
            "external_id": CASE,
            "conversation_id": CASE,
            "text": "Totals do not match\n\nDashboard totals & exports do not match since Monday.",
            "url": f"https://acme.my.salesforce.example/{CASE}",
            "attributes": {"status": "New", "priority": "High", "origin": "Email"},
        }
    ]
    answer = SALESFORCE.reply and SALESFORCE.reply(one.call, options("salesforce"))
    assert answer is not None
    expected = one.meta["expected_response"]
    assert answer.body.decode() == expected["body"]
    assert (answer.status, answer.media_type) == (expected["status"], expected["content_type"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<",
        b"not xml",
        b"<a/>",
        b"\xff\xfe<",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<soapenv:Envelope>",
        "<!DOCTYPE a><a/>".encode("utf-16"),
        b'<?xml version="1.0" encoding="no-such"?><a/>',
    ],
)
def test_what_cannot_be_read_is_acknowledged_all_the_same(body: bytes) -> None:
    call = replace(soap(case()), body=body)
    assert SALESFORCE.reply is not None
    answer = SALESFORCE.reply(call, options("salesforce"))
    assert answer is not None
    assert b"<Ack>true</Ack>" in answer.body
    with pytest.raises(CannotParse):
        parsed("salesforce", call)
    # it is let in to be kept and shown, whatever org is wanted
    assert accepted("salesforce", call, [], recorded("salesforce", NAME).clock, organization_id=ORG)


def test_no_entity_is_ever_expanded() -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "lol"><!ENTITY c "&b;&b;"><!ENTITY d SYSTEM "file:///etc/hostname">]>'
    for value in ("&c;", "&d;"):
        call = soap(case(Subject="PLACE"), head=bomb)
        with pytest.raises(CannotParse):
            parsed("salesforce", replace(call, body=call.body.replace(b"PLACE", value.encode())))


def test_a_flow_is_answered_as_everybody_else() -> None:
    assert SALESFORCE.reply is not None
    assert SALESFORCE.reply(flow(subject="x"), options("salesforce")) is None
    assert SALESFORCE.reply(replace(flow(), body=b"{"), options("salesforce")) is None
    assert SALESFORCE.reply(replace(flow(), headers={}, body=b" [1]"), options("salesforce")) is None


def test_the_org_is_checked_where_it_is_set() -> None:
    clock = recorded("salesforce", NAME).clock

    def holds(call: Call, org: str = ORG) -> bool:
        return accepted("salesforce", call, [], clock, organization_id=org)

    assert holds(soap(case()))
    assert holds(soap(case(), org=ORG[:15]))
    assert holds(soap(case()), ORG[:15])
    assert holds(flow(subject="x"))
    assert not holds(soap(case(), org="00D000000000002EAA"))
    assert not holds(soap(case(), org=""))
    assert not holds(flow(organization_id="00D000000000002EAA"))
    assert not holds(flow(organization_id=None))
    both = json_call(
        "salesforce", {"records": [{"organization_id": ORG}, {"OrganizationId": "00D000000000002EAA"}]}
    )
    assert not holds(both)
    # a field of a record is not the envelope's word for where it is from
    assert not holds(soap(case(OrganizationId=ORG), org="00D000000000002EAA"))


def test_with_a_token_the_token_is_asked_for() -> None:
    clock = recorded("salesforce", NAME).clock
    call = flow(subject="x")
    assert not accepted("salesforce", call, ["s3cret"], clock)
    for header, value, expected in (
        ("x-journeymap-token", "s3cret", True),
        ("authorization", "Bearer s3cret", True),
        ("authorization", "Bearer other", False),
        ("authorization", "Basic %%%", False),
        ("x-journeymap-token", "é", False),
    ):
        sent = replace(call, headers={**call.headers, header: value})
        assert accepted("salesforce", sent, ["old", "s3cret"], clock) is expected
    assert SALESFORCE.new_secret is not None
    assert len(SALESFORCE.new_secret()) >= 32


def test_a_message_has_many_records_and_one_of_no_use_does_not_hold_up_the_others() -> None:
    records = [case(Id=f"500{number:012}AAA") for number in range(99)]
    found = items(soap(*records, ("Account", {"Id": "001000000000001AAA"}), ("Case", {"Subject": "No id"})))
    assert len({item["external_id"] for item in found}) == 99


def test_any_prefix_of_the_document_and_of_a_package_is_understood() -> None:
    expected = items(soap(case()))
    assert items(soap(case(), prefix="ns7")) == expected
    body = soap(case()).body.replace(b"soapenv:", b"S:").replace(b"xmlns:soapenv", b"xmlns:S")
    assert items(replace(soap(case()), body=body)) == expected
    fields = {"Id": "a01000000000001AAA", "acme__NPS_Score__c": "9", "acme__Comment__c": "Great"}
    packaged = soap(("acme__NPS_Survey__c", fields))
    own = soap(("NPS_Survey__c", {name.replace("acme__", ""): value for name, value in fields.items()}))
    assert items(packaged) == items(own)
    assert items(own)[0]["score"] == {"kind": "nps", "value": 9, "scale_min": 0, "scale_max": 10}


def test_ids_have_one_form() -> None:
    assert long_id("500000000000001") == CASE
    assert long_id(CASE) == CASE
    assert long_id("aBcDeFgHiJkLmNo") == "aBcDeFgHiJkLmNoKVK"
    assert long_id("customer@example.com") == "customer@example.com"
    assert long_id(None) is None
    short = items(soap(case(Id=CASE[:15])))
    assert short[0]["external_id"] == CASE


def test_a_case_with_all_that_it_may_have() -> None:
    (item,) = items(
        soap(
            case(
                Origin="Phone",
                Status="New",
                Reason=None,
                Product__c="Dashboard",
                acme__Plan__c="Team",
                Comments="An agent's internal note",
                Internal_Comment__c="He is annoying",
                OwnerId="005000000000001AAA",
                SuppliedName="Test Person",
            )
        )
    )
    assert item == {
        "external_id": CASE,
        "conversation_id": CASE,
        "text": "Totals do not match\n\nSince Monday.",
        "channel": "call",
        "occurred_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:03+00:00",
        "respondent": "003000000000001AAA",
        "url": f"https://acme.my.salesforce.example/{CASE}",
        "attributes": {
            "status": "New",
            "origin": "Phone",
            "product": "Dashboard",
            "Plan": "Team",
        },
    }
    (by_mail,) = items(soap(case(ContactId=None, SuppliedEmail="a@example.com")))
    assert by_mail["respondent"] == "a@example.com"


def test_the_rating_of_a_case_is_a_score_beside_it_with_its_comment() -> None:
    def rating(**fields: Any) -> dict[str, Any]:
        found = {item["external_id"]: item for item in items(soap(case(**fields)))}
        assert CASE in found
        return found.get(f"{CASE}:csat", {})

    both = rating(CSAT_Score__c="2.0", CSAT_Comment__c="Too slow", CSAT_Date__c="2026-11-20", CSAT_Max__c="5")
    assert both["score"] == {"kind": "csat", "value": 2, "scale_min": 1, "scale_max": 5}
    assert (both["text"], both["conversation_id"]) == ("Too slow", CASE)
    assert "occurred_at" not in both
    # they may arrive apart
    assert "text" not in rating(CSAT_Score__c="2", CSAT_Comment__c=None)
    assert "score" not in rating(CSAT_Score__c=None, CSAT_Comment__c="Too slow")
    for nothing in ("", "n/a", "0", "11", None):
        assert not rating(CSAT_Score__c=nothing)


@pytest.mark.parametrize(
    ("fields", "given", "taken"),
    [
        ({"IsPublished": "true"}, {}, False),
        ({"IsPublished": "true"}, {"comments_from_customers": True}, True),
        ({}, {"comments_from_customers": True}, True),
        ({"IsPublished": "false"}, {"comments_from_customers": True}, False),
        ({"IsPublished": "true", "Author_Type__c": "CspLitePortal"}, {}, True),
        ({"IsPublished": "true", "Author_Type__c": "Standard"}, {"comments_from_customers": True}, False),
        ({"CommentBody": None}, {"comments_from_customers": True}, False),
    ],
)
def test_a_case_comment_is_taken_where_it_is_said_that_a_customer_wrote_it(
    fields: Fields, given: dict[str, Any], taken: bool
) -> None:
    record = {
        "Id": "00a000000000001AAA",
        "ParentId": CASE,
        "CommentBody": "Still wrong",
        "CreatedById": "005000000000001AAA",
        "CreatedDate": "2026-11-20T10:14:03.000Z",
        **fields,
    }
    found = parsed("salesforce", soap(("CaseComment", record)), **given)
    assert bool(found.items) is taken
    assert bool(found.ignored) is not taken
    if taken:
        (item,) = found.items
        assert (item["external_id"], item["conversation_id"]) == ("00a000000000001AAA", CASE)
        assert item["text"] == "Still wrong"
        assert "respondent" not in item, "the account that wrote it is no contact"


def test_incoming_mails_are_taken_without_what_they_quote() -> None:
    record = {
        "Id": "02s000000000001AAA",
        "ParentId": CASE,
        "Incoming": "true",
        "Subject": "Re: Totals",
        "HtmlBody": "<p>Still wrong</p><blockquote>We wrote</blockquote>",
        "FromAddress": "a@example.com",
        "MessageDate": "2026-11-20T10:14:03.000Z",
    }
    (item,) = items(soap(("EmailMessage", record)))
    assert item["text"] == "Still wrong"
    assert (item["conversation_id"], item["respondent"]) == (CASE, "a@example.com")
    assert item["occurred_at"] == "2026-11-20T10:14:03+00:00"
    (plain,) = items(soap(("EmailMessage", {**record, "HtmlBody": None, "TextBody": "Still wrong\n> We wrote"})))
    assert plain["text"] == "Still wrong"
    for outgoing in ("false", None):
        found = parsed("salesforce", soap(("EmailMessage", {**record, "Incoming": outgoing})))
        assert not found.items
        assert found.ignored


@pytest.mark.parametrize(
    ("kind", "fields", "score", "text"),
    [
        ("NPS__c", {"Score__c": "10", "Verbatim__c": "Love it"}, ("nps", 10), "Love it"),
        ("CSAT_Response__c", {"Rating__c": "4"}, ("csat", 4), None),
        ("Feedback__c", {"Star_Rating__c": "5", "Feedback__c": "Good"}, ("stars", 5), "Good"),
        ("CustomerSurvey__c", {"Effort_Score__c": 7, "Remarks__c": "Easy"}, ("ces", 7), "Easy"),
        ("Survey__c", {"Comments__c": "Just words"}, None, "Just words"),
        ("SurveyQuestionResponse", {"ResponseValue": "Too dear", "QuestionId": "0Q1"}, None, "Too dear"),
        ("GetFeedback__Answer_Response__c", {"GetFeedback__Answer__c": "Nice"}, None, "Nice"),
        ("Survey__c", {"Comment__c": "A", "Verbatim__c": "B"}, None, "A\n\nB"),
        ("Survey__c", {"NPS__c": "11", "Comment__c": "A"}, None, "A"),
        ("Survey__c", {"Score__c": "3", "Comment__c": "A"}, None, "A"),
    ],
)
def test_records_of_surveys_are_told_by_their_names(
    kind: str, fields: Fields, score: tuple[str, float] | None, text: str | None
) -> None:
    (item,) = items(soap((kind, {"Id": "a01000000000001AAA", "Case__c": CASE, **fields})))
    assert item.get("text") == text
    assert (item["channel"], item["response_id"]) == ("survey", "a01000000000001AAA")
    assert item["conversation_id"] == CASE
    found = item.get("score")
    assert (found and (found["kind"], found["value"])) == score


def test_several_scores_of_one_record_each_count_and_answers_belong_to_their_response() -> None:
    record = {"Id": "a01000000000001AAA", "CSAT__c": "4", "NPS__c": "9", "Comment__c": "Fine"}
    first, second = items(soap(("Survey__c", record)))
    assert (first["score"]["kind"], first["text"]) == ("nps", "Fine")
    assert (second["score"]["kind"], second.get("text")) == ("csat", None)
    assert first["external_id"] != second["external_id"]
    assert first["response_id"] != second["response_id"]
    answer = {
        "Id": "0gP000000000001AAA",
        "ResponseId": "0gO000000000001AAA",
        "ResponseValue": "Too dear",
        "Question__c": "What would you change?",
    }
    (item,) = items(soap(("SurveyQuestionResponse", answer)))
    assert (item["response_id"], item["question"]) == ("0gO000000000001AAA", "What would you change?")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("Case", {"Id": CASE}),
        ("Case", {"Subject": "No id"}),
        ("Account", {"Id": "001000000000001AAA", "Description": "An agent's words"}),
        ("LiveChatTranscript", {"Id": "570000000000001AAA", "Body": "Agent: Hello. Visitor: Hi"}),
        ("OperatingHours", {"Id": "0OH000000000001AAA", "Description": "x"}),
        ("Survey__c", {"Id": "a01000000000001AAA"}),
        ("SurveyResponse", {"Id": "0gO000000000001AAA", "Status": "Completed"}),
        ("Task", {"Id": "00T000000000001AAA", "Comment__c": "Called him"}),
    ],
)
def test_what_no_customer_said_is_ignored_with_its_reason(kind: str, fields: Fields) -> None:
    found = parsed("salesforce", soap((kind, fields)))
    assert (found.items, found.erased) == ([], [])
    assert found.ignored


@pytest.mark.parametrize(
    ("kind", "fields", "erased"),
    [
        ("Case", {"Id": CASE, "IsDeleted": "true", "Subject": "x"}, Erased("conversation", CASE)),
        ("CaseComment", {"Id": "00a1", "IsDeleted": "true"}, Erased("item", "00a1")),
        ("Contact", {"Id": "003000000000001AAA", "IsDeleted": "1"}, Erased("respondent", "003000000000001AAA")),
        ("Contact", {"Id": "0031", "ShouldForget__c": "true"}, Erased("respondent", "0031")),
        (
            "Individual",
            {"Id": "0PK1", "ShouldForget": "true", "ContactId__c": "0031"},
            Erased("respondent", "0031"),
        ),
    ],
)
def test_deletions_and_the_wish_to_be_forgotten_erase(kind: str, fields: Fields, erased: Erased) -> None:
    found = parsed("salesforce", soap((kind, fields)))
    assert found.erased == [erased]
    assert not found.items
    in_json = parsed("salesforce", json_call("salesforce", {"object": kind, **fields}))
    assert in_json.erased == [erased]


def test_our_template_is_taken_as_it_stands() -> None:
    guide = Path(module.__file__).parent / "guides" / "salesforce.toml"
    template = json.loads(tomllib.loads(guide.read_text(encoding="utf-8"))["template"])
    call = json_call("salesforce", template)
    assert accepted("salesforce", call, [], recorded("salesforce", NAME).clock, organization_id=ORG)
    ticket, rating = items(call)
    assert ticket == {
        "external_id": CASE,
        "conversation_id": CASE,
        "text": "Totals do not match\n\nDashboard totals differ from the export.",
        "occurred_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:03+00:00",
        "respondent": "003000000000001AAA",
        "url": f"https://acme.my.salesforce.com/{CASE}",
        "attributes": {
            "status": "New",
            "priority": "High",
            "origin": "Web",
            "type": "Problem",
            "product": "Dashboard",
        },
    }
    assert rating["score"] == {"kind": "csat", "value": 4, "scale_min": 1, "scale_max": 5}
    comment = {**template, "object": "CaseComment", "id": "00a1", "parent_id": CASE, "comment": "Still wrong"}
    assert items(json_call("salesforce", comment))[0]["text"] == "Still wrong"
    assert not items(json_call("salesforce", {**comment, "author_type": "Standard"}))
    assert not items(json_call("salesforce", {**comment, "published": False}))


def test_records_as_salesforce_itself_writes_them_in_json() -> None:
    one = {"attributes": {"type": "Case", "url": "/x"}, **case()[1], "Plan__c": "Team", "Nested__r": {"a": 1}}
    for body in (one, [one], {"records": [one]}, {"organization_id": ORG, "records": [one, None]}):
        (item,) = items(json_call("salesforce", body))
        assert (item["text"], item["attributes"]) == ("Totals do not match\n\nSince Monday.", {"Plan": "Team"})
    for strange in ([], [1, 2], {"id": "5"}, {"records": "x"}, "x", None):
        try:
            assert parsed("salesforce", json_call("salesforce", strange)).ignored
        except CannotParse:
            continue


def test_any_order_and_repetition_ends_in_the_same_state(database: Database, settings: Settings) -> None:
    later = {"LastModifiedDate": "2026-11-20T11:00:00.000Z", "Status": "Closed"}
    comment = {
        "Id": "00a000000000001AAA",
        "ParentId": CASE,
        "CommentBody": "Still wrong",
        "CreatedDate": "2026-11-20T10:14:03.000Z",
    }
    calls = [
        soap(case(Status="New")),
        soap(case(**later), ("CaseComment", comment)),
        soap(case(**later | {"LastModifiedDate": "2026-11-20T12:00:00.000Z", "CSAT__c": "2"})),
        soap(
            case(
                **later
                | {"LastModifiedDate": "2026-11-20T12:05:00.000Z", "CSAT__c": "3", "CSAT_Comment__c": "Too slow"}
            )
        ),
        flow(subject="Totals do not match", updated_at="2026-11-20T10:00:00Z", status="Working"),
    ]
    order_free(database, settings, "salesforce", calls, comments_from_customers=True)
    gone = soap(case(IsDeleted="true"))
    order_free(database, settings, "salesforce", [*calls, gone], comments_from_customers=True)


def test_hostile_shapes() -> None:
    check_hostile("salesforce", flow(subject="x", description="y", csat_score=4, csat_comment="z", deleted=False))
    survey = {
        "object": "Survey__c",
        "Id": "a01",
        "NPS__c": "9",
        "CSAT__c": 4,
        "Comment__c": "A",
        "site": "https://a.b",
    }
    check_hostile("salesforce", json_call("salesforce", {"records": [survey]}))
    check_hostile("salesforce", json_call("salesforce", {"object": "Contact", "Id": "0031", "IsDeleted": True}))
    for value in ("", " ", "\t", "x" * 500, "-1", "1e999", "nan", "9" * 400, "]]>", "<b>"):
        for name in case()[1]:
            parsed("salesforce", soap(case(**{name: value})))
        parsed("salesforce", soap(("Survey__c", {"Id": "a01", "NPS__c": value, "Comment__c": value})))
        parsed("salesforce", soap((f"S{'x' if value else ''}urvey__c", {"Id": "a01", "Comment__c": value})))
    deep = b"<a>" * 20_000 + b"</a>" * 20_000
    with pytest.raises(CannotParse):
        parsed("salesforce", replace(soap(case()), body=deep))


def test_a_merged_case_is_no_deletion_and_who_is_not_named_is_a_reason() -> None:
    merged = flow(subject="Late", deleted=True, MasterRecordId="500000000000002AAA")
    for found in (
        parsed("salesforce", merged),
        parsed("salesforce", flow(object="Individual", ShouldForget=True)),
    ):
        assert (found.items, found.erased) == ([], [])
        assert "no record" not in found.ignored


def test_markup_and_quotes_of_outlook_are_no_words() -> None:
    (item,) = items(flow(subject="Late", description="<p>Where <b>is</b> it?</p>"))
    assert item["text"] == "Late\n\nWhere is it?"
    mail = "<p>Still late.</p><div>From: Acme<br>Sent: Monday<br>To: me</div><p>We are on it.</p>"
    (item,) = items(flow(object="EmailMessage", incoming=True, HtmlBody=mail))
    assert item["text"] == "Still late."


def test_a_record_that_names_no_object_does_not_hold_up_the_others() -> None:
    good = {"object": "Case", "id": CASE, "Subject": "Broken", "Description": "Since Monday."}
    found = SENDERS["salesforce"].parse(json_call("salesforce", [{"id": "1"}, good]), options("salesforce")).items
    assert [one and one["text"] for one in found] == [None, "Broken\n\nSince Monday."], "refused for itself"
    with pytest.raises(CannotParse):
        parsed("salesforce", json_call("salesforce", [{"id": "1"}]))
