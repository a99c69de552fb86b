"""Cells to values: times in the forms that exports use, numbers with either decimal sign, ratings with words."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo

# what exports write where nothing was answered
_BLANKS = frozenset(
    {"", "-", "–", "—", "n/a", "na", "n.a.", "null", "none", "nan", "k.a.", "keine angabe", "(none)"}
)

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar janvier janv enero ene jän jänner",
            "feb february februar février fevrier févr fevr fév fev febrero",
            "mar march märz maerz mär mrz mars marzo",
            "apr april avril avr abril abr",
            "may mai mayo",
            "jun june juni juin junio",
            "jul july juli juillet juil julio",
            "aug august août aout agosto ago",
            "sep sept september septembre septiembre setiembre",
            "oct october oktober okt octobre octubre",
            "nov november novembre noviembre",
            "dec december dezember dez décembre decembre déc diciembre dic",
        ),
        start=1,
    )
    for name in names.split()
}

_CLOCK = r"""(?:[\sT,]+(?:um\s+|at\s+|à\s+|a\s+las\s+)?
    (?P<hour>\d{1,2})[:.h](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?
    \s*(?P<half>[ap]\.?\s?m\.?)?\s*(?:uhr)?)?
    \s*(?P<zone>z|utc|gmt)?\s*(?P<offset>[+-]\d{1,2}(?::?\d{2})?)?
    \s*(?:utc|\([^)]*\))?\s*$"""
_FLAGS = re.IGNORECASE | re.VERBOSE
_NUMBERS = re.compile(r"(?P<a>\d{1,4})(?P<sign>[./-])(?P<b>\d{1,2})(?P=sign)(?P<c>\d{1,4})" + _CLOCK, _FLAGS)
_DAY_MONTH = re.compile(
    r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|º)?[.\s/-]*(?:de\s+)?(?P<month>[^\W\d_]{3,10})[.,\s/-]*(?:del?\s+)?(?P<year>\d{4}|\d{2})"
    + _CLOCK,
    _FLAGS,
)
_MONTH_DAY = re.compile(
    r"(?P<month>[^\W\d_]{3,10})[.\s/-]+(?P<day>\d{1,2})(?:st|nd|rd|th)?[,\s/-]+(?P<year>\d{4}|\d{2})" + _CLOCK,
    _FLAGS,
)
_WEEKDAY = re.compile(r"^[^\W\d_]{2,10}(?:\.?,\s+(?=\d|[^\W\d_]{3})|\s+(?=[^\W\d_]{3}\s+\d))")
_UNIX = re.compile(r"\d{10}(\.\d+)?|\d{13}")
_SERIAL = re.compile(r"\d{5}([.,]\d{1,15})?")

_NUMBER = re.compile(r"[-+]?\d[\d.,' \u00a0\u202f]*")
_GROUPED = re.compile(r"[-+]?\d{1,3}(?P<mark>[.,])\d{3}(?:(?P=mark)\d{3})*(?:(?!(?P=mark))[.,]\d+)?")
_RATING = re.compile(
    r"(?P<value>[-+]?\d+(?:[.,]\d+)?)\s*(?:(?:/|of|out of|von|sur|de)\s*(?P<of>\d+))?\s*"
    r"(?:[-–—:(].*|stars?|sterne?n?|étoiles?|estrellas?|points?|punkte?|★+|⭐+)?",
    re.IGNORECASE | re.DOTALL,
)


_NUMBER_LAST = re.compile(r"[^\W\d_][^\d]{0,80}?[-–—:(]\s*(?P<value>\d+(?:[.,]\d+)?)(?P<of>)\)?", re.DOTALL)

# what nothing blank begins with, so that nearly all cells are told by one look
_SAID = frozenset("0123456789abcdefghijlmopqrstuvwxyzABCDEFGHIJLMOPQRSTUVWXYZ")

# no time, number or rating is longer; longer cells would cost the patterns above more than a glance
MAX_CHARS = 200


def is_blank(value: object) -> bool:
    """Whether a cell (of anything but a text) says nothing."""
    if not isinstance(value, str):
        return value is None
    return value[:1] not in _SAID and value.strip().casefold() in _BLANKS


def day_and_month(value: object) -> tuple[int, int] | None:
    """The first two numbers of a date like 3/4/2026, whose order only other rows tell; None for other forms."""
    found = _NUMBERS.match(value.strip()) if isinstance(value, str) and len(value) <= MAX_CHARS else None
    if found is None or len(found["a"]) > 2 or found["sign"] == ".":
        return None
    return int(found["a"]), int(found["b"])


def to_moment(value: object, *, zone: tzinfo, day_first: bool | None) -> datetime:
    """A time with its zone (default: `zone`); ValueError where the cell holds none.

    `day_first` decides 3/4/2026; dates with dots are day first unless that is impossible.
    """
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=zone)
    if isinstance(value, date):
        return datetime.combine(value, time(), tzinfo=zone)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_unix(float(value))
    text = _short(value)
    if text[4:5] != "-" and _UNIX.fullmatch(text):
        return _from_unix(float(text))
    try:
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else found.replace(tzinfo=zone)
    except ValueError:
        pass
    text = _WEEKDAY.sub("", text)
    if (match := _NUMBERS.match(text)) is not None:
        year, month, day = _ordered(match, day_first)
    elif (match := _DAY_MONTH.match(text) or _MONTH_DAY.match(text)) is not None:
        month = _MONTHS.get(match["month"].casefold().rstrip("."), 0)
        year, day = _full_year(match["year"]), int(match["day"])
    else:
        raise ValueError("no form of a date that is known here")
    return _with_clock(match, year, month, day, zone)


def from_serial(value: object, *, zone: tzinfo) -> datetime:
    """The days since 1899-12-30 that a spreadsheet leaves of a date without its format; ValueError for others.

    Of the years 1990 to 2099.
    """
    text = _short(value)
    if not _SERIAL.fullmatch(text):
        raise ValueError("no serial date")
    days = float(text.replace(",", "."))
    if not 32_874 <= days < 73_051:
        raise ValueError("no serial date")
    # to the second: the fraction of a day is not exact
    seconds = round(days * 86_400)
    return datetime(1899, 12, 30, tzinfo=zone) + timedelta(seconds=seconds)


def _short(value: object) -> str:
    text = str(value).strip()
    if len(text) > MAX_CHARS:
        raise ValueError("too long")
    return text


def _from_unix(value: float) -> datetime:
    seconds = value / 1000 if abs(value) >= 1e11 else value
    if not 6e8 <= seconds <= 7e9:  # 1989 to 2191
        raise ValueError("a number that is no time")
    return datetime.fromtimestamp(seconds, UTC)


def _full_year(digits: str) -> int:
    return int(digits) if len(digits) > 2 else 2000 + int(digits) - (100 if int(digits) >= 70 else 0)


def _ordered(match: re.Match[str], day_first: bool | None) -> tuple[int, int, int]:
    if len(match["a"]) > 2:
        return int(match["a"]), int(match["b"]), int(match["c"])
    first, second, year = int(match["a"]), int(match["b"]), _full_year(match["c"])
    if match["sign"] == ".":
        day_first = not (first <= 12 < second)
    elif day_first is None:
        if first <= 12 and second <= 12 and first != second:
            raise ValueError("day and month can't be told apart")
        day_first = first > 12
    return (year, second, first) if day_first else (year, first, second)


def _with_clock(match: re.Match[str], year: int, month: int, day: int, zone: tzinfo) -> datetime:
    hour = int(match["hour"] or 0)
    if match["half"]:
        if not 1 <= hour <= 12:
            raise ValueError("an hour beyond 12 with am or pm")
        hour = hour % 12 + (12 if match["half"][0] in "pP" else 0)
    micro = int((match["fraction"] or "0").ljust(6, "0")[:6])
    if match["offset"]:
        digits = match["offset"][1:].replace(":", "")
        hours, minutes = (int(digits[:-2]), int(digits[-2:])) if len(digits) > 2 else (int(digits), 0)
        offset = timedelta(hours=hours, minutes=minutes)
        zone = timezone(-offset if match["offset"][0] == "-" else offset)
    elif match["zone"]:
        zone = UTC
    return datetime(
        year, month, day, hour, int(match["minute"] or 0), int(match["second"] or 0), micro, tzinfo=zone
    )


def to_number(value: object) -> float:
    """A number with either decimal sign, thousands marks and a currency; ValueError where the cell holds none.

    A lone mark with exactly three digits behind it ("1,234") is a thousands mark if it is a comma.
    """
    if isinstance(value, bool):
        raise ValueError("no number")
    if isinstance(value, int | float):
        number = float(value)
    else:
        text = _short(value)
        found = _NUMBER.search(text)
        rest = text[: found.start()] + text[found.end() :] if found else ""
        if found is None or any(char.isdigit() for char in rest) or len(rest.strip()) > 4:
            raise ValueError("no number")
        digits = re.sub(r"[' \u00a0\u202f]", "", found[0]).rstrip(".,")
        grouped = _GROUPED.fullmatch(digits)
        if grouped is not None and not (grouped["mark"] == "." and digits.count(".") == 1 and "," not in digits):
            digits = digits.replace(grouped["mark"], "")
        number = float(digits.replace(",", "."))
    if not math.isfinite(number):
        raise ValueError("no finite number")
    return number


def to_rating(value: object) -> tuple[float, float | None]:
    """(rating, top of its scale if the cell says so): "4", "4,5", "4/5", "9 - very likely", "4 stars", "★★★★☆".

    Also with the number behind: "Not at all likely - 0", "Good (4)".
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return to_number(value), None
    text = _short(value)
    if text.isdecimal() and text.isascii():
        return float(text), None
    stars = text.count("★") + text.count("⭐")
    if stars and not text.replace("★", "").replace("☆", "").replace("⭐", "").replace("\ufe0f", "").strip():
        return float(stars), None
    found = _RATING.fullmatch(text) or _NUMBER_LAST.fullmatch(text)
    if found is None:
        raise ValueError("no rating")
    return float(found["value"].replace(",", ".")), float(found["of"]) if found["of"] else None
