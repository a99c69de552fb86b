"""One POST to an address that somebody gave us: never to a place that only we can reach, unless it is allowed."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2

TIMEOUT_SECONDS = 15.0
MAX_ANSWER_BYTES = 64 * 1024


class BadTarget(ValueError):
    """The address is none that we send to; the message says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `status` None where nothing did."""

    status: int | None
    detail: str
    retry_after_seconds: float | None = None


def check_url(url: str, *, private: bool) -> tuple[str, int, str]:
    """Host, port and one address that it stands for now; BadTarget for others than public http(s) places."""
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError as error:
        raise BadTarget("the port is no number") from error
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise BadTarget("give an http or https address")
    if parts.username or parts.password:
        raise BadTarget("leave user and password out of the address")
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadTarget(f"the host {parts.hostname} is not known") from error
    addresses = [str(one[4][0]) for one in found]
    if not private:
        for address in addresses:
            if not _public(address):
                raise BadTarget(
                    "the address is private or local; set JOURNEYMAP_PRIVATE_TARGETS where that is wanted"
                )
    return parts.hostname, port, addresses[0]


def _public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (mapped is None or mapped.is_global)


def post(url: str, *, body: bytes, headers: Mapping[str, str], private: bool) -> Answer:
    """Send it; never raises for what the other side does. The name is looked up once, and that is where it goes.

    A second look-up could answer with another place (DNS rebinding); so the connection is made to the address that
    was checked, with the name kept for TLS and the Host header. Redirects are not followed.
    """
    try:
        host, _port, address = check_url(url, private=private)
    except BadTarget as error:
        return Answer(None, str(error))
    parts = httpx2.URL(url)
    named = parts.netloc.decode("ascii")
    try:
        with httpx2.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as client:
            request = client.build_request(
                "POST",
                parts.copy_with(host=address),
                content=body,
                headers={**headers, "Host": named},
                extensions={"sni_hostname": host},
            )
            answer = client.send(request, stream=True)
            try:
                told = b""
                for chunk in answer.iter_raw():
                    told += chunk
                    if len(told) > MAX_ANSWER_BYTES:
                        break
            finally:
                answer.close()
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        return Answer(None, f"no answer: {type(error).__name__}")
    after = answer.headers.get("retry-after", "")
    return Answer(answer.status_code, f"answered {answer.status_code}", float(after) if after.isdigit() else None)
