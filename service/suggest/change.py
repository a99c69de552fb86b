"""Whether a pain's share has changed: the latest weeks against as many before.

Four weeks against four; where four weeks hold few items, eight against eight, because small numbers need longer to
show anything. The windows end with the newest day that has data, so that an archive is judged by its own last
weeks. Items whose sender gave no time stay out, and labels of different models are not compared (see
store/like_with_like.py). Interval of the change: Newcombe (service/intervals.py), n reduced for respondents who
repeat. Significant: the interval at 1 - 5 %/k excludes 0, k being the changes tested at once (C. Bonferroni,
1936); pains that few mention are not tested, which does not look at the direction of their change. Bursts beyond
repeating respondents are not modelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.intervals import Interval, difference_interval, share_interval
from service.store.like_with_like import WITHHELD, model_of_both

SHORT_DAYS, LONG_DAYS = 28, 56
SHORT_FROM_ITEMS = 500  # in the latest SHORT_DAYS, over all stages
MIN_ITEMS = 20  # of the stage in each window; fewer say nothing about a change
MIN_HITS = 10  # with the pain in both windows together
ALARM = 0.05  # chance of calling any of the tested changes significant where nothing changed

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Trend:
    """The change of a share, recent weeks minus the weeks before; no interval where there is too little to say."""

    change: Interval | None = None
    significant: bool = False
    recent_n: int = 0  # items of the stage in the recent weeks
    days: int = LONG_DAYS  # length of each window
    withheld: str | None = None  # why no change is told although there may be enough items

    @property
    def certain_rise(self) -> float:
        """The part of a rise that is beyond doubt, as a difference of shares; 0 where there is none."""
        return max(0.0, self.change.low) if self.change is not None and self.significant else 0.0


@dataclass(frozen=True, slots=True)
class Windowed:
    """Items with a pain and items of its stage in both windows; `worth` is effective n over n."""

    recent: int
    recent_n: int
    before: int
    before_n: int
    worth: float
    days: int
    one_model: bool = True  # whether the labels of both windows are of one model

    @property
    def comparable(self) -> bool:
        """Whether both windows hold enough items of the stage, labelled by one model, to tell a change."""
        return self.one_model and self.recent_n >= MIN_ITEMS and self.before_n >= MIN_ITEMS

    @property
    def testable(self) -> bool:
        """Whether enough have the pain to ask if the change is more than noise."""
        return self.comparable and self.recent + self.before >= MIN_HITS

    def change(self, level: float) -> Interval:
        """The change of the share with its interval of this level."""
        after = share_interval(self.recent / self.recent_n, self.recent_n * self.worth, level=level)
        before = share_interval(self.before / self.before_n, self.before_n * self.worth, level=level)
        return difference_interval(after, before)


class Windows:
    """Which items lie in the recent and in the earlier window, and how many of each stage.

    `model` holds the number of the model that labelled each item; the few items of another one than nearly all
    others lie in neither window.
    """

    def __init__(self, days: Ints, dated: npt.NDArray[np.bool_], stage: Ints, stages: int, *, model: Ints) -> None:
        end = int(days[dated].max()) if dated.any() else 0
        latest = np.count_nonzero(dated & (stage >= 0) & (days > end - SHORT_DAYS))
        self.days = SHORT_DAYS if latest >= SHORT_FROM_ITEMS else LONG_DAYS
        self._window = np.full(len(days), -1, dtype=np.int8)
        self._window[dated & (days > end - 2 * self.days)] = 1
        self._window[dated & (days > end - self.days)] = 0
        standing = stage >= 0
        lead = model_of_both(model[(self._window == 1) & standing], model[(self._window == 0) & standing])
        self._one_model = lead is not None
        if lead is not None:
            self._window[(model != lead) & (model >= 0)] = -1
        self._totals = [np.bincount(stage[(self._window == w) & (stage >= 0)], minlength=stages) for w in (0, 1)]

    def of_pains(
        self,
        items: Ints,
        cell: Ints,
        codes: Ints,
        *,
        worth: npt.NDArray[np.float64],
        totals: Ints,
        topics: int,
    ) -> list[Windowed]:
        """The windows of the pains `codes`; `items` and `cell` are pairs of item and pain.

        `worth` holds the effective n by cell, `totals` the items by stage; a cell is stage * topics + topic.
        """
        window = self._window[items]
        recent, before = (np.bincount(cell[window == w], minlength=len(worth)) for w in (0, 1))
        return [
            Windowed(
                recent=int(recent[code]),
                recent_n=int(self._totals[0][code // topics]),
                before=int(before[code]),
                before_n=int(self._totals[1][code // topics]),
                worth=float(worth[code] / totals[code // topics]),
                days=self.days,
                one_model=self._one_model,
            )
            for code in codes.tolist()
        ]


def trends(windowed: Sequence[Windowed]) -> list[Trend]:
    """The trend of each, judged together: the more changes are tested, the more each must show."""
    tested = max(1, sum(one.testable for one in windowed))
    found = []
    for one in windowed:
        if not one.comparable:
            withheld = None if one.one_model else WITHHELD
            found.append(Trend(recent_n=one.recent_n, days=one.days, withheld=withheld))
            continue
        strict = one.change(1 - ALARM / tested)
        significant = one.testable and (strict.low > 0 or strict.high < 0)
        found.append(Trend(one.change(0.95), significant, one.recent_n, one.days))
    return found
