"""The fast tier's model: linear heads over sparse word and letter features."""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
from scipy import sparse

from nlp.features import Features, Matrix
from nlp.heads import Heads, Scores
from nlp.model import Look, Vectors, unit_rows

VOCABULARY_FILE: Final = "vocabulary.txt"
ARRAYS_FILE: Final = "arrays.npz"
FILES: Final = (VOCABULARY_FILE, ARRAYS_FILE)
"""What `read` reads."""

DROPPED_BITS: Final = 5
"""Of the ten of a half-precision number's fraction; see `storable`."""

SKETCH_WIDTH: Final = 512
"""Part of what a workspace has learnt on top of the model, as the hash is: never change it."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class LinearModel:
    """Features and the heads over them."""

    features: Features
    heads: Heads

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """Field to its labels, in the order of the columns of its scores."""
        return self.heads.labels

    def scores(self, texts: Sequence[str], questions: Sequence[str | None]) -> dict[str, Scores]:
        """Field to its scores (texts × labels), not yet probabilities."""
        return self.heads.scores(self.features.transform(texts, questions))

    def look(self, texts: Sequence[str], questions: Sequence[str | None]) -> Look:
        """The scores, and the texts' sketches."""
        rows = self.features.transform(texts, questions)
        return Look(_sketched(rows), self.heads.scores(rows))

    def sketches(self, texts: Sequence[str]) -> Vectors:
        """The texts' features folded into SKETCH_WIDTH numbers, of length one: the vectors of `look` alone."""
        return _sketched(self.features.transform(texts, [None] * len(texts)))


def _sketched(rows: Matrix) -> Vectors:
    return unit_rows((rows @ _fold(rows.shape[1])).toarray())


@lru_cache(maxsize=4)
def _fold(columns: int) -> Matrix:
    """Where each of so many columns goes in a sketch.

    Each column goes, with a sign of its own, to a place that its number's hash says; that keeps the angles
    between rows but for noise of about 1 / sqrt(SKETCH_WIDTH) (count sketch: Charikar, Chen and Farach-Colton,
    "Finding frequent items in data streams", 2002).
    """
    # Fibonacci hashing: the top bits of the product, one for the sign and the rest for the place
    draws = (np.arange(columns, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(54)
    return sparse.csr_matrix(
        (
            np.where(draws % 2, np.float32(1), np.float32(-1)),
            (draws // 2).astype(np.int64),
            np.arange(columns + 1),
        ),
        shape=(columns, SKETCH_WIDTH),
    )


# models in use, by what their files hold: the accurate tier may contain the very heads of the fast one
_in_use: WeakValueDictionary[Hashable, LinearModel] = WeakValueDictionary()


def read(folder: Path, labels: Mapping[str, tuple[str, ...]]) -> LinearModel:
    """Read the model's files; equal files give one model, held once in memory.

    Raises ValueError where they do not fit each other or hold objects.
    """
    key = (tuple(labels.items()), *(hashlib.sha256((folder / name).read_bytes()).digest() for name in FILES))
    found = _in_use.get(key)
    if found is None:
        found = _in_use[key] = _read(folder, labels)
    return found


def _read(folder: Path, labels: Mapping[str, tuple[str, ...]]) -> LinearModel:
    names = tuple((folder / VOCABULARY_FILE).read_text(encoding="utf-8").split("\n"))
    with np.load(folder / ARRAYS_FILE, allow_pickle=False) as arrays:
        idf = arrays["idf"].astype(np.float32)
        weights = np.ascontiguousarray(arrays["weights"].astype(np.float32))
        bias = arrays["bias"].astype(np.float32)
    columns = sum(map(len, labels.values()))
    if weights.shape != (len(names), columns) or idf.shape != (len(names),) or bias.shape != (columns,):
        raise ValueError("arrays and vocabulary do not fit")
    return LinearModel(Features(names, idf), Heads(labels, weights, bias))


def storable(weights: npt.NDArray[Any]) -> npt.NDArray[np.float16]:
    """Weights as they are stored: half precision of which five bits of the fraction are kept, so that they pack.

    Wrong by less than two hundredths of their size each, at random: only labels on the edge change by it.
    """
    bits = weights.astype(np.float16).view(np.uint16).astype(np.uint32)
    # half of what is dropped is added first: rounded, not cut
    return (
        ((bits + (1 << (DROPPED_BITS - 1))) & ~np.uint32((1 << DROPPED_BITS) - 1))
        .astype(np.uint16)
        .view(np.float16)
    )


def write(folder: Path, model: LinearModel) -> None:
    """Write the model's files; weights as `storable` has them."""
    (folder / VOCABULARY_FILE).write_text("\n".join(model.features.names), encoding="utf-8")
    np.savez_compressed(
        folder / ARRAYS_FILE,
        idf=model.features.idf,
        weights=storable(model.heads.weights),
        bias=model.heads.bias,
    )
