"""From scores to probabilities that mean what they say.

Temperature scaling per field: p = softmax(scale · score), fitted on predictions for texts that the heads had
not seen (Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2). It does not change which
label is best. The fitting is in `training`; here is only its use.
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
    """The inverse of the temperature: below one the scores were too sure of themselves."""

    def probabilities(self, scores: npt.NDArray[np.floating]) -> Probabilities:
        """softmax(scale · scores), row by row."""
        return softmax(self.scale * scores.astype(np.float64))


Calibration = Mapping[str, FieldCalibration]
"""Field to its calibration."""


def softmax(scores: npt.NDArray[np.float64]) -> Probabilities:
    """Row-wise softmax, shifted by the row's maximum so that nothing overflows."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return result
