"""JSON signed by HTTP Message Signatures (RFC 9421) with a Content-Digest (RFC 9530).

A signature counts where it covers method, address and digest, carries the time it was made, and the digest is
that of the body. The secret tells the algorithm; what the sender says in `alg` must agree with it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets as random_secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA512

from service.ingest.incoming import Call, CannotParse, Parsed
from service.ingest.senders.bodies import json_value
from service.ingest.senders.contract import Sender
from service.ingest.senders.pem_keys import P256_BYTES, is_pem, public_key
from service.ingest.senders.plain_items import MAX_FIELDS, read_payload
from service.ingest.senders.signatures import (
    BadSignature,
    SenderOptions,
    check_fresh,
    decode_base64,
    encode_base64,
    hmac_digest,
)
from service.ingest.senders.structured_fields import (
    BadField,
    InnerList,
    Item,
    read_dictionary,
    write_inner_list,
    write_item,
)

INPUT, SIGNATURE, DIGEST = "signature-input", "signature", "content-digest"
PUBLIC_KEY_PREFIX, SECRET_PREFIX = "whpk_", "whsec_"
MIN_SECRET_BYTES, NEW_SECRET_BYTES, MIN_RSA_BITS = 16, 32, 2048
MAX_SIGNATURES = 8
DIGESTS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
ADDRESSES = ({"@target-uri"}, {"@authority", "@path", "@query"})

Key = bytes | Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey


def new_secret() -> str:
    """A key for hmac-sha256, in base64."""
    return encode_base64(random_secrets.token_bytes(NEW_SECRET_BYTES))


def check_secret(secret: str) -> None:
    """ValueError where nothing could ever be verified with it."""
    read_key(secret)


def read_key(secret: str) -> Key:
    """A public key in PEM or as `whpk_` and base64 (Ed25519), else a shared secret in base64."""
    if is_pem(secret):
        key = public_key(secret)
        if isinstance(key, ec.EllipticCurvePublicKey) and not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("of elliptic curves only P-256 is known here")
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA_BITS:
            raise ValueError(f"an RSA key has at least {MIN_RSA_BITS} bits")
        if not isinstance(key, Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise ValueError("keys of this kind are not known here")
        return key
    if secret.startswith(PUBLIC_KEY_PREFIX):
        return Ed25519PublicKey.from_public_bytes(decode_base64(secret.removeprefix(PUBLIC_KEY_PREFIX)))
    shared = decode_base64(secret.removeprefix(SECRET_PREFIX))
    if len(shared) < MIN_SECRET_BYTES:
        raise ValueError(f"a shared secret has at least {MIN_SECRET_BYTES} bytes, written in base64")
    return shared


def verify(call: Call, secrets: Sequence[str], options: SenderOptions, now: datetime) -> None:
    """BadSignature unless one of the signatures covers what it must, is fresh, and fits one of the secrets."""
    try:
        inputs, signatures = (read_dictionary(call.headers.get(name, "")) for name in (INPUT, SIGNATURE))
        digests = read_dictionary(call.headers.get(DIGEST, ""))
    except BadField as error:
        raise BadSignature(f"Signature, Signature-Input or Content-Digest can't be read: {error}.") from error
    _check_digest(digests, call.body)
    keys = [key for secret in secrets if (key := _key_or_none(secret)) is not None]
    labels = [label for label in inputs if label in signatures]
    if not labels:
        raise BadSignature("There is no signature with its input.")
    if len(labels) > MAX_SIGNATURES:
        raise BadSignature(f"There are more than {MAX_SIGNATURES} signatures.")
    refusals = []
    for label in labels:
        try:
            _check(inputs[label], signatures[label], call, keys, options, now)
            return
        except BadSignature as error:  # another signature may be good
            refusals.append(str(error))
    raise BadSignature(refusals[0])


def _key_or_none(secret: str) -> Key | None:
    try:
        return read_key(secret)
    except ValueError:
        return None  # nothing can be verified with it


def _check_digest(digests: dict[str, Item | InnerList], body: bytes) -> None:
    """Every digest of a kind we know must fit, and there must be one."""
    known = [name for name in DIGESTS if name in digests]
    if not known:
        raise BadSignature("Content-Digest with sha-256 or sha-512 is required.")
    for name in known:
        member = digests[name]
        given = member.value if isinstance(member, Item) else None
        if not isinstance(given, bytes) or not hmac.compare_digest(given, DIGESTS[name](body).digest()):
            raise BadSignature("The Content-Digest is not that of the body.")


def _check(
    what: Item | InnerList,
    given: Item | InnerList,
    call: Call,
    keys: Sequence[Key],
    options: SenderOptions,
    now: datetime,
) -> None:
    if not isinstance(what, InnerList) or not isinstance(given, Item) or not isinstance(given.value, bytes):
        raise BadSignature("A signature is a list of components and bytes.")
    names = [item.value for item in what.items]
    if any(type(name) is not str for name in names) or len(set(names)) < len(names):
        raise BadSignature("The covered components are strings, each once.")
    covered = {str(name) for name in names}
    # an address without a query is whole without it
    told = covered if "?" in call.url else covered | {"@query"}
    if not {"@method", DIGEST} <= covered or not any(address <= told for address in ADDRESSES):
        raise BadSignature(
            "@method, @target-uri (or @authority, @path and @query) and content-digest must be covered."
        )
    _check_time(what, options, now)
    base = signature_base(what, call)
    algorithm = what.params.get("alg")
    if algorithm is not None and type(algorithm) is not str:
        raise BadSignature("The parameter alg is a string.")
    if not any(fits(key, algorithm, given.value, base) for key in keys):
        raise BadSignature("No signature fits a secret of this endpoint.")


def signature_base(what: InnerList, call: Call) -> bytes:
    """What is signed: a line for each covered component, then how it was signed (RFC 9421, 2.5)."""
    lines = [f"{write_item(item)}: {_component(item, call)}" for item in what.items]
    return "\n".join([*lines, f'"@signature-params": {write_inner_list(what)}']).encode("utf-8", "replace")


def _check_time(what: InnerList, options: SenderOptions, now: datetime) -> None:
    created, expires = what.params.get("created"), what.params.get("expires")
    if type(created) is not int:
        raise BadSignature("The parameter created (unix seconds) is required.")
    check_fresh(created, now=now, window_seconds=options.replay_window_seconds)
    if expires is not None and (type(expires) is not int or expires < now.timestamp()):
        raise BadSignature("The signature has expired.")


def _component(item: Item, call: Call) -> str:
    """The value of a covered component; BadSignature for those that we can't know."""
    name = str(item.value)
    if item.params:
        raise BadSignature("Components with parameters are not known here.")
    if not name.startswith("@"):
        value = call.headers.get(name)
        if value is None or name != name.lower():
            raise BadSignature("A covered header is missing.")
        return value.strip()
    try:
        address = urlsplit(call.url)
        port = address.port
    except ValueError as error:
        raise BadSignature("The address can't be read.") from error
    default = {"https": 443, "http": 80}.get(address.scheme)
    host = f"[{address.hostname}]" if ":" in (address.hostname or "") else (address.hostname or "")
    values = {
        "@method": call.method,
        "@target-uri": call.url,
        "@scheme": address.scheme.lower(),
        "@authority": host.lower() + (f":{port}" if port not in (None, default) else ""),
        "@path": address.path or "/",
        "@query": f"?{address.query}",
        "@request-target": (address.path or "/") + (f"?{address.query}" if address.query else ""),
    }
    if name not in values:
        raise BadSignature("A covered component is not known here.")
    return values[name]


def fits(key: Key, algorithm: str | None, signature: bytes, base: bytes) -> bool:
    """Whether the signature is that of the key; never with an algorithm of another kind of key."""
    if isinstance(key, bytes):
        return algorithm in (None, "hmac-sha256") and hmac.compare_digest(signature, hmac_digest(key, base))
    try:
        if isinstance(key, Ed25519PublicKey) and algorithm in (None, "ed25519"):
            key.verify(signature, base)
            return True
        if isinstance(key, ec.EllipticCurvePublicKey) and algorithm in (None, "ecdsa-p256-sha256"):
            return _fits_p256(key, signature, base)
        if isinstance(key, rsa.RSAPublicKey):
            return _fits_rsa(key, algorithm, signature, base)
    except (InvalidSignature, ValueError):
        return False
    return False


def _fits_p256(key: ec.EllipticCurvePublicKey, signature: bytes, base: bytes) -> bool:
    if len(signature) != 2 * P256_BYTES:
        return False
    one, two = (int.from_bytes(half, "big") for half in (signature[:P256_BYTES], signature[P256_BYTES:]))
    key.verify(encode_dss_signature(one, two), base, ec.ECDSA(SHA256()))
    return True


def _fits_rsa(key: rsa.RSAPublicKey, algorithm: str | None, signature: bytes, base: bytes) -> bool:
    schemes: dict[str, tuple[Any, Any]] = {
        "rsa-pss-sha512": (padding.PSS(padding.MGF1(SHA512()), SHA512.digest_size), SHA512()),
        "rsa-v1_5-sha256": (padding.PKCS1v15(), SHA256()),
    }
    for name, (pad, digest) in schemes.items():
        if algorithm not in (None, name):
            continue
        try:
            key.verify(signature, base, pad, digest)
        except InvalidSignature:
            continue
        return True
    return False


def parse(call: Call, options: SenderOptions) -> Parsed:
    """The items of a delivery, in the forms that Standard Webhooks takes, or as a bare list."""
    payload = json_value(call, max_fields=MAX_FIELDS)
    if isinstance(payload, list):
        payload = {"items": payload}
    if not isinstance(payload, dict):
        raise CannotParse("the body is neither a JSON object nor a list")
    found = read_payload(payload)
    # the content, not its bytes: senders that retry may write it anew
    mark = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()[:32]
    for place, item in enumerate(found.items):
        if isinstance(item, dict) and item.get("external_id") is None:
            # nothing names it: its place in this very payload does, so that a repeated one is no second item
            item["external_id"] = f"{mark}:{place}"
    return found


SENDER = Sender(
    name="rfc9421",
    title="HTTP Message Signatures",
    kind="any",
    default_channel="other",
    verify=verify,
    parse=parse,
    check_secret=check_secret,
    new_secret=new_secret,
)
