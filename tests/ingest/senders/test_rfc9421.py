"""HTTP Message Signatures: every algorithm, and what somebody without the key may try."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from service.ingest.incoming import Call, CannotParse
from service.ingest.senders import rfc9421
from service.ingest.senders.structured_fields import InnerList, read_dictionary
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.recorded import accepted, json_call, order_free, parsed, recorded

NOW = datetime(2026, 11, 20, 9, 14, 5, tzinfo=UTC)
CREATED = int(NOW.timestamp())
URL = "https://feedback.example.com/hooks/rfc9421/t1?a=1"
BODY = b'{"items":[{"id":"1","text":"Search is slow","rating":2}]}'
SHARED = base64.b64encode(b"k" * 32).decode()
COVERED = '("@method" "@target-uri" "content-digest")'


def digest(body: bytes, name: str = "sha-256") -> str:
    found = hashlib.new(name.replace("-", ""), body).digest()
    return f"{name}=:{base64.b64encode(found).decode()}:"


def by_hmac(base: bytes) -> bytes:
    return hmac.new(b"k" * 32, base, hashlib.sha256).digest()


def call(
    params: str = f'{COVERED};created={CREATED};alg="hmac-sha256"',
    lines: dict[str, str] | None = None,
    *,
    sign: Callable[[bytes], bytes] = by_hmac,
    body: bytes = BODY,
    **headers: str,
) -> Call:
    """A call whose base is made here, by hand, from the lines given and the params as they stand."""
    sent = {"content-type": "application/json", "content-digest": digest(body)}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    if lines is None:
        lines = {"@method": "POST", "@target-uri": URL, "content-digest": sent["content-digest"]}
    base = "\n".join([*(f'"{name}": {value}' for name, value in lines.items()), f'"@signature-params": {params}'])
    made = base64.b64encode(sign(base.encode())).decode()
    return Call({"signature-input": f"sig1={params}", "signature": f"sig1=:{made}:", **sent}, body, url=URL)


def good(one: Call, *secrets: str, now: datetime = NOW, **given: Any) -> bool:
    return accepted("rfc9421", one, secrets or (SHARED,), now, **given)


def test_the_recorded_call() -> None:
    one = recorded("rfc9421", "post-items")
    secret = one.meta["signature"]["secret_base64"]
    assert accepted("rfc9421", one.call, [SHARED, secret], one.clock)
    assert not accepted("rfc9421", one.call, [SHARED], one.clock)
    assert not accepted("rfc9421", one.call, ["not base64 at all!", "", "whpk_AA", "-----BEGIN x"], one.clock)
    assert not accepted("rfc9421", one.call, [], one.clock)
    for place in range(0, len(one.call.body), 7):
        flipped = bytearray(one.call.body)
        flipped[place] ^= 1
        assert not accepted("rfc9421", replace(one.call, body=bytes(flipped)), [secret], one.clock)
    for name in ("signature", "signature-input", "content-digest"):
        rest = {key: value for key, value in one.call.headers.items() if key != name}
        for wrong in (None, "", "garbage", "sig1", "sig1=::", "sig1=()", "é", "\x00", one.call.headers[name][:-3]):
            headers = rest if wrong is None else {**rest, name: wrong}
            assert not accepted("rfc9421", replace(one.call, headers=headers), [secret], one.clock), (name, wrong)
    assert not accepted("rfc9421", replace(one.call, method="PUT"), [secret], one.clock)
    assert not accepted("rfc9421", replace(one.call, url=one.call.url + "?x=1"), [secret], one.clock)
    (item,) = parsed("rfc9421", one.call).items
    assert (item["text"], item["score"]["value"]) == ("Search is slow", 2)


ED = ed25519.Ed25519PrivateKey.generate()
P256 = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)


def public(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def by_p256(base: bytes) -> bytes:
    one, two = decode_dss_signature(P256.sign(base, ec.ECDSA(SHA256())))
    return one.to_bytes(32, "big") + two.to_bytes(32, "big")


def by_pss(base: bytes) -> bytes:
    return RSA.sign(base, padding.PSS(padding.MGF1(SHA512()), 64), SHA512())


def by_v1_5(base: bytes) -> bytes:
    return RSA.sign(base, padding.PKCS1v15(), SHA256())


ALGORITHMS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "hmac-sha256": (by_hmac, SHARED),
    "ed25519": (ED.sign, public(ED)),
    "ecdsa-p256-sha256": (by_p256, public(P256)),
    "rsa-pss-sha512": (by_pss, public(RSA)),
    "rsa-v1_5-sha256": (by_v1_5, public(RSA)),
}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_each_algorithm_with_and_without_its_name(name: str) -> None:
    sign, secret = ALGORITHMS[name]
    rfc9421.check_secret(secret)
    named = call(f'{COVERED};created={CREATED};alg="{name}"', sign=sign)
    assert good(named, secret)
    assert good(named, secret.replace("\n", " "))
    assert good(named, *(other for _, other in ALGORITHMS.values()))  # rotation from any to any
    assert good(call(f"{COVERED};created={CREATED}", sign=sign), secret)
    for other in set(ALGORITHMS) - {name}:
        assert not good(call(f'{COVERED};created={CREATED};alg="{other}"', sign=sign), secret), other
    wrong_end = call(f'{COVERED};created={CREATED};alg="{name}"', sign=lambda base: sign(base + b" "))
    cut = call(f'{COVERED};created={CREATED};alg="{name}"', sign=lambda base: sign(base)[:-1])
    nothing = call(f'{COVERED};created={CREATED};alg="{name}"', sign=lambda _: b"")
    zeros = call(f'{COVERED};created={CREATED};alg="{name}"', sign=lambda base: bytes(len(sign(base))))
    for bad in (wrong_end, cut, nothing, zeros):
        assert not good(bad, secret)


def test_a_raw_ed25519_key_and_a_shared_secret_with_prefix() -> None:
    raw = ED.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert good(call(f"{COVERED};created={CREATED}", sign=ED.sign), "whpk_" + base64.b64encode(raw).decode())
    assert good(call(), "whsec_" + SHARED)


def test_a_public_key_is_never_a_shared_secret() -> None:
    for secret in (public(ED), public(RSA)):
        for key in (secret.encode(), base64.b64decode("".join(secret.split("\n")[1:-2]))):
            forged = call(sign=partial(hmac.digest, key, digest="sha256"))
            assert not good(forged, secret)


def test_components_that_must_be_covered() -> None:
    everything = {
        "@method": "POST",
        "@authority": "feedback.example.com",
        "@path": "/hooks/rfc9421/t1",
        "@query": "?a=1",
        "content-digest": digest(BODY),
        "content-type": "application/json",
        "@scheme": "https",
        "@request-target": "/hooks/rfc9421/t1?a=1",
    }

    def signed(names: list[str]) -> Call:
        covered = " ".join(f'"{name}"' for name in names)
        return call(f"({covered});created={CREATED}", {name: everything[name] for name in names})

    assert good(signed(list(everything)))
    needed = ["@method", "@authority", "@path", "@query", "content-digest"]
    assert good(signed(needed))
    for missing in needed:
        assert not good(signed([name for name in needed if name != missing])), missing
    assert not good(signed([]))
    for wrong in ({"@path": "/other"}, {"@query": "?"}, {"@authority": "other.example"}, {"@method": "post"}):
        lines = {name: everything[name] for name in needed} | wrong
        covered = " ".join(f'"{name}"' for name in needed)
        assert not good(call(f"({covered});created={CREATED}", lines))


@pytest.mark.parametrize("query", ["", "?", "?a=1", "?a=1&b=%20"])
def test_an_address_with_and_without_a_query(query: str) -> None:
    url = "https://feedback.example.com/hooks/rfc9421/t1" + query
    parts = {"@method": "POST", "@authority": "feedback.example.com", "@path": "/hooks/rfc9421/t1"}
    end = {"content-digest": digest(BODY)}

    def signed(lines: dict[str, str]) -> Call:
        covered = " ".join(f'"{name}"' for name in lines)
        return replace(call(f"({covered});created={CREATED}", lines), url=url)

    whole = {"@method": "POST", "@target-uri": url}
    assert good(signed(whole | end))
    assert good(signed(parts | {"@query": query or "?"} | end))
    # what is not there need not be covered; what is there must be
    assert good(signed(parts | end)) is (query == "")
    for other in ("", "?a=2", "?a=1&b=%20&c"):
        moved = url.partition("?")[0] + other
        if other != query:
            assert not good(replace(signed(whole | end), url=moved))
            # an empty query and none are one value (RFC 9421, 2.2.7)
            same = {query, other} == {"", "?"}
            assert good(replace(signed(parts | {"@query": query or "?"} | end), url=moved)) is same


def test_the_authority_is_lower_case_without_the_usual_port() -> None:
    for url, authority in (
        ("https://Feedback.Example.com:443/x", "feedback.example.com"),
        ("http://localhost:8000/x", "localhost:8000"),
        ("http://[::1]:80", "[::1]"),
    ):
        path = "/x" if url.endswith("x") else "/"
        lines = {"@method": "POST", "@authority": authority, "@path": path, "@query": "?"}
        lines["content-digest"] = digest(BODY)
        one = call(f'("@method" "@authority" "@path" "@query" "content-digest");created={CREATED}', lines)
        assert good(replace(one, url=url)), url
    assert not good(replace(call(), url="https://x:notaport/"))


@pytest.mark.parametrize(
    "params",
    [
        COVERED,  # no time
        f"{COVERED};created={CREATED}.5",
        f'{COVERED};created="{CREATED}"',
        f"{COVERED};created=?1",
        f"{COVERED};created",
        f"{COVERED};created={CREATED - 301}",
        f"{COVERED};created={CREATED + 301}",
        f"{COVERED};created={CREATED};expires={CREATED - 1}",
        f'{COVERED};created={CREATED};expires="x"',
        f"{COVERED};created={CREATED};alg=hmac-sha256",
        f'{COVERED};created={CREATED};alg="none"',
        f'{COVERED};created={CREATED};alg=""',
        f"{COVERED};created={CREATED - 301};created={CREATED}",
        f"{COVERED};created=-1",
        f"{COVERED};created=999999999999999",
        f'("@method" "@target-uri" "content-digest" "@method");created={CREATED}',
        f"(@method);created={CREATED}",
        f'("@method" "@target-uri" content-digest);created={CREATED}',
        f'("@method";req "@target-uri" "content-digest");created={CREATED}',
        f'("@method" "@target-uri" "content-digest";bs);created={CREATED}',
        f'("@method" "@target-uri" "content-digest" "@status");created={CREATED}',
        f'("@method" "@target-uri" "content-digest" "x-missing");created={CREATED}',
        f'("@method" "@target-uri" "content-digest" "Content-Type");created={CREATED}',
        f'("@method" "@target-uri" "content-digest" "@query-param";name="a");created={CREATED}',
        f'("@method" "@target-uri" "content-digest" "");created={CREATED}',
    ],
)
def test_inputs_that_are_refused_although_the_signature_fits_them(params: str) -> None:
    # every line that a lenient reader could make of it is signed: the refusal must come from the reading
    lines = {"@method": "POST", "@target-uri": URL, "content-digest": digest(BODY)}
    variants = [
        lines,
        {**lines, "@method": "POST"},
        {**lines, "@status": "200"},
        {**lines, "x-missing": ""},
        {**lines, "Content-Type": "application/json"},
        {**lines, '@query-param";name="a': "1"},
        {**lines, "": ""},
    ]
    for one in variants:
        assert not good(call(params, one))


def test_expiry_and_window() -> None:
    assert good(call(f"{COVERED};created={CREATED};expires={CREATED + 60}"))
    assert not good(call(f"{COVERED};created={CREATED};expires={CREATED + 60}"), now=NOW + timedelta(seconds=61))
    assert good(call(), now=NOW + timedelta(seconds=299))
    assert not good(call(), now=NOW + timedelta(seconds=302))
    assert good(call(), now=NOW + timedelta(hours=1), replay_window_seconds=4000)


def test_values_with_quotation_marks_and_odd_spacing() -> None:
    escaped = f'{COVERED};created={CREATED};keyid="a\\"b\\\\c";nonce="\\"";tag="x"'
    assert good(call(escaped))
    # the base has the one written form, however the header is spaced
    one = call(f"{COVERED};created={CREATED}")
    spaced = f'sig1=( "@method"   "@target-uri" "content-digest" ); created={CREATED}'
    assert good(replace(one, headers={**one.headers, "signature-input": spaced}))
    # a quotation mark that ends early, and lines smuggled in by it
    broken = f'{COVERED};created={CREATED};keyid="a"b"'
    smuggled = f'{COVERED};created={CREATED};keyid="a\n\\"@method\\": GET"'
    for params in (broken, smuggled):
        assert not good(call(params))


def test_labels() -> None:
    one = call()
    params, made = one.headers["signature-input"][5:], one.headers["signature"][5:]

    def labelled(inputs: str, signatures: str) -> Call:
        return replace(one, headers={**one.headers, "signature-input": inputs, "signature": signatures})

    assert good(labelled(f"a={params}, b={params}", f"a=:AAAA:, b={made}"))
    assert good(labelled(f"b={params}", f"a=:AAAA:,b={made}"))
    old = params.replace(str(CREATED), str(CREATED - 900))
    assert not good(labelled(f"sig1={params}, sig1={old}", f"sig1={made}"))
    assert not good(labelled(f"sig1={old}, sig1={params}", f"sig1={made}"))
    assert not good(labelled(f"sig1={params}", f"sig1=:AAAA:, sig1={made}"))
    assert not good(labelled(f"sig1={params}", f"sig1={made}, sig1={made}"))
    assert not good(labelled(f"a={params}", f"b={made}"))
    assert not good(labelled(f"sig1={params}", f"sig1=({made})"))
    assert not good(labelled(f"sig1={params}", 'sig1="AAAA"'))
    assert not good(labelled('sig1="@method"', f"sig1={made}"))
    many = ", ".join(f"l{n}={params}" for n in range(9))
    assert not good(labelled(many, ", ".join(f"l{n}={made}" for n in range(9))))


def test_digests() -> None:
    other = b'{"items":[]}'
    both = f"{digest(BODY)}, {digest(BODY, 'sha-512')}"
    assert good(call(content_digest=both))
    assert good(call(content_digest=digest(BODY, "sha-512")))
    assert good(call(content_digest=f"md5=:AAAA:, {digest(BODY)}"))
    for wrong in (
        digest(other),
        f"{digest(BODY)}, {digest(other, 'sha-512')}",
        f"{digest(BODY)}, {digest(other)}",
        "md5=:AAAA:",
        "sha-256=::",
        'sha-256="x"',
        "sha-256",
        "sha-256=(:AAAA:)",
        "SHA-256=" + digest(BODY)[8:],
        "",
    ):
        assert not good(call(content_digest=wrong)), wrong
    # a good signature with its digest, over another body
    assert not good(replace(call(), body=other))
    assert not good(replace(call(), body=other, headers={**call().headers, "content-digest": digest(other)}))


# the request and two signatures of appendix B.2 of RFC 9421
EXAMPLE = Call(
    {
        "host": "example.com",
        "date": "Tue, 20 Apr 2021 02:07:55 GMT",
        "content-type": "application/json",
        "content-length": "18",
    },
    b'{"hello": "world"}',
    url="https://example.com/foo?param=Value&Pet=dog",
)
SHARED_EXAMPLE = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="


@pytest.mark.parametrize(
    ("secret", "algorithm", "params", "signature"),
    [
        (
            SHARED_EXAMPLE,
            "hmac-sha256",
            '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
            "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
        ),
        (
            "whpk_JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=",
            "ed25519",
            '("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473'
            ';keyid="test-key-ed25519"',
            "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
        ),
    ],
)
def test_the_examples_of_the_rfc(secret: str, algorithm: str, params: str, signature: str) -> None:
    what = read_dictionary(f"a={params}")["a"]
    assert isinstance(what, InnerList)
    base, made = rfc9421.signature_base(what, EXAMPLE), base64.b64decode(signature)
    assert rfc9421.fits(rfc9421.read_key(secret), algorithm, made, base)
    assert not rfc9421.fits(rfc9421.read_key(secret), algorithm, made, base + b" ")


def test_secrets_are_checked_when_they_are_entered() -> None:
    for secret in (rfc9421.new_secret(), SHARED, SHARED.rstrip("=")):
        rfc9421.check_secret(secret)
    weak = rsa.generate_private_key(65537, 1024)
    mine = ED.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    other = ec.generate_private_key(ec.SECP384R1())
    for wrong in (
        "",
        "short",
        "c2hvcnQ=",
        "whpk_",
        "whpk_c2hvcnQ=",
        "-----BEGIN PUBLIC KEY-----",
        mine,
        public(weak),
        public(other),
        public(ED).replace("M", "%"),
        "ünicode" * 5,
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - any message
            rfc9421.check_secret(wrong)


def test_items_without_an_id_get_their_place_in_the_body() -> None:
    body = {"items": [{"text": "a"}, {"text": "b", "id": "x"}]}
    first, second = parsed("rfc9421", json_call("rfc9421", body)).items
    assert second["external_id"] == "x"
    assert first["external_id"].endswith(":0")
    assert first == parsed("rfc9421", json_call("rfc9421", body)).items[0]
    other = {"items": [{"text": "a"}, {"text": "c", "id": "x"}]}
    assert first["external_id"] != parsed("rfc9421", json_call("rfc9421", other)).items[0]["external_id"]
    assert len(parsed("rfc9421", json_call("rfc9421", body["items"])).items) == 2
    assert [
        item["text"] for item in parsed("rfc9421", json_call("rfc9421", {"data": {"comment": "c"}})).items
    ] == ["c"]


@pytest.mark.parametrize(
    "body", [b"", b"null", b'""', b"7", b"\xff", b"[" * 99_999, json.dumps(["x"] * 200_000).encode()]
)
def test_what_is_not_taken(body: bytes) -> None:
    with pytest.raises(CannotParse):
        parsed("rfc9421", Call({}, body))


def test_deliveries_in_any_order(database: Database, settings: Settings) -> None:
    def told(kind: str, minute: int, **data: Any) -> Call:
        return json_call("rfc9421", {"type": kind, "timestamp": f"2026-11-20T09:{minute:02d}:00Z", "data": data})

    order_free(
        database,
        settings,
        "rfc9421",
        [
            told("feedback.created", 1, id="1", text="Search is slow"),
            told("feedback.updated", 2, id="1", text="Search is slow and wrong", rating=1),
            json_call("rfc9421", {"items": [{"text": "No id", "rating": 4}]}),
        ],
    )
