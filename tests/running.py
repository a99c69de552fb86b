"""Real processes of the command line, on loopback, ended by their id whatever the test does."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from service.settings import PREFIX, Settings

READY_SECONDS = 90.0


def environment_of(settings: Settings, **more: str) -> dict[str, str]:
    """The environment of a process with these settings and nothing else of ours."""
    ours = {
        PREFIX + name.upper(): str(value)
        for name, value in settings.model_dump(exclude_defaults=True, exclude_none=True).items()
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**kept, **ours, **more}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], Any], *, seconds: float, what: str) -> Any:
    """The first truthy result; AssertionError when it does not come in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


def alive(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


@contextmanager
def command(settings: Settings, *arguments: str, log: Path, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """`journeymap <arguments>` running; killed at the end, with its children, if it is still there."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", *arguments],
            env=environment_of(settings, **more),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    children: list[psutil.Process] = []
    try:
        yield process
    finally:
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()


@dataclass
class Server:
    """A running `serve`."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def request(self, method: str, path: str, *, key: str | None = None, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of one call."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def ready(self) -> bool:
        assert self.process.poll() is None, f"serve ended with {self.process.returncode}: {self.log.read_text()}"
        try:
            return self.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def workers(self) -> list[int]:
        """The ids of the embedded workers' processes."""
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.process.pid).children(recursive=True)
            return [child.pid for child in children if alive(child.pid) and "work" in child.cmdline()]
        return []


@contextmanager
def serving(settings: Settings, *arguments: str, log: Path, **more: str) -> Iterator[Server]:
    """`journeymap serve` on a free port of loopback, ready."""
    port = free_port()
    with command(
        settings, "serve", "--host", "127.0.0.1", "--port", str(port), *arguments, log=log, **more
    ) as process:
        server = Server(process, port, log)
        wait_for(server.ready, seconds=READY_SECONDS, what="readyz")
        yield server


def stop(process: subprocess.Popen[bytes], *, seconds: float = 20) -> int:
    """Ask politely and return the exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=seconds)
