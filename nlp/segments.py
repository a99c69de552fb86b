"""Cutting a text into segments: sentences or clauses that hold one opinion each.

Sentences are cut at words of contrast where both sides are long enough to say something.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from nlp.sentences import SentenceStarts

MAX_SEGMENTS = 100
"""More parts than this in one text are read as one: the tail becomes the last segment."""

MIN_CLAUSE_WORDS = 3
"""Each side of a cut inside a sentence has at least so many words."""

Span = tuple[int, int]

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_LINE = re.compile(r"[^\n\r]+")
_MAY_END_SENTENCE = re.compile(r"[.!?…]\S{0,3}\s")
# begins with the white space before the word, which is quickly searched for
_CONTRAST = re.compile(
    r"\s(?:but(?!\s+(?:also|not\s+least|for\s+the\b))|however|although|even\s+though|whereas|unfortunately"
    r"|on\s+the\s+other\s+hand|that\s+said|nevertheless|except\s+that|(?<=,\s)(?:though|yet|while|despite))\b",
    re.IGNORECASE,
)
_NO_CONTRAST_AFTER = re.compile(
    r"(?:\b(?:nothing|anything|everything|all|none|last)|\bnot\s+only\b.*)\s*$", re.IGNORECASE | re.DOTALL
)
_LOOK_BACK_CHARS = 120
_CONCESSION = re.compile(
    r"(?:although|even\s+though|though|while|despite|whereas)\b[^,;]*(?P<comma>[,;])", re.IGNORECASE
)
_SEMICOLON = re.compile(r";\s+")


class Segmenter:
    """Cuts texts. May be shared between threads."""

    def __init__(self) -> None:
        self._sentences = SentenceStarts()

    def segments(self, texts: Sequence[str]) -> list[list[Span]]:
        """For each text its segments as (start, end), in order, apart, trimmed of white space.

        A text with at least one visible character has at least one segment, a blank one has none.
        """
        return [self._cut(text) for text in texts]

    def _cut(self, text: str) -> list[Span]:
        clauses = [
            clause
            for line in _LINE.finditer(text)
            for sentence in self._split(text, *line.span())
            for clause in _clauses(text, *sentence)
        ]
        return _limited(_joined(text, clauses))

    def _split(self, text: str, start: int, end: int) -> Iterator[Span]:
        if not _MAY_END_SENTENCE.search(text, start, end):
            yield start, end
            return
        yield from pairwise([*self._sentences.starts(text, start, end), end])


def _clauses(text: str, start: int, end: int) -> Iterator[Span]:
    """Cut one sentence at contrasts and semicolons, where each side has enough words."""
    sentence = text[start:end]
    places = [match.start() + 1 for match in _CONTRAST.finditer(sentence)]
    cuts = [
        place
        for place in places
        if not _NO_CONTRAST_AFTER.search(sentence[max(0, place - _LOOK_BACK_CHARS) : place])
    ]
    if ";" in sentence:
        cuts += (match.end() for match in _SEMICOLON.finditer(sentence))
    if concession := _CONCESSION.match(sentence.lstrip()):
        cuts.append(len(sentence) - len(sentence.lstrip()) + concession.end("comma"))
    position = 0
    for cut in sorted(cuts):
        if _long_enough(sentence, position, cut) and _long_enough(sentence, cut, len(sentence)):
            yield start + position, start + cut
            position = cut
    yield start + position, end


def _long_enough(sentence: str, start: int, end: int) -> bool:
    words = _WORD.finditer(sentence, start, end)
    return all(next(words, None) is not None for _ in range(MIN_CLAUSE_WORDS))


def _joined(text: str, parts: Sequence[Span]) -> list[Span]:
    """Trim white space; a part without a word ("!!", "1.") belongs to its neighbour."""
    joined: list[Span] = []
    wordless_start: int | None = None
    for start, end in parts:
        piece = text[start:end]
        start += len(piece) - len(piece.lstrip())
        end -= len(piece) - len(piece.rstrip())
        if start >= end:
            continue
        if not any(character.isalpha() for character in text[start:end]):
            if joined:
                joined[-1] = (joined[-1][0], end)
            elif wordless_start is None:
                wordless_start = start
            continue
        joined.append((start if wordless_start is None else wordless_start, end))
        wordless_start = None
    if not joined and wordless_start is not None:
        joined.append((wordless_start, max(end for start, end in parts if text[start:end].strip())))
        joined[0] = (joined[0][0], joined[0][0] + len(text[joined[0][0] : joined[0][1]].rstrip()))
    return joined


def _limited(parts: list[Span]) -> list[Span]:
    if len(parts) <= MAX_SEGMENTS:
        return parts
    return [*parts[: MAX_SEGMENTS - 1], (parts[MAX_SEGMENTS - 1][0], parts[-1][1])]
