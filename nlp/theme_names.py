"""A name for a group of texts: a phrase that its people use and others do not.

Phrases of two to four neighbouring words are weighed as class-based TF-IDF does (M. Grootendorst, "BERTopic",
2022: how often in the group, times how rare elsewhere), counted once a text. A phrase that reads as a complaint
(something with what happens to it, or what does not) goes before a mere pair of nouns. A phrase must be used by
several people, and runs over nothing that was redacted, so that no name is one person's own words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Final

LEAST_USERS: Final = 3
"""People (or items) that must have used a phrase, or a word, before it may name a group."""
TEXTS_READ: Final = 400
"""Of a group; more give the same name."""
LONGEST: Final = 4

_PIECE = re.compile(r"<[a-z]+>|[a-z]+(?:['’][a-z]+)*|[#\d][\d.,:/-]*|[.!?;:,()\n]", re.IGNORECASE)
_BREAK = re.compile(r"[.!?;:,()\n<#\d]")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# words that hold a sentence together and mean nothing by themselves: no phrase begins or ends with them
_GLUE: Final = _set(
    "a an the and or but so if then than that this these those it its it's i i'm i've i'd i'll me my mine "
    "we we're we've us our you your he she they they're them their there here who what which when where "
    "how why is are was were be been being am do does did doing have has had having will would can could "
    "should may might must shall to of in on at by for from with about into over under as up out off "
    "again also just very really quite so too much more most some any all each every other same own only "
    "even still yet now get got gets getting go goes going went make makes made because while until after "
    "before during both few such dont im ive one thing things lot bit way time times like said says say "
    "told tell know think thought want wanted need needed please hi hello thanks thank yes well able been "
    "back down through between since let put see "
)
# what turns the following word round: a phrase may begin with it and nothing may be cut off before it
_NOT: Final = _set(
    "no not never can't cannot couldn't won't wouldn't don't doesn't didn't isn't wasn't aren't weren't "
    "hasn't haven't without nothing nobody nowhere can’t won’t don’t doesn’t didn’t isn’t wasn’t hasn’t "
    "haven’t "
)
_HAPPENS: Final = _set(
    "take takes took taking arrive arrives arrived crash crashes crashed freeze freezes froze break "
    "breaks broke broken fail fails failed failing work works worked working charge charges charged "
    "cancel cancels cancelled canceled wait waits waited waiting stop stops stopped lose loses lost miss "
    "missing missed delay delayed damaged declined refused ignored late slow wrong hard difficult "
    "impossible confusing expensive rude closed empty dirty cold stuck down pay paid find keep keeps kept "
    "come comes came show shows showed load loads loading log logged send sends sent receive received "
    "deliver delivered return returned refund refunded answer answered reply replied help helped helpful "
    "call called change changed update updated hidden blocked locked expired rejected overcharged unclear "
    "unhelpful outdated easy quick fast friendly clear love loved great good excellent recommend kind "
    "clean "
)


@dataclass(frozen=True, slots=True)
class Said:
    """A text of a group, and whose it is: equal numbers are one person (or one item without a known person)."""

    text: str
    person: int


def names(groups: Sequence[Sequence[Said]], *, others: Sequence[str] = (), taken: Sequence[str] = ()) -> list[str]:
    """A name for each group, all different and none of `taken`.

    `others` are texts of no group, for what is common. A group whose people share no phrase is named by up to
    three words that they share; an empty string where they share none.
    """
    counted = [_phrases_of(group[:TEXTS_READ]) for group in groups]
    elsewhere: Counter[str] = Counter()
    for one in counted:
        elsewhere.update({phrase: len(people) for phrase, people in one.people.items()})
    for text in others[:TEXTS_READ]:
        elsewhere.update(set(_phrases(text)))
    texts = sum(len(group[:TEXTS_READ]) for group in groups) + len(others[:TEXTS_READ])
    found: list[str] = []
    for one in counted:
        found.append(_best(one, elsewhere, texts, {*taken, *found}))
    return found


def supported(name: str, texts: Sequence[Said]) -> bool:
    """Whether enough people of a group still use the words of its name."""
    wanted = set(name.lower().replace(",", " ").split())
    people = {one.person for one in texts if wanted <= {word.replace("’", "'") for word in _words(one.text)}}
    if len(people) >= LEAST_USERS:
        return True
    if "," not in name:
        return False
    users: dict[str, set[int]] = {word: set() for word in wanted}
    for one in texts:
        for word in wanted & set(_words(one.text)):
            users[word].add(one.person)
    return all(len(found) >= LEAST_USERS for found in users.values())


@dataclass(frozen=True, slots=True)
class _Counted:
    people: dict[str, set[int]]
    written: dict[str, Counter[str]]
    texts: int


def _phrases_of(group: Sequence[Said]) -> _Counted:
    people: dict[str, set[int]] = {}
    written: dict[str, Counter[str]] = {}
    for one in group:
        for phrase, as_written in dict(_phrases_written(one.text)).items():
            people.setdefault(phrase, set()).add(one.person)
            written.setdefault(phrase, Counter())[as_written] += 1
    return _Counted(people, written, len(group))


def _best(one: _Counted, elsewhere: Counter[str], texts: int, taken: set[str]) -> str:
    rated = sorted(
        (
            (-_worth(phrase, len(people), elsewhere[phrase], one.texts, texts), phrase)
            for phrase, people in one.people.items()
            if len(people) >= LEAST_USERS
        ),
    )
    whole = [(worth, phrase) for worth, phrase in rated if " " in phrase]
    for worth, phrase in whole[:12]:
        chosen = _longer(phrase, -worth, whole, one)
        name = _shown(chosen, one)
        if name not in taken:
            return name
    single = [phrase for _, phrase in rated if " " not in phrase][:3]
    for count in range(min(2, len(single)), len(single) + 1):
        name = ", ".join(single[:count]).capitalize()
        if count and name not in taken:
            return name
    return ""


def _worth(phrase: str, people: int, everywhere: int, own: int, texts: int) -> float:
    words = phrase.split()
    rare = log(1 + texts / max(1, everywhere))
    apart = sqrt(people / max(1, everywhere))  # 1 where nobody else says it
    reads = 1.0
    if any(word in _NOT for word in words) or any(word in _HAPPENS for word in words):
        reads += 0.6
    if any(word not in _NOT and word not in _HAPPENS and word not in _GLUE for word in words):
        reads += 0.4  # says what it is about
    return people / max(1, own) * rare * apart * reads * (1 + 0.15 * (len(words) - 2))


def _longer(phrase: str, worth: float, rated: Sequence[tuple[float, str]], one: _Counted) -> str:
    """The longest phrase around this one that most of its people say: it reads better."""
    around = [
        other
        for _, other in rated
        if f" {phrase} " in f" {other} " and len(one.people[other]) >= 0.6 * len(one.people[phrase])
    ]
    return max(around, key=lambda other: (len(other.split()), len(one.people[other]), other), default=phrase)


def _shown(phrase: str, one: _Counted) -> str:
    as_written = max(one.written[phrase].items(), key=lambda pair: (pair[1], pair[0]))[0]
    return as_written[:1].upper() + as_written[1:]


def _phrases(text: str) -> Iterator[str]:
    for phrase, _ in _phrases_written(text):
        yield phrase


def _phrases_written(text: str) -> Iterator[tuple[str, str]]:
    """Phrases and single words, lower case and as written, never over a comma, a number or something redacted."""
    run: list[str] = []
    for piece in (*_PIECE.findall(text), "."):
        if _BREAK.match(piece):
            yield from _of_run(run)
            run = []
        else:
            run.append(piece.replace("’", "'"))


def _of_run(run: Sequence[str]) -> Iterator[tuple[str, str]]:
    low = [word.lower() for word in run]
    for start, word in enumerate(low):
        if word in _GLUE:
            continue
        if word not in _NOT and len(word) > 2:
            yield word, word
        if start and low[start - 1] in _NOT:
            continue  # would say the opposite
        for end in range(start + 2, min(start + LONGEST, len(low)) + 1):
            if low[end - 1] in _GLUE or low[end - 1] in _NOT:
                continue
            inside = low[start:end]
            if sum(one not in _GLUE and one not in _NOT for one in inside) < (1 if word in _NOT else 2):
                continue
            yield " ".join(inside), _cased(run[start:end])


def _cased(words: Sequence[str]) -> str:
    """As written, but what was shouted or began a sentence in lower case; abbreviations stay."""
    return " ".join(word if word.isupper() and 2 <= len(word) <= 4 else word.lower() for word in words)


def _words(text: str) -> set[str]:
    return {piece.lower().replace("’", "'") for piece in _PIECE.findall(text)}
