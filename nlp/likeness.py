"""How alike two short texts are: one vector a text, half of it from its words, half from its meaning.

The *words* half is the linear heads' sketch (tens of thousands of texts a second), the *meaning* half the
encoder's vector (hundreds a second). Together they separate what customers mean better than either alone (the
figures: `make bench-themes`). Whoever has more texts than time asks for words only; the meaning half is then zero.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nlp.blend import BlendModel
from nlp.clean import clean
from nlp.features import letter_features, tokens
from nlp.linear import SKETCH_WIDTH, LinearModel
from nlp.model import Model, Vectors, unit_rows
from nlp.redact import as_read

MAX_CHARS: Final = 600
"""Of a text that are read: a part of a text holds one opinion and is rarely longer."""
SHORT_WORDS: Final = 128
"""Of the numbers of a short row that tell its words; they divide SKETCH_WIDTH."""
_HALF: Final = np.float32(0.5**0.5)
_WORD = re.compile(r"[^\W\d_]+")
ECHO_WORDS, ECHO_RUN = 10, 4
"""Two texts of fewer words may say the same by chance; longer ones that agree are copies."""


def readable(text: str) -> str:
    """A text as models read it: the customer's own words without what is personal."""
    return as_read(clean(text[:MAX_CHARS])).text


@dataclass(frozen=True, slots=True)
class Likeness:
    """Vectors by one model; those of different versions must not be compared."""

    version: str
    linear: LinearModel | None
    """None: letters and words are hashed without a vocabulary, for a service without a model of ours."""
    encoder: Model | None

    @classmethod
    def of_model(cls, model: Any, version: str) -> Likeness:
        """What a model can give; with none of ours, hashed words."""
        if isinstance(model, BlendModel) and isinstance(model.linear, LinearModel):
            return cls(version, model.linear, model.encoder)
        if isinstance(model, LinearModel):
            return cls(version, model, None)
        return cls("hashed", None, None)

    @property
    def words_width(self) -> int:
        """Columns of the words half; those of the meaning half follow."""
        return SKETCH_WIDTH

    def vectors(self, texts: Sequence[str], *, meaning: bool = True) -> Vectors:
        """One row of length one a text (already `readable`); without `meaning` its half of the row is zero."""
        asked: list[str | None] = [None] * len(texts)
        words = self.linear.look(texts, asked).vectors if self.linear is not None else _hashed(texts)
        if self.encoder is None:
            return words
        if meaning:
            return np.hstack([words * _HALF, self.encoder.look(texts, asked).vectors * _HALF])
        width = self._meaning_width()
        return np.hstack([words, np.zeros((len(texts), width), np.float32)])

    def short(self, texts: Sequence[str]) -> npt.NDArray[np.int8]:
        """One short row a text (already `readable`) to search by: whole numbers, compared by their cosine.

        The encoder's vector, and the sketch of the words folded into SHORT_WORDS numbers and weighed less (chosen
        on CLINC150's intents); without an encoder the sketch alone. A row of zeros says nothing.
        """
        asked: list[str | None] = [None] * len(texts)
        words = self.linear.look(texts, asked).vectors if self.linear is not None else _hashed(texts)
        if self.encoder is not None:
            folded = words.reshape(len(texts), -1, SHORT_WORDS).sum(axis=1)
            words = np.hstack([folded * np.float32(0.5), self.encoder.look(texts, asked).vectors])
        largest = np.abs(words).max(axis=1, keepdims=True, initial=0.0)
        scale = np.divide(127.0, largest, out=np.zeros_like(largest), where=largest > 0)
        return np.asarray(np.rint(words * scale), dtype=np.int8)

    def _meaning_width(self) -> int:
        width: int = self.encoder.look(["a"], [None]).vectors.shape[1] if self.encoder is not None else 0
        return width


def _hashed(texts: Sequence[str]) -> Vectors:
    """Words and letter runs in SKETCH_WIDTH places, each with a sign ("hashing trick", Weinberger 2009)."""
    rows = np.zeros((len(texts), SKETCH_WIDTH), np.float32)
    for row, text in enumerate(texts):
        for word in tokens(text):
            for feature in (f"w:{word}", *letter_features(word)):
                draw = int.from_bytes(hashlib.blake2b(feature.encode("utf-8", "replace"), digest_size=4).digest())
                weight = 1.0 if feature.startswith("w:") else 0.3
                rows[row, draw // 2 % SKETCH_WIDTH] += weight if draw % 2 else -weight
    return unit_rows(rows)


def echo_of(text: str) -> int | None:
    """A number that copies of one text share, also with a name or a number changed; None for a short text.

    The least hash over runs of four words (min-wise hashing: A. Broder, "On the resemblance and containment of
    documents", 1997): two texts agree in it as probably as their runs do, and only copies share most of them.
    """
    words = _WORD.findall(text.lower())
    if len(words) < ECHO_WORDS:
        return None
    runs = {" ".join(words[at : at + ECHO_RUN]) for at in range(len(words) - ECHO_RUN + 1)}
    least = min(hashlib.blake2b(run.encode("utf-8", "replace"), digest_size=8).digest() for run in runs)
    return int.from_bytes(least, "big") >> 1  # fits a signed column


Sims = npt.NDArray[np.float32]
