"""What is personal in a customer's words, found and taken out: before features, logs and examples.

Found are e-mail addresses, phone, card and account numbers, postal addresses, addresses of computers, links into
somebody's account, and names where they are certain. Order, ticket and serial numbers stay: they are needed, and
they are nobody's. No string makes this raise; time is linear in the length of the text.
"""

import re
from collections.abc import Iterator, Mapping

from nlp.clean import Cleaned, edited
from nlp.redact.banking import accounts, ibans
from nlp.redact.digits import numbers
from nlp.redact.people import names
from nlp.redact.places import addresses
from nlp.redact.spans import MODEL_PLACEHOLDERS, PLACEHOLDERS, Kind, Redacted, Span
from nlp.redact.web import emails, ip_addresses, urls

__all__ = [
    "MODEL_PLACEHOLDERS",
    "PLACEHOLDERS",
    "Kind",
    "Redacted",
    "Span",
    "as_read",
    "personal",
    "redact",
    "redact_part",
]

_DIGIT = re.compile("[0-9]")
_WORD = re.compile(r"[^\W\d_]+(?:/[^\W\d_]?)?")
_THREE_DIGITS = re.compile(r"\d\D{0,3}\d\D{0,3}\d")
_STORED = re.compile("<card>|<account>")
PART_CONTEXT_CHARS = 100
"""Characters around a part that are looked at to understand it."""


def personal(text: str) -> list[Span]:
    """The personal spans of a text, in order and apart; where two claim the same words the surer kind wins."""
    kept: list[Span] = []
    covered: bytearray | None = None
    for span in _found(text):
        if covered is None:
            covered = bytearray(len(text))
        if not any(covered[span.start : span.end]):
            covered[span.start : span.end] = b"\x01" * (span.end - span.start)
            kept.append(span)
    return sorted(kept)


def _found(text: str) -> Iterator[Span]:
    """All candidates, the surest kinds first; each kind is asked only where its marks are there."""
    low = text.lower()
    yield from urls(text, low)
    yield from emails(text, low)
    if _DIGIT.search(text):
        words = frozenset(_WORD.findall(low))
        if _THREE_DIGITS.search(text):
            yield from ibans(text)
            yield from ip_addresses(text)
            yield from accounts(text, words)
            yield from numbers(text)
        yield from addresses(text, low, words)
    yield from names(text, low)


def redact(text: str, placeholders: Mapping[Kind, str] = PLACEHOLDERS) -> Redacted:
    """The text with a placeholder for each personal span. Redacting twice changes nothing more."""
    spans = personal(text)
    stands = tuple(placeholders[span.kind] for span in spans)
    if not spans:
        return Redacted(text, (), ())
    pieces: list[str] = []
    position = 0
    for span, placeholder in zip(spans, stands, strict=True):
        pieces += (text[position : span.start], placeholder)
        position = span.end
    pieces.append(text[position:])
    return Redacted("".join(pieces), tuple(spans), stands)


def redact_part(text: str, start: int, end: int) -> str:
    """What may be shown of `start`..`end` of a text: redacted with its surroundings in view."""
    redacted = redact(text[max(0, start - PART_CONTEXT_CHARS) : end + PART_CONTEXT_CHARS])
    shift = max(0, start - PART_CONTEXT_CHARS)
    first, last = redacted.redacted_span(start - shift, end - shift)
    return redacted.text[first:last]


def as_read(cleaned: Cleaned) -> Cleaned:
    """A cleaned text as models read it, in training and after: redacted, with the masks that they learnt from."""
    edits = [(span.start, span.end, MODEL_PLACEHOLDERS[span.kind]) for span in personal(cleaned.text)]
    if "<card>" in cleaned.text or "<account>" in cleaned.text:
        # stored redacted: it reads the same
        edits += [(found.start(), found.end(), "<number>") for found in _STORED.finditer(cleaned.text)]
    return edited(cleaned, edits)
