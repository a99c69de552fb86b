"""What went wrong with telling an address, in words, and what to do about it."""

from __future__ import annotations

import re
from typing import Final

RECEIVER: Final = "The receiver"
# status codes by what has to be done (RFC 9110, section 15); the first that fits
SAYS: Final[tuple[tuple[range | tuple[int, ...], str], ...]] = (
    ((410,), "says that this address is gone for good. Subscribe a new one, and remove this one."),
    ((401, 403), "does not let us in. Its address or secret was changed or has expired: take the present "
     "one from it and subscribe that."),
    ((404,), "knows no such address. It was removed or mistyped: subscribe the present one."),
    ((408, 504), "took too long to answer. It is tried again by itself; if it stays so, ask who runs it."),
    ((413,), "refuses what is sent as too large. Ask who runs it to allow more."),
    ((429,), "asks for fewer messages. It is tried again later; «of each kind at most» below sends fewer."),
    ((400, 415, 422), "does not understand what is sent. A chat room wants «a message for a chat room», other "
     "programs «a signed webhook»: subscribe it as the other one."),
    (range(300, 400), "sends us on to another address, which is not followed. Subscribe the address it leads to."),
    (range(400, 500), "refuses what is sent. Look into its log, or ask who runs it."),
    (range(500, 600), "fails itself. It is tried again by itself; if it stays so, ask who runs it."),
)  # fmt: skip
NO_ANSWER: Final = "Nothing answers there. Look whether the address is right and can be reached from this server."


def what_to_do(trouble: str) -> str | None:
    """What an address's trouble means and what mends it; None where the trouble is said in words already.

    `trouble` is what the sending wrote down: «answered 410», «no answer: ConnectError», or a sentence.
    """
    if trouble.startswith("no answer") or ": no answer" in trouble:
        return NO_ANSWER
    found = re.search(r"(?:answered |\()([1-5]\d\d)\b", trouble)
    if found is None or "mail server" in trouble:
        return None
    status = int(found[1])
    return next((f"{RECEIVER} {said}" for codes, said in SAYS if status in codes), None)
