"""Keys in PEM as people paste them, and the tokens that APIs want to see signed with them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

P256_BYTES = 32


def is_pem(text: str) -> bool:
    """Whether the text means to be a PEM block."""
    return "-----BEGIN " in text


def pem(text: str) -> bytes:
    """The one PEM block of the text, with its line breaks mended: one-line fields turn them into spaces.

    ValueError where there is none.
    """
    found = re.search(r"-----BEGIN ([A-Z ]{3,40})-----(.*?)-----END \1-----", text.replace("\\n", "\n"), re.DOTALL)
    if found is None:
        raise ValueError("there is no PEM block in it")
    kind, content = found[1], re.sub(r"\s+", "", found[2])
    lines = [content[place : place + 64] for place in range(0, len(content), 64)]
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""]).encode()


def public_key(text: str) -> Any:
    """The public key of a PEM block; ValueError for anything else, a private key included."""
    block = pem(text)
    if b"PRIVATE" in block:
        raise ValueError("this is a private key; only the public one belongs here")
    try:
        return load_pem_public_key(block)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("this is no public key that can be read") from error


def private_key(text: str) -> Any:
    """The private key of a PEM block without a password; ValueError for anything else."""
    try:
        return load_pem_private_key(pem(text), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("this is no private key that can be read") from error


def signed_token(key: Any, *, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """A JSON Web Token (RFC 7519): ES256 for a P-256 key, RS256 for an RSA key; ValueError for another key."""
    name = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"
    parts = [_unpadded(json.dumps(one).encode()) for one in ({"alg": name, "typ": "JWT", **header}, claims)]
    message = ".".join(parts).encode()
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        # tokens carry the two numbers side by side, not in DER
        one, two = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
        signature = one.to_bytes(P256_BYTES, "big") + two.to_bytes(P256_BYTES, "big")
    elif isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(message, padding.PKCS1v15(), SHA256())
    else:
        raise ValueError("tokens are signed with a P-256 or an RSA key")
    return ".".join([*parts, _unpadded(signature)])


def _unpadded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode("ascii").rstrip("=")
