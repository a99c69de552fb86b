"""The five linear heads: one matrix product gives the scores of all labels of all fields."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nlp.features import Matrix

Scores = npt.NDArray[np.float32]
"""One row per text, one column per label; of one field or of all fields side by side."""


@dataclass(frozen=True, slots=True)
class Heads:
    """Linear heads over the same features, their columns side by side in the order of `labels`."""

    labels: Mapping[str, tuple[str, ...]]
    """Field to its labels, both in codebook order."""
    weights: npt.NDArray[np.float32]
    """Features × all labels. The weight of a feature for a label explains what it did."""
    bias: npt.NDArray[np.float32]
    """One per label."""

    def columns(self, field: str) -> slice:
        """The columns of one field's labels."""
        start = 0
        for name, labels in self.labels.items():
            if name == field:
                return slice(start, start + len(labels))
            start += len(labels)
        raise KeyError(field)

    def scores(self, rows: Matrix) -> dict[str, Scores]:
        """Field to its scores (texts × labels), not yet probabilities."""
        scores = np.asarray(rows @ self.weights, dtype=np.float32) + self.bias
        return {field: scores[:, self.columns(field)] for field in self.labels}
