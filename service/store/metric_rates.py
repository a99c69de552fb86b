"""Series from elsewhere beside feedback: lanes by stage, and what contacts are counted per 1,000 of.

A share of feedback says what people talk about; contacts per 1,000 orders say how often something goes wrong. For
that a stage needs a series of counts (orders, visits …) of its own, sent to `/v1/metrics` with this stage.

Formulas
- Rate: count over the series' sum on the same days, which are those from its first to its last value.
- Interval: of a Poisson count (F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28, 1936);
  the count is divided, its bounds are multiplied by what people who repeat and bursts make of its variance: the
  larger of Σk²/Σk over respondents with k contacts and the weekly counts' Pearson dispersion (P. McCullagh,
  J. Nelder, "Generalized Linear Models", 1989, ch. 6). The series itself is taken as exact.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from statistics import median
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv
from sqlalchemy import select
from sqlmodel import Session, col

from service.beyond_noise import week_of
from service.selection import EPOCH, day_text
from service.store.schema import MetricValue

Array = NDArray[Any]
PER: Final = 1000
LEVEL: Final = 0.95
MIN_WEEKS: Final = 8  # from which weekly counts show how much they scatter
# what a contact can be counted per, the best first; matched without case, spaces and hyphens as underscores
COUNTS: Final = (
    *("orders", "bookings", "purchases", "transactions", "checkouts", "deliveries", "shipments", "parcels"),
    *("sign_ups", "signups", "registrations", "activations", "onboardings", "renewals", "cancellations"),
    *("subscriptions", "contracts", "customers", "active_users", "users", "sessions", "visits", "visitors"),
    *("cases", "tickets", "calls", "surveys_sent", "units", "stays", "trips"),
)


@dataclass(frozen=True, slots=True)
class Series:
    """The values of a metric at a stage, in order of days since 1970-01-01."""

    name: str
    stage: str
    day: Array
    value: Array
    denominator: Array  # NaN where there is none

    @property
    def counts(self) -> bool:
        """Whether it counts what contacts can be counted per."""
        return _word(self.name) in COUNTS and bool(np.isnan(self.denominator).all())

    @property
    def preference(self) -> int:
        """Its place in COUNTS, the best first; only for one that counts."""
        return COUNTS.index(_word(self.name))

    @property
    def end(self) -> int:
        """The day after the last that the values speak of: the last one holds as long as they usually do."""
        days = sorted(set(self.day.tolist()))
        step = median(b - a for a, b in pairwise(days)) if len(days) > 1 else 1
        return int(days[-1] + max(1, round(step)))


@dataclass(frozen=True, slots=True)
class Exposure:
    """What contacts at a stage are counted per: a series on the days [first, end)."""

    series: Series
    first: int
    end: int

    @property
    def total(self) -> float:
        return float(self.series.value.sum())


def stage_series(
    session: Session,
    *,
    workspace_id: int,
    first: int | None = None,
    end: int | None = None,
    attributes: Mapping[str, Sequence[str]] | None = None,
    outside: bool = False,
) -> list[Series]:
    """The series with a stage, on days of a period, by stage and name.

    Without a filter the values without attributes count, or all of them together where each has some; with one,
    those whose attributes pass it, or with `outside` those that have these attributes with other values. Values of
    one day are summed; of what is neither counted nor divided by something, they are averaged.
    """
    wanted = select(
        col(MetricValue.name),
        col(MetricValue.stage),
        col(MetricValue.day),
        col(MetricValue.value),
        col(MetricValue.denominator),
        col(MetricValue.attributes),
    ).where(col(MetricValue.workspace_id) == workspace_id, col(MetricValue.stage).is_not(None))
    if first is not None:
        wanted = wanted.where(col(MetricValue.day) >= _date(first))
    if end is not None:
        wanted = wanted.where(col(MetricValue.day) < _date(end))
    rows: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in session.execute(
        wanted.order_by(col(MetricValue.stage), col(MetricValue.name), col(MetricValue.day))
    ):
        rows[row.stage, row.name].append(row)
    found = []
    for (stage, name), values in rows.items():
        if attributes:
            told = [row for row in values if all(kind in row.attributes for kind in attributes)]
            chosen = [
                row
                for row in told
                if all(row.attributes[kind] in of for kind, of in attributes.items()) is not outside
            ]
        else:
            chosen = [row for row in values if not row.attributes] or values
        by_day: dict[int, tuple[float, float]] = {}
        of_day = Counter((row.day - EPOCH).days for row in chosen)
        for row in chosen:
            day = (row.day - EPOCH).days
            value, denominator = by_day.get(day, (0.0, 0.0))
            more = np.nan if row.denominator is None else row.denominator
            parts = of_day[day] if row.denominator is None and _word(name) not in COUNTS else 1
            by_day[day] = (value + row.value / parts, denominator + more)
        if by_day:
            days = sorted(by_day)
            columns = np.array([by_day[day] for day in days], dtype=np.float64)
            found.append(Series(name, stage, np.array(days), columns[:, 0], columns[:, 1]))
    return found


def exposures(series: Sequence[Series], *, end: int | None = None) -> dict[str, Exposure]:
    """By stage what its contacts are counted per: of several fitting series the best-named one."""
    found: dict[str, Exposure] = {}
    for one in sorted((one for one in series if one.counts), key=lambda one: one.preference):
        if one.value.sum() > 0 and one.value.min() >= 0 and one.stage not in found:
            last = one.end if end is None else min(one.end, end)
            found[one.stage] = Exposure(one, int(one.day[0]), last)
    return found


def rate(exposure: Exposure, *, day: Array, respondent: Array) -> dict[str, Any]:
    """Contacts per 1,000: {"per", "value", "low", "high", "count", "of", "from", "to", "noise"}.

    One entry a contact with the time that its sender gave; those outside the series' days are left out.
    """
    inside = (day >= exposure.first) & (day < exposure.end)
    count = int(inside.sum())
    _, times = np.unique(respondent[inside], return_counts=True)
    noise = max(1.0, float((times**2).sum() / count) if count else 1.0, _dispersion(exposure, day[inside]))
    worth = count / noise
    low = noise * float(gammaincinv(worth, (1 - LEVEL) / 2)) if count else 0.0
    high = noise * float(gammaincinv(worth + 1, (1 + LEVEL) / 2))
    return {
        "per": exposure.series.name,
        "value": round(PER * count / exposure.total, 3),
        "low": round(PER * low / exposure.total, 3),
        "high": round(PER * high / exposure.total, 3),
        "count": count,
        "of": round(exposure.total, 2),
        "from": day_text(exposure.first),
        "to": day_text(exposure.end),
        "noise": round(noise, 2),
    }


def _dispersion(exposure: Exposure, day: Array) -> float:
    """Of the weekly counts about the same rate every week; 1 for a short series."""
    first, last = int(week_of(exposure.first)), int(week_of(exposure.end - 1))
    weeks = last - first + 1
    of = np.bincount(week_of(exposure.series.day) - first, exposure.series.value, minlength=weeks)
    counts = np.bincount(week_of(day) - first, minlength=weeks)
    filled = of > 0
    if np.count_nonzero(filled) < MIN_WEEKS or not len(day):
        return 1.0
    expected = of[filled] * counts[filled].sum() / of[filled].sum()
    if not counts[filled].sum():
        return 1.0
    return float((((counts[filled] - expected) ** 2) / expected).sum() / (np.count_nonzero(filled) - 1))


def lanes(series: Sequence[Series]) -> dict[str, list[dict[str, Any]]]:
    """By stage its series by week: counts are summed, parts of a denominator divided, all else averaged."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in series:
        kind = "count" if one.counts else "level" if np.isnan(one.denominator).any() else "ratio"
        week = week_of(one.day)
        first = int(week[0])
        values, weights = np.bincount(week - first, one.value), np.bincount(week - first, np.ones(len(week)))
        if kind == "ratio":
            weights = np.bincount(week - first, one.denominator)
        whole, divisor = float(values.sum()), float(weights.sum())
        told = np.flatnonzero(weights > 0)
        found[one.stage].append(
            {
                "name": one.name,
                "stage": one.stage,
                "kind": kind,
                "value": round(whole if kind == "count" else whole / divisor, 4) if divisor else None,
                "days": len(one.day),
                "from": day_text(int(one.day[0])),
                "to": day_text(one.end),
                "series": [
                    {
                        "week": day_text((first + number) * 7 - 3),
                        "value": round(
                            float(values[number] if kind == "count" else values[number] / weights[number]), 4
                        ),
                    }
                    for number in told.tolist()
                ],
            }
        )
    return dict(found)


def _word(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def _date(day: int) -> date:
    return EPOCH + timedelta(days=day)
