"""Postal addresses: a street with its house number, with flat, town and postcode where they adjoin; post boxes."""

import re
from collections.abc import Iterator, Set

from nlp.redact.spans import Span
from nlp.redact.words import words

# the word that ends an English street's name, written out or as an abbreviation
_STREET = (
    "Street|Road|Avenue|Lane|Drive|Boulevard|Court|Terrace|Crescent|Gardens|Grove|Parkway|Highway|Circle|Mews"
    "|Close"
    "|Square|Way|Place|Walk|Hill|Row|Trail|Loop|Turnpike|Pike|Rd|Ave|Blvd|Ln|Dr|Pkwy|Hwy|Cres|Ter|Tce|St|Ct|Pl"
    "|Sq|Cir"
)
_SURE_STREET = "street|road|avenue|lane|boulevard|crescent|terrace|parkway|rd|ave|blvd|drive"
_WORD = r"[A-Z][\w'’.-]{0,24}"
_NUMBER = r"\d{1,5}(?:[A-Za-z]|[-/]\d{1,5})?"
_ENGLISH = re.compile(
    r"(?<![\w.,:/$£€#+-])(?:(?:[Ff]lat|[Aa]partment|[Aa]pt|[Uu]nit|[Ss]uite)\.? [\w-]{1,5},? )?"
    rf"{_NUMBER},? (?:[NSEW]\.? |North |South |East |West )?(?:"
    rf"(?:{_WORD} |\d{{1,3}}(?:st|nd|rd|th) ){{1,5}}(?:{_STREET})\b"
    rf"|(?:[a-z][a-z'’-]{{1,20}} ){{1,2}}(?:{_SURE_STREET})\b(?! (?:trip|test|map|show|race|food|time)))"
    r"\.?(?: (?:N|S|E|W|NE|NW|SE|SW)\b\.?)?"
    r"(?:,? (?:[Aa]pt|[Ff]lat|[Uu]nit|[Ss]uite|Ste|#)\.? ?#?[\w-]{1,6}\b)?"
)
# no street: a number of something else in front of words that only end like one
_COUNTED = re.compile(
    r"^\D{0,12}\d{1,5} (?:(?:mins?|minutes?|hours?|days?|weeks?|months?|years?|miles?|km|metres?|meters?|yards?"
    r"|feet"
    r"|times|people|of|in|on|from|at|to|the|a|per|off|down|up|cars?|lanes?|stars?|percent|more|other|different"
    r"|hour"
    r"|[gmt]b|gig|hard|usb|flash|major|new|old|busy|long|way|x|lane|mile|minute|day|month|year|week|and|or)\b"
    r"|(?:January|February|March|April|May"
    r"|June|July|August|September|October|November|December)\b)",
    re.IGNORECASE,
)
_NUMBER_IS_NAMED = re.compile(
    r"\b(?:order|ticket|route|bus|line|platform|gate|room|table|seat|version|ios|windows|model|item|chapter|page"
    r"|iphone|galaxy|top|the|size|aged?|since|until|by|in|no\.?)\s*$",
    re.IGNORECASE,
)
_GERMAN = re.compile(
    r"(?<![\w.-])(?:[A-ZÄÖÜ][a-zäöüß]{2,25}(?:stra(?:ß|ss)e|str\.|gasse|allee|platz|weg|damm|ufer|ring)"
    r"|(?:[A-ZÄÖÜ][\wäöüß.-]{1,20}[ -]){1,2}(?:Stra(?:ß|ss)e|Str\.|Allee|Platz|Weg|Ring|Damm)"
    r"|[A-Z][a-z]{2,25}(?:straat|laan|plein|gracht|kade|gatan|vej|gade|veien))"
    r" \d{1,4} ?(?:[a-hA-H]\b)?(?!\d|[.,:%]\d)"
)
_FRENCH = re.compile(
    r"(?<![\w.,/-])\d{1,4}(?: ?(?:bis|ter)\b)?,? (?:rue|avenue|boulevard|bd|place|chemin|impasse|all[ée]e|quai"
    r"|cours)"
    r"(?: (?:de|du|des|la|le|les|de l['’]|d['’])){0,2} ?(?:[A-ZÉÈÀ][\w'’-]{1,24}[ -]?){1,4}",
)
_SOUTHERN = re.compile(
    r"(?<![\w.-])(?:[Vv]ia|[Vv]iale|[Cc]orso|[Pp]iazza|[Cc]alle|C/|[Aa]venida|[Pp]laza|[Pp]aseo|[Rr]ua|[Rr]ue)"
    r"(?: (?:de|del|della|dei|di|da|do|dos|la|las|los|el)){0,2} (?:[A-ZÁÉÍÓÚÑ][\w'’.-]{1,24},? ){1,3}"
    r"(?:n[º°.]? ?)?\d{1,4}(?!\d|[.,:%]\d)\b"
)
_POST_BOX = re.compile(r"\bP\.? ?O\.? ?Box #?\d{1,6}\b|\bPostfach \d{2,6}(?: \d{2,3}){0,2}\b", re.IGNORECASE)
_UK_POSTCODE = r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}"
_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DC|DE|FL|GA|HI|IA|ID|IL|IN|KS|KY|LA|MA|MD|ME|MI|MN|MO|MS|MT|NC|ND|NE|NH|NJ|NM|NV|NY"
    "|OH|OK"
    "|OR|PA|RI|SC|SD|TN|TX|UT|VA|VT|WA|WI|WV|WY|NSW|VIC|QLD|TAS|ACT|ON|QC|BC|AB|MB|SK|NS|NB"
)
_TOWN_WORDS = rf"(?:{_WORD}[ -]){{0,2}}{_WORD}"
_POSTCODE_AND_TOWN = re.compile(
    rf"(?:{_TOWN_WORDS},? )?(?:{_UK_POSTCODE})\b"
    rf"|{_TOWN_WORDS},? (?:{_STATES}),?(?: \d{{4,5}}(?:-\d{{4}})?\b| [A-Z]\d[A-Z] ?\d[A-Z]\d\b)?"
    rf"|(?:[A-Z]{{1,2}}-)?\d{{4,5}}(?: [A-Z]{{2}})? {_TOWN_WORDS}"
)
_AFTER_STREET = re.compile(r"(?:,\s{0,2}|\s{1,2}(?:in )?)")
_TOWN_ALONE = re.compile(rf"{_TOWN_WORDS}(?=[.,;!?\n]|$)")
_TOWN_WITH_UK_POSTCODE = re.compile(
    rf"(?<![\w-])[A-Z][a-z]{{2,20}}(?:[ -][A-Z][a-z]{{2,20}}){{0,2}},? {_UK_POSTCODE}\b"
)
_TOWN_WITH_ZIP = re.compile(
    rf"(?<![\w-])[A-Z][a-z.]{{1,20}}(?: [A-Z][a-z]{{2,20}}){{0,2}}, (?:{_STATES}),? \d{{5}}(?:-\d{{4}})?\b(?!-)"
)
_TOWN_WITH_COUNTRY_PREFIX = re.compile(rf"(?<![\w-])(?:D|A|CH|NL|F|B|DK|I|E)-\d{{4,5}} {_TOWN_WORDS}")


_ENGLISH_WORDS = frozenset(_STREET.lower().split("|"))
_OTHER_WORDS = words(
    """
    rue avenue boulevard bd place chemin impasse allée allee quai cours via viale corso piazza calle c/
    avenida plaza paseo rua straße strasse str platz weg ring damm
    """
)
_GERMAN_ENDINGS = (
    "str",
    "gasse",
    "allee",
    "platz",
    "weg",
    "damm",
    "ufer",
    "ring",
    "laan",
    "plein",
    "gracht",
    "kade",
)
_NORTHERN_ENDINGS = ("gatan", "vej", "gade", "veien")
_POSTCODE_HINT = re.compile(r"\d[A-Z]{2}\b|, [A-Z]{2},? \d|-\d{4}")


def addresses(text: str, low: str, words: Set[str]) -> Iterator[Span]:
    """Streets with house numbers, post boxes, and towns beside the postcode of a few houses.

    `low` is the text in small letters, `words` are its words.
    """
    for pattern in _patterns(low, words):
        position = 0
        while match := pattern.search(text, position):
            if pattern is _ENGLISH and not _is_house(text, match):
                position = match.start() + 1
                continue
            end = _with_town(text, len(match[0].rstrip()) + match.start())
            yield Span(match.start(), end, "address")
            position = end
    if _POSTCODE_HINT.search(text):
        for pattern in (_TOWN_WITH_UK_POSTCODE, _TOWN_WITH_ZIP, _TOWN_WITH_COUNTRY_PREFIX):
            for match in pattern.finditer(text):
                yield Span(match.start(), match.end(), "address")


def _patterns(low: str, words: Set[str]) -> Iterator[re.Pattern[str]]:
    """Those that may find something."""
    if not _OTHER_WORDS.isdisjoint(words):
        yield _FRENCH
        yield _SOUTHERN
    if not _ENGLISH_WORDS.isdisjoint(words):
        yield _ENGLISH
    if any(ending in low for ending in _GERMAN_ENDINGS) or any(ending in low for ending in _NORTHERN_ENDINGS):
        yield _GERMAN
    if "box" in words or "postfach" in words:
        yield _POST_BOX


def _is_house(text: str, match: re.Match[str]) -> bool:
    if _COUNTED.match(match[0]):
        return False
    return _NUMBER_IS_NAMED.search(text[max(0, match.start() - 16) : match.start()]) is None


def _with_town(text: str, end: int) -> int:
    """Where the address ends once town and postcode behind the street are taken along."""
    if text[end - 1 : end] == "." and not text[end : end + 1].strip(" \n"):
        return end - 1 if end == len(text) or text[end : end + 1] == "\n" else end
    for _ in range(2):
        joint = _AFTER_STREET.match(text, end)
        if joint is None:
            return end
        if (place := _POSTCODE_AND_TOWN.match(text, joint.end())) or (
            "," in joint[0] and (place := _TOWN_ALONE.match(text, joint.end()))
        ):
            end = place.end()
        else:
            return end
    return end
