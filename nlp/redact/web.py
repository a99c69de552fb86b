"""E-mail addresses, links that open somebody's account or name somebody, and addresses of computers."""

import ipaddress
import re
from collections.abc import Iterator
from itertools import pairwise

from nlp.redact.context import said_before
from nlp.redact.spans import Span
from nlp.redact.words import words

# A run of its characters is entered at its beginning only and never given back, so that time is linear.
_EMAIL = re.compile(r"(?<![\w.+%'~-])'?([\w.+%'~-]{1,64}+@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}+)(?![\w@])")
_PROVIDERS = (
    "gmail|googlemail|hotmail|outlook|yahoo|ymail|icloud|aol|live|msn|gmx|protonmail|proton|mail|btinternet|web|me"
)
_ENDINGS = "com|net|org|co\\.uk|co|uk|de|fr|io|edu|gov|info|ie|in|ca|au|eu|es|it|nl|ch|at|be|me|us|dev|app"
# "jo.doe (at) mail.example.com", "jo dot doe at gmail dot com", "jo.doe @ gmail.com"
_SPELLED = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}+(?:\s(?:dot|\[dot\]|\(dot\))\s[\w+-]{1,64}+){0,3}\s{0,2}"
    r"(?:"
    r"[(\[{]\s?at\s?[)\]}]\s{0,2}[\w-]{1,63}(?:(?:\.|\s?[(\[{]\s?dot\s?[)\]}]\s?|\sdot\s)[\w-]{1,63}){1,4}"
    rf"|\sat\s(?:[\w-]{{1,63}}\sdot\s){{1,3}}(?:{_ENDINGS})\b"
    rf"|\sat\s(?:{_PROVIDERS})\.(?:{_ENDINGS})\b"
    rf"|(?:@\s{{1,2}}|\s@\s{{0,2}})(?:{_PROVIDERS})\s?\.\s?(?:{_ENDINGS})\b"
    r")",
    re.IGNORECASE,
)
# in small letters; a literal beginning is what `re` looks for fastest
_AT_HINT = re.compile(r" at (?:\w{2,20}\.[a-z]|\w{1,63} (?:\w{1,63} )?dot )")
_BRACKET_HINTS = ("(at", "[at", "{at", "( at", "[ at")
_PLAIN_AT = re.compile(r"\s(?:at|@)\s", re.IGNORECASE)
_MAIL_WORD = re.compile(
    r"\b(?:e-?mail|mail|address|write|reach|contact|reply|paypal|responses?)(?:\s(?:me|us|is|was|at|to|on"
    r"|address|it)\b){0,3}[\s:(]*$",
    re.IGNORECASE,
)
_NO_LOCAL_PART = words(
    """
    is me us look looking it or and order ordered sold based up in available as well email
    """
)


def emails(text: str, low: str) -> Iterator[Span]:
    """Addresses as written, or spelled out where nothing else is meant. `low` is the text in small letters."""
    if "@" in text:
        for match in _EMAIL.finditer(text):
            yield Span(match.start(1), match.end(1), "email")
        spelled = "@ " in text or " @" in text
    else:
        spelled = False
    if not spelled and "at" in low:
        spelled = _AT_HINT.search(low) is not None or any(hint in low for hint in _BRACKET_HINTS)
    if spelled:
        for match in _SPELLED.finditer(text):
            if _is_spelled_address(text, match):
                yield Span(match.start(), match.end(), "email")


def _is_spelled_address(text: str, match: re.Match[str]) -> bool:
    """ "jo.doe at gmail.com" is an address, "sold at amazon dot com" is a place."""
    if not _PLAIN_AT.search(match[0]):
        return True
    first = match[0].split()[0]
    if re.search(r"[\d._+]", first) or re.match(r"\S+\sdot\s", match[0], re.IGNORECASE):
        return True
    asked = _MAIL_WORD.search(text[max(0, match.start() - 50) : match.start()])
    return asked is not None and first.lower() not in _NO_LOCAL_PART


_URL = re.compile(r"(?<![\w@.])(?:https?://|www\.)[^\s<>\"'|\\^`{}]{3,2000}+", re.IGNORECASE)
_SITE_PATH = re.compile(
    r"(?<![\w@./-])(?:linkedin|facebook|instagram|twitter|x|tiktok|github|t|paypal|venmo)\.(?:com|me)/"
    r"[^\s<>\"'|\\^`{}]{2,200}+",
    re.IGNORECASE,
)
_TRAILING = ".,;:!?)]}*_…’”"
_PERSONAL_PARAMETER = re.compile(
    r"[?&#;](?:[\w.-]{0,30}(?:token|secret|passw(?:or)?d|session|signature|e-?mail|auth|apikey"
    r"|api_key)[\w.-]{0,20}"
    r"|key|sid|sig|pwd|code|otp|hash|user|userid|user_id|uid|username|login|customer|customer_id|cid|phone|name"
    r"|invite|confirmation|jwt|account|account_id|member)=[^&#\s]{3}",
    re.IGNORECASE,
)
_PERSONAL_PATH = re.compile(
    r"/(?:users?|u|profiles?|people|members?|account|accounts|in|author|customers?)/(?!(?:login|settings|help"
    r"|signin"
    r"|sign-in|register|new|edit|password|overview|orders|index|details|home|search|me)\b)[\w.%+~-]{3}"
    r"|/@[\w.-]{2}|/~[\w.-]{2}"
    r"|(?:paypal|venmo)\.(?:com|me)/[\w-]{3}"
    r"|(?:^|[./])(?:facebook|instagram|twitter|tiktok|github|x|t)\.(?:com|me)/(?!(?:groups|pages|events|help"
    r"|search"
    r"|explore|hashtag|about|share|sharer|intent|watch|policies|legal|settings|privacy|login|features"
    r"|pricing)\b)"
    r"[\w.-]{3,60}/?(?:[?#]|$)",
    re.IGNORECASE,
)
_PASSWORD_IN = re.compile(r"://[^/\s@]{1,200}@")
_PATH_PART = re.compile(r"[/=]([\w-]{20,})")


def urls(text: str, low: str) -> Iterator[Span]:
    """Links that carry a token, a password, an e-mail address or the name of a person's page; others stay."""
    if "://" not in low and "www." not in low and ".com/" not in low and ".me/" not in low:
        return
    for pattern in (_URL, _SITE_PATH):
        for match in pattern.finditer(text):
            found = match[0].rstrip(_TRAILING)
            if _is_personal(found):
                yield Span(match.start(), match.start() + len(found), "url")


def _is_personal(url: str) -> bool:
    if "@" in url and (_EMAIL.search(url) or _PASSWORD_IN.search(url)):
        return True
    if _PERSONAL_PARAMETER.search(url) or _PERSONAL_PATH.search(url) or "%40" in url:
        return True
    return any(_looks_random(part) for part in _PATH_PART.findall(url))


def _looks_random(part: str) -> bool:
    """A long part of letters and digits mixed many times over: a token, not the title of a page."""
    if "-" in part and not re.fullmatch(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", part, re.IGNORECASE):
        words = part.split("-")
        return any(len(word) >= 20 and _looks_random(word) for word in words) if len(words) > 1 else False
    changes = sum(a.isdigit() != b.isdigit() for a, b in pairwise(part))
    return changes >= 4


_IP4 = re.compile(r"(?<![\w.:/-])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)")
_IP6 = re.compile(r"(?<![\w:.])(?:[0-9a-f]{1,4}:|::)[0-9a-f:]{5,40}+(?![\w:])", re.IGNORECASE)
_EVERYBODYS = words(
    """
    8.8.8.8 8.8.4.4 1.1.1.1 1.0.0.1 9.9.9.9 208.67.222.222 208.67.220.220 4.2.2.2 4.2.2.1
    """
)


def ip_addresses(text: str) -> Iterator[Span]:
    """Public addresses; those that every house has inside (192.168.0.1) and public name servers name nobody."""
    if text.count(".") >= 3:
        for match in _IP4.finditer(text):
            parts = match[0].split(".")
            small = all(int(part) < 30 for part in parts)  # 1.2.10.4: more likely a version or a section
            if any(len(part) > 1 and part[0] == "0" for part in parts) or match[0] in _EVERYBODYS:
                continue
            if _is_public(match[0]) and _called_ip(text, match.start(), certain=not small):
                yield Span(match.start(), match.end(), "ip")
    if text.count(":") >= 2:
        for match in _IP6.finditer(text):
            if match[0].count(":") >= 3 and _is_public(match[0]):
                yield Span(match.start(), match.end(), "ip")


def _called_ip(text: str, start: int, *, certain: bool) -> bool:
    if re.search(r"\bip\b[^.\n]{0,30}$", text[max(0, start - 40) : start], re.IGNORECASE):
        return True
    return certain and said_before(text, start) not in ("version", "reference")


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False
