"""App Store Connect: customer reviews (polled; no webhook tells of them) and TestFlight feedback (webhook, thin).

Webhooks are signed with HMAC-SHA256 in hex over the body, with or without `hmacsha256=` in front: receivers
disagree. The API takes ES256 tokens that live at most 20 minutes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import parse_qsl, quote, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BeforeValidator, Field, field_validator

from service.ingest.incoming import Call, CannotParse, Parsed, Wanted
from service.ingest.senders.bodies import answer_object, json_object
from service.ingest.senders.contract import Credentials, Fetched, Fetcher, Http, Polled, Poller, Sender
from service.ingest.senders.pem_keys import private_key, signed_token
from service.ingest.senders.signatures import SenderOptions, check_hmac, new_token
from service.ingest.senders.values import attributes, identifier, listed, moment, said, stars, titled

API = "https://api.appstoreconnect.apple.com"
SIGNATURE, PREFIX = "x-apple-signature", "hmacsha256="
AUDIENCE, TOKEN_SECONDS = "appstoreconnect-v1", 900
PAGE_SIZE = 200
# reviews appear up to some days after the time they carry
OVERLAP = timedelta(days=3)
REVIEWS = "customerReviews"
FEEDBACK = ("betaFeedbackScreenshotSubmissions", "betaFeedbackCrashSubmissions")


class Options(SenderOptions):
    """Which apps' reviews are read, and where."""

    api_url: str = Field(default=API, description="Base address of the App Store Connect API.")
    app_ids: Annotated[list[str], BeforeValidator(listed)] = Field(
        default_factory=list, description="Apple ids of the apps whose reviews are polled."
    )


class ApiKey(Credentials):
    """A key of App Store Connect: Users and Access, Integrations."""

    issuer_id: str = Field(default="", description="Issuer id; empty for an individual key.")
    key_id: str = Field(min_length=1, description="Key id.")
    private_key: str = Field(description="Content of the .p8 file.")

    @field_validator("private_key")
    @classmethod
    def _signs(cls, value: str) -> str:
        key = private_key(value)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("this is not the P-256 key of a .p8 file")
        return value


def verify(call: Call, secrets: Sequence[str], options: Options, now: datetime) -> None:
    """BadSignature unless the header is the body's HMAC under one of the secrets."""
    given = call.headers.get(SIGNATURE, "").strip()
    if given.lower().startswith(PREFIX):
        given = given[len(PREFIX) :]
    check_hmac(given, secrets, call.body, encoding="hex")


def delivery_id(call: Call) -> str | None:
    """The event's id. Answers of the API have none: the same id may come back with other content."""
    if call.fetched:
        return None
    try:
        data = json_object(call).get("data")
    except CannotParse:
        return None
    if not isinstance(data, dict) or data.get("type") in (REVIEWS, *FEEDBACK):
        return None
    return identifier(data.get("id"))


def parse(call: Call, options: Options) -> Parsed:
    """The reviews of a page, the TestFlight feedback of an answer, or what an event names."""
    body = json_object(call)
    data = body.get("data")
    if isinstance(data, list):
        page = [_resource(one, body, call) for one in data]
        return Parsed([one for one in page if one], ignored="" if any(page) else "there is no review on this page")
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        raise CannotParse("there is no event in it")
    kind = data["type"]
    if kind in (REVIEWS, *FEEDBACK):
        item = _resource(data, body, call)
        return Parsed([item]) if item else Parsed(ignored="TestFlight feedback without words")
    bare = kind.lower().replace("_", "")  # in the API's list of events they stand in capitals
    if "webhookping" in bare or _attributes(data).get("ping") is True:
        return Parsed(ignored="a test of the connection")
    if not bare.startswith("betafeedback") or not bare.endswith("created"):
        return Parsed(ignored=f"an event that is not about feedback: {kind[:80]}")
    return _feedback_event(data, body, call)


def _feedback_event(data: Mapping[str, Any], body: Mapping[str, Any], call: Call) -> Parsed:
    """Words that came along, else where to ask for them."""
    instance = _object(_object(_object(data.get("relationships")).get("instance")).get("data"))
    feedback_id = identifier(instance.get("id"))
    kind = FEEDBACK[1] if "crash" in str(data["type"]).lower() else FEEDBACK[0]
    for included in _list(body.get("included")):
        if _object(included).get("type") == kind and identifier(included.get("id")) == feedback_id:
            item = _resource(included, body, call)
            if item:
                return Parsed([item])
    own = {"type": kind, "id": feedback_id or data.get("id"), "attributes": data.get("attributes")}
    item = _resource(own, body, call)
    if item:
        return Parsed([item])
    if feedback_id is None:
        return Parsed(ignored="TestFlight feedback without words")
    return Parsed(wanted=[Wanted(kind, {"id": feedback_id})])


def _resource(resource: Any, body: Mapping[str, Any], call: Call) -> dict[str, Any] | None:
    """A review or TestFlight feedback as an item; None where a customer said nothing in it."""
    resource = _object(resource)
    if identifier(resource.get("id")) is None:
        return None
    if resource.get("type") == REVIEWS:
        return _review(resource, body, call)
    if resource.get("type") in FEEDBACK:
        return _feedback(resource, body)
    return None  # a developer's response, or what was included beside


def _review(review: Mapping[str, Any], body: Mapping[str, Any], call: Call) -> dict[str, Any] | None:
    given = _attributes(review)
    text, score = titled(given.get("title"), given.get("body")), stars(given.get("rating"))
    if text is None and score is None:
        return None
    written = moment(given.get("createdDate"))
    return said(
        {
            "external_id": identifier(review.get("id")),
            "text": text,
            "score": score,
            "occurred_at": written,
            "updated_at": written,  # an edited review comes back with the date of its edit
            "respondent": identifier(given.get("reviewerNickname")),  # Apple tells nothing else of them
            "attributes": attributes({"territory": given.get("territory"), "app": _app(body, call)}),
        }
    )


def _app(body: Mapping[str, Any], call: Call) -> str | None:
    """The app's id: pages name it in their address, the poller in what it asked for."""
    asked = call.fetched.partition(":")[2]
    if asked:
        return asked
    link = _object(body.get("links")).get("self")
    parts = link.split("?")[0].split("/") if isinstance(link, str) else []
    place = parts.index("apps") + 1 if "apps" in parts else len(parts)
    return parts[place] if place < len(parts) else None


def _feedback(feedback: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any] | None:
    given = _attributes(feedback)
    text = titled(None, given.get("comment"))
    if text is None:
        return None
    sent = moment(given.get("createdDate")) or moment(given.get("timestamp"))
    links = _object(feedback.get("relationships"))
    tester, build = (_object(_object(links.get(name)).get("data")).get("id") for name in ("tester", "build"))
    return said(
        {
            "external_id": identifier(feedback.get("id")),
            "channel": "other",
            "text": text,
            "occurred_at": sent,
            "updated_at": sent,
            "respondent": identifier(tester) or identifier(given.get("email")),
            "attributes": attributes(
                {
                    "kind": "TestFlight crash" if feedback.get("type") == FEEDBACK[1] else "TestFlight screenshot",
                    "device": given.get("deviceModel"),
                    "os_version": given.get("osVersion"),
                    "platform": given.get("appPlatform") or given.get("devicePlatform"),
                    "locale": given.get("locale"),
                    "app": given.get("buildBundleId"),
                    "build": _build_version(body, build),
                }
            ),
        }
    )


def _build_version(body: Mapping[str, Any], build_id: Any) -> Any:
    for included in _list(body.get("included")):
        if _object(included).get("type") == "builds" and included.get("id") == build_id:
            return _attributes(included).get("version")
    return None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _attributes(resource: Mapping[str, Any]) -> dict[str, Any]:
    return _object(resource.get("attributes"))


def token(credentials: ApiKey, issued_at_seconds: int) -> str:
    """The token of one request, good for 15 minutes."""
    claims: dict[str, Any] = {
        "iat": issued_at_seconds,
        "exp": issued_at_seconds + TOKEN_SECONDS,
        "aud": AUDIENCE,
    }
    # an individual key has no issuer
    claims |= {"iss": credentials.issuer_id} if credentials.issuer_id else {"sub": "user"}
    return signed_token(private_key(credentials.private_key), header={"kid": credentials.key_id}, claims=claims)


def _ask(http: Http, credentials: ApiKey, options: Options, path: str, params: Mapping[str, str]) -> Any:
    headers = {"authorization": f"Bearer {token(credentials, int(time.time()))}", "accept": "application/json"}
    return http.request("GET", f"{options.api_url.rstrip('/')}/v1/{path}", headers=headers, params=params)


def fetch(http: Http, credentials: ApiKey, options: Options, wanted: Wanted) -> list[Fetched]:
    """The TestFlight feedback that an event names."""
    if wanted.what not in FEEDBACK:
        return []
    path = f"{wanted.what}/{quote(wanted.ids['id'], safe='', errors='replace')}"
    return [Fetched(wanted.what, _ask(http, credentials, options, path, {"include": "build"}).body)]


def poll(http: Http, credentials: ApiKey, options: Options, cursor: Mapping[str, Any]) -> Polled:
    """One page of one app's reviews, newest first, until three days before the newest one known."""
    state = {"newest": {}, **cursor}
    app = state.get("app")
    if app not in options.app_ids:  # a new round, or the app was taken out meanwhile
        for name in ("app", "next", "top"):
            state.pop(name, None)
        if not options.app_ids:
            return Polled(None, state)
        app = state["app"] = options.app_ids[0]
    params = state.get("next") or {"sort": "-createdDate", "limit": str(PAGE_SIZE)}
    answer = _ask(http, credentials, options, f"apps/{quote(app, safe='')}/{REVIEWS}", params)
    page = answer_object(answer)
    reviews = _list(page.get("data"))
    times = [one for one in (moment(_attributes(_object(review)).get("createdDate")) for review in reviews) if one]
    state["top"] = max([*times, *([state["top"]] if state.get("top") else [])], default=None)
    known = state["newest"].get(app)
    following = _object(page.get("links")).get("next")
    seen = known is not None and bool(times) and _moment(min(times)) < _moment(known) - OVERLAP
    # only its query: the token must not follow a link to another host
    after = dict(parse_qsl(urlsplit(following).query)) if isinstance(following, str) else {}
    if after and after != params and reviews and not seen:
        state["next"], more = after, True
    else:
        state["newest"] = {**state["newest"], app: max(filter(None, (known, state["top"])), default=None)}
        more = app != options.app_ids[-1]
        for name in ("app", "next", "top"):
            state.pop(name, None)
        if more:
            state["app"] = options.app_ids[options.app_ids.index(app) + 1]
    return Polled(Fetched(f"{REVIEWS}:{app}", answer.body) if reviews else None, state, more)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


SENDER = Sender(
    name="app-store",
    title="App Store Connect",
    kind="review",
    default_channel="review",
    verify=verify,
    parse=parse,
    options=Options,
    delivery_id=delivery_id,
    new_secret=new_token,
    fetcher=Fetcher(credentials=ApiKey, fetch=fetch, requests_per_minute=50),
    poller=Poller(credentials=ApiKey, poll=poll, requests_per_minute=50, every_seconds=1800),
)
