"""How alike two short texts are: one vector a text, partly from its words, mostly from its meaning.

The *words* part is the linear heads' sketch (tens of thousands of texts a second), the *meaning* part the
encoder's vector (hundreds a second). Together they separate what customers mean better than either alone (the
figures: `make bench-themes`). Whoever has more texts than time asks for words only; the meaning part is then zero.
The encoder's vector is rounded to a byte a number, as it is stored (`Likeness.short`): whether a text was read
before or is read now makes no difference.

The encoder was taught to tell stages, topics and feelings apart, and these few directions drown all others. So its
vectors are *evened out* before they are compared: the directions in which everyday feedback spreads widely count
less (whitening: J. Su et al., "Whitening sentence representations for better semantics and faster retrieval",
2021; here by a part of the way only). Mean and directions were measured once, on texts of many sources
(`python -m training.likeness`), and lie beside the models; they fit one encoder and are left out with any other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nlp.artifact import MODELS_FOLDER, Artifact
from nlp.blend import BlendModel
from nlp.clean import clean
from nlp.encoder import GRAPH_FILE, EncoderModel
from nlp.features import letter_features, tokens
from nlp.linear import SKETCH_WIDTH, LinearModel
from nlp.model import Model, Vectors, unit_rows
from nlp.redact import as_read

MAX_CHARS: Final = 600
"""Of a text that are read: a part of a text holds one opinion and is rarely longer."""
SHORT_WORDS: Final = 128
"""Of the numbers of a short row that tell its words; they divide SKETCH_WIDTH."""
_WORDS, _MEANING = np.float32(0.2**0.5), np.float32(0.8**0.5)
SPREAD_POWER: Final = 0.25
"""How far vectors are evened out: directions are divided by this power of their variance (0.5: wholly)."""
SPREAD_FILE: Final = "likeness.npz"
Short = npt.NDArray[np.int8]
"""Rows of `Likeness.short`."""
_WORD = re.compile(r"[^\W\d_]+")
ECHO_WORDS, ECHO_RUN = 10, 4
"""Two texts of fewer words may say the same by chance; longer ones that agree are copies."""


def readable(text: str) -> str:
    """A text as models read it: the customer's own words without what is personal."""
    return as_read(clean(text[:MAX_CHARS])).text


@dataclass(frozen=True, slots=True)
class Spread:
    """How everyday feedback lies in an encoder's space."""

    encoder: str
    """The sha256 of the encoder's file that it was measured with."""
    mean: Vectors
    directions: Vectors
    """One column a direction, already divided by the power of its variance."""

    @classmethod
    def measured(cls, encoder: str, rows: Vectors) -> Spread:
        """From the vectors of many texts."""
        mean = rows.mean(axis=0)
        variance, directions = np.linalg.eigh(np.cov((rows - mean).T.astype(np.float64)))
        variance = np.maximum(variance, variance.max() * 1e-6)
        scaled = directions * (variance / variance.max()) ** -SPREAD_POWER
        return cls(encoder, mean.astype(np.float32), scaled.astype(np.float32))

    def even(self, rows: Vectors) -> Vectors:
        """Rows of length one, evened out."""
        return unit_rows((rows - self.mean) @ self.directions)


@lru_cache(maxsize=4)
def read_spread(path: Path) -> Spread | None:
    """What was measured, None where there is no such file. Raises ValueError where it is no such thing."""
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        mean, directions = arrays["mean"].astype(np.float32), arrays["directions"].astype(np.float32)
        encoder = str(arrays["encoder"])
    if directions.shape != (len(mean), len(mean)):
        raise ValueError(f"{path.name} is not of one piece")
    return Spread(encoder, mean, directions)


@dataclass(frozen=True, slots=True)
class Likeness:
    """Vectors by one model; those of different versions must not be compared."""

    version: str
    linear: LinearModel | None
    """None: letters and words are hashed without a vocabulary, for a service without a model of ours."""
    encoder: Model | None
    spread: Spread | None = None

    @classmethod
    def of_model(cls, model: Any, version: str, spread: Spread | None = None) -> Likeness:
        """What a model can give; with none of ours, hashed words. `spread` must be of the model's encoder."""
        if isinstance(model, BlendModel) and isinstance(model.linear, LinearModel):
            return cls(f"{version}{'+even' if spread else ''}", model.linear, model.encoder, spread)
        if isinstance(model, LinearModel):
            return cls(version, model, None)
        return cls("hashed", None, None)

    @classmethod
    def of_artifact(cls, artifact: Artifact | None, version: str) -> Likeness:
        """What an artifact's model can give, evened out where that was measured with the same encoder."""
        if artifact is None:
            return cls.of_model(None, version)
        spread = read_spread(MODELS_FOLDER / SPREAD_FILE)
        fits = spread is not None and spread.encoder == artifact.manifest.files.get(GRAPH_FILE)
        return cls.of_model(artifact.model, version, spread if fits else None)

    @property
    def words_width(self) -> int:
        """Columns of the words part; those of the meaning part follow."""
        return SKETCH_WIDTH

    def vectors(self, texts: Sequence[str], *, meaning: bool = True, known: Short | None = None) -> Vectors:
        """One row of length one a text (already `readable`); without `meaning` its part of the row is zero.

        `known`: the texts' short rows as far as they are stored, rows of zeros for the others; only these the
        encoder then reads. The answer is the same with and without.
        """
        words = self._words(texts)
        if self.encoder is None:
            return words
        if not meaning:
            return np.hstack([words, np.zeros((len(texts), self._meaning_width()), np.float32)])
        means = self._means(texts, known, words)
        means = means if self.spread is None else self.spread.even(means)
        return np.hstack([words * _WORDS, means * _MEANING])

    def meanings(self, texts: Sequence[str], *, known: Short | None = None) -> Vectors:
        """The encoder's vectors alone, one row of length one a text (already `readable`), not evened out.

        `known` as for `vectors`. Raises ValueError for a model that reads no meaning.
        """
        if self.encoder is None:
            raise ValueError("this model reads no meaning")
        return self._means(texts, known, None)

    def _means(self, texts: Sequence[str], known: Short | None, words: Vectors | None) -> Vectors:
        """Rounded as they are stored; `words`: the texts' words part, where it was made already."""
        short = np.zeros((len(texts), self.short_width), np.int8) if known is None else known.copy()
        unread = np.flatnonzero(~short.any(axis=1))
        if len(unread):
            said = [texts[at] for at in unread.tolist()]
            short[unread] = self._short(said, self._words(said) if words is None else words[unread])
        return unit_rows(short[:, SHORT_WORDS:].astype(np.float32))

    def short(self, texts: Sequence[str], *, read: Vectors | None = None) -> Short:
        """One short row a text (already `readable`) to search by: whole numbers, compared by their cosine.

        The encoder's vector, and the sketch of the words folded into SHORT_WORDS numbers and weighed less (chosen
        on CLINC150's intents); without an encoder the sketch alone. A row of zeros says nothing.
        `read`: the vectors that this encoder has made of these very texts, where it has read them before.
        """
        return self._short(texts, self._words(texts), read)

    def _short(self, texts: Sequence[str], words: Vectors, read: Vectors | None = None) -> Short:
        if self.encoder is not None:
            folded = words.reshape(len(texts), -1, SHORT_WORDS).sum(axis=1)
            words = np.hstack([folded * np.float32(0.5), self._read(texts) if read is None else read])
        largest = np.abs(words).max(axis=1, keepdims=True, initial=0.0)
        scale = np.divide(127.0, largest, out=np.zeros_like(largest), where=largest > 0)
        return np.asarray(np.rint(words * scale), dtype=np.int8)

    @property
    def short_width(self) -> int:
        """Numbers of a short row."""
        return SHORT_WORDS + self._meaning_width() if self.encoder is not None else SKETCH_WIDTH

    def _words(self, texts: Sequence[str]) -> Vectors:
        return self.linear.sketches(texts) if self.linear is not None else _hashed(texts)

    def _read(self, texts: Sequence[str]) -> Vectors:
        asked: list[str | None] = [None] * len(texts)
        if isinstance(self.encoder, EncoderModel):  # its labels are not asked for
            return unit_rows(self.encoder.pooled(texts, asked))
        assert self.encoder is not None
        return self.encoder.look(texts, asked).vectors

    def _meaning_width(self) -> int:
        return len(self.spread.mean) if self.spread is not None else self._read(["a"]).shape[1]


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
