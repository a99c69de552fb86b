"""Standard Webhooks 1.0.0 (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md).

For everyone who can sign by the specification: `whsec_` secrets (HMAC-SHA256, `v1`) and `whpk_` public keys
(Ed25519, `v1a`). `data` is a feedback item of the public contract, a list of them under `items`, or an object
with names that mean the same; other plain values become attributes.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from service.ingest.incoming import Call, CannotParse, Parsed
from service.ingest.senders.bodies import json_value
from service.ingest.senders.contract import Sender
from service.ingest.senders.plain_items import MAX_FIELDS, read_payload
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
    expected, public_keys = [], []
    for secret in secrets:
        try:
            if secret.startswith(PUBLIC_KEY_PREFIX):
                public_keys.append(Ed25519PublicKey.from_public_bytes(_key(secret)))
            else:
                expected.append(encode_base64(hmac_digest(_key(secret), signed)))
        except ValueError:
            continue  # nothing can be verified with it
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
    payload = json_value(call, max_fields=MAX_FIELDS)
    if not isinstance(payload, dict):
        raise CannotParse("the body is not a JSON object")
    return read_payload(payload)


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
