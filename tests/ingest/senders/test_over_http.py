"""Every recorded call as its sender makes it: over HTTP, signed by its recipe alone, read back from the API."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest

from service.ingest.senders import SENDERS
from tests.ingest.senders.recorded import FIXTURES

ORIGIN = "http://localhost:8000"
YEARS_SECONDS = 10**9
NPS, CSAT, STARS = ("nps", 0, 10), ("csat", 1, 5), ("stars", 1, 5)
# what a reader of a recorded call expects to find; `attributes` are some of its own, "person": one is known
EXPECTED: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("app-store", "webhook.ping"): [],
    ("chatwoot", "conversation_created"): [
        {
            "external_id": "98766",
            "text": "Checkout says <total> but charges shipping twice & no coupon field",
            "channel": "chat",
            "occurred_at": "2026-11-20T09:14:05Z",
            "conversation_id": "85",
            "person": True,
            "attributes": {"plan": "pro", "status": "open"},
        }
    ],
    ("chatwoot", "conversation_status_changed.resolved"): [],
    ("chatwoot", "message_created"): [
        {
            "external_id": "98766",
            "text": "Checkout says <total> but charges shipping twice & no coupon field",
            "channel": "chat",
            "occurred_at": "2026-11-20T09:14:03Z",
            "conversation_id": "85",
            "person": True,
            "attributes": {"plan": "pro", "inbox": "Website"},
        }
    ],
    ("cloudevents", "structured"): [
        {
            "text": "Search is slow",
            "score": (*STARS, 2),
            "occurred_at": "2026-11-20T09:14:03Z",
            "attributes": {"event_type": "com.example.feedback.created"},
        }
    ],
    ("crisp", "message-send"): [
        {
            "text": "Your calendar sync deleted my events!!",
            "channel": "chat",
            "occurred_at": "2026-11-20T09:14:05.123000Z",
            "conversation_id": "session_3aa8d6ec-0000-4000-8000-000000000001",
            "person": True,
        }
    ],
    ("delighted", "survey_response.created"): [
        {
            "external_id": "5435",
            "text": None,
            "channel": "survey",
            "score": (*NPS, 3),
            "occurred_at": "2026-11-20T09:13:05Z",
            "response_id": "5435",
            "person": True,
            "attributes": {"plan": "pro"},
        }
    ],
    ("delighted", "unsubscribe.created"): [],
    ("formbricks", "responseCreated"): [
        {
            "external_id": "cm9resp0001test",
            "text": None,
            "channel": "survey",
            "score": (*NPS, 4),
            "occurred_at": "2026-11-20T09:12:31.507000Z",
            "response_id": "cm9resp0001test",
            "attributes": {"plan": "pro", "country": "DE", "form": "Product pulse"},
        }
    ],
    ("formbricks", "testEndpoint"): [],
    ("freshdesk", "note_added.advanced"): [
        {
            "text": "Still nothing, please refund me.",
            "channel": "ticket",
            "conversation_id": "197416",
            "person": True,
            "attributes": {"priority": "Medium", "tags": "delivery, courier"},
        }
    ],
    ("freshdesk", "ticket_created.simple"): [
        {
            "text": "Parcel marked delivered but never arrived\n\n"
            "Tracking says delivered on Tuesday. Nobody at home saw a courier.",
            "channel": "ticket",
            "occurred_at": "2026-11-20T09:14:03Z",
            "conversation_id": "197416",
            "url": "https://acme.freshdesk.example/helpdesk/tickets/197416",
            "person": True,
            "attributes": {"priority": "Medium", "type": "Problem"},
        }
    ],
    ("front", "application.inbound_received"): [
        {
            "external_id": "msg_test01",
            "text": "Pricing question\n\n"
            "The new pricing page is confusing. Is the Team plan per seat or per workspace?",
            "channel": "ticket",
            "occurred_at": "2026-11-20T09:14:01.872000Z",
            "conversation_id": "cnv_keotest",
            "person": True,
            "attributes": {"inbox": "Support"},
        }
    ],
    ("front", "application.sync-challenge"): [],
    ("google-forms", "apps-script.onFormSubmit"): [
        {
            "external_id": "2_ABaOnudTest",
            "text": "Font is tiny",
            "question": "Anything else?",
            "channel": "survey",
            "score": (*CSAT, 2),
            "occurred_at": "2026-11-20T09:14:03Z",
            "response_id": "2_ABaOnudTest",
            "person": True,
            "attributes": {"form": "1FAIpQLTestForm", "What should we improve? (pick all)": "Speed, Reports"},
        }
    ],
    ("gorgias", "ticket-message-created"): [
        {
            "external_id": "200000001",
            "text": "Wrong size again\n\nSecond exchange and still the wrong size.",
            "channel": "ticket",
            "occurred_at": "2026-11-20T09:14:01Z",
            "conversation_id": "80000001",
            "person": True,
            "attributes": {"channel": "email"},
        }
    ],
    ("helpscout", "convo.created"): [
        {
            "external_id": "3002084",
            "text": "App crashes when I add a photo\n\n"
            "Every time I attach a picture from the gallery the app closes.\nPhone: 2 years old.",
            "channel": "ticket",
            "occurred_at": "2026-11-20T09:14:03Z",
            "conversation_id": "123456789",
            "person": True,
            "attributes": {"tags": "crash", "mailbox": "85"},
        }
    ],
    ("helpscout", "convo.deleted"): [],
    ("helpscout", "satisfaction.ratings"): [
        {
            "text": "I still cannot add photos.",
            "score": ("csat", 1, 3, 1),
            "occurred_at": "2026-11-20T12:12:13Z",
            "conversation_id": "123456789",
            "response_id": "rating:5434",
            "person": True,
        }
    ],
    ("hubspot", "batch.ticket+conversation"): [
        {
            "text": "The mobile app keeps asking me to log in again – third time today",
            "channel": "ticket",
            "occurred_at": "2026-11-20T09:14:04.223000Z",
            "conversation_id": "6000000001",
        }
    ],
    ("intercom", "conversation.admin.closed"): [],
    ("intercom", "conversation.user.created"): [
        {
            "text": "Hi, your app logs me out every time I switch tabs & I lose my draft.",
            "channel": "chat",
            "occurred_at": "2026-11-20T09:13:05Z",
            "conversation_id": "21300000001",
            "person": True,
        }
    ],
    ("intercom", "conversation.user.replied"): [
        {
            "external_id": "2824000001",
            "text": "It also happens on my tablet.",
            "channel": "chat",
            "occurred_at": "2026-11-20T09:14:05Z",
            "conversation_id": "21300000001",
            "person": True,
        }
    ],
    ("jira-sm", "comment_created"): [
        {
            "external_id": "10077",
            "text": "Happened again at 11:05.",
            "channel": "ticket",
            "occurred_at": "2026-11-20T10:06:00.184000Z",
            "conversation_id": "10042",
            "person": True,
            "attributes": {"priority": "High", "project": "Support"},
        }
    ],
    ("jira-sm", "jira-issue_created"): [
        {
            "text": "VPN drops every hour since the last client update\n\n"
            "Steps:\n# connect\n# wait about 60 minutes\n\nAll calls are cut. *Very* annoying.",
            "channel": "ticket",
            "occurred_at": "2026-11-20T09:14:03.184000Z",
            "conversation_id": "10042",
            "url": "https://acme.atlassian.example/browse/SUP-42",
            "person": True,
            "attributes": {"request_type": "Report an incident", "priority": "High"},
        }
    ],
    ("jotform", "submission.multipart"): [
        {
            "external_id": "6400000000000000001",
            "text": 'The search box ignores umlauts: "Müller" finds nothing.',
            "question": "Comments",
            "channel": "survey",
            "score": (*CSAT, 2),
            "occurred_at": "2026-11-20T09:14:05.123000Z",
            "response_id": "6400000000000000001",
            "person": True,
            "attributes": {"form": "Feedback", "What should we improve?": "Speed, Reports"},
        }
    ],
    ("judgeme", "review-created"): [
        {
            "external_id": "900000001",
            "text": "Straps broke\n\nAfter two weeks the left strap came off. Colour is lovely though.",
            "channel": "review",
            "score": (*STARS, 2),
            "occurred_at": "2026-11-20T09:14:03Z",
            "person": True,
            "attributes": {"product": "City backpack", "verified": "buyer"},
        }
    ],
    ("qualtrics", "event.completedResponse.plain"): [],
    ("qualtrics", "event.completedResponse.signed"): [],
    ("rfc9421", "post-items"): [{"text": "Search is slow", "score": (*STARS, 2)}],
    ("salesforce", "outbound-message.case"): [
        {
            "external_id": "500000000000001AAA",
            "text": "Totals do not match\n\nDashboard totals & exports do not match since Monday.",
            "channel": "ticket",
            "conversation_id": "500000000000001AAA",
            "attributes": {"priority": "High", "status": "New", "origin": "Email"},
        }
    ],
    ("standard-webhooks", "feedback.created"): [
        {
            "external_id": "fb_01JD4M7Q",
            "text": "The export button spins forever on Safari – I gave up after three tries 😕",
            "score": (*STARS, 2),
            "occurred_at": "2026-11-20T09:14:03.120000Z",
            "url": "https://app.example.com/reports",
            "attributes": {"source": "in_app"},
        }
    ],
    ("surveymonkey", "response_completed"): [],
    ("tally", "FORM_RESPONSE"): [
        {
            "external_id": "2wgxtest",
            "text": "The calendar invite shows the wrong time zone.",
            "question": "Tell us more",
            "channel": "survey",
            "score": (*CSAT, 2),
            "occurred_at": "2026-11-20T09:14:03Z",
            "response_id": "2wgxtest",
            "person": True,
            "attributes": {"form": "Feedback", "Which product?": "Scheduler", "Areas": "Time zones"},
        }
    ],
    ("trustpilot", "service-review-created"): [
        {
            "external_id": "reviewtest000000000001",
            "text": "Good product, slow refunds\n\nUpdate: refund arrived.",
            "channel": "review",
            "score": (*STARS, 4),
            "occurred_at": "2026-11-20T09:14:03Z",
            "url": "https://www.trustpilot.com/reviews/reviewtest000000000001",
            "person": True,
            "attributes": {"verified": "true", "reference": "ORDER-10023"},
        }
    ],
    ("typeform", "form_response"): [
        {
            "external_id": "tok0000000000000000000000000test",
            "text": "Too many clicks to find last month’s report.\nAlso: exports are slow.",
            "question": "What is the main reason for your score?",
            "channel": "survey",
            "score": (*NPS, 4),
            "occurred_at": "2026-11-20T09:14:03Z",
            "response_id": "tok0000000000000000000000000test",
            "person": True,
            "attributes": {
                "form": "Product pulse",
                "Which areas should we improve?": "Reports, Speed, Dark mode please",
            },
        }
    ],
    ("zammad", "ticket.created"): [
        {
            "external_id": "104",
            "text": "Rechnung doppelt abgebucht\n\n"
            "Guten Tag,\nim Oktober wurde der Betrag zweimal abgebucht. Bitte um Rückzahlung.",
            "channel": "ticket",
            "occurred_at": "2026-11-20T09:14:03.318000Z",
            "conversation_id": "81",
            "person": True,
            "attributes": {"group": "Service Desk", "status": "new"},
        }
    ],
    ("zendesk", "ticket.comment_added"): [
        {
            "external_id": "9000000000777",
            "text": "Any news? My accountant is asking.\n\nSent from my phone",
            "channel": "ticket",
            "occurred_at": "2026-11-20T10:02:11.123456Z",
            "conversation_id": "5158",
            "person": True,
            "attributes": {"priority": "high", "tags": "billing, pdf"},
        }
    ],
    ("zendesk", "ticket.created"): [
        {
            "text": "Invoice total is wrong\n\nSince yesterday’s update the invoice PDF shows last month’s total. "
            "I need it corrected before our audit on Monday.",
            "channel": "ticket",
            "occurred_at": "2026-11-20T09:14:03Z",
            "conversation_id": "5158",
            "person": True,
            "attributes": {"status": "new", "brand": "9000000000310", "group": "9000000000430"},
        }
    ],
    ("zendesk", "trigger.custom"): [
        {
            "text": "Invoice total is wrong\n\nSince yesterday’s update the invoice PDF shows last month’s total.",
            "channel": "ticket",
            "occurred_at": "2026-11-20T09:14:03Z",
            "conversation_id": "5158",
            "person": True,
            "attributes": {"priority": "high", "tags": "billing, pdf"},
        }
    ],
}
# what waits for the sender's API, or holds nothing that a customer said
NOT_PARSED = {
    ("app-store", "webhook.ping"): "ignored",
    ("chatwoot", "conversation_status_changed.resolved"): "ignored",
    ("delighted", "unsubscribe.created"): "ignored",
    ("formbricks", "testEndpoint"): "ignored",
    ("front", "application.sync-challenge"): "ignored",
    ("hubspot", "batch.ticket+conversation"): "waiting",
    ("intercom", "conversation.admin.closed"): "ignored",
    ("qualtrics", "event.completedResponse.plain"): "waiting",
    ("qualtrics", "event.completedResponse.signed"): "waiting",
    ("surveymonkey", "response_completed"): "waiting",
}
ANSWERS = {
    ("front", "application.sync-challenge"): b"c5f1test",
    ("salesforce", "outbound-message.case"): b"<Ack>true</Ack>",
}
SCHEMES = {"hubspot": ("v1", "v2", "v3")}
CASES = [(sender, name, scheme) for sender, name in EXPECTED for scheme in SCHEMES.get(sender, (None,))]
WITH_TIME = ("chatwoot", "crisp", "formbricks", "front", "standard-webhooks", "zendesk")


class Sent:
    """One recorded call, its secret and its recipe."""

    def __init__(self, sender: str, name: str) -> None:
        self.sender = sender
        self.meta = json.loads((FIXTURES / sender / f"{name}.meta.json").read_text(encoding="utf-8"))
        self.recipe: dict[str, Any] | None = self.meta["signature"]
        self.body = (FIXTURES / sender / self.meta["body_file"]).read_bytes()
        self.headers = {key.lower(): str(value) for key, value in self.meta["headers"].items()}
        self.secret: str = (self.recipe or {}).get("secret") or (self.recipe or {}).get("secret_base64") or ""

    def signed(self, secret: str, url: str, *, scheme: str | None = None, body: bytes | None = None) -> Any:
        """`content` and `headers` of the call as its sender would sign it now."""
        content = self.body if body is None else body
        headers = {**self.headers, **self._times()}
        if self.recipe is None:
            return {"content": content, "headers": headers}
        if self.sender == "hubspot":
            headers |= hubspot_signature(secret, content, url, scheme, headers)
        elif self.sender == "rfc9421":
            headers |= message_signature(secret, content, url)
        elif self.sender == "qualtrics":
            fields = {key: values[0] for key, values in parse_qs(content.decode()).items()}
            digest = hmac.new(secret.encode(), fields.get("MSG", "").encode(), hashlib.sha512)
            content = urlencode(fields | {"HMAC": digest.hexdigest()}).encode()
        else:
            headers[self.recipe["header"].split(" ")[0].lower()] = self._signature(secret, content, headers)
        return {"content": content, "headers": headers}

    def _times(self) -> dict[str, str]:
        """The headers that tell the time of the call, told now and as exactly as they were recorded."""
        found = {}
        for name, value in self.headers.items():
            if "timestamp" not in name:
                continue
            now = datetime.now(UTC)
            unix = str(int(now.timestamp() * 1000))[: len(value)]
            found[name] = unix if value.isdigit() else now.strftime("%Y-%m-%dT%H:%M:%SZ")
        return found

    def _signature(self, secret: str, body: bytes, headers: dict[str, str]) -> str:
        """By the words of the recipe: what is signed, by which algorithm, and how the digest is written."""
        assert self.recipe is not None
        template = str(self.recipe["signed_string"]).split(" (")[0].replace("{raw body}", "{body}")
        signed = b"".join(
            body if part == "{body}" else (headers[part[1:-1].lower()] if part.startswith("{") else part).encode()
            for part in re.split(r"(\{[^}]+\})", template)
            if part
        )
        key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
        algorithm = hashlib.sha1 if "SHA1" in self.recipe["algorithm"] else hashlib.sha256
        digest = hmac.new(key, signed, algorithm)
        prefix = found[1] if (found := re.match(r"'([^']*)'", self.recipe["encoding"])) else ""
        as_hex = "hex" in self.recipe["encoding"].lower().split("(")[0]
        return prefix + (digest.hexdigest() if as_hex else base64.b64encode(digest.digest()).decode())


def hubspot_signature(
    secret: str, body: bytes, url: str, scheme: str | None, headers: dict[str, str]
) -> dict[str, str]:
    moment = headers["x-hubspot-request-timestamp"]
    v3 = hmac.new(secret.encode(), b"POST" + url.encode() + body + moment.encode(), hashlib.sha256).digest()
    if scheme == "v3":
        return {"x-hubspot-signature-v3": base64.b64encode(v3).decode()}
    told = body if scheme == "v1" else b"POST" + url.encode() + body
    digest = hashlib.sha256(secret.encode() + told).hexdigest()
    return {"x-hubspot-signature": digest, "x-hubspot-signature-version": str(scheme)}


def message_signature(secret: str, body: bytes, url: str) -> dict[str, str]:
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    parameters = (
        f'("@method" "@target-uri" "content-digest");created={int(time.time())};'
        'keyid="t1-2026-11";alg="hmac-sha256"'
    )
    told = f'"@method": POST\n"@target-uri": {url}\n"content-digest": {digest}\n"@signature-params": {parameters}'
    mac = hmac.new(base64.b64decode(secret), told.encode(), hashlib.sha256).digest()
    return {
        "content-digest": digest,
        "signature-input": f"sig1={parameters}",
        "signature": f"sig1=:{base64.b64encode(mac).decode()}:",
    }


def another(secret: str) -> str:
    """A secret of the same form that is not this one."""
    if secret.startswith("whsec_"):
        return "whsec_" + base64.b64encode(b"another key of 24 bytes!").decode()
    return base64.b64encode(b"another key of 24 bytes!").decode()


def address(client: Any, sent: Sent, **given: Any) -> dict[str, Any]:
    """A new endpoint for the call; its `source` is its own."""
    asked = {"sender": sent.sender, "name": "Recorded", "source": "recorded", **given}
    made = client.post("/v1/endpoints", json=asked | ({"secrets": [sent.secret]} if sent.secret else {}))
    assert made.status_code == 201, made.text
    return dict(made.json())


def path(made: dict[str, Any]) -> str:
    return str(made["url"]).removeprefix(ORIGIN)


def listed(client: Any) -> list[dict[str, Any]]:
    """What the API lists, each item as its own page shows it, but for what later tagging adds."""
    found = client.get("/v1/feedback", params={"source": "recorded"}).json()["data"]
    return [client.get(f"/v1/feedback/{one['id']}").json() for one in found]


def check(item: dict[str, Any], wanted: dict[str, Any]) -> None:
    wanted = dict(wanted)
    kind, low, high, value = wanted.pop("score", (None, None, None, None))
    score = item["score"] or dict.fromkeys(("kind", "scale_min", "scale_max", "value"))
    assert (score["kind"], score["scale_min"], score["scale_max"], score["value"]) == (kind, low, high, value)
    assert (item["respondent"] is not None) == wanted.pop("person", False)
    some = wanted.pop("attributes", {})
    assert {name: item["attributes"].get(name) for name in some} == some
    for name in ("conversation_id", "response_id", "question", "occurred_at"):
        wanted.setdefault(name, None)
    assert {name: item[name] for name in wanted} == wanted


def test_every_recorded_call_is_expected_to_be_something() -> None:
    for meta in FIXTURES.glob("*/*.meta.json"):
        body = json.loads(meta.read_text(encoding="utf-8"))["body_file"]
        is_file = body.endswith((".csv", ".xlsx", ".zip", ".gz", ".ndjson", "rawRequest.json"))
        # what a vendor's API answers is no call
        if meta.parent.name in SENDERS and not is_file and not body.startswith("api."):
            assert (meta.parent.name, meta.name.removesuffix(".meta.json")) in EXPECTED


@pytest.mark.parametrize(("sender", "name", "scheme"), CASES)
def test_a_recorded_call(client: Any, sender: str, name: str, scheme: str | None) -> None:
    sent = Sent(sender, name)
    made = address(client, sent, **({"options": {"scheme": scheme}} if scheme else {}))
    url = made["url"]

    def post(where: str = path(made), **call: Any) -> Any:
        return client.post(where, content=call["content"], headers={**call["headers"], "authorization": ""})

    call = sent.signed(sent.secret, url, scheme=scheme)
    assert client.head(path(made)).status_code == 200
    other = "tally" if sender != "tally" else "typeform"
    assert post(path(made).replace(f"/{sender}/", f"/{other}/"), **call).status_code == 404
    if sent.recipe is not None:
        assert post(**sent.signed(another(sent.secret), url, scheme=scheme)).status_code == 401
        half = len(sent.body) // 2
        flipped = sent.body[:half] + bytes([sent.body[half] ^ 1]) + sent.body[half + 1 :]
        if sender != "qualtrics":  # whose signature stands in the body
            assert post(content=flipped, headers=call["headers"]).status_code == 401
    assert listed(client) == []
    for _ in range(2):
        answer = post(**call)
        assert answer.status_code == 200
        assert ANSWERS.get((sender, name), b'{"ok":true}') in answer.content
        items = sorted(listed(client), key=lambda one: str(one["external_id"]))
        assert len(items) == len(EXPECTED[sender, name])
        for item, wanted in zip(items, EXPECTED[sender, name], strict=True):
            check(item, wanted)
    (delivery,) = client.get("/v1/deliveries", params={"endpoint_id": made["id"]}).json()["data"]
    assert (delivery["state"], delivery["repeats"]) == (NOT_PARSED.get((sender, name), "parsed"), 1)
    shown = client.get(f"/v1/deliveries/{delivery['id']}").json()
    replayed = client.post(f"/v1/deliveries/{delivery['id']}/replay")
    if name == "convo.deleted":  # what says what is gone is not kept itself
        assert (shown["size_bytes"], replayed.status_code) == (0, 409)
    else:
        assert (shown["size_bytes"], replayed.json()["state"]) == (len(call["content"]), delivery["state"])
    assert len(listed(client)) == len(items)
    assert client.delete(f"/v1/endpoints/{made['id']}").status_code == 204
    assert post(**call).status_code == 410


@pytest.mark.parametrize(
    ("sender", "name"), [case for case in EXPECTED if Sent(*case).recipe and case[0] not in ("hubspot", "rfc9421")]
)
def test_a_signature_as_recorded_holds_within_its_window(client: Any, sender: str, name: str) -> None:
    sent = Sent(sender, name)
    headers = {**sent.headers, "authorization": ""}
    in_time = path(address(client, sent))
    assert client.post(in_time, content=sent.body, headers=headers).status_code == (
        401 if sender in WITH_TIME else 200
    )
    ever = path(address(client, sent, options={"replay_window_seconds": YEARS_SECONDS}))
    assert client.post(ever, content=sent.body, headers=headers).status_code == 200


def test_broken_content_of_every_sender_is_kept_and_shown(client: Any) -> None:
    for sender, name in {
        case[0]: case for case in EXPECTED if case != ("qualtrics", "event.completedResponse.signed")
    }.values():
        sent = Sent(sender, name)
        made = address(client, sent, **({"options": {"scheme": "v3"}} if sender == "hubspot" else {}))
        call = sent.signed(sent.secret, made["url"], scheme="v3", body=b'{"broken": "and')
        answer = client.post(path(made), content=call["content"], headers={**call["headers"], "authorization": ""})
        assert answer.status_code == 200, sender
        found = client.get("/v1/deliveries", params={"state": "unparsed", "endpoint_id": made["id"]}).json()[
            "data"
        ]
        assert [one["sender"] for one in found] == [sender]
        assert found[0]["detail"]
        assert client.get(f"/v1/deliveries/{found[0]['id']}").json()["body"] == '{"broken": "and'
    assert listed(client) == []


def test_merges_and_tickets_out_of_the_bin_by_signed_calls(client: Any) -> None:
    sent = Sent("zendesk", "ticket.created")
    made = address(client, sent)
    first = json.loads(sent.body)
    person, other = first["detail"]["requester_id"], "9000000000777"

    def tells(kind: str, at: str, event: dict[str, Any] | None = None, **detail: Any) -> None:
        payload = {**first, "type": f"zen:event-type:{kind}", "id": f"{kind}{at}", "time": f"2026-11-20T{at}Z"}
        payload |= {"detail": {**first["detail"], **detail}, "event": event or {}}
        call = sent.signed(sent.secret, made["url"], body=json.dumps(payload).encode())
        answer = client.post(path(made), content=call["content"], headers={**call["headers"], "authorization": ""})
        assert answer.status_code == 200

    def people() -> dict[str, str]:
        return {one["conversation_id"]: one["respondent"] for one in listed(client)}

    tells("ticket.created", "09:00:00")
    tells("ticket.created", "09:30:00", id="9", requester_id=other, submitter_id=other)
    assert len(set(people().values())) == 2
    before = people()["9"]
    tells("user.merged", "10:00:00", {"user": {"id": person}}, id=other)
    assert set(people().values()) == {before}
    (merge,) = [
        one
        for one in client.get("/v1/deliveries", params={"endpoint_id": made["id"]}).json()["data"]
        if "one person" in one["detail"]
    ]
    assert (merge["state"], client.get(f"/v1/deliveries/{merge['id']}").json()["body"]) == ("parsed", "")
    assert client.post(f"/v1/deliveries/{merge['id']}/replay").status_code == 409

    tells("ticket.marked_as_spam", "11:00:00")
    assert set(people()) == {"9"}
    tells("ticket.tags_changed", "10:59:00", tags=["late"])
    tells("ticket.status_changed", "11:00:01", status="DELETED")
    assert set(people()) == {"9"}
    tells("ticket.undeleted", "12:00:00")
    assert people() == {"9": before, first["detail"]["id"]: before}

    assert client.delete(f"/v1/respondents/{other}").json() == {"items": 2}
    tells("ticket.undeleted", "13:00:00")
    tells("ticket.created", "14:00:00", id="10")
    assert people() == {}
