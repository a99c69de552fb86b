"""The gates: what a field's learning must pass before it is used. Before and after are paired: the same texts.

A set of texts (all of it, or those of one label) has lost more than noise when the one-sided exact sign test says
so at SIGNIFICANCE: of the texts that only one of the two got right, too many are the default's (McNemar 1947, in
its exact binomial form).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from service.intervals import share_interval

SIGNIFICANCE: Final = 0.05
LABEL_EXAMPLES: Final = 10
"""Labels with fewer examples are judged as part of the whole only."""

Labels = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Judged:
    """One set of texts before and after."""

    label: str | None
    """None: all labels together."""
    n: int
    before: int
    """How many the default model got right."""
    after: int
    won: int
    lost: int

    @property
    def lost_more_than_noise(self) -> bool:
        """Whether chance alone would so rarely take so many away."""
        if self.lost <= self.won:
            return False
        return bool(binom.sf(self.lost - 1, self.won + self.lost, 0.5) < SIGNIFICANCE)

    def document(self) -> dict[str, Any]:
        """For reports: accuracies with Wilson's 95 % intervals."""
        found: dict[str, Any] = {} if self.label is None else {"label": self.label}
        found["n"] = self.n
        for name, right in (("before", self.before), ("after", self.after)):
            interval = share_interval(right / self.n if self.n else 0.0, self.n)
            found[name] = {
                "value": round(interval.value, 4),
                "low": round(interval.low, 4),
                "high": round(interval.high, 4),
            }
        return found


def judge(truth: Labels, before: Labels, after: Labels, names: Sequence[str]) -> list[Judged]:
    """All texts together, then each label with enough examples. All arrays hold label positions."""

    def one(label: str | None, chosen: npt.NDArray[np.bool_]) -> Judged:
        old, new = (before == truth)[chosen], (after == truth)[chosen]
        return Judged(
            label,
            int(chosen.sum()),
            int(old.sum()),
            int(new.sum()),
            int((new & ~old).sum()),
            int((old & ~new).sum()),
        )

    counts = np.bincount(truth, minlength=len(names))
    judged = [one(None, np.ones(len(truth), dtype=bool))]
    judged += [one(names[int(at)], truth == at) for at in np.flatnonzero(counts >= LABEL_EXAMPLES)]
    return judged


def objections(judged: Sequence[Judged], where: str) -> Iterator[str]:
    """Why a field may not be used, in words."""
    for found in judged:
        if found.lost_more_than_noise:
            what = "all labels together" if found.label is None else f"«{found.label}»"
            yield f"{what} would lose more than noise on {where}: {found.before} → {found.after} of {found.n}"
