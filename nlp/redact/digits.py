"""Phone and card numbers among the many other numbers that customers write.

A number is taken for what it is called (`context.said_before`), and without a name only where its own form leaves
little doubt: a country code, the grouping of a national number, a checksum with an issuer's prefix. Orders,
tickets, parcels and serial numbers keep theirs.
"""

import re
from collections.abc import Iterator

from nlp.redact.calling_codes import COUNTRY_DIGITS
from nlp.redact.context import said_before
from nlp.redact.spans import Span

_GAP = r"[ .\-/()\u00a0\u2009\u2010\u2011\u2013]"
_START = re.compile(r"(?<![\w+])[+(]?\(?\d")
_DATE = re.compile(
    r"(?:(?:0?[1-9]|[12]\d|3[01])([./ -])(?:0?[1-9]|1[0-2])\1|(?:0?[1-9]|1[0-2])([./-])\d\d\2)"
    r"(?:19|20)\d\d(?!\d)|(?:19|20)\d\d([./-])\d\d?\3\d\d?(?!\d)"
)
_INTERNATIONAL = re.compile(rf"(?:\+|\(\+|00(?={_GAP}?[1-9]))(?:{_GAP}{{0,3}}\d){{8,18}}")
_LEADING_ZERO = re.compile(rf"\(?0\d{{1,5}}(?:{_GAP}{{1,2}}\d{{2,8}}){{1,5}}(?!\d)")
_NORTH_AMERICAN = re.compile(
    r"(?:1[ .-]{1,2})?(?:\([2-9]\d{2}\)[ .-]{0,2}|[2-9]\d{2}[ .\-/\u2011])[2-9]\d{2}[ .\-\u2011]\d{4}"
    r"(?!\d|[-.,:/]\d)(?:,?\s(?:ext|x|extension)\.?\s?\d{1,5}\b)?"
)
_BARE = re.compile(r"(?:07\d{9}|01[1-9]\d{8}|02[03489]\d{8})(?!\d|[-./,:]\d)")
_CALLED = re.compile(rf"\(?\d(?:{_GAP}{{0,2}}\d){{6,14}}(?!\d|[.,:]\d)")
_CARD = re.compile(
    r"\d{12,19}(?!\d)|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?(?!\d)|\d{4}([ -])\d{6}\2\d{4,5}(?!\d)"
)
_TOTALS = (11, 10, 12, 9)
"""Digits of national numbers with their leading zero, the most likely total first."""
_NO_NUMBER_BEFORE = frozenset("#$£€¥₹%*_=@&~^")


def numbers(text: str) -> Iterator[Span]:
    """Cards and phones, in order."""
    position = 0
    while match := _START.search(text, position):
        found = _at(text, match.start())
        if found is None:
            position = match.end()
            while position < len(text) and text[position].isdigit():
                position += 1  # on behind this group of digits
        else:
            yield found
            position = found.end


def _at(text: str, start: int) -> Span | None:
    before = text[start - 1] if start else ""
    if before in _NO_NUMBER_BEFORE and before:
        return None
    if before and before in ".,:/-–'" and start > 1 and text[start - 2].isdigit():
        return None  # the rest of a longer number, price or date
    if _DATE.match(text, start):
        return None
    return _card(text, start) or _phone(text, start)


def _card(text: str, start: int) -> Span | None:
    match = _CARD.match(text, start)
    if match is None:
        return None
    digits = re.sub(r"\D", "", match[0])
    said = said_before(text, start)
    if said == "card" and not text.startswith((" ", "-"), match.end()):
        return Span(start, match.end(), "card")
    if said in ("reference", "account") or _is_preceded_by_group(text, start):
        return None
    if _issued(digits) and luhn(digits):
        return Span(start, match.end(), "card")
    return Span(start, match.end(), "card") if said == "card" else None


def _is_preceded_by_group(text: str, start: int) -> bool:
    """Whether four digits stand directly before: the middle of a longer number, as on parcels."""
    return re.search(r"\d{4}[ -]$", text[max(0, start - 5) : start]) is not None


def luhn(digits: str) -> bool:
    """The check of ISO/IEC 7812-1, annex B: every second digit from the right doubled, digit sums 0 modulo 10."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0 and len(set(digits)) > 1


def _issued(digits: str) -> bool:
    """Whether a card network issues numbers that begin so, in this length."""
    two, four, length = int(digits[:2]), int(digits[:4]), len(digits)
    if digits[0] == "4":
        return length in (13, 16, 19)
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return length == 16
    if two in (34, 37):
        return length == 15
    if two in (36, 38, 39) or 3000 <= four <= 3059:
        return length == 14
    if four == 6011 or two == 65 or 6440 <= four <= 6499 or two == 62 or 3528 <= four <= 3589:
        return length in (16, 19)
    return (two == 50 or 56 <= two <= 58) and length == 16


def _phone(text: str, start: int) -> Span | None:
    if match := _INTERNATIONAL.match(text, start):
        end = _end_of_international(match)
        if end is not None and not (match[0].startswith("00") and said_before(text, start) == "reference"):
            return Span(start, end, "phone")
    if text[start] == "+":
        return None
    if match := _NORTH_AMERICAN.match(text, start):
        return None if said_before(text, start) in ("reference", "account", "card") else _phone_span(match)
    if match := _LEADING_ZERO.match(text, start):
        end = _end_at_total(match, _TOTALS)
        if end is not None and said_before(text, start) not in ("reference", "account", "card", "version"):
            return Span(start, end, "phone")
    if match := _BARE.match(text, start):
        return None if said_before(text, start) in ("reference", "account", "card") else _phone_span(match)
    if (match := _CALLED.match(text, start)) and said_before(text, start) == "phone":
        return _phone_span(match)
    return None


def _phone_span(match: re.Match[str]) -> Span:
    return Span(match.start(), match.end(), "phone")


def _group_ends(match: re.Match[str]) -> Iterator[tuple[int, str]]:
    """For each group of digits of a match where it ends, and all digits so far."""
    digits = ""
    for group in re.finditer(r"\d+", match[0]):
        digits += group[0]
        yield match.start() + group.end(), digits


def _end_of_international(match: re.Match[str]) -> int | None:
    """Where the longest number of a plausible length for its country ends; None where there is none."""
    best = None
    following = match.string[match.end() : match.end() + 1]
    for end, digits in _group_ends(match):
        if end == match.end() and following.isdigit():
            continue
        code_and_number = digits[2:] if match[0].startswith("00") else digits
        for length in (1, 2, 3):
            bounds = COUNTRY_DIGITS.get(code_and_number[:length])
            if bounds is None:
                continue
            national = code_and_number[length:]
            # +44 (0)20 …: the zero is dialled at home only
            trunk = national.startswith("0") and "(0)" in match[0]
            if bounds[0] <= len(national) - trunk <= bounds[1] + (national.startswith("0") and not trunk):
                best = end
    return best


def _end_at_total(match: re.Match[str], totals: tuple[int, ...]) -> int | None:
    ends = {len(digits): end for end, digits in _group_ends(match)}
    return next((ends[total] for total in totals if total in ends), None)
