"""The accurate tier's model: an encoder and, with a smaller share, linear heads over words and letters.

The two err in different places: the encoder knows what words mean, the linear heads know the very words. Per field
with the share w of the linear heads,

    score = ln((1 - w) · softmax(a · encoder's score) + w · softmax(b · linear score))

which is again a score to be calibrated. Shares and scales are measured when the artifact is trained.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from nlp import encoder, linear
from nlp.calibrate import softmax
from nlp.heads import Scores
from nlp.model import Look, Model

MIX_FILE: Final = "blend.json"
FILES: Final = (*encoder.FILES, *linear.FILES, MIX_FILE)
"""What `read` reads."""
_LEAST_CHANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Mix:
    """How one field's scores come together."""

    linear_share: float
    encoder_scale: float
    linear_scale: float

    def scores(self, encoder_scores: Scores, linear_scores: Scores) -> Scores:
        """The formula above, row by row."""
        first = softmax(self.encoder_scale * encoder_scores.astype(np.float64))
        second = softmax(self.linear_scale * linear_scores.astype(np.float64))
        chances = (1 - self.linear_share) * first + self.linear_share * second
        return np.asarray(np.log(np.maximum(chances, _LEAST_CHANCE)), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class BlendModel:
    """Two models of the same labels."""

    encoder: Model
    linear: Model
    mixes: Mapping[str, Mix]

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """Field to its labels, in the order of the columns of its scores."""
        return self.encoder.labels

    def scores(self, texts: Sequence[str], questions: Sequence[str | None]) -> dict[str, Scores]:
        """Field to its scores (texts × labels), not yet probabilities."""
        if not texts:
            return self.encoder.scores(texts, questions)
        return self._mixed(self.encoder.scores(texts, questions), self.linear.scores(texts, questions))

    def look(self, texts: Sequence[str], questions: Sequence[str | None]) -> Look:
        """The scores, and the encoder's vectors."""
        first = self.encoder.look(texts, questions)
        return Look(first.vectors, self._mixed(first.scores, self.linear.scores(texts, questions)))

    def _mixed(self, first: Mapping[str, Scores], second: Mapping[str, Scores]) -> dict[str, Scores]:
        return {field: self.mixes[field].scores(first[field], second[field]) for field in self.labels}


def read(folder: Path, labels: Mapping[str, tuple[str, ...]], *, threads: int | None = None) -> BlendModel:
    """Read the model's files. Raises ValueError where they do not fit each other or are not what they should be.

    `threads` are the encoder's.
    """
    raw = json.loads((folder / MIX_FILE).read_text(encoding="utf-8"))
    if set(raw) != set(labels):
        raise ValueError(f"{MIX_FILE} has other fields than the labels")
    mixes = {field: Mix(**raw[field]) for field in labels}
    return BlendModel(encoder.read(folder, labels, threads=threads), linear.read(folder, labels), mixes)


def write_mixes(folder: Path, mixes: Mapping[str, Mix]) -> None:
    """Write the file that says how the two come together."""
    content = {field: asdict(mix) for field, mix in mixes.items()}
    (folder / MIX_FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
