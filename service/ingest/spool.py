"""Entries on disk that wait for the database: appended durably, read back in order, gone once they are stored.

Each process appends to one file of its own and holds a lock on it, which the system lets go when the process
ends, however that is: a file whose lock can be had is adopted by whoever finds it. An entry stands in a frame
(mark, length, CRC-32). One that was cut off by a crash was never acknowledged and is passed over.

What is in an entry is the caller's business; it must not contain the mark's first byte 0xff (tokens of the vault
are ASCII), so that reading finds the next entry after a damaged one.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import secrets
import shutil
import struct
import time
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

MARK = b"\xffJM1"
FRAME = struct.Struct(">4sII")  # mark, bytes of the entry, their CRC-32
WAITING, SET_ASIDE, DAMAGED = ".spool", ".unread", ".damaged"
TRIES = 100  # to make a file that nobody adopts before it is locked


class SpoolFull(Exception):
    """The spool has reached its limit, or the disk has; nothing was kept."""


class _File:
    """One file that this process has locked: what lies between `position` and `end` is still to be stored."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.end = os.fstat(descriptor).st_size
        self.position = 0
        self._damaged = False

    def append(self, entries: Iterable[bytes]) -> None:
        """Write and sync; OSError, and nothing is added, where that does not work."""
        framed = b"".join(FRAME.pack(MARK, len(one), zlib.crc32(one)) + one for one in entries)
        left = memoryview(framed)
        try:
            os.lseek(self._descriptor, self.end, os.SEEK_SET)
            while left:
                left = left[os.write(self._descriptor, left) :]
            os.fsync(self._descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.end)
            raise
        self.end += len(framed)

    def read(self, *, most: int, most_bytes: int) -> tuple[list[bytes], int]:
        """The next entries and where the one after them begins."""
        found: list[bytes] = []
        position, size = self.position, 0
        if position >= self.end:
            return found, position
        with mmap.mmap(self._descriptor, self.end, access=mmap.ACCESS_READ) as content:
            while position < self.end and len(found) < most and size < most_bytes:
                entry, after = _entry_at(content, position, self.end)
                if entry is None:
                    # at the very end it was cut off, and never acknowledged; before that it once was whole
                    self._damaged = self._damaged or after < self.end
                    log.warning("passed over %d bytes of a spool file that are no whole entry", after - position)
                else:
                    found.append(entry)
                    size += len(entry)
                position = after
        return found, position

    def close(self, *, remove: bool) -> None:
        """Let go of the file; with `remove` it goes, or is put aside for a person to see where it was damaged."""
        if remove and self._damaged:
            log.error("a spool file was damaged; what could be read is stored, the file is kept beside it")
            self.path.rename(self.path.with_suffix(DAMAGED))
        elif remove:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)


def _entry_at(content: mmap.mmap, position: int, end: int) -> tuple[bytes | None, int]:
    """The entry that begins here, or None, and where to go on."""
    start = position + FRAME.size
    if start <= end:
        mark, length, checksum = FRAME.unpack_from(content, position)
        if mark == MARK and start + length <= end:
            entry = content[start : start + length]
            if zlib.crc32(entry) == checksum:
                return entry, start + length
    after = content.find(MARK, position + 1, end)
    return None, after if after >= 0 else end


class Spool:
    """What waits in one folder, as one process sees it. For one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._adopted: list[_File] = []
        self._own: _File | None = None
        self._next_position: int | None = None

    @property
    def waiting(self) -> bool:
        """Whether there is something of ours to be stored."""
        return bool(self._adopted) or self._own is not None

    def append(self, entries: Sequence[bytes], *, limit_bytes: int, min_free_bytes: int) -> None:
        """Keep the entries, safe from power loss when this returns; SpoolFull where they can't be kept.

        `limit_bytes` is for all files of the folder together, `min_free_bytes` stay free on its disk.
        """
        size = sum(len(one) + FRAME.size for one in entries)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._size() + size > limit_bytes:
                raise SpoolFull("the spool has reached its limit")
            if shutil.disk_usage(self._folder).free - size < min_free_bytes:
                raise SpoolFull("the disk is nearly full")
            if self._own is None:
                self._own = self._made(WAITING)
            self._own.append(entries)
        except OSError as error:
            self._forget_empty()
            raise SpoolFull(f"the spool can't be written: {error.strerror}") from error

    def head(self, *, most: int, most_bytes: int) -> list[bytes]:
        """The oldest entries, in their order; the same ones until `stored` is called."""
        first = self._first()
        if first is None:
            return []
        entries, self._next_position = first.read(most=most, most_bytes=most_bytes)
        return entries

    def stored(self) -> None:
        """What `head` gave last is in the database: on to the next, or away with the file."""
        first = self._first()
        if first is None or self._next_position is None:
            return
        first.position, self._next_position = self._next_position, None
        if first.position >= first.end:
            first.close(remove=True)
            if self._adopted:
                self._adopted.pop(0)
            else:
                self._own = None

    def set_aside(self, entries: Sequence[bytes]) -> None:
        """Keep what can't be stored, for the next start of a process to try again. OSError where that fails."""
        file = self._made(SET_ASIDE)
        file.append(entries)
        file.close(remove=False)

    def adopt(self, *, set_aside: bool = False) -> None:
        """Take over the files of ended processes, oldest first; with `set_aside` also what was put aside."""
        suffixes = (WAITING, SET_ASIDE) if set_aside else (WAITING,)
        ours = {file.path for file in (*self._adopted, self._own) if file is not None}
        try:
            found = sorted(path for path in self._folder.iterdir() if path.suffix in suffixes and path not in ours)
        except FileNotFoundError:
            return
        for path in found:
            try:
                descriptor = os.open(path, os.O_RDWR)
            except FileNotFoundError:
                continue
            # without a name it was finished by its owner between our look and our lock
            if not _locked(descriptor) or not os.fstat(descriptor).st_nlink:
                os.close(descriptor)
                continue
            file = _File(path, descriptor)
            if file.end:
                self._adopted.append(file)
            else:
                file.close(remove=True)

    def close(self) -> None:
        """Let go of all files; what is in them waits for the next process."""
        for file in (*self._adopted, self._own):
            if file is not None:
                file.close(remove=False)
        self._adopted, self._own, self._next_position = [], None, None

    def _first(self) -> _File | None:
        return self._adopted[0] if self._adopted else self._own

    def _size(self) -> int:
        return sum(path.stat().st_size for path in self._folder.iterdir())

    def _forget_empty(self) -> None:
        if self._own is not None and not self._own.end:
            self._own.close(remove=True)
            self._own = None

    def _made(self, suffix: str) -> _File:
        """A new file, locked before it holds anything."""
        for _ in range(TRIES):
            # sorted by name they are in the order in which they were begun
            path = self._folder / f"{time.time_ns():020}-{os.getpid()}-{secrets.token_hex(4)}{suffix}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            if _locked(descriptor) and os.fstat(descriptor).st_nlink:
                _sync_folder(self._folder)
                return _File(path, descriptor)
            os.close(descriptor)  # somebody looking for files to adopt was faster
        raise OSError("can't lock a file of the spool")


def _locked(descriptor: int) -> bool:
    """Whether the lock is ours now; the system ends it with the process."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: without it a synced file can be gone after a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
