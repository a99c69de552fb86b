"""What every signature scheme needs: HMACs compared in constant time, a replay window, one error."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from secrets import token_urlsafe
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.ingest.incoming import Call
from service.ingest.senders.values import MILLISECONDS_FROM

REPLAY_WINDOW_SECONDS = 300
LONGEST_WINDOW_SECONDS = 2**53 - 1
# the second is what the recipes for such tools that go round call it
TOKEN_HEADERS = ("x-journeymap-token", "x-feedback-token")


class BadSignature(Exception):
    """The call is not from who holds the secret, or too old; the message says which, never the secret."""


class SenderOptions(BaseModel):
    """Options that every endpoint takes; a sender's own options stand in a subclass."""

    model_config = ConfigDict(extra="forbid")

    # more than anybody waits is stored as that: JSON can't hold any number of digits
    replay_window_seconds: Annotated[int, AfterValidator(lambda value: min(value, LONGEST_WINDOW_SECONDS))] = (
        Field(
            default=REPLAY_WINDOW_SECONDS, gt=0, description="How far a signed time may lie from ours, both ways."
        )
    )


def hmac_digest(key: bytes, message: bytes, algorithm: str = "sha256") -> bytes:
    """HMAC of the message (RFC 2104) with a hashlib algorithm: "sha256", "sha1"."""
    return hmac.new(key, message, getattr(hashlib, algorithm)).digest()


def same(given: str, expected: str) -> bool:
    """Whether two signatures are equal, in a time that does not tell how much of them is."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8", "replace"))


def decode_base64(text: str) -> bytes:
    """Standard base64 with or without padding; ValueError for anything else."""
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("this is not base64") from error


def encode_base64(value: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(value).decode("ascii")


def unix_time(given: str) -> float:
    """The unix time of a header in seconds; vendors also write milliseconds. BadSignature for anything else."""
    if not (given.isascii() and given.isdecimal() and len(given) <= 16):
        raise BadSignature("The time that is signed is missing or not a unix time.")
    seconds = int(given)
    return seconds / 1000 if seconds >= MILLISECONDS_FROM else float(seconds)


def check_fresh(signed_at_seconds: float, *, now: datetime, window_seconds: int) -> None:
    """BadSignature where the signed unix time is further from now than the window, either way."""
    if not abs(now.timestamp() - signed_at_seconds) <= window_seconds:
        raise BadSignature(f"The signed time is more than {window_seconds} seconds from now.")


def check_hmac(
    given: str | None,
    secrets: Sequence[str],
    message: bytes,
    *,
    algorithm: str = "sha256",
    encoding: Literal["hex", "base64"],
    prefix: str = "",
) -> None:
    """BadSignature unless `given` is `prefix` and the HMAC of the message under one of the secrets."""
    if given and given.startswith(prefix):
        value = given.removeprefix(prefix).strip()
        for secret in secrets:
            digest = hmac_digest(secret.encode(), message, algorithm)
            if same(value.lower() if encoding == "hex" else value, _written(digest, encoding)):
                return
    raise BadSignature("No signature fits a secret of this endpoint." if given else "The signature is missing.")


def _written(digest: bytes, encoding: Literal["hex", "base64"]) -> str:
    return digest.hex() if encoding == "hex" else encode_base64(digest)


def check_token(call: Call, secrets: Sequence[str], *, parameter: str | None = None) -> None:
    """For senders that sign nothing. Without secrets the address alone is the credential.

    With secrets one of them must come as `X-Journeymap-Token` or `X-Feedback-Token`, as a bearer token, or as the
    password (or the user's name, or "user:password") of basic authentication, or as that parameter of the
    address; else BadSignature.
    """
    if not secrets:
        return
    given = [call.headers.get(name, "") for name in TOKEN_HEADERS]
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        given.append(value.strip())
    elif scheme.lower() == "basic":
        try:
            pair = decode_base64(value.strip()).decode("utf-8", "replace")
        except ValueError:
            pair = ""
        name, _, password = pair.partition(":")
        given += [pair, name, password]  # some tools send a key as the name, with any password
    elif not value:
        given.append(scheme)  # a fixed value without a scheme
    if parameter is not None:
        query = call.url.partition("#")[0].partition("?")[2]
        given += [text for name, text in parse_qsl(query) if name == parameter]
    if not any(one and same(one, secret) for one in given for secret in secrets):
        raise BadSignature("The token of this endpoint is missing or wrong.")


def new_token() -> str:
    """A secret for senders that cannot sign: 256 random bits, to be sent as a header."""
    return token_urlsafe(32)
