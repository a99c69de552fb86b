"""Google Play reviews, read by a service account: Google sends nothing by itself.

`reviews.list` gives what was written or changed in the last seven days, and only reviews with text; older ones
come as a file of the Play Console.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import BeforeValidator, Field, field_validator

from service.ingest.incoming import Call, CannotParse, Parsed
from service.ingest.senders.bodies import answer_object, json_object
from service.ingest.senders.contract import Credentials, Fetched, Http, Polled, Poller, Refused, Sender
from service.ingest.senders.pem_keys import private_key, signed_token
from service.ingest.senders.signatures import BadSignature, SenderOptions
from service.ingest.senders.values import attributes, identifier, listed, moment, said, stars, titled

API = "https://androidpublisher.googleapis.com"
TOKENS = "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/androidpublisher"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_SECONDS = 600
PAGE_SIZE = 100
# the order of the list is not promised: reading stops a day behind the newest one known
OVERLAP = timedelta(days=1)


class Options(SenderOptions):
    """Which apps' reviews are read, and where."""

    package_names: Annotated[list[str], BeforeValidator(listed)] = Field(
        default_factory=list, description="Apps to poll, like com.example.notes."
    )
    api_url: str = Field(default=API, description="Base address of the Google Play Developer API.")
    token_url: str = Field(default=TOKENS, description="Where the service account gets its access token.")


class ServiceAccount(Credentials):
    """The key file of a Google Cloud service account that may read reviews in the Play Console."""

    service_account: str = Field(description="Content of the JSON key file.")

    @field_validator("service_account")
    @classmethod
    def _signs(cls, value: str) -> str:
        try:
            account = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValueError("this is not the JSON of a key file") from error
        if not isinstance(account, dict) or not all(
            isinstance(account.get(name), str) for name in ("client_email", "private_key")
        ):
            raise ValueError("a key file has client_email and private_key")
        if not isinstance(private_key(account["private_key"]), rsa.RSAPrivateKey):
            raise ValueError("the key of a service account is an RSA key")
        return value


def verify(call: Call, secrets: Sequence[str], options: Options, now: datetime) -> None:
    """Always BadSignature: whoever calls this address is not Google."""
    raise BadSignature("Google Play sends nothing to this address: its reviews are read by a service account.")


def parse(call: Call, options: Options) -> Parsed:
    """The reviews of a page of `reviews.list`, or one review."""
    body = json_object(call)
    reviews = [body] if "reviewId" in body else body.get("reviews", [])
    if not isinstance(reviews, list) or not (reviews or body.keys() <= {"reviews", "tokenPagination", "pageInfo"}):
        raise CannotParse("there are no reviews in it")
    package = call.fetched.partition(":")[2] or None
    items = [item for item in (_item(review, package) for review in reviews) if item is not None]
    return Parsed(items, ignored="" if items else "there is no customer's review on this page")


def _item(review: Any, package: str | None) -> dict[str, Any] | None:
    """The customer's side of a review in its newest form; None where only the developer speaks."""
    review = review if isinstance(review, dict) else {}
    comments = review.get("comments")
    written = [
        comment["userComment"]
        for comment in (comments if isinstance(comments, list) else [])
        if isinstance(comment, dict) and isinstance(comment.get("userComment"), dict)
    ]
    if not written or identifier(review.get("reviewId")) is None:
        return None
    comment = max(written, key=lambda one: _changed(one) or "")
    text = comment.get("originalText") or comment.get("text")
    title, tab, words = text.partition("\t") if isinstance(text, str) else ("", "", "")
    said_words = titled(title, words) if tab else titled(None, title)
    score = stars(comment.get("starRating"))
    if said_words is None and score is None:
        return None
    device = comment.get("deviceMetadata")
    device = device if isinstance(device, dict) else {}
    return said(
        {
            "external_id": identifier(review.get("reviewId")),
            "text": said_words,
            "score": score,
            "occurred_at": _changed(comment),
            "updated_at": _changed(comment),
            "attributes": attributes(
                {
                    "app": package,
                    "app_version": comment.get("appVersionName"),
                    "app_version_code": identifier(comment.get("appVersionCode")),
                    # of the device's settings, which is not always what the review is written in
                    "language": comment.get("reviewerLanguage"),
                    "device": device.get("productName") or comment.get("device"),
                    "manufacturer": device.get("manufacturer"),
                    "device_class": device.get("deviceClass"),
                    "android_version": identifier(comment.get("androidOsVersion")),
                }
            ),
        }
    )


def _changed(comment: Mapping[str, Any]) -> str | None:
    """When it was last changed; the API keeps no other time of a review. Seconds come as text, nanos beside."""
    changed = comment.get("lastModified")
    if not isinstance(changed, dict):
        return moment(changed)
    whole, nanos = moment(changed.get("seconds")), changed.get("nanos")
    if whole is None or isinstance(nanos, bool) or not isinstance(nanos, int) or not 0 <= nanos < 1_000_000_000:
        return whole
    return datetime.fromisoformat(whole).replace(microsecond=nanos // 1000).isoformat()


def poll(http: Http, credentials: ServiceAccount, options: Options, cursor: Mapping[str, Any]) -> Polled:
    """One page of one app's reviews of the last seven days, until a day before the newest one known."""
    state = {"newest": {}, **cursor}
    package = state.get("app")
    if package not in options.package_names:  # a new round, or the app was taken out meanwhile
        for name in ("app", "token", "top"):
            state.pop(name, None)
        if not options.package_names:
            raise Refused("the option package_names says which apps' reviews to read")
        package = state["app"] = options.package_names[0]
    params = {"maxResults": str(PAGE_SIZE)} | ({"token": state["token"]} if state.get("token") else {})
    answer = http.request(
        "GET",
        f"{options.api_url.rstrip('/')}/androidpublisher/v3/applications/{quote(package, safe='')}/reviews",
        headers={
            "authorization": f"Bearer {_access_token(http, credentials, options)}",
            "accept": "application/json",
        },
        params=params,
    )
    page = answer_object(answer)
    found = page.get("reviews")
    reviews = found if isinstance(found, list) else []
    times = [
        item["updated_at"]
        for item in (_item(review, package) for review in reviews)
        if item is not None and "updated_at" in item
    ]
    state["top"] = max([*times, *([state["top"]] if state.get("top") else [])], default=None)
    known = state["newest"].get(package)
    pagination = page.get("tokenPagination")
    following = pagination.get("nextPageToken") if isinstance(pagination, dict) else None
    seen = known is not None and bool(times) and _moment(max(times)) < _moment(known) - OVERLAP
    if isinstance(following, str) and following and following != state.get("token") and not seen:
        state["token"], more = following, True
    else:
        state["newest"] = {**state["newest"], package: max(filter(None, (known, state["top"])), default=None)}
        more = package != options.package_names[-1]
        for name in ("app", "token", "top"):
            state.pop(name, None)
        if more:
            state["app"] = options.package_names[options.package_names.index(package) + 1]
    return Polled(Fetched(f"reviews:{package}", answer.body) if reviews else None, state, more)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def assertion(account: Mapping[str, str], audience: str, issued_at_seconds: int) -> str:
    """What the service account shows to get an access token, good for ten minutes."""
    return signed_token(
        private_key(account["private_key"]),
        header={"kid": account["private_key_id"]} if account.get("private_key_id") else {},
        claims={
            "iss": account["client_email"],
            "scope": SCOPE,
            "aud": audience,
            "iat": issued_at_seconds,
            "exp": issued_at_seconds + TOKEN_SECONDS,
        },
    )


def _access_token(http: Http, credentials: ServiceAccount, options: Options) -> str:
    # the key file names a token address as well; it is not asked, a pasted file must not choose whom we call
    account = json.loads(credentials.service_account)
    shown = assertion(account, options.token_url, int(time.time()))
    answer = http.request(
        "POST",
        options.token_url,
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=urlencode({"grant_type": GRANT, "assertion": shown}).encode(),
    )
    return str(answer_object(answer).get("access_token") or "")


SENDER = Sender(
    name="google-play",
    title="Google Play",
    kind="review",
    default_channel="review",
    verify=verify,
    parse=parse,
    options=Options,
    secret_needed=False,
    # two requests a page; Google allows 200 reads an hour
    poller=Poller(credentials=ServiceAccount, poll=poll, requests_per_minute=6, every_seconds=3600),
)
