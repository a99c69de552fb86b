"""Judge.me: reviews of shops and products, signed with HMAC-SHA256 in hex over the body.

The secret is that of the OAuth app that made the webhook, else the shop's private API token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from service.ingest.incoming import Call, CannotParse, Erased, Parsed
from service.ingest.senders.bodies import json_object
from service.ingest.senders.contract import Sender
from service.ingest.senders.signatures import SenderOptions, check_hmac
from service.ingest.senders.values import (
    attributes,
    identifier,
    moment,
    moment_after,
    said,
    stars,
    text_of_html,
    titled,
)

SIGNATURE = "judgeme-hmac-sha256"
OTHER_SIGNATURE = "x-judgeme-hmac-sha256"  # as some servers pass it on
TOPIC = "x-judgeme-topic"
# several events of one review can carry the same second; what follows from what is the order among them
RANKS = {"created": 0, "updated": 1, "published": 2, "unpublished": 3, "hidden": 3}
TENSES = {"create": "created", "update": "updated", "publish": "published", "delete": "deleted"}
GONE = ("deleted", "destroyed")


def verify(call: Call, secrets: Sequence[str], options: SenderOptions, now: datetime) -> None:
    """BadSignature unless the header is the body's HMAC under one of the secrets."""
    given = call.headers.get(SIGNATURE) or call.headers.get(OTHER_SIGNATURE)
    check_hmac(given, secrets, call.body, encoding="hex")


def parse(call: Call, options: SenderOptions) -> Parsed:
    """The review of an event."""
    body = json_object(call)
    topic = _topic(call, body)
    review = body.get("review")
    if review is None and "rating" in body and "id" in body:
        review = body  # the review itself, without an envelope
    family, _, kind = re.sub(r"[._:]", "/", topic).rpartition("/")
    kind = TENSES.get(kind, kind)
    if topic and family not in ("", "review", "reviews"):
        return Parsed(ignored=f"an event that is not about a review: {topic[:80]}")
    if kind in ("test", "ping"):
        return Parsed(ignored="a test of the connection")
    if kind in GONE:
        gone = identifier(review.get("id") if isinstance(review, dict) else body.get("review_id", body.get("id")))
        if gone is None:
            raise CannotParse("a deletion without the id of its review")
        return Parsed(erased=[Erased("item", gone)])
    if kind and kind not in RANKS:
        return Parsed(ignored=f"an event that changes nothing a customer said: {topic[:80]}")
    if not isinstance(review, dict):
        raise CannotParse("there is no review in it")
    item = _item(review, kind)
    if "external_id" not in item:
        raise CannotParse("a review without its id")
    if "text" not in item and "score" not in item:
        return Parsed(ignored="a review without words or stars")
    return Parsed([item])


def _topic(call: Call, body: Mapping[str, Any]) -> str:
    hook = body.get("webhook")
    for value in (
        body.get("event"),
        body.get("topic"),
        body.get("key"),
        hook.get("key") if isinstance(hook, dict) else None,
        call.headers.get(TOPIC),
    ):
        if isinstance(value, str) and value.strip():
            return value.strip().lower()
    return ""


def _item(review: Mapping[str, Any], kind: str) -> dict[str, Any]:
    reviewer = review.get("reviewer")
    reviewer = reviewer if isinstance(reviewer, dict) else {}
    created, changed = moment(review.get("created_at")), moment(review.get("updated_at"))
    hidden = review.get("hidden")
    if not isinstance(hidden, bool) and kind in ("hidden", "unpublished", "published"):
        hidden = kind != "published"
    text = titled(_words(review.get("title")), _words(review.get("body")))
    item = said(
        {
            "external_id": identifier(review.get("id")),
            "text": text,
            "score": stars(review.get("rating")),
            "occurred_at": created,
            "updated_at": moment_after(changed or created, RANKS.get(kind, 0)),
            "respondent": _respondent(reviewer),
            "attributes": attributes(
                {
                    "product": review.get("product_title") or review.get("product_handle"),
                    "product_id": identifier(review.get("product_external_id")),
                    "verified": review.get("verified"),
                    "hidden": hidden,
                    "curated": review.get("curated"),
                    "featured": review.get("featured"),
                    "collected_by": review.get("source"),
                }
            ),
        }
    )
    if text is None and "body" in review and "score" in item:
        item["text"] = None  # the words were taken out of it since; the stars stand
    return item


def _words(text: Any) -> str | None:
    """Reviews are plain text, imported ones may hold HTML; "a < b" must not be read as such."""
    if isinstance(text, str) and re.search(r"</?(p|br|div|span|strong|em)\b[^>]*>", text):
        return text_of_html(text)
    return text if isinstance(text, str) else None


def _respondent(reviewer: Mapping[str, Any]) -> str | None:
    """Judge.me's own id of the reviewer, else the shop's, else the e-mail address."""
    for name in ("id", "external_id", "email"):
        found = identifier(reviewer.get(name))
        if found is not None:
            return found
    return None


SENDER = Sender(
    name="judgeme",
    title="Judge.me",
    kind="review",
    default_channel="review",
    verify=verify,
    parse=parse,
)
