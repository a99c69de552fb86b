"""Metrics from elsewhere as outcomes of a change: how often is no effect called one, what is seen?

    PYTHONPATH=. python -m benchmarks.impact_metrics

Worlds: a weekly series (a conversion, say) with a season of a year (a wave, two waves, or some weeks before
Christmas), weeks that hang together (an autoregression, or a level that wanders off for good), and bursts. The
share of feedback picks the change, so its date is any week. From then on the series is multiplied.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from math import log, sqrt
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.impact import share_of
from service.intervals import Interval
from service.suggest.effect import verdict_of
from service.suggest.impact_plan import BASELINE_WEEKS, PLANNED_WEEKS, TRIGGER_WEEKS, WASHOUT_WEEKS
from service.suggest.measures import SMALLEST_EFFECT
from service.suggest.metric_effect import WEEKS_A_YEAR, Moved, Weekly, moved

GAP: Final = TRIGGER_WEEKS + WASHOUT_WEEKS
LOOKS: Final = (2, 4, 6)  # weeks after, before the planned end
SETTLED: Final = 60  # weeks that the autoregression runs before the first

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of world; all sizes are of logarithms."""

    name: str
    hangs: float  # of a week on the one before
    noise: float = 0.05
    season: float = 0.1
    shape: str = "wave"
    wander: float = 0.0  # of a level that never comes back, each week
    bursts: float = 0.0
    compared: bool = False  # the difference to the same metric in segments that were not changed


KINDS: Final = (
    Kind("wave", 0.5),
    Kind("wave, weeks hang together", 0.8),
    Kind("two waves", 0.5, shape="two"),
    Kind("weeks before Christmas", 0.4, shape="peak"),
    Kind("wave, level wanders", 0.3, wander=0.01),
    Kind("wave and bursts", 0.3, noise=0.04, bursts=0.2),
)
# what is left of the season where a segment's differs a little
SEGMENTS: Final = Kind("against other segments", 0.5, season=0.02, compared=True)


def series(chance: np.random.Generator, kind: Kind, weeks: int) -> Floats:
    """Logarithms of so many weeks of an unchanged metric."""
    steps = chance.normal(0, kind.noise * sqrt(1 - kind.hangs**2), weeks + SETTLED)
    found = np.zeros(weeks + SETTLED)
    for number in range(1, weeks + SETTLED):
        found[number] = kind.hangs * found[number - 1] + steps[number]
    found = found[SETTLED:] + np.cumsum(chance.normal(0, 1, weeks)) * kind.wander
    angle = 2 * np.pi * (np.arange(weeks) / WEEKS_A_YEAR + chance.random())
    season = np.sin(angle)
    if kind.shape == "two":
        season = season + 0.5 * np.sin(2 * angle + 2 * np.pi * chance.random())
    if kind.shape == "peak":
        season = 1.5 * np.exp(-0.5 * ((angle / (2 * np.pi) % 1 - 0.5) / 0.04) ** 2)
    for start in np.flatnonzero(chance.random(weeks) < (0.02 if kind.bursts else 0)).tolist():
        found[start : start + int(chance.integers(1, 5))] += chance.choice([-1, 1]) * kind.bursts
    return np.asarray(found + kind.season * season)


def verdict(found: Moved) -> str:
    """What it is called where higher is better."""
    change = found.change
    harm = Interval(-change.value, -change.high, -change.low)
    return verdict_of(harm, -log(1 - SMALLEST_EFFECT), enough=True)


def run(worlds: int, kind: Kind, history: int, *, change: float, seed: int) -> dict[str, Any]:
    """Many worlds of one kind, measured at the planned end and before; `history` weeks before the suggestion."""
    chance = np.random.default_rng(seed)
    counts = dict.fromkeys(("helped", "helped_early", "got_worse", "no_effect", "covered", "covered_always"), 0)
    week = np.arange(-GAP - history, PLANNED_WEEKS)
    true = log(1 + change)
    for _ in range(worlds):
        value = series(chance, kind, len(week))
        value[week >= -WASHOUT_WEEKS] += true
        weekly = Weekly(week, value, -GAP)
        *early, final = (
            moved(weekly, baseline_weeks=BASELINE_WEEKS, planned=PLANNED_WEEKS, done=done, compared=kind.compared)
            for done in (*LOOKS, PLANNED_WEEKS)
        )
        assert final is not None
        looks = [one for one in early if one is not None]
        counts["helped"] += verdict(final) == "helped"
        counts["helped_early"] += any(verdict(one) == "helped" for one in looks)
        counts["got_worse"] += verdict(final) == "got_worse"
        counts["no_effect"] += verdict(final) == "no_effect_worth_having"
        counts["covered"] += final.change.low <= true <= final.change.high
        counts["covered_always"] += all(one.change.low <= true <= one.change.high for one in looks)
    shares = {name: share_of(int(count), worlds) for name, count in counts.items()}
    return {"world": kind.name, "weeks_before": history, "change": change, **shares}


def main() -> int:
    """Run and print; writes the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.impact_metrics", description=__doc__)
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=29)
    parser.add_argument("--figures", type=Path)
    arguments = parser.parse_args()
    results = []
    kinds = [(kind, history, 0.0) for kind in KINDS for history in (52, 104)]
    kinds += [(SEGMENTS, history, change) for history in (34, 104) for change in (0.0, 0.2)]
    kinds += [(KINDS[0], history, change) for history in (52, 104, 156) for change in (0.1, 0.2)]
    for kind, history, change in kinds:
        found = run(arguments.worlds, kind, history, change=change, seed=arguments.seed)
        results.append(found)
        told = {name: value["share"] for name, value in found.items() if isinstance(value, dict)}
        print(f"{kind.name}, {history} weeks before, change {change:+.0%}: {told}", flush=True)
    if arguments.figures is not None:
        arguments.figures.write_text(json.dumps({"worlds": arguments.worlds, "runs": results}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
