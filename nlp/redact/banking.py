"""Bank accounts by checksum, and numbers of accounts and persons where they are called so."""

import re
from collections.abc import Iterator, Set

from nlp.redact.context import said_before
from nlp.redact.spans import Span
from nlp.redact.words import words

# searched from the check digits on, for there are fewer digits than letters
_IBAN_DIGITS = re.compile(r"\d{2}(?<=[A-Za-z]{2}\d{2})(?:[ -]?[A-Za-z0-9]){11,30}+")
_IBAN = re.compile(r"[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}+")
_IBAN_LENGTHS = dict(
    pair.split(":")
    for pair in words(
        """
    AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24 DE:22 DK:18
    DO:28 EE:20 EG:29 ES:24 FI:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 GT:28 HR:21 HU:28 IE:22 IL:23
    IQ:23 IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20 LU:20 LV:21 LY:25 MC:27 MD:24 ME:22 MK:19
    MR:27 MT:31 MU:30 NL:18 NO:15 PK:24 PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 SA:24 SC:31 SE:24 SI:19 SK:24
    SM:27 ST:25 SV:28 TL:23 TN:24 TR:26 UA:29 VA:22 VG:24 XK:20
    """
    )
)
"""Characters of an IBAN by country (ISO 13616 registry)."""

_LINK = (
    r"(?:[\s:#=(.-]{0,3}(?:numbers?|no|nr|num|is|was|of|ending|it's|my|the|for|reads"
    r"|with)\b){0,4}[\s:#=(.-]{0,3}"
)
_CALLED = re.compile(
    r"\b(?:"
    rf"(?:bank\s)?(?:account|acct|acc|a/c){_LINK}(?P<account>\d(?:[ -]?\d){{5,17}})"
    rf"|iban{_LINK}(?P<iban>[a-z]{{2}}\d{{2}}(?:[ -]?[a-z0-9]){{11,30}})"
    rf"|sort\s?-?code{_LINK}(?P<sort>\d\d[ -]?\d\d[ -]?\d\d)"
    rf"|(?:routing|aba|bsb|transit){_LINK}(?P<routing>\d{{3}}[ -]?\d{{3}}(?:\d{{3}})?)"
    rf"|(?:ssn|social(?:\ssecurity)?|tax\s(?:id|file)|tin|itin|tfn"
    rf"|sin){_LINK}(?P<ssn>\d{{3}}[ -]?\d{{2,3}}[ -]?\d{{3,4}})"
    rf"|(?:passport|driving\slicen[cs]e|driver'?s?\slicen[cs]e){_LINK}(?P<papers>[a-z]{{0,5}}\d[a-z0-9]{{4,15}})"
    rf"|(?:national\sinsurance|ni|nino){_LINK}(?P<ni>[a-z]{{2}} ?\d\d ?\d\d ?\d\d ?[a-d])"
    rf"|(?:nhs|medicare|aadhaar|aadhar|personal\sid|national\sid(?:entity)?|id\scard|dni|nie|curp|bsn)"
    rf"{_LINK}(?P<national>[a-z]?\d(?:[ -]?\d){{6,15}}[a-z]?)"
    rf"|pan(?:\scard)?{_LINK}(?P<pan>[a-z]{{5}}\d{{4}}[a-z])"
    rf"|(?:cvv|cvc|cvv2|security\scode){_LINK}(?P<cvv>\d{{3,4}})"
    r")(?![\w/]|[-.,]\d)",
    re.IGNORECASE,
)
_CALLS = words(
    """
    account accounts acct acc a/c iban sort sortcode routing aba bsb transit ssn social tax tin itin tfn sin
    passport license licence insurance ni nino nhs medicare aadhaar aadhar personal national id dni nie curp
    bsn pan cvv cvc security code
    """
)
_SSN = re.compile(r"(?<![\w.,/#-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w/-])")
_SORT_CODE_AND_ACCOUNT = re.compile(r"(?<![\w.,/#-])\d\d-\d\d-\d\d[\s,/]{1,2}\d{8}(?![\w/-])")


def ibans(text: str) -> Iterator[Span]:
    """International bank account numbers whose country, length and checksum fit."""
    position = 0
    while found := _IBAN_DIGITS.search(text, position):
        position = found.start() + 2
        start = found.start() - 2
        match = _IBAN.match(text, start)
        if match is None or re.match(r"[\w-]", text[start - 1 : start] if start else ""):
            continue
        end = _iban_end(match)
        if end is not None:
            yield Span(start, end, "iban")
            position = end


def _iban_end(match: re.Match[str]) -> int | None:
    """Where the IBAN at the beginning of a match ends; the match may have run on into the next word."""
    length = int(_IBAN_LENGTHS.get(match[0][:2].upper(), 0))
    place, taken = 0, []
    for place, character in enumerate(match[0], 1):  # noqa: B007
        if character not in " -":
            taken.append(character)
        if len(taken) == length:
            break
    else:
        return None
    end = match.start() + place
    if match.string[end : end + 1].isalnum():
        return None
    return end if mod_97("".join(taken)) else None


def mod_97(iban: str) -> bool:
    """The check of ISO 13616: the first four characters to the end, letters as 10 to 35, remainder 1 by 97."""
    moved = iban[4:] + iban[:4]
    if not moved.isascii() or not moved.isalnum():
        return False
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def accounts(text: str, words: Set[str]) -> Iterator[Span]:
    """Numbers that are called an account's or a person's, and the two forms that need no name.

    `words` are the text's, in small letters.
    """
    if not _CALLS.isdisjoint(words):
        for match in _CALLED.finditer(text):
            group = str(match.lastgroup)
            if any(character.isdigit() for character in match[group]):
                kind = "iban" if group == "iban" else "card" if group == "cvv" else "account"
                yield Span(match.start(group), match.end(group), kind)  # type: ignore[arg-type]
    if text.count("-") < 2:
        return
    for match in _SORT_CODE_AND_ACCOUNT.finditer(text):
        yield Span(match.start(), match.end(), "account")
    for match in _SSN.finditer(text):
        if said_before(text, match.start()) not in ("reference", "phone", "version"):
            yield Span(match.start(), match.end(), "account")
