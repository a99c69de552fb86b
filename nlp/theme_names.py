"""A name for a group of texts: a phrase that its people use and others do not, if need be further ones.

Candidates are runs of neighbouring words out of the texts that can stand alone: they begin and end with a word
that means something, and run over no pronoun, comma, number or anything redacted. What counts is who uses the
*words* of a candidate together, in whatever order and form ("charged a fee", "fees are charged"). With p the share
of the group's people who do and q the share of texts elsewhere, a candidate is worth

    p · ln(p / q)

its part of the divergence between the group and the rest (Kullback and Leibler, "On information and sufficiency",
1951), times how it reads. A further phrase is added where it covers people whom the first leaves out. All words of
a phrase must be used together by several people, so that no name is one person's own words.

In a small group little more than a word is shared by as many. There a phrase of two people may stand around that
word, or beside it, if each of its words is a common one: "Page" is no name, "Page does not load" is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import log
from typing import Final

import numpy as np

from nlp.model import Vectors
from nlp.theme_phrases import Phrase, key_of, phrases, stems

LEAST_USERS: Final = 3
"""People (or items) that must have used the words of a phrase before it may name a group."""
FEW: Final = 10
"""People of a small group."""
LEAST_OF_FEW: Final = 2
"""Of these that must say a phrase before it may stand around or beside a mere word; it never names them alone."""
TEXTS_READ: Final = 200
"""Of a group; more give the same name."""
RATED: Final = 40
"""Candidates of a group whose use elsewhere is counted."""
COMPARED: Final = 6
"""Of these that are compared by meaning, and of the phrases of few."""
ELSEWHERE: Final = 20
"""Texts that are taken to be elsewhere besides the known ones, so that a lone group is weighed too."""
SECOND_FROM: Final = 0.12
"""Share of the people whom a further phrase must add."""
PHRASES: Final = 3
"""Of a name at most."""
NAME_WORDS: Final = 8
"""Of a name of several phrases at most."""
SAID_AGAIN: Final = 0.3
"""What people count for a second phrase who said the first as well."""
FULLER_FROM: Final = 0.35
"""Share of a word's people who must say a phrase around it for it to stand instead."""
READS_FROM: Final = 0.75
"""How well a phrase of few must read."""
MEANING: Final = 1.5
"""What likeness to the own centre rather than to others' adds to a candidate's worth."""

Alike = Callable[[Sequence[str]], Vectors]
"""Texts to rows of length one, in the space of the groups' centres."""


@dataclass(frozen=True, slots=True)
class Said:
    """A text of a group, and whose it is: equal numbers are one person (or one item without a known person)."""

    text: str
    person: int


def names(
    groups: Sequence[Sequence[Said]],
    *,
    others: Sequence[str] = (),
    taken: Sequence[str] = (),
    alike: Alike | None = None,
    middle: Vectors | None = None,
    read: Read | None = None,
) -> list[str]:
    """A name for each group, all different and none of `taken`; an empty string where its people share no word.

    `others` are texts of no group, for what is common. With `alike` and the groups' centres `middle` the best
    candidates are also compared by what they mean: a phrase nearer to another group's centre goes back. `read`
    keeps what groups say, for those that are named again.
    """
    read = Read() if read is None else read
    counted = [read.counted(tuple(group[:TEXTS_READ])) for group in groups]
    index: dict[str, set[int]] = defaultdict(set)
    texts = 0
    beside = [stems(text) for text in others[:TEXTS_READ]]
    for said in [*(one.stems for one in counted), beside]:
        for at, words in enumerate(said, texts):
            for word in words:
                index[word].add(at)
        texts += len(said)
    rated = [_rated(one, index, texts) for one in counted]
    of_few = [_of_few(one, index, texts) for one in counted]
    if alike is not None and middle is not None and len(groups) > 1:
        _by_meaning(rated, of_few, alike=alike, middle=middle)
    found: list[str] = []
    for one, candidates, fewer in zip(counted, rated, of_few, strict=True):
        found.append(_name(one, candidates, fewer, {*taken, *found}))
    return found


def supported(name: str, texts: Sequence[Said]) -> bool:
    """Whether enough people of a group still use the words of its name, those of each phrase together."""
    said = [(stems(one.text), one.person) for one in texts]
    few = len({one.person for one in texts}) <= FEW
    return all(
        part
        and len({person for words, person in said if part <= words})
        >= (LEAST_OF_FEW if few and len(part) > 1 else LEAST_USERS)
        for part in map(key_of, name.split(","))
    )


class Read:
    """What was read of texts; kept for groups that are named again with other members."""

    def __init__(self) -> None:
        self._counted: dict[tuple[Said, ...], _Counted] = {}
        self._phrases: dict[tuple[str, frozenset[str]], frozenset[Phrase]] = {}

    def counted(self, group: tuple[Said, ...]) -> _Counted:
        if group not in self._counted:
            self._counted[group] = _Counted.of(group, self)
        return self._counted[group]

    def phrases(self, text: str, among: frozenset[str]) -> frozenset[Phrase]:
        """`among`: of the text's own stems."""
        if (text, among) not in self._phrases:
            self._phrases[text, among] = frozenset(phrases(text, among=among))
        return self._phrases[text, among]


@dataclass(slots=True)
class _Counted:
    """What a group's texts say."""

    stems: list[frozenset[str]]
    people: list[int]
    phrases: dict[frozenset[str], Counter[Phrase]]
    """By the words that matter; how many texts have it, in which form."""
    texts_of: dict[str, set[int]]

    @classmethod
    def of(cls, group: Sequence[Said], read: Read) -> _Counted:
        said = [stems(one.text) for one in group]
        texts_of: dict[str, set[int]] = defaultdict(set)
        for at, words in enumerate(said):
            for word in words:
                texts_of[word].add(at)
        people = [one.person for one in group]
        least = LEAST_OF_FEW if len(set(people)) <= FEW else LEAST_USERS
        usual = frozenset(word for word, at in texts_of.items() if len({people[one] for one in at}) >= least)
        found: dict[frozenset[str], Counter[Phrase]] = defaultdict(Counter)
        for one, words in zip(group, said, strict=True):
            for phrase in read.phrases(one.text, words & usual):
                found[phrase.key][phrase] += 1
        return cls(said, people, found, texts_of)

    def users(self, key: Iterable[str]) -> frozenset[int]:
        """The people who use these words together."""
        texts = set.intersection(*(self.texts_of[word] for word in key))
        return frozenset(self.people[at] for at in texts)


@dataclass(slots=True)
class _Candidate:
    phrase: Phrase
    users: frozenset[int]
    denied: frozenset[int]
    """Of these who use a negation in the same text."""
    apart: float
    """ln(p / q) times how it reads."""
    worth: float


Used = list[tuple[frozenset[str], frozenset[int]]]


def _rated(one: _Counted, index: dict[str, set[int]], texts: int) -> list[_Candidate]:
    """The best candidates of a group, best first."""
    used = [(key, one.users(key)) for key in one.phrases]
    return _weighed(one, [(key, users) for key, users in used if len(users) >= LEAST_USERS], index, texts)


def _of_few(one: _Counted, index: dict[str, set[int]], texts: int) -> list[_Candidate]:
    """The phrases that fewer people of a small group say, of words that are common all the same; best first."""
    if len(set(one.people)) > FEW:
        return []
    used = [(key, one.users(key)) for key in one.phrases if len(key) > 1]
    fewer = [
        (key, users)
        for key, users in used
        if LEAST_OF_FEW <= len(users) < LEAST_USERS and all(len(index[word]) >= LEAST_USERS for word in key)
    ]
    # what says a word twice, or holds more than a heading, is no better than the mere word
    return [each for each in _weighed(one, fewer, index, texts) if each.phrase.reads >= READS_FROM]


def _weighed(one: _Counted, used: Used, index: dict[str, set[int]], texts: int) -> list[_Candidate]:
    crowd = max(1, len(set(one.people)))
    # of those used by as many, the ones with more words say more
    used.sort(key=lambda pair: (-len(pair[1]) * (1 + 0.5 * min(len(pair[0]), 3)), sorted(pair[0])))
    found = []
    for key, users in used[:RATED]:
        everywhere = len(set.intersection(*(index[word] for word in key)))
        own = sum(1 for words in one.stems if key <= words)
        p = len(users) / crowd
        q = (everywhere - own + 0.5) / (texts - len(one.stems) + ELSEWHERE)
        phrase, written = max(
            one.phrases[key].items(), key=lambda pair: (pair[0].reads * (1 + 0.3 * log(pair[1])), pair[0].shown)
        )
        apart = log(max(p / q, 1.05)) * phrase.reads * (1 + 0.3 * log(written))
        denied = one.users(key | {"not"}) if "not" in one.texts_of else frozenset()
        found.append(_Candidate(phrase, users, denied, apart, p * apart))
    return sorted(found, key=lambda each: (-each.worth, each.phrase.shown))


def _by_meaning(*rated: Sequence[list[_Candidate]], alike: Alike, middle: Vectors) -> None:
    """Weigh the best candidates of each group by how much nearer to its own centre than to others' they lie.

    `rated`: candidates by group, several times; all are read at once.
    """
    asked = [
        (number, one)
        for by_group in rated
        for number, candidates in enumerate(by_group)
        for one in candidates[:COMPARED]
    ]
    if not asked:
        return
    near = alike([one.phrase.shown for _, one in asked]) @ middle.T
    for (number, one), row in zip(asked, near, strict=True):
        ahead = float(row[number] - np.delete(row, number).max())
        factor = float(np.exp(MEANING * ahead))
        one.apart *= factor
        one.worth *= factor
    for by_group in rated:
        for candidates in by_group:
            candidates.sort(key=lambda each: (-each.worth, each.phrase.shown))


def _name(one: _Counted, candidates: Sequence[_Candidate], fewer: Sequence[_Candidate], taken: set[str]) -> str:
    crowd = max(1, len(set(one.people)))
    beside = [each for each in fewer if "not" not in each.phrase.key]
    for best in candidates:
        first = _fuller(best, candidates, fewer)
        parts, covered = [first], set(first.users)
        while len(parts) < PHRASES:
            said = [part.phrase.key for part in parts]
            room = NAME_WORDS - sum(part.phrase.shown.count(" ") + 1 for part in parts)
            further = [
                ((len(other.users - covered) + SAID_AGAIN * len(other.users)) / crowd * other.apart, other)
                for other in (*candidates, *(beside if len(first.phrase.key) == 1 else ()))
                if other.phrase.shown.count(" ") < room
                and len(other.users) >= SECOND_FROM * crowd
                and not any(other.phrase.key <= key or key <= other.phrase.key for key in said)
                and (len(first.phrase.key) == 1 or len(other.users - covered) >= SECOND_FROM * crowd)
            ]
            if not further:
                break
            parts.append(max(further, key=lambda pair: (pair[0], pair[1].phrase.shown))[1])
            covered |= parts[-1].users
        # a name that is taken already goes to what comes next
        for count in range(len(parts), 0, -1):
            shown = ", ".join(part.phrase.shown for part in parts[:count])
            name = shown[:1].upper() + shown[1:]
            if name not in taken:
                return name
    return ""


def _fits(single: _Candidate, other: _Candidate) -> bool:
    """Whether a phrase of few denies something only where most people of the word do: two voices must not turn it
    round ("I cannot recommend it enough" beside four who recommend it)."""
    return "not" not in other.phrase.key or 2 * len(single.denied) > len(single.users)


def _fuller(single: _Candidate, candidates: Sequence[_Candidate], fewer: Sequence[_Candidate] = ()) -> _Candidate:
    """Instead of a mere word a phrase around it that many of its people say: it reads better."""
    if len(single.phrase.key) > 1:
        return single
    around = [
        other
        for other in candidates
        if single.phrase.key < other.phrase.key and len(other.users) >= FULLER_FROM * len(single.users)
    ]
    around = around or [other for other in fewer if single.phrase.key < other.phrase.key and _fits(single, other)]
    return max(around, key=lambda other: (other.worth, other.phrase.shown), default=single)
