"""Which process this is, in words that another process on the same machine can check."""

from __future__ import annotations

import functools
import gc
import os
import socket
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
START_TIME_FIELD = 21  # of /proc/<pid>/stat, 0-based; in clock ticks since boot
# new containers between two looks for rubbish that refers to itself. Python's 700 is reached by a few rows of a
# file: looking took a seventh of the time of an import
NEW_CONTAINERS = 50_000


def look_for_rubbish_less() -> None:
    """Spare a long-running process most of its garbage collector's work; called once, when all is imported.

    What is here by now stays anyway: it is not looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_CONTAINERS, 20, 50)


def this_process() -> str:
    """`host/boot/pid/start`: names this process and no later one with the same number."""
    return _named(os.getpid())


@functools.cache
def _named(pid: int) -> str:
    # by pid, so that a forked child does not keep its parent's name
    return f"{_machine()}/{pid}/{_started(pid) or 'unknown'}"


@functools.cache
def _machine() -> str:
    boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else "unknown"
    return f"{socket.gethostname()}/{boot}"


def _started(pid: int) -> str | None:
    """When the process began; None where there is no such process or the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # the command's name, in parentheses, may hold spaces
    fields = stat.rpartition(")")[2].split()
    return fields[START_TIME_FIELD - 2]


def is_gone(name: str) -> bool:
    """Whether the process of `this_process()` has surely ended; False where that can't be known from here."""
    host, boot, pid, start = ([*name.split("/"), "", "", "", ""])[:4]
    here_host, here_boot = _machine().split("/")
    if (host, boot) != (here_host, here_boot) or "unknown" in (boot, start) or not pid.isdecimal():
        return False
    return _started(int(pid)) != start
