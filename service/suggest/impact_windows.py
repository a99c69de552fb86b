"""Which days a measurement compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class Windows:
    """Days since 1970-01-01 of what is compared; `done` full weeks after the wash-out have passed."""

    baseline: int
    trigger: int
    start: int
    after: int
    weeks: int  # of the baseline that hold data
    done: int
    end: int  # planned

    def columns(self, day: npt.NDArray[Any], *, baseline_weeks: int) -> npt.NDArray[np.int64]:
        """The column of a panel in which each day lies: baseline weeks back from the trigger, then weeks after
        the wash-out; below 0 for what lies between or before.
        """
        day = day.astype(np.int64)
        before = baseline_weeks - 1 - (self.trigger - 1 - day) // WEEK
        after = baseline_weeks + (day - self.after) // WEEK
        found: npt.NDArray[np.int64] = np.where(day < self.trigger, before, np.where(day >= self.after, after, -1))
        return found
