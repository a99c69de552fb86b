"""What every signature scheme needs: HMACs compared in constant time, a replay window, one error."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

REPLAY_WINDOW_SECONDS = 300


class BadSignature(Exception):
    """The call is not from who holds the secret, or too old; the message says which, never the secret."""


class SenderOptions(BaseModel):
    """Options that every endpoint takes; a sender's own options stand in a subclass."""

    model_config = ConfigDict(extra="forbid")

    replay_window_seconds: int = Field(
        default=REPLAY_WINDOW_SECONDS, gt=0, description="How far a signed time may lie from ours, both ways."
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


def check_fresh(signed_at_seconds: float, *, now: datetime, window_seconds: int) -> None:
    """BadSignature where the signed unix time is further from now than the window, either way."""
    if not abs(now.timestamp() - signed_at_seconds) <= window_seconds:
        raise BadSignature(f"The signed time is more than {window_seconds} seconds from now.")
