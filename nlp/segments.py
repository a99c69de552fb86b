"""Cutting a text into segments: sentences or clauses that hold one opinion each.

Sentences are cut at words of contrast where both sides are long enough to say something. What stands in brackets
stays together, a list's number stays with its item, a greeting with what follows, a signature with what it ends.
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
    r"\s(?:but(?!\s+(?:also|not|at\s+least|rather|worth|definitely|for\s+the)\b)|although|even\s+though|whereas"
    # "the clip however is loose" is one clause
    r"|however(?=,?\s+(?:[ai]|it|they|the|this|that|these|there|we|he|she|you|my|our|your|its|their|if|when)\b)"
    r"|(?<=[,;]\s)however(?!\s*,)|on\s+the\s+other\s+hand|that\s+said|nevertheless|except\s+that"
    r"|and\s+unfortunately|(?<=,\s)(?:though|yet|while|despite|unfortunately))\b",
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

_BRACKETS = re.compile(r"\([^()\n]{0,300}\)")
_CLOSED = re.compile(r"[.!?]\s*\)\s*$")
_LIST_NUMBER = re.compile(r"(?:(?P<open>^|[.!?:;,)\-])\s*|\s)(?P<number>\d{1,2})\s?[.)]\s*$")
_GREETING = re.compile(
    r"(?:hi|hello|hey|dear|greetings|good\s+(?:morning|day|afternoon|evening))\b\W*(?:\w+\W*)?$", re.IGNORECASE
)
_SIGNATURE = re.compile(r"\W*[^\W_]+[,\s]*$")
_SHORT_CHARS = 40
_NUMBER_CHARS = 8
_LIST_LOOK_BACK_CHARS = 600


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
        starts = self._sentences.starts(text, start, end)
        if len(starts) > 1:
            brackets = [match.span() for match in _BRACKETS.finditer(text, start, end)] if "(" in text else []
            starts = _real_starts(text, starts, end, brackets)
        yield from pairwise([*starts, end])


def _real_starts(text: str, starts: Sequence[int], end: int, brackets: Sequence[Span]) -> list[int]:
    """Of the places in a line where a sentence seems to begin those where one does, moved where need be."""
    kept = [starts[0]]
    ahead = iter([*brackets, (end, end)])  # every place is before the last
    bracket = next(ahead)
    for place in starts[1:]:
        while bracket[1] <= place:
            bracket = next(ahead)
        if bracket[0] < place:
            if text[bracket[0] + 1 : place].strip():
                continue
            place = bracket[0]  # the sentence begins with the bracket itself
        elif _goes_on(text, kept[-1], place):
            continue
        place = _with_list_number(text, starts[0], place)
        greeted = place - kept[-1] < _SHORT_CHARS and _GREETING.match(text[kept[-1] : place])
        if place > kept[-1] and not greeted:
            kept.append(place)
    if len(kept) > 1 and end - kept[-1] < _SHORT_CHARS and _SIGNATURE.match(text[kept[-1] : end]):
        kept.pop()
    return kept


def _goes_on(text: str, start: int, place: int) -> bool:
    """Whether the sentence from `start` on does not end before `place`, a point or mark notwithstanding."""
    if text[place] in ",;:)":
        return True
    before = text[max(start, place - _NUMBER_CHARS) : place].rstrip()
    return text[place].islower() and (before.lower().endswith("etc.") or _CLOSED.search(before) is not None)


def _with_list_number(text: str, line: int, place: int) -> int:
    """Where the item of a list begins whose text begins at `place`: with its number, if it has one."""
    first = max(line, place - _NUMBER_CHARS)
    match = _LIST_NUMBER.search(text[first:place])
    if match is None:
        return place
    begins_line = match["open"] == "" and first == line
    if not (begins_line or match["open"]):
        # "slow app 2. rude agent" goes on a list, "it cost 2. Never again" does not
        past = text[max(line, place - _LIST_LOOK_BACK_CHARS) : first + match.start("number")]
        former = int(match["number"]) - 1
        if former < 1 or not re.search(rf"(?<!\d){former}\s?[.)]\s", past):
            return place
    return first + match.start("number")


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
    if cuts and "(" in sentence:
        inside = {
            place for match in _BRACKETS.finditer(sentence) for place in range(match.start() + 1, match.end())
        }
        cuts = [cut for cut in cuts if cut not in inside]
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
