"""Contacts per 1,000 orders as outcome of a change: how often is no effect called one, do the intervals hold?

    PYTHONPATH=. python -m benchmarks.impact_rates

The worlds of `benchmarks.impact`, and orders with a season, a growth and bursts of their own: feedback comes and
goes for other reasons than orders do. The stage alone has orders, or every stage has its own.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.impact import STAGES, WORTH, World, share_of, world
from service.store.metric_rates import Exposure, Series
from service.suggest.effect import Effect, Panel, Weeks
from service.suggest.impact_plan import BASELINE_WEEKS, PLANNED_WEEKS, TRIGGER_WEEKS, WASHOUT_WEEKS
from service.suggest.impact_windows import WEEK, Windows
from service.suggest.outcomes import contacts_rate

WEEKS = BASELINE_WEEKS + TRIGGER_WEEKS + WASHOUT_WEEKS + PLANNED_WEEKS
AFTER = BASELINE_WEEKS + TRIGGER_WEEKS + WASHOUT_WEEKS
NAMES = tuple(f"stage {number}" for number in range(STAGES))


def orders(chance: np.random.Generator) -> Series:
    """A year of daily orders: season, growth, bursts of a week."""
    time = np.arange(WEEKS)
    weekly = 1 + 0.3 * np.sin(2 * np.pi * (time / 52 + chance.random())) + chance.uniform(-0.2, 0.4) * time / WEEKS
    weekly = weekly * np.exp(chance.normal(0, 0.1, WEEKS))
    daily = chance.poisson(np.repeat(weekly, WEEK) * chance.uniform(300, 3000)).astype(float)
    return Series("orders", "", np.arange(len(daily)), daily, np.full(len(daily), np.nan))


def measured(one: World, exposures: dict[str, Exposure], done: int) -> Effect:
    """The measurement after so many weeks."""
    shown = np.r_[0:BASELINE_WEEKS, AFTER:WEEKS]
    panel = Panel(one.panel.hits[:, shown], one.panel.totals[:, shown], one.panel.of)
    start = WEEK * (BASELINE_WEEKS + TRIGGER_WEEKS)
    windows = Windows(
        0, WEEK * BASELINE_WEEKS, start, WEEK * AFTER, BASELINE_WEEKS, done, WEEK * (AFTER + PLANNED_WEEKS)
    )
    untouched = np.ones(len(panel.hits), dtype=bool)
    untouched[one.picked] = False
    found = contacts_rate(
        panel,
        one.picked,
        Weeks(0, BASELINE_WEEKS, BASELINE_WEEKS, BASELINE_WEEKS + done, PLANNED_WEEKS),
        stages=NAMES,
        exposures=exposures,
        windows=windows,
        worth=WORTH,
        untouched=untouched,
    )
    assert found is not None
    return found.effect


def run(worlds: int, volume: float, *, everywhere: bool, change: float, seed: int) -> dict[str, Any]:
    """Many worlds of one kind, measured."""
    chance = np.random.default_rng(seed)
    counts = dict.fromkeys(("helped", "helped_early", "got_worse", "covered", "covered_always"), 0)
    true = 1 - change
    for _ in range(worlds):
        one = world(chance, volume=volume, worst=True, change=change)
        with_orders = range(STAGES) if everywhere else [int(one.panel.of[one.picked])]
        exposures = {NAMES[number]: Exposure(orders(chance), 0, WEEK * WEEKS) for number in with_orders}
        *early, final = (measured(one, exposures, done) for done in range(1, PLANNED_WEEKS + 1))
        counts["helped"] += final.verdict == "helped"
        counts["helped_early"] += any(look.verdict == "helped" for look in early)
        counts["got_worse"] += final.verdict == "got_worse"
        counts["covered"] += final.ratio.low <= true <= final.ratio.high
        counts["covered_always"] += all(look.ratio.low <= true <= look.ratio.high for look in early)
    found = {name: share_of(int(count), worlds) for name, count in counts.items()}
    return {"orders": "every stage" if everywhere else "the stage", "volume": volume, "change": change, **found}


def main() -> int:
    """Run and print; writes the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.impact_rates", description=__doc__)
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=23)
    parser.add_argument("--figures", type=Path)
    arguments = parser.parse_args()
    results = []
    kinds = [(everywhere, 0.0, volume) for everywhere in (False, True) for volume in (60.0, 250.0)]
    kinds += [(everywhere, 0.5, 250.0) for everywhere in (False, True)]
    for everywhere, change, volume in kinds:
        found = run(arguments.worlds, volume, everywhere=everywhere, change=change, seed=arguments.seed)
        results.append(found)
        told = {name: value["share"] for name, value in found.items() if isinstance(value, dict)}
        print(f"{found['orders']}, {volume:.0f} items a stage and week, change {-change:+.0%}: {told}", flush=True)
    if arguments.figures is not None:
        arguments.figures.write_text(json.dumps({"worlds": arguments.worlds, "runs": results}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
