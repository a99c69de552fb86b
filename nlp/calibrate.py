"""From scores to probabilities that mean what they say.

Vector scaling with one temperature per field: p = softmax(scale · score + shift), fitted on predictions for
texts that the heads had not seen (Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2).
The fitting is in `training`; here is only its use.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float64]
"""One row per text, one column per label of a field; rows sum to one."""


@dataclass(frozen=True, slots=True)
class FieldCalibration:
    """How one field's scores become probabilities."""

    scale: float
    shift: tuple[float, ...]
    """One per label, in codebook order."""

    def probabilities(self, scores: npt.NDArray[np.floating]) -> Probabilities:
        """softmax(scale · scores + shift), row by row."""
        return softmax(self.scale * scores.astype(np.float64) + np.array(self.shift))


Calibration = Mapping[str, FieldCalibration]
"""Field to its calibration."""


def softmax(scores: npt.NDArray[np.float64]) -> Probabilities:
    """Row-wise softmax, shifted by the row's maximum so that nothing overflows."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return result
