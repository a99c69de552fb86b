"""Trustpilot: service review webhooks (a batch of events, unsigned) and the private reviews API.

The webhook does not say when a review was edited. Its events therefore stand a microsecond after one another:
created, as the API has it, updated; what the API calls `updatedAt` is later than all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from pydantic import Field

from service.ingest.incoming import Call, CannotParse, Erased, Parsed
from service.ingest.senders.bodies import answer_object, json_value
from service.ingest.senders.contract import Credentials, Fetched, Http, Polled, Poller, Refused, Sender
from service.ingest.senders.signatures import SenderOptions, check_token, encode_base64, new_token
from service.ingest.senders.values import attributes, identifier, moment, moment_after, said, stars, titled

API = "https://api.trustpilot.com"
PAGE_SIZE = 50
MAX_LINK_CHARS = 2048
# edited reviews keep their place in the list, so they are looked for from time to time
LOOK_BACK = timedelta(days=30)
LOOK_BACK_EVERY = timedelta(days=1)
# a reply, a tag or an invitation of a review ends in the same words, and is no review
_REVIEW = re.compile(r"(?:(?:service|product|location)?review)(created|updated|deleted)")
_CONSUMER_GONE = re.compile(r"consumer(?:deleted|erased|anonymi[sz]ed)")


class Options(SenderOptions):
    """Where the private reviews API is, and whose reviews are read there."""

    api_url: str = Field(default=API, description="Base address of the Trustpilot API.")
    business_unit_id: str = Field(default="", description="Whose reviews are polled; empty: none are.")


class ApiKey(Credentials):
    """The key pair of an API application in Trustpilot Business."""

    api_key: str = Field(min_length=1, description="API key.")
    api_secret: str = Field(default="", description="API secret; with it a token of the private API is asked for.")


def verify(call: Call, secrets: Sequence[str], options: Options, now: datetime) -> None:
    """Trustpilot signs nothing: the address, and a token where one is set, are the credential."""
    check_token(call, secrets)


def parse(call: Call, options: Options) -> Parsed:
    """The reviews of a batch of events, or of a page of the API."""
    body = json_value(call)
    if not isinstance(body, dict):
        raise CannotParse("the body is not a JSON object")
    if isinstance(body.get("reviews"), list):
        page = [_item(review, "polled") for review in body["reviews"]]
        return _usable(Parsed(page, ignored="" if page else "there is no review on this page"))
    events = body.get("events")
    if not isinstance(events, list):
        if _name_of(body) is None:
            raise CannotParse("there are no events in it")
        events = [body]
    items: list[Any] = []
    erased: list[Erased] = []
    unknown: set[str] = set()
    for event in events:
        name = _name_of(event)
        if name is None:
            items.append(None)  # refused for itself, the others of the batch are taken
            continue
        data = _object(event.get("eventData", event.get("review")))
        bare = re.sub(r"[^a-z]", "", name)
        told = _REVIEW.fullmatch(bare)
        kind = told[1] if told is not None else ""
        if kind == "deleted" or _CONSUMER_GONE.fullmatch(bare):
            gone = identifier(data.get("id") or data.get("reviewId") or data.get("consumerId"))
            if gone is None:
                items.append(None)
            else:
                erased.append(Erased("item" if kind else "respondent", gone))
        elif kind:
            items.append(_item(data, kind))
        else:
            unknown.add(name[:80])
    ignored = f"events that are not about a review's text: {', '.join(sorted(unknown))}" if unknown else ""
    return _usable(
        Parsed(items, erased, ignored=ignored or ("" if items or erased else "there are no events in it"))
    )


def _usable(found: Parsed) -> Parsed:
    """CannotParse where not one of the reviews is one; else bad ones are refused for themselves."""
    if found.items and not found.erased and all(item is None for item in found.items):
        raise CannotParse("there is no review with an id, and words or stars unless it is deleted, in it")
    return found


def _name_of(event: Any) -> str | None:
    name = _object(event).get("eventName", _object(event).get("eventType"))
    return name.lower() if isinstance(name, str) and name else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _item(review: Any, how: str) -> dict[str, Any] | None:
    """A review by the hook ("created", "updated") or the API ("polled"); None where it names or says nothing."""
    if not isinstance(review, dict) or identifier(review.get("id") or review.get("reviewId")) is None:
        return None
    text, score = (
        titled(review.get("title"), review.get("text") or review.get("content")),
        stars(review.get("stars")),
    )
    if text is None and score is None:
        return None
    consumer = _object(review.get("consumer"))
    created, edited = moment(review.get("createdAt")), moment(review.get("updatedAt"))
    rank = {"created": 0, "polled": 1, "updated": 0 if edited else 2}[how]
    item = said(
        {
            "external_id": identifier(review.get("id") or review.get("reviewId")),
            "text": text,
            "score": score,
            "occurred_at": created,
            "updated_at": moment_after(edited or created, rank),
            "language": review.get("language") if isinstance(review.get("language"), str) else None,
            "respondent": _respondent(review, consumer),
            "url": _link(review),
            "attributes": attributes(
                {
                    "verified": review.get("isVerified"),
                    "reference": review.get("referenceId"),
                    "location": review.get("locationId") or _object(review.get("location")).get("name"),
                    "country": consumer.get("displayLocation") or consumer.get("countryCode"),
                    "product": _object(review.get("product")).get("name"),
                    "tags": _tags(review.get("tags")),
                }
            ),
        }
    )
    if text is None and ("text" in review or "content" in review):
        item["text"] = None  # the words were taken out of it since; the stars stand
    return item


def _respondent(review: Mapping[str, Any], consumer: Mapping[str, Any]) -> str | None:
    """The consumer's id; the name ("name" in the hook, "displayName" in the API) only where nothing else is."""
    for value in (
        consumer.get("id"),
        consumer.get("email") or review.get("referralEmail"),
        consumer.get("name") or consumer.get("displayName"),
    ):
        found = identifier(value)
        if found is not None:
            return found
    return None


def _link(review: Mapping[str, Any]) -> str | None:
    link = review.get("link")
    if isinstance(link, str) and link.startswith("https://") and len(link) <= MAX_LINK_CHARS:
        return link
    identity = identifier(review.get("id"))
    return f"https://www.trustpilot.com/reviews/{quote(identity, safe='', errors='replace')}" if identity else None


def _tags(tags: Any) -> list[str] | None:
    """Tags as plain words; the API has them as pairs of group and value."""
    if not isinstance(tags, list):
        return None
    found = []
    for tag in tags:
        if isinstance(tag, dict):
            tag = ":".join(str(tag[name]) for name in ("group", "value") if isinstance(tag.get(name), str))
        if isinstance(tag, str) and tag:
            found.append(tag)
    return found


def poll(http: Http, credentials: ApiKey, options: Options, cursor: Mapping[str, Any]) -> Polled:
    """One page of the private reviews, oldest first, from the newest one known; once a day from 30 days before."""
    if not options.business_unit_id:
        raise Refused("the option business_unit_id says whose reviews to read")
    state = dict(cursor)
    if "page" not in state:
        state.update(page=1, **_since(state, datetime.now(UTC)))
    unit = quote(options.business_unit_id, safe="")
    params = {"perPage": str(PAGE_SIZE), "page": str(state["page"]), "orderBy": "createdat.asc"}
    if state.get("since"):
        params["startDateTime"] = state["since"]
    headers = {"apikey": credentials.api_key, "accept": "application/json"}
    if credentials.api_secret:
        headers["authorization"] = f"Bearer {_token(http, credentials, options)}"
    address = f"{options.api_url.rstrip('/')}/v1/private/business-units/{unit}/reviews"
    answer = http.request("GET", address, headers=headers, params=params)
    reviews = answer_object(answer).get("reviews")
    reviews = reviews if isinstance(reviews, list) else []
    times = [moment(_object(review).get("createdAt")) for review in reviews]
    state["newest"] = max([one for one in (*times, state.get("newest")) if one], default=None)
    more = len(reviews) >= PAGE_SIZE
    if more:
        state["page"] += 1
    else:
        del state["page"], state["since"]
    return Polled(Fetched("reviews", answer.body) if reviews else None, state, more)


def _since(state: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """From when on this round reads, and when the last look back was."""
    newest, looked_back = state.get("newest"), state.get("looked_back")
    if newest is None:
        return {"since": None, "looked_back": now.isoformat()}
    start = datetime.fromisoformat(newest)
    if looked_back is None or now - datetime.fromisoformat(looked_back) >= LOOK_BACK_EVERY:
        start, looked_back = start - LOOK_BACK, now.isoformat()
    return {"since": start.strftime("%Y-%m-%dT%H:%M:%SZ"), "looked_back": looked_back}


def _token(http: Http, credentials: ApiKey, options: Options) -> str:
    pair = encode_base64(f"{credentials.api_key}:{credentials.api_secret}".encode())
    answer = http.request(
        "POST",
        f"{options.api_url.rstrip('/')}/v1/oauth/oauth-business-users-for-applications/accesstoken",
        headers={"authorization": f"Basic {pair}", "content-type": "application/x-www-form-urlencoded"},
        body=b"grant_type=client_credentials",
    )
    return str(answer_object(answer).get("access_token") or "")


SENDER = Sender(
    name="trustpilot",
    title="Trustpilot",
    kind="review",
    default_channel="review",
    verify=verify,
    parse=parse,
    options=Options,
    new_secret=new_token,
    secret_needed=False,
    poller=Poller(credentials=ApiKey, poll=poll, requests_per_minute=30, every_seconds=900),
)
