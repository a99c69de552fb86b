"""From a text as it was sent to the customer's own words, with the way back.

Markup, quoted mails, signatures and ticket boilerplate go; emoji stay, they mean something. Every character
of the cleaned text knows which characters of the original it stands for, so that segments point into the
text as sent. All patterns run in time linear in the length of the text.
"""

import html
import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_RAW_CHARS = 200_000
"""Characters of a text that are looked at before cleaning; what follows is not read."""
MAX_CHARS = 20_000
"""Characters of a cleaned text that are read: some forty minutes of somebody's speech."""

Edit = tuple[int, int, str]
"""Start, end, and what stands there instead."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A cleaned text. `starts[i]`, `ends[i]` delimit what character i stood for in the original.

    Both are None where nothing was moved (offsets are then the same).
    """

    text: str
    starts: "array[int] | None" = None
    ends: "array[int] | None" = None

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The original's span for the non-empty span `start`..`end` of the cleaned text."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


def clean(text: str) -> Cleaned:
    """Strip what is not the customer's own words. Never raises, whatever the string holds."""
    cleaned = Cleaned(_UNPRINTABLE.sub(" ", text[:MAX_RAW_CHARS]))
    if "<" in cleaned.text:
        cleaned = edited(cleaned, _invisible_blocks(cleaned.text))
        cleaned = edited(cleaned, _tags(cleaned.text))
    if "&" in cleaned.text:
        cleaned = edited(cleaned, _entities(cleaned.text))
    cleaned = _unless_nothing_is_left(cleaned, _quoted(cleaned.text))
    cleaned = _unless_nothing_is_left(cleaned, _signature(cleaned.text))
    if len(cleaned.text) > MAX_CHARS:
        cleaned = edited(cleaned, [(MAX_CHARS, len(cleaned.text), "")])
    return cleaned


# Control characters but tab and line ends, lone surrogates (they cannot be encoded), zero-width marks except
# the joiner inside emoji. One character each, so that offsets hold.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u200b\u200e\u200f\u2028\u2029\ufeff\ufffe\uffff]"
)

_BLOCK_TAGS = "p|div|br|hr|li|ul|ol|tr|table|tbody|thead|h[1-6]|blockquote|section|article|pre|dd|dt|dl"
_INLINE_TAGS = (
    "a|abbr|b|big|body|button|center|cite|code|del|em|font|footer|form|head|header|html|i|img|input|ins|label|"
    "link|main|mark|meta|nav|o:p|q|s|small|span|strike|strong|sub|sup|td|th|title|tt|u|video|svg|iframe"
)
_TAG = re.compile(rf"</?(?:({_BLOCK_TAGS})|{_INLINE_TAGS})(?:\s[^<>]*)?/?>|<!(?:doctype)[^<>]*>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});")
_BLOCK_OPEN = re.compile(r"<!--|<(script|style)\b[^<>]*>", re.IGNORECASE)


def _invisible_blocks(text: str) -> Iterator[Edit]:
    position = 0
    while opening := _BLOCK_OPEN.search(text, position):
        closing_tag = f"</{opening[1]}>" if opening[1] else "-->"
        closing = re.compile(re.escape(closing_tag), re.IGNORECASE).search(text, opening.end())
        if closing is None:
            # nothing after this can be closed either, so one look is enough
            return
        yield opening.start(), closing.end(), " "
        position = closing.end()


def _tags(text: str) -> Iterator[Edit]:
    for match in _TAG.finditer(text):
        yield match.start(), match.end(), "\n" if match[1] else ""


def _entities(text: str) -> Iterator[Edit]:
    for match in _ENTITY.finditer(text):
        character = html.unescape(match[0])
        if character != match[0]:
            yield match.start(), match.end(), _UNPRINTABLE.sub(" ", character).replace("\xa0", " ")


# What mail programs put in front of the mail that is answered; everything after it is somebody else's or old.
_QUOTE_HEADER = re.compile(
    r"^[ \t]*(?:"
    r"On\b[^\n]{4,200}(?:\n[^\n]{0,120})?\bwrote:[ \t]*$"
    r"|-{2,}[ \t]*(?:Original Message|Forwarded message|Reply above this line)[ \t]*-{2,}"
    r"|From:[ \t][^\n]{1,200}\n(?:[^\n]{1,200}\n)?(?:Sent|Date|To):[ \t]"
    r"|_{10,}[ \t]*\n[ \t]*From:[ \t]"
    r"|##- Please type your reply above this line -##"
    r")",
    re.MULTILINE | re.IGNORECASE,
)
_QUOTED_LINE = re.compile(r"^[ \t]*>[^\n]*\n?", re.MULTILINE)


def _quoted(text: str) -> Iterator[Edit]:
    if "\n" not in text and "wrote:" not in text and "--" not in text and ">" not in text:
        return
    end = len(text)
    if header := _QUOTE_HEADER.search(text):
        end = header.start()
        yield end, len(text), ""
    for match in _QUOTED_LINE.finditer(text, 0, end):
        yield match.start(), match.end(), ""


_SIGNATURE = re.compile(
    r"^(?:"
    r"-- ?$"
    r"|[ \t]*Sent from (?:my|Mail|Yahoo|Outlook|Samsung|the)\b[^\n]{0,60}$"
    r"|[ \t]*Get Outlook for [^\n]{0,40}$"
    r"|[ \t]*(?:(?:kind|best|warm|warmest|many)[ \t]+(?:regards|wishes)|regards|sincerely"
    r"|yours (?:sincerely|faithfully|truly)|cheers|best),?[ \t]*$"
    r")",
    re.MULTILINE | re.IGNORECASE,
)
_CLOSING_LINE_CHARS = 80
_CLOSING_LINES = 8


def _signature(text: str) -> Iterator[Edit]:
    if "\n" not in text:
        if match := re.search(r"\s(?:Sent from my [A-Za-z ]{2,30}|Get Outlook for \w+)[.!]?\s*$", text[-80:]):
            yield max(0, len(text) - 80) + match.start(), len(text), ""
        return
    for match in _SIGNATURE.finditer(text):
        rest = [line for line in text[match.end() : match.end() + 2_000].splitlines() if line.strip()]
        is_mark = match[0].startswith("--")
        short = len(rest) <= _CLOSING_LINES and all(len(line) <= _CLOSING_LINE_CHARS for line in rest)
        if is_mark or short:
            yield match.start(), len(text), ""
            return


def _unless_nothing_is_left(cleaned: Cleaned, edits: Iterable[Edit]) -> Cleaned:
    """A text that is all quotation or all signature is read as it is: it is what the customer sent."""
    shorter = edited(cleaned, edits)
    return shorter if shorter.text.strip() else cleaned


def edited(cleaned: Cleaned, edits: Iterable[Edit]) -> Cleaned:
    """Apply non-overlapping edits; the alignment of a replacement covers all that it replaces."""
    ordered = sorted(edits)
    if not ordered:
        return cleaned
    text = cleaned.text
    old_starts = cleaned.starts if cleaned.starts is not None else array("L", range(len(text)))
    old_ends = cleaned.ends if cleaned.ends is not None else array("L", range(1, len(text) + 1))
    pieces: list[str] = []
    starts, ends = array("L"), array("L")
    position = 0
    for start, end, replacement in ordered:
        pieces += (text[position:start], replacement)
        starts.extend(old_starts[position:start])
        ends.extend(old_ends[position:start])
        starts.extend([old_starts[start]] * len(replacement))
        ends.extend([old_ends[end - 1]] * len(replacement))
        position = end
    pieces.append(text[position:])
    starts.extend(old_starts[position:])
    ends.extend(old_ends[position:])
    return Cleaned("".join(pieces), starts, ends)
