"""Standard Webhooks 1.0.0 (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md).

For everyone who can sign by the specification: `whsec_` secrets (HMAC-SHA256, `v1`) and `whpk_` public keys
(Ed25519, `v1a`). `data` is a feedback item of the public contract, a list of them under `items`, or an object
with names that mean the same; other plain values become attributes.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from service.ingest.incoming import (
    MAX_ATTRIBUTE_CHARS,
    MAX_ATTRIBUTES,
    SCALES,
    Call,
    CannotParse,
    Channel,
    IncomingItem,
    Parsed,
)
from service.ingest.senders.contract import Sender
from service.ingest.senders.signatures import (
    BadSignature,
    SenderOptions,
    check_fresh,
    decode_base64,
    encode_base64,
    hmac_digest,
    same,
)

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
SECRET_PREFIX, PUBLIC_KEY_PREFIX = "whsec_", "whpk_"
NEW_SECRET_BYTES = 32

# names that senders use for fields of the contract; the first that is there holds
ALIASES: dict[str, tuple[str, ...]] = {
    "external_id": ("external_id", "id", "feedback_id", "uuid"),
    "text": ("text", "comment", "message", "body", "content", "feedback", "verbatim", "review"),
    "occurred_at": ("occurred_at", "created_at", "createdAt", "submitted_at", "timestamp", "date"),
    "updated_at": ("updated_at", "updatedAt"),
    "respondent": ("respondent", "respondent_id", "customer_id", "user_id", "email"),
    "url": ("url", "link", "permalink"),
    "language": ("language", "lang", "locale"),
}
TITLES = ("title", "subject")
RATINGS = ("rating", "stars", "nps", "csat", "ces")
# envelope kinds whose time is that of a change, not of the feedback
CHANGE_ENDINGS = ("updated", "changed", "edited")
TEST_ENDINGS = ("test", "ping")


def new_secret() -> str:
    """A secret as the specification wants it: 24 to 64 random bytes in base64, with its prefix."""
    return SECRET_PREFIX + encode_base64(secrets.token_bytes(NEW_SECRET_BYTES))


def check_secret(secret: str) -> None:
    """ValueError where nothing could ever be verified with it."""
    key = _key(secret)
    if secret.startswith(PUBLIC_KEY_PREFIX):
        Ed25519PublicKey.from_public_bytes(key)
    elif not key:
        raise ValueError("the secret is empty")


def _key(secret: str) -> bytes:
    return decode_base64(secret.removeprefix(SECRET_PREFIX).removeprefix(PUBLIC_KEY_PREFIX))


def verify(call: Call, secrets: Sequence[str], options: SenderOptions, now: datetime) -> None:
    """BadSignature unless one of the signatures was made with one of the secrets, within the replay window."""
    message_id, sent_at = call.headers.get(ID, ""), call.headers.get(TIMESTAMP, "")
    if not message_id or not (sent_at.isascii() and sent_at.isdecimal() and len(sent_at) <= 12):
        raise BadSignature(f"The headers {ID} and {TIMESTAMP} (unix seconds) are required.")
    check_fresh(int(sent_at), now=now, window_seconds=options.replay_window_seconds)
    signed = f"{message_id}.{sent_at}.".encode() + call.body
    expected = [
        encode_base64(hmac_digest(_key(secret), signed))
        for secret in secrets
        if not secret.startswith(PUBLIC_KEY_PREFIX)
    ]
    public_keys = [
        Ed25519PublicKey.from_public_bytes(_key(secret))
        for secret in secrets
        if secret.startswith(PUBLIC_KEY_PREFIX)
    ]
    # entries that are broken or of another version are skipped: another one may be good
    for entry in call.headers.get(SIGNATURE, "").split():
        version, _, signature = entry.partition(",")
        if version == "v1" and any(same(signature, one) for one in expected):
            return
        if version == "v1a" and any(_signed_by(key, signature, signed) for key in public_keys):
            return
    raise BadSignature("No signature fits a secret of this endpoint.")


def _signed_by(key: Ed25519PublicKey, signature: str, message: bytes) -> bool:
    try:
        key.verify(decode_base64(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def delivery_id(call: Call) -> str | None:
    """The same over all retries of one message."""
    return call.headers.get(ID)


def parse(call: Call, options: SenderOptions) -> Parsed:
    """The items of a delivery; CannotParse where it is not an object with something in it."""
    try:
        payload = json.loads(call.body)
    except (ValueError, RecursionError) as error:
        raise CannotParse("the body is not JSON") from error
    if not isinstance(payload, dict):
        raise CannotParse("the body is not a JSON object")
    kind = str(payload.get("type") or "").lower()
    if kind.endswith(TEST_ENDINGS):
        return Parsed(ignored="a test of the connection")
    data = payload.get("data", payload)
    if isinstance(data, dict) and isinstance(data.get("items"), list):
        data = data["items"]
    entries = data if isinstance(data, list) else [data]
    envelope_time = payload.get("timestamp") if data is not payload else None
    return Parsed([_item(entry, envelope_time, kind) for entry in entries])


def _item(entry: Any, envelope_time: Any, kind: str) -> Any:
    """One entry in the names of the contract; what is no object goes on as it is, for the check to refuse."""
    if not isinstance(entry, dict):
        return entry
    rest = dict(entry)
    rest_source = rest.pop("source", None)  # the endpoint's source marks every item; the sender's is kept beside
    item: dict[str, Any] = {}
    for name, aliases in ALIASES.items():
        found = [alias for alias in aliases if alias in rest]
        if found:
            item[name] = rest.pop(found[0])
    for name in set(IncomingItem.model_fields) - set(ALIASES) - {"source", "attributes", "channel"}:
        if name in rest:
            item[name] = rest.pop(name)
    if rest.get("channel") in get_args(Channel):
        item["channel"] = rest.pop("channel")
    _add_rating(item, rest)
    _add_title(item, rest)
    if item.get("occurred_at") is None and envelope_time is not None and not kind.endswith(CHANGE_ENDINGS):
        item["occurred_at"] = envelope_time
    if item.get("updated_at") is None and envelope_time is not None:
        item["updated_at"] = envelope_time
    attributes = _attributes(rest, rest_source)
    if attributes or "attributes" in entry:
        item["attributes"] = attributes
    return item


def _add_rating(item: dict[str, Any], rest: dict[str, Any]) -> None:
    """A rating by another name as the contract's score; one that is off its scale stays an attribute."""
    if "score" in item:
        return
    for name in RATINGS:
        value = rest.get(name)
        if isinstance(value, dict) or (isinstance(value, int | float) and not isinstance(value, bool)):
            break
    else:
        return
    if isinstance(value, dict):
        item["score"] = rest.pop(name)
        return
    kind = "stars" if name == "rating" else name
    low, high = SCALES[kind]
    low, high = rest.get("scale_min") or low, rest.get("scale_max") or high
    if all(isinstance(one, int | float) for one in (low, high)) and low <= value <= high:
        item["score"] = {"kind": kind, "value": value, "scale_min": low, "scale_max": high}
        for used in (name, "scale_min", "scale_max"):
            rest.pop(used, None)


def _add_title(item: dict[str, Any], rest: dict[str, Any]) -> None:
    """A title is the customer's words too: it goes in front of the text."""
    for name in TITLES:
        title = rest.get(name)
        if isinstance(title, str) and title.strip():
            text = item.get("text")
            if text is None or isinstance(text, str):
                item["text"] = f"{title.strip()}\n\n{text}" if text and text.strip() else title
                del rest[name]
            return


def _attributes(rest: dict[str, Any], source: Any) -> dict[str, str]:
    """The sender's own attributes first, then what else is a plain value, up to the contract's limits."""
    own = rest.pop("attributes", None)
    pairs = {**(own if isinstance(own, dict) else {}), **rest}
    if source is not None:
        pairs.setdefault("source", source)
    found: dict[str, str] = {}
    for name, value in pairs.items():
        if value is None or isinstance(value, dict | list) or not name.strip():
            continue
        if len(found) == MAX_ATTRIBUTES:
            break
        text = str(value).lower() if isinstance(value, bool) else str(value)
        found[name.strip()[:MAX_ATTRIBUTE_CHARS]] = text.strip()[:MAX_ATTRIBUTE_CHARS]
    return found


SENDER = Sender(
    name="standard-webhooks",
    title="Standard Webhooks",
    kind="any",
    default_channel="other",
    verify=verify,
    parse=parse,
    delivery_id=delivery_id,
    check_secret=check_secret,
    new_secret=new_secret,
)
