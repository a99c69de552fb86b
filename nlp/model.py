"""What the pipeline needs of a model, whichever tier it is of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nlp.heads import Scores

Vectors = npt.NDArray[np.float32]
"""One row of length one per text: texts of like meaning (the fast tier: of like words) lie near each other."""


@dataclass(frozen=True, slots=True)
class Look:
    """All that a model knows of some texts, from one reading."""

    vectors: Vectors
    scores: dict[str, Scores]
    """Field to its scores (texts × labels), not yet probabilities."""


class Model(Protocol):
    """Texts in, scores per label out."""

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """Field to its labels, in the order of the columns of its scores."""

    def scores(self, texts: Sequence[str], questions: Sequence[str | None]) -> dict[str, Scores]:
        """Field to its scores (texts × labels), not yet probabilities.

        The scores of a text do not depend on the other texts of the call.
        """

    def look(self, texts: Sequence[str], questions: Sequence[str | None]) -> Look:
        """The scores and what they come from, for corrections to be learnt on top of them (see `nlp.overlay`)."""


def unit_rows(rows: npt.NDArray[np.floating]) -> Vectors:
    """Rows scaled to length one; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), dtype=np.float32)
