"""Texts as the encoder takes them: numbered word pieces, the survey question in front where there is one.

One definition for training and for the running product:

    [CLS] text [SEP]                          all of type 0
    [CLS] question [SEP] text [SEP]           the text of type 1, all before it of type 0

What is too long loses the end of its question and the middle of its text: how a long text starts and how it ends
say most.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nlp.emoji import spoken

MAX_PIECES = 96
"""Of question and text together, with the marks."""
_MAX_QUESTION = 32
_TAIL = 32
"""Pieces kept from the end of a text that is too long."""
_MAX_CHARS = 6_000
_TAIL_CHARS = 2_000
"""Characters of a very long text that are looked at: enough for far more than MAX_PIECES, cheap in any case."""
_CACHED_QUESTIONS = 1_000

Pieces = tuple[list[int], int]
"""Numbers of the pieces, and how many of them, from the front, are of type 0."""


@dataclass(slots=True)
class WordPieces:
    """A tokenizer with its marks. May be shared between threads."""

    tokenizer: Any
    _start: int = field(init=False)
    _end: int = field(init=False)
    _questions: dict[str, list[int]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        start, end = self.tokenizer.token_to_id("[CLS]"), self.tokenizer.token_to_id("[SEP]")
        if start is None or end is None:
            raise ValueError("the tokenizer has no [CLS] and [SEP]")
        self._start, self._end = start, end

    @classmethod
    def read(cls, path: Path) -> "WordPieces":
        """Read a `tokenizer.json`. Raises ValueError for a file that is none."""
        from tokenizers import Tokenizer  # here, because the fast tier need not pay for loading it

        try:
            return cls(Tokenizer.from_str(path.read_text(encoding="utf-8")))
        except ValueError:
            raise
        except Exception as error:  # the library raises bare Exception
            raise ValueError(f"{path.name} is not a tokenizer: {error}") from error

    def pieces(self, text: str, question: str | None) -> Pieces:
        """The pieces of a text, at most MAX_PIECES; no string makes it raise."""
        asked = self._question(question) if question else []
        before = [self._start, *asked, self._end] if asked else [self._start]
        room = MAX_PIECES - len(before) - 1
        said = self._numbers(_middle_out(text, _MAX_CHARS, _TAIL_CHARS))
        if len(said) > room:
            said = said[: room - _TAIL] + said[-_TAIL:]
        numbers = [*before, *said, self._end]
        return numbers, len(before) if asked else len(numbers)

    def _question(self, question: str) -> list[int]:
        known = self._questions.get(question)
        if known is None:
            if len(self._questions) >= _CACHED_QUESTIONS:
                self._questions.clear()
            known = self._numbers(question[:500])[:_MAX_QUESTION]
            self._questions[question] = known
        return known

    def _numbers(self, text: str) -> list[int]:
        readable = spoken(text).encode("utf-8", "replace").decode("utf-8")  # lone surrogates are no UTF-8
        numbers: list[int] = self.tokenizer.encode(readable, add_special_tokens=False).ids
        return numbers


def _middle_out(text: str, limit: int, tail: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - tail]} {text[-tail:]}"
