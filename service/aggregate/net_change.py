"""Why net sentiment changed: other things are talked about (mix), or the same things are told otherwise (rate).

Formulas
- E. Kitagawa, "Components of a difference between two rates", JASA 50 (1955): with shares s and means m of each
  label, its mix part is (s₁ - s₀)(m̄ - M̄) and its rate part s̄(m₁ - m₀), bars being means of both periods and M the
  mean over all labels. Over all labels they add up to the change, exactly.
- Intervals: each item's influence on a part (F. Hampel, JASA 69, 1974), summed by respondent and squared (K.-Y.
  Liang, S. Zeger, Biometrika 73, 1986).

Net sentiment is what the model makes of the words, so no topic "drives" it: this takes it apart and explains
nothing by itself.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit
from sqlmodel import Session

from service.aggregate.change import periods_of
from service.aggregate.fixed_effects import numbered
from service.aggregate.tally import sentiment_of_mood
from service.selection import Selection, day_text
from service.store.like_with_like import WITHHELD, comparable
from service.store.rollup_codes import codes
from service.store.rollup_frame import Frame, load

Array = NDArray[Any]
By = Literal["topic", "stage", "source", "channel"]
LEVEL: Final = 0.95
MIN_ITEMS: Final = 30  # in each period
SMALL: Final = 10  # items of a label in one of the periods, below which it says so
SAYS: Final = (
    "Mix: other things are talked about than before. Rate: the same things are told otherwise. The parts add up "
    "to the change; they take it apart and are no causes."
)


def net_change(
    session: Session, *, workspace_id: int, timezone: str, selection: Selection, by: By = "topic"
) -> dict[str, Any]:
    """{"of", "by", "from", "to", "previous_from", "previous_to", "n", "previous_n", "change", "mix", "rate",
    "data", "says"}; the last three estimates {"value", "low", "high"} in points, null where too little was said.
    """
    first, end = selection.days(timezone)
    frame = load(session, workspace_id)
    dated = frame.mask(first_day=None, end_day=None, filters=selection.filters()) & frame.rows["dated"]
    newest = int(frame.rows["day"][dated].max()) if dated.any() else None
    periods = periods_of(first, end, newest)
    answer: dict[str, Any] = {
        "of": "net_sentiment",
        "by": by,
        "from": None,
        "to": None,
        "previous_from": None,
        "previous_to": None,
        "n": 0,
        "previous_n": 0,
        "change": None,
        "mix": None,
        "rate": None,
        "data": [],
        "says": "Too little to say: nothing is dated.",
    }
    if periods is None:
        return answer
    answer |= {
        "from": day_text(periods.first),
        "to": day_text(periods.end),
        "previous_from": day_text(periods.before),
        "previous_to": day_text(periods.first),
    }
    day = frame.rows["day"]
    inside = comparable(frame, dated & (day >= periods.before) & (day < periods.end), first=periods.first)
    if inside is None:
        return answer | {"says": WITHHELD}
    rows = np.flatnonzero(inside)
    value = sentiment_of_mood()[frame.rows["mood"][rows]]
    rows, value = rows[~np.isnan(value)], value[~np.isnan(value)]
    label, names = _labels(frame, rows, by)
    late = day[rows] >= periods.first
    answer |= {"n": int(late.sum()), "previous_n": int((~late).sum())}
    if min(answer["n"], answer["previous_n"]) < MIN_ITEMS:
        return answer | {
            "says": f"Too little to say: {MIN_ITEMS} items with a sentiment are needed in each period."
        }
    return answer | _taken_apart(value, label, late, frame.rows["cluster"][rows], names) | {"says": SAYS}


def _labels(frame: Frame, rows: Array, by: By) -> tuple[Array, list[str]]:
    if by in ("source", "channel"):
        words = frame.words[by]
        names = ["none", *(word for word, _ in sorted(words.items(), key=lambda one: one[1]))]
        return frame.rows[by][rows].astype(np.int64) + 1, names
    code = codes()
    if by == "topic":
        return frame.rows["topic"][rows].astype(np.int64), [*code.labels["topic"], "none"]
    place = frame.rows["place"][rows].astype(np.int64)
    stage = np.where(place < code.pairs, place // code.size("touchpoint"), len(code.labels["stage"]))
    return stage, [*code.labels["stage"], "unassigned"]


def _taken_apart(value: Array, label: Array, late: Array, cluster: Array, names: list[str]) -> dict[str, Any]:
    """The change and its parts; `late` items are of the later period."""
    sizes = np.array([np.count_nonzero(~late), np.count_nonzero(late)], dtype=np.float64)
    n = np.stack([np.bincount(label[late == side], minlength=len(names)) for side in (False, True)]).astype(float)
    total = np.stack(
        [np.bincount(label[late == side], value[late == side], minlength=len(names)) for side in (False, True)]
    )
    whole = total.sum(axis=1) / sizes
    share = n / sizes[:, None]
    mean = np.where(n > 0, total / np.maximum(n, 1), 0.0)
    # what was not talked about in one of the periods can only have changed the mix
    mean = np.where(n > 0, mean, mean[::-1])
    moved, told = share[1] - share[0], mean[1] - mean[0]
    centre, usual = mean.mean(axis=0) - whole.mean(), share.mean(axis=0)
    mix, rate = moved * centre, usual * told
    side = late.astype(np.int64)
    sign = np.where(late, 1.0, -1.0)
    from_whole = (value - whole[side]) / sizes[side]
    person, people = numbered(cluster)
    quantile = float(stdtrit(max(1, people - 1), 0.5 + LEVEL / 2))
    # by respondent: items of each period, and how far all of them lie from its mean
    before, after = (
        np.bincount(person, late == later, minlength=people) / sizes[int(later)] for later in (False, True)
    )
    apart = np.bincount(person, from_whole, minlength=people)

    def estimate(found: float, sums: Array) -> dict[str, float]:
        """With the interval by the influence of each respondent."""
        half = quantile * float(np.sqrt((sums**2).sum() * people / max(1, people - 1)))
        return {
            name: round(100 * bound, 2)
            for name, bound in (("value", found), ("low", found - half), ("high", found + half))
        }

    data = []
    mix_pull, rate_pull = np.zeros(people), np.zeros(people)
    order = np.argsort(label, kind="stable")
    bounds = np.searchsorted(label[order], np.arange(len(names) + 1))
    for one in np.flatnonzero(n.sum(axis=0)).tolist():
        rows = order[
            bounds[one] : bounds[one + 1]
        ]  # the items with the label; of the others only the share counts
        who, of, towards = person[rows], side[rows], sign[rows]
        of_mean = (value[rows] - mean[of, one]) / np.maximum(n[of, one], 1)
        mixing = np.bincount(who, centre[one] * towards / sizes[of] + 0.5 * moved[one] * of_mean, minlength=people)
        mixing += centre[one] * (share[0, one] * before - share[1, one] * after) - 0.5 * moved[one] * apart
        rating = np.bincount(who, 0.5 * told[one] / sizes[of] + usual[one] * towards * of_mean, minlength=people)
        rating -= 0.5 * told[one] * (share[0, one] * before + share[1, one] * after)
        mix_pull += mixing
        rate_pull += rating
        least = int(n[:, one].min())
        data.append(
            {
                "label": names[one],
                "n": int(n[1, one]),
                "previous_n": int(n[0, one]),
                "share": round(float(share[1, one]), 4),
                "previous_share": round(float(share[0, one]), 4),
                "mix": estimate(float(mix[one]), mixing),
                "rate": estimate(float(rate[one]), rating),
                "says": f"only {least} items in one of the periods: take it as a lead" if least < SMALL else None,
            }
        )
    return {
        "change": estimate(float(whole[1] - whole[0]), np.bincount(person, sign * from_whole, minlength=people)),
        "mix": estimate(float(mix.sum()), mix_pull),
        "rate": estimate(float(rate.sum()), rate_pull),
        "data": sorted(
            data, key=lambda one: (-abs(one["mix"]["value"]) - abs(one["rate"]["value"]), one["label"])
        ),
    }
