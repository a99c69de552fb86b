"""Values as senders write them, in the forms of the public contract."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from typing import Any

from service.ingest.conversions import to_moment
from service.ingest.incoming import MAX_ATTRIBUTE_CHARS, MAX_ATTRIBUTES, MAX_ID_CHARS

MILLISECONDS_FROM = 100_000_000_000  # a unix time that large is not in seconds before the year 5138

MICROSECONDS_FROM = 100_000_000_000_000  # and from there on not in milliseconds

YEARS = (1990, 2200)  # that the contract takes


def identifier(value: Any) -> str | None:
    """An id as a string, whatever the sender makes of it; None where there is none, or what can't be one."""
    if value is None or isinstance(value, bool | dict | list):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    # half an emoji can be sent as JSON, and neither stored nor put in an address
    text = str(value).encode("utf-8", "replace").decode("utf-8").replace("\x00", "").strip()
    return text if 0 < len(text) <= MAX_ID_CHARS else None


def words(value: Any) -> str | None:
    """A text with something in it, without space around it; None for everything else."""
    return value.replace("\x00", "").strip() or None if isinstance(value, str) else None


def number(value: Any) -> float | None:
    """A finite number, also one written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def inner(value: Any, *path: str) -> Any:
    """What lies at a path of nested objects; None where the path leads nowhere."""
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def listed(value: Any) -> Any:
    """A list of names also from one text, parted by commas or space; anything else as it is, for its check."""
    return [one for one in re.split(r"[\s,]+", value) if one] if isinstance(value, str) else value


def moment(value: Any) -> str | None:
    """A unix time (seconds to nanoseconds, also as text) or a written time as RFC 3339 in UTC; None for others.

    More than six digits of a second are cut, "+0000" is understood, a time without an offset is UTC. Of other
    forms than ISO those are read that have one meaning: mail dates, 20.11.2026, but not 3/4/2026. None also for
    years that the contract does not take: a wrong time must not refuse the words beside it.
    """
    if value is None or isinstance(value, bool | dict | list):
        return None
    if isinstance(value, str):
        value = value.strip()
        if not re.fullmatch(r"-?\d{9,19}(\.\d+)?", value):
            return _iso(value)
        value = float(value)
    try:
        for _ in range(2):  # microseconds, nanoseconds
            if abs(value) >= MICROSECONDS_FROM:
                value /= 1000
        found = datetime.fromtimestamp(value / 1000 if abs(value) >= MILLISECONDS_FROM else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return _plausible(found)


def _plausible(found: datetime) -> str | None:
    """The contract's years; tools write 0001-01-01 and 1970-01-01 where they have no time."""
    return found.isoformat() if YEARS[0] <= found.year <= YEARS[1] else None


def _iso(value: str) -> str | None:
    text = re.sub(r"(\.\d{6})\d+", r"\1", value)
    text = re.sub(r" ?(UTC|GMT)$", "Z", text)
    text = re.sub(r"(\d) +([+-]\d\d:?\d\d)$", r"\1\2", text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            found = to_moment(text, zone=UTC, day_first=None)
        except (ValueError, OverflowError):
            return None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    try:
        return _plausible(found.astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def moment_after(moment_text: str | None, microseconds: int) -> str | None:
    """A moment a hair later: for a change whose time the sender does not tell, but that came after that moment."""
    if moment_text is None:
        return None
    try:
        return (datetime.fromisoformat(moment_text) + timedelta(microseconds=microseconds)).isoformat()
    except OverflowError:
        return moment_text


def stars(value: Any) -> dict[str, Any] | None:
    """A rating from 1 to 5, as a number or as text, as the contract's score; None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value.strip())
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 5:
        return None
    return {"kind": "stars", "value": value, "scale_min": 1, "scale_max": 5}


def attributes(pairs: Mapping[str, Any]) -> dict[str, str]:
    """Pairs of strings within the contract's limits: the first twenty that say something.

    Lists of plain values are joined by commas; what is nested otherwise is left out.
    """
    found: dict[str, str] = {}
    for name, value in pairs.items():
        if isinstance(value, list):
            value = ", ".join(_plain(one) for one in value if one is not None and not isinstance(one, dict | list))
        if value is None or isinstance(value, dict):
            continue
        text = _plain(value).replace("\x00", "").strip()[:MAX_ATTRIBUTE_CHARS]
        name = str(name).replace("\x00", "").strip()[:MAX_ATTRIBUTE_CHARS]
        if not text or not name:
            continue
        if len(found) == MAX_ATTRIBUTES:
            break
        found[name] = text
    return found


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def said(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item without the fields that have no value: fields that are not sent stay as they were."""
    return {name: value for name, value in item.items() if value is not None and value != {}}


def titled(title: Any, text: Any) -> str | None:
    """A title in front of its text: both are the customer's words. None where both are empty."""
    parts = [one for one in (words(title), words(text)) if one]
    if len(parts) == 2 and parts[1].startswith(parts[0]):
        parts = parts[1:]  # some tools repeat the subject as the first line
    return "\n\n".join(parts) or None


# elements of HTML that people do not write into plain text by chance
MARKUP = re.compile(
    r"<(br|hr)\s*/?>|</(p|div|span|b|i|u|em|strong|a|ul|ol|li|table|h[1-6]|blockquote|body|html)>", re.I
)


def text_of_either(text: Any) -> str | None:
    """The words of a text of which the sender does not say whether it is HTML; None where nothing is left."""
    if isinstance(text, str) and MARKUP.search(text):
        return text_of_html(text)
    return words(text)


VERBS = r"wrote|schrieb|a écrit|escribió|ha scritto|escreveu|schreef|skrev|napisał\(?a?\)?"
# "On Wed, 4 Nov 2026, Acme wrote:" in front of what is quoted, in the forms of the common mail programs
WROTE = re.compile(rf".*({VERBS}).*:\s*$", re.IGNORECASE)
QUOTED_HERE = "\x00"  # in a line of its own; no text of a customer holds it


def text_of_html(markup: Any) -> str | None:
    """The words of an HTML body: blocks as lines, without scripts, styles and quoted earlier mails.

    Plain text comes out as it went in, with its `<jane@example.com>`. None where nothing is left.
    """
    if not isinstance(markup, str):
        return None
    if not HTML_TAG.search(markup):
        return unescape(markup).strip() or None
    reader = _HtmlText()
    reader.feed(markup)
    reader.close()
    kept: list[str] = []
    for line in "".join(reader.parts).split("\n"):
        if line != QUOTED_HERE:
            kept.append(" ".join(line.split()))
            continue
        said = next((place for place in reversed(range(len(kept))) if kept[place]), None)
        if said is not None and WROTE.match(kept[said]):
            del kept[said:]  # who wrote what is quoted
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip() or None


# a tag or comment that makes a text HTML; other words between < and > are the customer's
HTML_TAG = re.compile(
    r"<(!--|!doctype|\?xml|/?(a|abbr|address|article|aside|b|big|blockquote|body|br|button|caption|center|cite|code|"
    r"col|colgroup|dd|del|details|div|dl|dt|em|figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|"
    r"ins|label|li|link|main|mark|meta|nav|o:p|ol|option|p|pre|q|s|samp|script|section|select|small|span|strike|"
    r"strong|style|sub|summary|sup|svg|table|tbody|td|template|textarea|tfoot|th|thead|time|title|tr|tt|u|ul|var|"
    r"video|audio|wbr)(?=[\s/>]))",
    re.IGNORECASE,
)


class _HtmlText(HTMLParser):
    BREAKS = frozenset(
        (
            "p",
            "div",
            "br",
            "li",
            "tr",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "ul",
            "ol",
            "table",
            "hr",
            "pre",
            "section",
        )
    )
    SILENT = frozenset(("script", "style", "head", "title", "template"))
    VOID = frozenset(("br", "hr", "img", "input", "meta", "link", "wbr", "col", "area", "base", "source"))
    # how mail programs and help desks mark what is quoted from before
    QUOTES = re.compile(r"gmail_quote|yahoo_quoted|protonmail_quote|moz-cite-prefix|zendesk_quoted|js-signature")
    # Outlook marks where the quoted mail begins, and nothing around it
    QUOTED_FROM_HERE = re.compile(r"divRplyFwdMsg|appendonsend|stopSpelling")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden: list[str] = []  # open elements since the outermost one that is not the customer's words
        self._ended = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._ended:
            return
        if self._hidden:
            if tag not in self.VOID:
                self._hidden.append(tag)
            return
        classes = " ".join(value or "" for name, value in attrs if name in ("class", "id"))
        self._ended = bool(self.QUOTED_FROM_HERE.search(classes))
        quoted = tag == "blockquote" or bool(self.QUOTES.search(classes))
        if (tag in self.SILENT or quoted) and tag not in self.VOID:
            self._hidden.append(tag)
            if quoted:
                self.parts.append(f"\n{QUOTED_HERE}\n")
        elif tag in self.BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            if tag in self._hidden:
                while self._hidden.pop() != tag:
                    pass
            return
        if tag in self.BREAKS and tag not in self.VOID:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not (self._hidden or self._ended):
            self.parts.append(data.replace(QUOTED_HERE, ""))
