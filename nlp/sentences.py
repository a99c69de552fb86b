"""Where sentences begin, by the rules of spaCy's sentencizer on a blank English pipeline (no model to fetch).

spaCy's tokenizer works on one word at a time, that is on what stands between white space, and the sentencizer
only looks for marks such as "." among the tokens. So the words that hold such a mark are cut into tokens, and the
rest is not looked at: the same sentences for a fraction of the work.
"""

import re
import threading
from typing import Any

_CACHED_WORDS = 20_000
_LONGEST_CACHED = 40

_Token = tuple[int, bool, bool]
"""Where a token begins in its word; whether it is a mark that may end a sentence; whether it is punctuation."""

_BEGINS_WITH_WORD: tuple[_Token, ...] = ((0, False, False),)
# a word, or what white space counts as a token: all but a single blank behind a word
_NEXT = re.compile(r" ?+(\s+|\S+)")
_WORD_AND_MARK = re.compile("[A-Za-z]*[a-z][.!?]")
_NUMBERED = re.compile("#[0-9]+")
_SIGN_AND_NUMBER: tuple[_Token, ...] = (0, False, True), (1, False, False)


class SentenceStarts:
    """Holds spaCy's tokenizer and what it said of recent words. May be shared between threads."""

    def __init__(self) -> None:
        import spacy  # here, because it takes most of a second and labels and shapes need none of it
        from spacy.pipeline import Sentencizer

        self._spacy: Any = spacy.blank("en")
        self._marks = frozenset(Sentencizer.default_punct_chars)
        marks = re.escape("".join(sorted(self._marks)))
        # behind white space only, so that a word is searched once however long it is
        self._marked_word = re.compile(rf"(?<!\S)([^\s{marks}]*[{marks}]\S*)")
        self._unmarked = re.compile(rf"[^\W_][^{marks}]*")
        self._special: Any = self._spacy.tokenizer.rules
        self._known: dict[str, tuple[_Token, ...]] = {}
        self._lock = threading.Lock()

    def starts(self, line: str, start: int, end: int) -> list[int]:
        """The places between `start` and `end` where a sentence begins; the first is `start`.

        No word of `line` may stand on both sides of `start`.
        """
        starts = [start]
        ended = False
        while word := (self._marked_word.search if not ended else _NEXT.match)(line, start, end):
            place, piece = word.start(1), word[1]
            start = word.end()
            for offset, is_mark, is_punctuation in self._tokens(piece):
                if is_mark:
                    ended = True
                elif ended and not is_punctuation:
                    starts.append(place + offset)
                    ended = False
        return starts

    def _tokens(self, piece: str) -> tuple[_Token, ...]:
        known = self._known.get(piece)
        if known is None:
            # those that are most frequent by far, or never the same, need not be asked for
            if self._unmarked.fullmatch(piece):
                return _BEGINS_WITH_WORD
            if _WORD_AND_MARK.fullmatch(piece) and not self._special.keys() & {piece, piece[:-1]}:
                return _BEGINS_WITH_WORD[0], (len(piece) - 1, True, True)
            if _NUMBERED.fullmatch(piece):
                return _SIGN_AND_NUMBER
            # the memory zone frees what spaCy keeps of every new word; it is not safe to share without a lock
            with self._lock, self._spacy.memory_zone():
                tokens = self._spacy.tokenizer(piece)
                known = tuple((token.idx, token.text in self._marks, bool(token.is_punct)) for token in tokens)
            if len(piece) <= _LONGEST_CACHED:
                if len(self._known) >= _CACHED_WORDS:
                    self._known.clear()
                self._known[piece] = known
        return known
