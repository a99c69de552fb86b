"""Which language a text is in, and whether it is one that we tag (English, for now).

Three looks, the cheap ones first: the script (a text in Cyrillic or Chinese is certain by its letters), common
English words, and py3langid on what is left. A text of fewer than four words is never refused on language
alone, unless its script says so.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

MIN_WORDS = 4
"""Below this many words a text in Latin script is tagged whatever language it looks like."""
ENGLISH_SHARE = 0.2
"""Share of common English words from which a text counts as English; ordinary English prose has 0.3 to 0.5."""
FOREIGN_PROBABILITY = 0.6
"""Probability of another language from which a text without enough English words is refused."""
ENGLISH_IMPOSSIBLE = 0.04
"""Below this probability of English a text without one common English word is refused, whatever it may be."""
_READ_CHARS = 2_000

# Common in English and rare as words of other languages in Latin script (so no "in", "die", "on", "so", "was").
_ENGLISH_WORDS = """
    the and you your my it its it's with that that's this for are aren't have haven't has not they but what when
    which would wouldn't i'm i've i'd can't from please been very really were there their them how could couldn't
    should because if about i is isn't don't didn't doesn't won't too much good great bad nice easy best better
    love like need want get got just only than then who why where after before still again always never thank
    thanks price service app order customer to of
"""
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
# The languages that py3langid may answer: restricted, because rare ones (Pidgin, Frisian) attract English.
_CANDIDATE_CODES = "en de fr es it pt nl sv da no pl cs sk ro hu fi tr id ms vi tl hr sl et lv lt ca sw af"
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_ASCII_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")  # the same of lower-case ASCII, in half the time
_SCRIPT_LANGUAGES = {
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CJK": "zh",
    "THAI": "th",
    "GREEK": "el",
    "HEBREW": "he",
    "ARABIC": "ar",
    "CYRILLIC": "ru",
    "DEVANAGARI": "hi",
    "BENGALI": "bn",
    "TAMIL": "ta",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
}


@dataclass(frozen=True, slots=True)
class Language:
    """The language found and whether its texts are tagged.

    `code` is ISO 639-1, None where nothing can be said; of a script that several languages share it is the
    one with most writers.
    """

    code: str | None
    supported: bool


@cache
def _identifier() -> Any:
    """py3langid's model, once a process: two pipelines side by side read the same."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # loads numpy tables: not at import

    found = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    found.set_languages(_CANDIDATE_CODES.split())
    return found


class LanguageDetector:
    """Holds py3langid's model (about 90 MB in memory); safe to share between threads, it only reads."""

    def __init__(self) -> None:
        self._identifier = _identifier()

    def detect(self, text: str) -> Language:
        """The language of a cleaned text, judged by its first 2,000 characters."""
        text = text[:_READ_CHARS]
        if not text.isascii():
            # letters from the mathematical alphabets and the like, as people style them
            text = unicodedata.normalize("NFKC", text)
            script = _foreign_script(text)
            if script is not None:
                return Language(_SCRIPT_LANGUAGES.get(script), supported=False)
        if text.isascii():
            words = _ASCII_WORD.findall(text.lower())
        else:
            words = [word.lower().replace("’", "'") for word in _WORD.findall(text)]
        english = sum(map(_ENGLISH.__contains__, words))
        if words and english >= ENGLISH_SHARE * len(words):
            return Language("en", supported=True)
        if len(words) < MIN_WORDS:
            return Language("en" if english else None, supported=True)
        probabilities = dict(self._identifier.rank(text))
        code = max(probabilities, key=lambda candidate: probabilities[candidate])
        if code == "en":
            return Language("en", supported=True)
        if probabilities[code] >= FOREIGN_PROBABILITY:
            return Language(code, supported=False)
        if not english and probabilities["en"] < ENGLISH_IMPOSSIBLE:
            return Language(None, supported=False)
        return Language("en" if english else None, supported=True)


def _foreign_script(text: str) -> str | None:
    """The script of most letters where that is not Latin, by the first word of their Unicode names."""
    if not any(map(str.isalpha, _NOT_ASCII.findall(text))):
        return None
    scripts: Counter[str] = Counter()
    for character in text:
        if character.isascii():
            scripts["LATIN"] += character.isalpha()
        elif character.isalpha():
            scripts[unicodedata.name(character, "UNKNOWN").split()[0]] += 1
    if not scripts:
        return None
    script, count = scripts.most_common(1)[0]
    if count == 0 or script in ("LATIN", "UNKNOWN", "MATHEMATICAL", "FULLWIDTH", "MODIFIER", "DOUBLE-STRUCK"):
        return None
    return "HIRAGANA" if script == "CJK" and (scripts["HIRAGANA"] or scripts["KATAKANA"]) else script
