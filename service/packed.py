"""Bodies that were packed for the way (`Content-Encoding: gzip`), unpacked within the same limit."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from fastapi import Request

from service.errors import BadInput, FieldError, TooLarge, UnsupportedMedia

GZIP_WINDOW = 31  # zlib's way to say: with a gzip header
PIECE_BYTES = 1024 * 1024


def is_gzipped(request: Request) -> bool:
    """Whether the body is said to be gzipped; UnsupportedMedia where it is said to be packed otherwise."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise UnsupportedMedia("Content-Encoding is gzip or none.")
    return encoding.endswith("gzip")


def gunzip(packed: bytes, limit_bytes: int) -> bytes:
    """Unpack gzip, member by member; TooLarge before more than the limit is held, BadInput if it is broken."""
    out = b""
    try:
        while packed:
            member = zlib.decompressobj(wbits=GZIP_WINDOW)
            out += member.decompress(packed, limit_bytes + 1 - len(out))
            if len(out) > limit_bytes:
                raise _too_large(limit_bytes)
            if not member.eof:
                raise zlib.error("ends early")
            packed = member.unused_data
    except zlib.error as error:
        raise _broken() from error
    return out


async def gunzipped(chunks: AsyncIterator[bytes], limit_bytes: int) -> AsyncIterator[bytes]:
    """The same of a body as it arrives, in pieces of PIECE_BYTES at most."""
    member = zlib.decompressobj(wbits=GZIP_WINDOW)
    begun, seen = False, 0
    try:
        async for packed in chunks:
            waiting = packed
            while waiting:
                if member.eof:
                    member = zlib.decompressobj(wbits=GZIP_WINDOW)
                begun = True
                out = member.decompress(waiting, PIECE_BYTES)
                seen += len(out)
                if seen > limit_bytes:
                    raise _too_large(limit_bytes)
                if out:
                    yield out
                waiting = member.unused_data if member.eof else member.unconsumed_tail
        if begun and not member.eof:
            raise zlib.error("ends early")
    except zlib.error as error:
        raise _broken() from error


def _too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(f"The body has more than {limit_bytes} bytes after unpacking.")


def _broken() -> BadInput:
    detail = "the gzip data is broken or ends early"
    return BadInput(detail, errors=[FieldError("", "bad_gzip", detail)])
