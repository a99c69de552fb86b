"""Where the rows that a mask chooses stand among the chosen ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def row_numbers(mask: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Of each chosen row its number among the chosen ones; what stands at other rows has no meaning.

    The same as `cumsum(mask) - 1` where the mask is true, in a fraction of its time where few rows are chosen.
    """
    found = np.empty(len(mask), dtype=np.intp)
    chosen = np.flatnonzero(mask)
    found[chosen] = np.arange(len(chosen))
    return found
