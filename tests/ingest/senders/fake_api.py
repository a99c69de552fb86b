"""A sender's API on 127.0.0.1 for tests of fetchers and pollers, and the network as they see it."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from service.ingest.senders.contract import HttpAnswer, NotThere, Refused, TryLater


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the API got it."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes


Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]  # status, JSON or bytes, headers


@dataclass(slots=True)
class FakeApi:
    """The API's address and what it was asked."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def fake_api(answer: Callable[[Asked], Answer]) -> Iterator[FakeApi]:
    """Serve `answer` until the block ends."""
    api = FakeApi()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            target = urlsplit(self.path)
            asked = Asked(
                self.command,
                target.path,
                dict(parse_qsl(target.query)),
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(int(self.headers.get("content-length") or 0)),
            )
            api.asked.append(asked)
            status, content, *named = answer(asked)
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in (named[0] if named else {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class PlainHttp:
    """`contract.Http` on the standard library."""

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> HttpAnswer:
        """Send it and wait."""
        assert url.startswith("http://127.0.0.1:"), url
        address = f"{url}?{urlencode(params)}" if params else url
        asked = urllib.request.Request(address, data=body, headers=dict(headers or {}), method=method)
        try:
            with urllib.request.urlopen(asked, timeout=5) as answer:
                return HttpAnswer(
                    answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
                )
        except urllib.error.HTTPError as error:
            with error:
                if error.code in (404, 410):
                    raise NotThere from error
                if error.code in (408, 425, 429) or error.code >= 500:
                    raise TryLater(str(error.code)) from error
                raise Refused(str(error.code)) from error
