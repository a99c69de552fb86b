"""Bodies that were packed for the way (`Content-Encoding: gzip`), unpacked within the same limit."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator

from fastapi import Request

from service.errors import BadInput, FieldError, TooLarge, UnsupportedMedia

GZIP_WINDOW = 31  # zlib's way to say: with a gzip header
PIECE_BYTES = 1024 * 1024
SLICE_BYTES = 16 * 1024


def is_gzipped(request: Request) -> bool:
    """Whether the body is said to be gzipped; UnsupportedMedia where it is said to be packed otherwise."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise UnsupportedMedia("Content-Encoding is gzip or none.")
    return encoding.endswith("gzip")


def gunzip(packed: bytes, limit_bytes: int) -> bytes:
    """Unpack gzip, member by member; TooLarge before more than the limit is held, BadInput if it is broken."""
    members = _Members(limit_bytes)
    out: list[bytes] = []
    # in slices: what follows a member is copied for each, and a body may be nothing but tiny members
    for start in range(0, len(packed), SLICE_BYTES):
        out += members.feed(packed[start : start + SLICE_BYTES])
    members.end()
    return b"".join(out)


async def gunzipped(chunks: AsyncIterator[bytes], limit_bytes: int) -> AsyncIterator[bytes]:
    """The same of a body as it arrives, in pieces of PIECE_BYTES at most."""
    members = _Members(limit_bytes)
    async for packed in chunks:
        for out in members.feed(packed):
            yield out
    members.end()


class _Members:
    """The members of a gzip stream, one after the other."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._member = zlib.decompressobj(wbits=GZIP_WINDOW)
        self._begun, self._seen = False, 0

    def feed(self, packed: bytes) -> Iterator[bytes]:
        waiting = packed
        while waiting:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=GZIP_WINDOW)
            self._begun = True
            try:
                out = self._member.decompress(waiting, PIECE_BYTES)
            except zlib.error as error:
                raise _broken() from error
            self._seen += len(out)
            if self._seen > self._limit:
                raise _too_large(self._limit)
            if out:
                yield out
            waiting = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def end(self) -> None:
        if self._begun and not self._member.eof:
            raise _broken()


def _too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(f"The body has more than {limit_bytes} bytes after unpacking.")


def _broken() -> BadInput:
    detail = "the gzip data is broken or ends early"
    return BadInput(detail, errors=[FieldError("", "bad_gzip", detail)])
