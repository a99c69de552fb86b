"""Requests beyond what one process can work at are refused in our own words, with `Retry-After`."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import CannotStore, problem

RETRY_AFTER_SECONDS = 2
DELIVERIES = "/hooks/"
ALWAYS_ANSWERED = frozenset({"/healthz"})


class InFlight:
    """Counts what is being answered; deliveries apart, so that neither they nor the others crowd the rest out.

    Plain ASGI and without a lock: it runs on the event loop's one thread.
    """

    def __init__(self, app: ASGIApp, *, requests: int, deliveries: int) -> None:
        self.app = app
        self._limits = {False: requests, True: deliveries}
        self._running = {False: 0, True: 0}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in ALWAYS_ANSWERED:
            await self.app(scope, receive, send)
            return
        kind = scope["path"].startswith(DELIVERIES)
        if self._running[kind] >= self._limits[kind]:
            refusal = problem(
                503,
                CannotStore.title,
                "Too many requests are being answered here at once; send it again later.",
                instance=scope["path"],
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
            await refusal(scope, receive, send)
            return
        self._running[kind] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._running[kind] -= 1
