"""More requests than a process can work at are told so, in the one error shape."""

from __future__ import annotations

import asyncio
from typing import Any

from service.in_flight import InFlight


def _call(app: InFlight, path: str) -> Any:
    answers: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        answers.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "path": path, "method": "POST", "headers": []}
    return asyncio.ensure_future(app(scope, receive, send)), answers


def test_deliveries_and_other_requests_have_a_limit_each() -> None:
    async def run() -> None:
        go_on = asyncio.Event()

        async def slow(_scope: Any, _receive: Any, send: Any) -> None:
            await go_on.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        app = InFlight(slow, requests=1, deliveries=2)
        calls = [_call(app, path) for path in ("/hooks/a/b", "/hooks/a/b", "/v1/feedback", "/healthz")]
        over = [_call(app, path) for path in ("/hooks/a/b", "/v1/feedback")]
        for task, answers in over:
            await asyncio.wait_for(task, 5)
            assert answers[0]["status"] == 503
            headers = dict(answers[0]["headers"])
            assert (headers[b"retry-after"], headers[b"content-type"]) == (b"2", b"application/problem+json")
        go_on.set()
        await asyncio.gather(*(task for task, _ in calls))
        assert [answers[0]["status"] for _, answers in calls] == [200] * 4
        # what is answered counts no more
        task, answers = _call(app, "/v1/feedback")
        await task
        assert answers[0]["status"] == 200

    asyncio.run(run())
