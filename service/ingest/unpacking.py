"""A call's body as it was before it was packed for the way (`Content-Encoding`), within its sender's limit."""

from __future__ import annotations

import zlib
from dataclasses import replace

from service.errors import BadInput, TooLarge
from service.ingest.incoming import Call, CannotParse
from service.ingest.senders.contract import Sender
from service.packed import gunzip
from service.settings import Settings

ENCODING = "content-encoding"
MAX_LAYERS = 2  # nobody packs more often than by mistake
ZLIB_WINDOW, BARE_WINDOW = 15, -15  # "deflate" is said of both


def body_limit(sender: Sender, settings: Settings) -> int:
    """The longest body of this sender in bytes, packed and unpacked."""
    return max(settings.max_hook_bytes, sender.max_body_bytes or 0)


def unpacked(call: Call, limit_bytes: int) -> Call:
    """The call with its body unpacked, the same one where it was not packed.

    TooLarge before more than the limit is held; CannotParse where it is broken or packed in a way we don't know.
    """
    layers = [one.strip().lower() for one in call.headers.get(ENCODING, "").split(",")]
    layers = [one for one in layers if one not in ("", "identity")]
    if not layers:
        return call
    if len(layers) > MAX_LAYERS:
        raise CannotParse("the body is packed too often")
    body = call.body
    for layer in reversed(layers):
        if layer in ("gzip", "x-gzip"):
            try:
                body = gunzip(body, limit_bytes)
            except BadInput as error:
                raise CannotParse(error.detail) from error
        elif layer == "deflate":
            body = _inflated(body, limit_bytes)
        else:
            raise CannotParse("the body's Content-Encoding is none of gzip, deflate")
    headers = {name: value for name, value in call.headers.items() if name != ENCODING}
    return replace(call, headers=headers, body=body)


def _inflated(packed: bytes, limit_bytes: int) -> bytes:
    for window in (ZLIB_WINDOW, BARE_WINDOW):
        stream = zlib.decompressobj(wbits=window)
        try:
            out = stream.decompress(packed, limit_bytes + 1)
        except zlib.error:
            continue
        if len(out) > limit_bytes:
            raise TooLarge(f"The body has more than {limit_bytes} bytes after unpacking.")
        if stream.eof:
            return out
    raise CannotParse("the deflate data is broken or ends early")
