"""The worker that `serve` brings along: one child process, started again if it dies, gone when we are gone."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time

log = logging.getLogger(__name__)

FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 30.0
HEALTHY_SECONDS = 60.0  # a worker that lived so long starts the back-off anew
STOP_SECONDS = 10.0


class EmbeddedWorker:
    """Keeps one `work` process alive while its `with` block lasts.

    Its standard input is a pipe that only this process holds open: when this process ends, even by SIGKILL,
    the pipe ends and the worker with it (see stop.stop_when_input_ends).
    """

    def __init__(self) -> None:
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        # not a daemon's work to be cut off: the kernel signals the worker when the thread that started it ends
        self._thread = threading.Thread(target=self._supervise, name="embedded-worker", daemon=True)

    def __enter__(self) -> EmbeddedWorker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._ending.set()
            process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                # its jobs are taken over, like those of any dead worker
                process.kill()
        self._thread.join(timeout=STOP_SECONDS)

    def _supervise(self) -> None:
        backoff = FIRST_BACKOFF_SECONDS
        while True:
            with self._lock:
                if self._ending.is_set():
                    return
                started = time.monotonic()
                self._process = process = subprocess.Popen(
                    [sys.executable, "-m", "service", "work", "--until-input-ends"],
                    stdin=subprocess.PIPE,
                    start_new_session=True,  # Ctrl-C is for us; we tell the worker
                )
            log.info("started the embedded worker", extra={"worker_pid": process.pid})
            code = process.wait()
            if process.stdin is not None:
                process.stdin.close()
            if self._ending.is_set():
                return
            if time.monotonic() - started > HEALTHY_SECONDS:
                backoff = FIRST_BACKOFF_SECONDS
            log.warning("the embedded worker ended with code %d; starting it again in %.1f s", code, backoff)
            self._ending.wait(backoff)
            backoff = min(MAX_BACKOFF_SECONDS, backoff * 2)
