"""Phrases out of customers' texts that could stand as a heading, and the words by which they are counted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

LONGEST: Final = 6
"""Words of a phrase, small ones included."""

_PIECE = re.compile(r"<[a-z]+>|[a-z]+(?:['’][a-z]+)*|[#\d][\d.,:/-]*|[.!?;:,()\n]", re.IGNORECASE)
_BREAK = re.compile(r"[.!?;:,()\n<#\d]")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# a phrase runs over none of these: they tell who speaks, or begin another thought
_PRONOUNS: Final = _set(
    "i i'm im i've ive i'd i'll me we we're we've us he she they they're they've them you you're it it's its "
    "this that that's these those there there's here who whom which what what's whats when where why how how's "
    "but because so if then although though however while whereas etc please hi hello thanks thank yes ok okay "
    "and or"
)
# dropped where they stand: whose it is says nothing about what it is
_POSSESSIVES: Final = _set("my your our their his her mine yours ours just really very quite actually simply")
# words that hold a sentence together and mean nothing by themselves: no phrase begins or ends with them
_GLUE: Final = _set(
    "a an the than to of in on at by for from with about into over under as per via is are was were be been "
    "being am do does did doing done have has had having will would can could should may might must shall "
    "again also too much many more most some any all each every other another same own only even still yet "
    "now got gets getting go goes going gone went makes made making until after before during both few such "
    "lot lots bit way ways time times thing things something anything everything someone anyone everyone one "
    "ones like likes said say says tell told know knows think thought want wants wanted need needs needed well "
    "able since let put see through seem seems ever always often sometimes today yesterday tomorrow already soon "
    "else instead maybe perhaps especially usually recently currently there's wondering wonder trying try tried "
    "mean means meant used using use uses lately possible possibly anyway"
)
_PARTICLES: Final = _set("up out back down off away")
"""May end a phrase behind a word that means something: "top up", "locked out"."""
_STATES: Final = _set("is are was were be been being am do does did have has had will would can could should")
"""A heading does without them where it can."""
_ASKING: Final = _set("who which what what's whats when where why how how's")
_IS: Final = _set("is are was were be been being am have has had")
_MAY_BEGIN: Final = _set("get make use need")
# what turns the following word round: a phrase may begin with it and nothing may be cut off before it
# never a heading by themselves, and none ends with one: "need two" of what?
_NUMBERS: Final = _set(
    "two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred thousand first "
    "second third fourth last next once twice half couple dozen"
)
_NOT: Final = _set(
    "no not never can't cannot couldn't won't wouldn't don't doesn't didn't isn't wasn't aren't weren't "
    "hasn't haven't without nothing nobody nowhere unable"
)
_APOSTROPHES: Final = {
    word.replace("'", ""): word for word in (*_NOT, "i'm", "i've", "it's", "that's") if "'" in word
}
_HAPPENS: Final = _set(
    "take takes took taking arrive arrives arrived crash crashes crashed freeze freezes froze break "
    "breaks broke broken fail fails failed failing work works worked working charge charges charged "
    "cancel cancels cancelled canceled wait waits waited waiting stop stops stopped lose loses lost miss "
    "missing missed delay delayed damaged declined refused ignored late slow wrong hard difficult "
    "impossible confusing expensive rude closed empty dirty cold stuck down pay paid find keep keeps kept "
    "come comes came show shows showed showing load loads loading log logged send sends sent receive received "
    "deliver delivered return returned refund refunded answer answered reply replied help helped helpful "
    "call called change changed update updated hidden blocked locked expired rejected overcharged unclear "
    "unhelpful outdated easy quick fast friendly clear love loved great good excellent recommend kind "
    "clean get make open close add activate verify transfer top order track pending stolen withdraw "
    "explain explained listen listened treat treated reverted cancelled long short poor better best"
)


_SMALL: Final = _GLUE | _PRONOUNS | _POSSESSIVES | _PARTICLES


@dataclass(frozen=True, slots=True)
class Phrase:
    """A run of neighbouring words."""

    shown: str
    """In lower case but for abbreviations, without whose it is."""
    key: frozenset[str]
    """The stems of its words that mean something."""
    reads: float
    """How well it would do as a heading."""


@lru_cache(maxsize=4_000)
def stems(text: str) -> frozenset[str]:
    """What a text's words that mean something are counted by; all negations are one word."""
    return frozenset(
        stem_of(word) for word in map(_plain, _PIECE.findall(text)) if not _BREAK.match(word) and _means(word)
    )


def key_of(phrase: str) -> frozenset[str]:
    """The same of a phrase; where all its words are small ones, these."""
    return stems(phrase) or frozenset(map(_plain, phrase.split()))


@lru_cache(maxsize=20_000)
def stem_of(word: str) -> str:
    """A word without its ending, roughly: "charges", "charged" and "charging" are one."""
    if word in _NOT:
        return "not"
    stem = word.split("'")[0] if "'" in word else word
    for ending, instead in (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        if stem.endswith(ending) and len(stem) - len(ending) >= 3 and not stem.endswith("ss"):
            stem = stem[: len(stem) - len(ending)] + instead
            break
    if len(stem) >= 4 and stem[-1] == stem[-2] and stem[-1] not in "lsez":
        stem = stem[:-1]
    return stem[:-1] if len(stem) > 3 and stem.endswith("e") else stem


_NO_THING: Final = frozenset({"not", *map(stem_of, _NUMBERS)})
"""Stems of which alone no phrase is made."""


def phrases(text: str, *, among: Collection[str] | None = None) -> Iterator[Phrase]:
    """All candidates of a text; `among`: only those whose stems are all among these."""
    run: list[str] = []
    before = ""
    for piece in (*_PIECE.findall(text), "."):
        if _BREAK.match(piece) or _plain(piece) in _PRONOUNS:
            yield from _of_run(_as_statement(run, before), among)
            run, before = [], _plain(piece)
        elif _plain(piece) not in _POSSESSIVES:
            run.append(piece.replace("’", "'"))


@lru_cache(maxsize=20_000)
def _plain(piece: str) -> str:
    word = piece.lower().replace("’", "'")
    return _APOSTROPHES.get(word, word)


@lru_cache(maxsize=20_000)
def _means(word: str) -> bool:
    return word in _NOT or (len(word) > 2 and word not in _SMALL and set(word) != {"x"})


def _as_statement(run: list[str], before: str) -> list[str]:
    """A question's words in the order in which they would be told: "how long do transfers take".

    `before` is what the run follows. What cannot be told from its order stays as it is.
    """
    low = [_plain(word) for word in run]
    if before == "how" and len(run) > 2 and low[1] in _STATES:
        moved, rest = run[0], run[2:]
        after = _first_verb(rest) + 1
        while 1 < after < len(rest) and _plain(rest[after]) in _PARTICLES:
            after += 1
        return [*rest[:after], moved, *rest[after:]] if after > 1 else [moved, *rest]
    asked = before in _ASKING or not before or bool(_BREAK.match(before))
    if not asked or len(run) < 3 or low[1] in _NOT:
        return run  # "could not log in": who could not is left out
    if low[0] in _STATES:
        return run[1:]
    asks = low[0].endswith("n't") and (before in _ASKING or low[0][:-3] in _IS)  # else "don't get a refund"
    verb = _first_verb(run[1:]) + 1 if asks else 0
    return [*run[1:verb], run[0], *run[verb:]] if verb > 1 else run


def _first_verb(words: Sequence[str]) -> int:
    """The place of the first word behind the first that says what happens; 0 where none does."""
    low = [_plain(word) for word in words]
    return next(
        (at for at, word in enumerate(low) if at and (word in _HAPPENS or word.endswith(("ing", "ed")))), 0
    )


def _of_run(run: Sequence[str], among: Collection[str] | None) -> Iterator[Phrase]:
    low = [_plain(word) for word in run]
    stem = [stem_of(word) if _means(word) else "" for word in low]
    asks = low[:1] != [] and low[0].endswith("n't")  # "why isn't my card working": "isn't card" says nothing
    for start, word in enumerate(low):
        if not stem[start] and word not in _MAY_BEGIN:
            continue
        if start and low[start - 1] in _NOT:
            continue  # would say the opposite
        for end in range(start + 1, min(start + LONGEST, len(low)) + 1):
            if among is not None and stem[end - 1] and stem[end - 1] not in among:
                break  # longer ones have this word too
            last = low[end - 1]
            particle = last in _PARTICLES and end - start > 1 and stem[end - 2] != ""
            if last in _NOT or (last in _NUMBERS and end - start > 1) or not (stem[end - 1] or particle):
                continue
            if end < len(low) and low[end] in _PARTICLES and not particle:
                continue  # "top" out of "top up"
            key = frozenset(one for one in stem[start:end] if one)
            if not key - _NO_THING or (asks and start == 0 and len(key) < 3):
                continue
            # "could not use top up" reads better than without, "not transferring" better than with "are"
            begin = start - 1 if word == "not" and start and low[start - 1] in _STATES - _IS else start
            yield Phrase(_cased(run[begin:end]), key, _reads(low[start:end], key))


def _reads(words: Sequence[str], key: frozenset[str]) -> float:
    meaning = [word for word in words if _means(word)]
    if len(meaning) != len(key):
        return 0.2  # says a word twice
    worth = {1: 0.45, 2: 1.0, 3: 1.15, 4: 1.2}.get(len(key), 0.9)
    if len(key) == 1 and len(words) > 1:
        worth = 0.7  # "top up", "get a refund"
    happens = any(word in _HAPPENS for word in meaning) or "not" in key
    thing = any(word not in _HAPPENS and word not in _NOT for word in meaning)
    worth *= 0.8 if any(word in _STATES for word in words) else 1.0
    worth *= 1.25 if happens and thing and len(key) > 1 else 1.0
    return worth * 0.93 ** (len(words) - len(meaning))


def _cased(words: Sequence[str]) -> str:
    """As written, but what was shouted or began a sentence in lower case; abbreviations stay."""
    plain = (_APOSTROPHES.get(word.lower(), word) for word in words)
    return " ".join(word if word.isupper() and 2 <= len(word) <= 4 else word.lower() for word in plain)
