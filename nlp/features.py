"""Texts as sparse rows: words, pairs of words, and letter runs within words, weighted by TF-IDF.

One definition for training and for the running product. The survey question, where there is one, gives
features of its own with a prefix, so that it colours a bare answer without being read as the customer's words.
"""

import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from nlp.emoji import spoken

BLOCKS = ("word", "letters", "form", "question")
"""Groups of features; each group of a row is scaled to a fixed length, so that a long text does not shout."""

BLOCK_WEIGHTS = (1.0, 1.0, 0.3, 1.0)
"""Length of each block's part of a row; how a text is written says less than its words, most of all elsewhere."""

_PREFIX = {"w": 0, "c": 1, "f": 2, "q": 3}
_TOKEN = re.compile(r"<[A-Za-z]+>|[^\W_]+(?:'[^\W_]+)*|[!?]")
_LETTER_RUNS = (3, 4, 5)
_MAX_WORD = 30
_CACHE_WORDS = 50_000
MAX_TOKENS = 2_000
"""Tokens of one text that are read."""

Matrix = Any
"""scipy's CSR matrix, float32, one row per text. scipy ships no types."""


def tokens(text: str) -> list[str]:
    """Lower-case words, numbers as one token by their number of digits, "!" and "?"."""
    text = spoken(text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("’", "'")
    text = text.lower()
    return [_token(found) for found in _TOKEN.findall(text)[:MAX_TOKENS]]


def _token(found: str) -> str:
    if found.isdigit():
        return f"#{min(len(found), 5)}"
    return found[:_MAX_WORD]


def named_features(text: str, question: str | None) -> Iterator[str]:
    """All features of a text by name: `w:late`, `w:not good`, `c: lat`, `f:!`, `q:least`."""
    words = tokens(text)
    yield from word_features(words)
    for word in words:
        yield from letter_features(word)
    yield from form_features(text, words)
    yield from question_features(question)


def word_features(words: Sequence[str]) -> Iterator[str]:
    """Words and pairs, with marks for the beginning and the end."""
    for word in words:
        yield f"w:{word}"
    for first, second in pairwise(["<", *words, ">"]):
        yield f"w:{first} {second}"


def letter_features(word: str) -> Iterator[str]:
    """Runs of three to five letters of a padded word: what survives a typo or another ending."""
    padded = f" {word} "
    for length in _LETTER_RUNS:
        for start in range(len(padded) - length + 1):
            yield f"c:{padded[start : start + length]}"


def form_features(text: str, words: Sequence[str]) -> Iterator[str]:
    """How it is written: length, question or exclamation, shouting, first word."""
    length = len(words)
    yield f"f:words {1 if length <= 2 else 2 if length <= 5 else 3 if length <= 12 else 4 if length <= 30 else 5}"
    if "?" in text:
        yield "f:?"
    if "!" in text:
        yield "f:!"
    letters = [character for character in text[:500] if character.isalpha()]
    if len(letters) >= 8 and sum(map(str.isupper, letters)) > 0.6 * len(letters):
        yield "f:shouting"
    if words:
        yield f"f:first {words[0]}"


def question_features(question: str | None) -> Iterator[str]:
    """The words and pairs of the survey question."""
    if question:
        words = tokens(question[:500])
        yield "q:"
        for word in words:
            yield f"q:{word}"
        for first, second in pairwise(words):
            yield f"q:{first} {second}"


@dataclass(slots=True)
class Features:
    """A fixed vocabulary with its inverse document frequencies; `names[i]` is column i."""

    names: tuple[str, ...]
    idf: npt.NDArray[np.float32]
    _index: Mapping[str, int] = field(init=False, repr=False)
    _blocks: npt.NDArray[np.int8] = field(init=False, repr=False)
    _letters_of: dict[str, list[int]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._index = {name: column for column, name in enumerate(self.names)}
        self._blocks = np.array([_PREFIX[name[0]] for name in self.names], dtype=np.int8)

    @classmethod
    def fit(
        cls, texts: Sequence[str], questions: Sequence[str | None], *, min_documents: Mapping[str, int]
    ) -> "Features":
        """Collect the features that stand in at least `min_documents[prefix]` texts, in sorted order.

        idf = ln((1 + n) / (1 + df)) + 1, the smoothed form of scikit-learn's TfidfTransformer.
        """
        counts: Counter[str] = Counter()
        for text, question in zip(texts, questions, strict=True):
            counts.update(set(named_features(text, question)))
        names = sorted(name for name, count in counts.items() if count >= min_documents[name[0]])
        frequencies = np.array([counts[name] for name in names], dtype=np.float64)
        idf = np.log((1 + len(texts)) / (1 + frequencies)) + 1
        return cls(tuple(names), idf.astype(np.float32))

    def transform(self, texts: Sequence[str], questions: Sequence[str | None]) -> Matrix:
        """One CSR row per text (n × len(names), float32): (1 + ln tf) · idf, each block of its weight's length."""
        indices, indptr = array("i"), array("q", [0])
        for text, question in zip(texts, questions, strict=True):
            indices.extend(self._columns(text, question))
            indptr.append(len(indices))
        columns = np.frombuffer(indices, dtype=np.int32) if indices else np.empty(0, dtype=np.int32)
        pointers = np.frombuffer(indptr, dtype=np.int64)
        shape = (len(texts), len(self.names))
        counts = sparse.csr_matrix(
            (np.ones(len(columns), dtype=np.float32), columns.copy(), pointers.copy()), shape=shape
        )
        counts.sum_duplicates()
        return self._weighted(counts)

    def _columns(self, text: str, question: str | None) -> Iterator[int]:
        index = self._index
        words = tokens(text)
        for group in (word_features(words), form_features(text, words), question_features(question)):
            for name in group:
                column = index.get(name)
                if column is not None:
                    yield column
        for word in words:
            yield from self._letter_columns(word)

    def _letter_columns(self, word: str) -> list[int]:
        columns = self._letters_of.get(word)
        if columns is None:
            if len(self._letters_of) >= _CACHE_WORDS:
                self._letters_of.clear()
            index = self._index
            columns = [index[name] for name in letter_features(word) if name in index]
            self._letters_of[word] = columns
        return columns

    def _weighted(self, counts: Matrix) -> Matrix:
        columns = counts.indices
        data = (1 + np.log(counts.data)) * self.idf[columns]
        rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        group = rows * len(BLOCKS) + self._blocks[columns]
        norms = np.sqrt(np.bincount(group, weights=data.astype(np.float64) ** 2, minlength=1))
        weights = np.array(BLOCK_WEIGHTS)[self._blocks[columns]]
        counts.data = (weights * data / norms[group]).astype(np.float32)
        return counts
