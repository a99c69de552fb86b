"""Series from elsewhere on the map: lanes of each column, and its pain points per 1,000 orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlp.codebook import JourneyModel
from service.aggregate.tally import Tally, columns_of
from service.store.metric_rates import Exposure, Series, exposures, lanes, rate
from service.store.rollup_codes import codes
from service.store.rollup_frame import Frame

Array = NDArray[Any]


def with_metrics(
    stages: Sequence[dict[str, Any]],
    *,
    model: JourneyModel,
    frame: Frame,
    mask: Callable[[], Array],
    series: Sequence[Series],
) -> list[dict[str, Any]]:
    """The columns with `metrics`, and `rate` at their pain points where a column has something to count per.

    `mask` chooses the map's items; those whose sender gave no time are in no rate. The columns themselves stay as
    they are: they are kept for the next one who asks.
    """
    if not series:
        return [stage | {"metrics": []} for stage in stages]
    by_stage, per = lanes(series), exposures(series)
    tally = Tally(frame, mask() & frame.rows["dated"], columns_of(model), len(model.stages))
    pairs = tally.pairs("pain")
    day, respondent = frame.rows["day"].take(pairs.row), frame.rows["cluster"].take(pairs.row)
    found = []
    for number, stage in enumerate(stages):
        covered = list(stage["codebook_stages"])
        exposure = _best([per[name] for name in covered if name in per])
        told = stage | {"metrics": [lane for name in covered for lane in by_stage.get(name, [])]}
        if exposure is not None:
            inside = pairs.column == number
            told["pain_points"] = [
                point | {"rate": _rate(exposure, inside, pairs.topic, day, respondent, point["topic"])}
                for point in stage["pain_points"]
            ]
        found.append(told)
    return found


def _best(some: Sequence[Exposure]) -> Exposure | None:
    """Of the stages that a column covers, the one with the best-named series, then the first."""
    return min(some, key=lambda one: one.series.preference, default=None)


def _rate(
    exposure: Exposure, inside: Array, topic: Array, day: Array, respondent: Array, label: str
) -> dict[str, Any]:
    rows = np.flatnonzero(inside & (topic == codes().labels["topic"].index(label)))
    return rate(exposure, day=day[rows], respondent=respondent[rows])
