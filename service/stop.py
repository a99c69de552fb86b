"""The wish to stop: set by a signal or by the parent's end, asked between transactions."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import threading
from types import FrameType

PR_SET_PDEATHSIG = 1  # linux/prctl.h
GRACE_SECONDS = 1.0


class Stop:
    """Set once, from a signal handler or any thread. A pipe wakes a waiting worker at once.

    Not a threading.Event: its lock is not re-entrant, so a signal that comes while the main thread takes it
    would hang the process.
    """

    def __init__(self) -> None:
        self.requested = False
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)

    def request(self) -> None:
        """Ask to stop."""
        self.requested = True
        # a full or closed pipe: whoever waits is awake already
        with contextlib.suppress(OSError):
            os.write(self._write, b".")

    def wait(self, seconds: float) -> bool:
        """Wait so long or until asked to stop; whether that is so."""
        if not self.requested:
            select.select([self._read], [], [], seconds)
        return self.requested

    def on_signals(self) -> None:
        """Stop on SIGTERM and SIGINT."""

        def asked(_signal: int, _frame: FrameType | None) -> None:
            self.request()

        signal.signal(signal.SIGTERM, asked)
        signal.signal(signal.SIGINT, asked)


def signal_when_parent_dies(number: int = signal.SIGTERM) -> None:
    """Have the kernel send this process a signal when its parent ends, however that ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number))


def stop_when_input_ends(stop: Stop) -> None:
    """Stop when standard input ends, which a parent holds open for as long as it lives.

    Works on every system and leaves no gap at the start. A worker that is in the middle of a long transaction
    after the grace time is ended hard: its jobs are taken over like those of any dead worker.
    """

    def watch() -> None:
        while True:
            try:
                if not os.read(0, 64):
                    break
            except OSError:
                break
        stop.request()
        threading.Event().wait(GRACE_SECONDS)
        os._exit(1)

    signal_when_parent_dies()
    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
