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
_ASCII_TOKEN = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*|[!?]|<[a-z]+>")  # the same of lower-case ASCII, quicker
_LETTER_RUNS = (3, 4, 5)
_MAX_WORD = 30
_CACHE_WORDS = 50_000
_NO_LETTERS = bytes(code for code in range(256) if not chr(code).isalpha() or code >= 128)
_SMALL_LETTERS = bytes(range(ord("a"), ord("z") + 1))
MAX_TOKENS = 2_000
"""Tokens of one text that are read."""

Matrix = Any
"""scipy's CSR matrix, float32, one row per text. scipy ships no types."""


def tokens(text: str) -> list[str]:
    """Lower-case words, numbers as one token by their number of digits, "!" and "?"."""
    text = spoken(text)
    pattern = _ASCII_TOKEN
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("’", "'")
        pattern = _TOKEN
    text = text.lower()
    return [
        f"#{min(len(found), 5)}" if found.isdigit() else found[:_MAX_WORD]
        for found in pattern.findall(text)[:MAX_TOKENS]
    ]


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
    yield from pair_features(words)


def pair_features(words: Sequence[str]) -> list[str]:
    """Pairs of words that follow each other, with marks for the beginning and the end."""
    return [f"w:{first} {second}" for first, second in pairwise(["<", *words, ">"])]


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
    if _is_shouting(text[:500]):
        yield "f:shouting"
    if words:
        yield f"f:first {words[0]}"


def _is_shouting(text: str) -> bool:
    if text.isascii():
        letters = text.encode().translate(None, _NO_LETTERS)
        return len(letters) >= 8 and len(letters.translate(None, _SMALL_LETTERS)) > 0.6 * len(letters)
    found = [character for character in text if character.isalpha()]
    return len(found) >= 8 and sum(map(str.isupper, found)) > 0.6 * len(found)


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
    _identity: Matrix = field(init=False, repr=False)
    _columns_of: dict[str, "array[int]"] = field(init=False, repr=False, default_factory=dict)
    """What a word by itself gives: its own column and those of its letters."""

    def __post_init__(self) -> None:
        self._index = {name: column for column, name in enumerate(self.names)}
        self._blocks = np.array([_PREFIX[name[0]] for name in self.names], dtype=np.int8)
        self._identity = sparse.identity(len(self.names), dtype=np.float32, format="csr")

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
        column_of = self._index.get
        for text, question in zip(texts, questions, strict=True):
            words = tokens(text)
            for word in words:
                columns_of_word = self._columns_of.get(word)
                indices.extend(self._word_columns(word) if columns_of_word is None else columns_of_word)
            names = [*pair_features(words), *form_features(text, words), *question_features(question)]
            indices.extend([column for column in map(column_of, names) if column is not None])
            indptr.append(len(indices))
        columns = np.frombuffer(indices, dtype=np.int32) if indices else np.empty(0, dtype=np.int32)
        pointers = np.frombuffer(indptr, dtype=np.int64)
        shape = (len(texts), len(self.names))
        counts = sparse.csr_matrix(
            (np.ones(len(columns), dtype=np.float32), columns.copy(), pointers.copy()), shape=shape
        )
        # a product with the identity adds up what stands twice in a row; adding up in place would sort first
        return self._weighted(counts @ self._identity)

    def _word_columns(self, word: str) -> "array[int]":
        if len(self._columns_of) >= _CACHE_WORDS:
            self._columns_of.clear()
        names = (f"w:{word}", *letter_features(word))
        columns = array("i", [self._index[name] for name in names if name in self._index])
        self._columns_of[word] = columns
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
