"""Signed deliveries over many kept connections, in a process of its own: `receiver.py` starts it.

Closed loop: each connection sends its next delivery when the one before is answered. Offered: deliveries fall due
at a fixed rate whatever the answers do, each on the connection whose turn it is, and their time counts from when
they fell due, so that waiting for a slow answer before is not hidden.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import Counter
from dataclasses import dataclass, field

SECRET = "whsec_H88Xnvcy4tZtqj1S4LQMtexwFurze6b/38//YTwT3hs="
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
TEXTS = (
    "The parcel came two days late and the box was open, but support sent a new one within the hour.",
    "I can't find where to change my card, and the page for invoices loads for half a minute.",
    "Checkout was quick. Thank you for the clear size table!",
    "Since the last update the export ends with an error as soon as there are more than ten rows in it.",
)
ANSWER_SECONDS = 60.0


def request(path: str, number: int, run: str) -> bytes:
    """One signed delivery as bytes."""
    name, sent = f"{run}-{number}", int(time.time())
    body = json.dumps(
        {
            "type": "feedback.created",
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(sent)),
            "data": {
                "id": name,
                "text": f"{TEXTS[number % len(TEXTS)]} ({number})",
                "rating": 1 + number % 5,
                "customer_id": f"c-{number % 4000}",
                "plan": "pro",
            },
        }
    ).encode()
    mac = hmac.new(KEY, f"{name}.{sent}.".encode() + body, hashlib.sha256).digest()
    return (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nwebhook-id: {name}\r\nwebhook-timestamp: {sent}\r\n"
        f"webhook-signature: v1,{base64.b64encode(mac).decode()}\r\n\r\n"
    ).encode() + body


@dataclass
class Taken:
    """What came of it."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)


class Connection:
    """One kept connection; opened again where it was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, content: bytes) -> int:
        """The status; 0 where the connection broke or nothing came in time."""
        try:
            return await asyncio.wait_for(self._send(content), ANSWER_SECONDS)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            self.close()
            return 0

    async def _send(self, content: bytes) -> int:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(content)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        await reader.readexactly(length)
        if b"connection: close" in head:
            self.close()
        return int(head.split(b" ", 2)[1])

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def closed_loop(port: int, path: str, *, callers: int, seconds: float, run: str) -> Taken:
    """All callers send until the time is over; what is answered by then counts."""
    taken, numbers = Taken(), iter(range(10**9))
    end = time.perf_counter() + seconds

    async def caller() -> None:
        connection = Connection(port)
        while time.perf_counter() < end:
            began = time.perf_counter()
            status = await connection.send(request(path, next(numbers), run))
            ended = time.perf_counter()
            if ended <= end:
                taken.seconds.append(ended - began)
                taken.statuses[status] += 1
        connection.close()

    await asyncio.gather(*(caller() for _ in range(callers)))
    return taken


async def offered(port: int, path: str, *, callers: int, rate: float, seconds: float, run: str) -> Taken:
    """`rate` deliveries a second fall due, shared by the connections."""
    taken, began = Taken(), time.perf_counter()

    async def caller(first: int) -> None:
        connection = Connection(port)
        for number in range(first, int(rate * seconds), callers):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            taken.statuses[await connection.send(request(path, number, run))] += 1
            taken.seconds.append(time.perf_counter() - due)
        connection.close()

    await asyncio.gather(*(caller(first) for first in range(callers)))
    return taken


def main() -> None:
    """Send, and print what came of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--callers", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rate", type=float, default=0.0, help="deliveries a second; 0: closed loop")
    parser.add_argument("--run", required=True, help="stands in every id, so that runs don't repeat each other")
    given = parser.parse_args()
    shared = {"callers": given.callers, "seconds": given.seconds, "run": given.run}
    taken = asyncio.run(
        offered(given.port, given.path, rate=given.rate, **shared)
        if given.rate
        else closed_loop(given.port, given.path, **shared)
    )
    times = sorted(taken.seconds)

    def ms(share: float) -> float | None:
        return round(1000 * times[min(len(times) - 1, int(share * len(times)))], 1) if times else None

    print(
        json.dumps(
            {
                "answers": {str(status): n for status, n in sorted(taken.statuses.items())},
                "per_second": round(taken.statuses[200] / given.seconds, 1),
                "p50_ms": ms(0.5),
                "p95_ms": ms(0.95),
                "p99_ms": ms(0.99),
                "max_ms": ms(1.0),
            }
        )
    )


if __name__ == "__main__":
    main()
