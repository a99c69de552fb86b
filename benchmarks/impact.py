"""How often impact says "helped" where nothing was changed, how often its intervals cover, and what it can see.

python -m benchmarks.impact [--worlds 400] [--figures benchmarks/figures/impact.json]

Worlds of stages × topics over weeks, generated: weekly volume with season and growth; shares that differ by cell;
bursts (a cell's odds wander as an autocorrelated process whose strength differs by cell, and now and then jump for
a week or two); a mix of two sources with different shares whose mix shifts; late rows (the last weeks fill up). In
each world the cell that rose most in the last four weeks against the twelve before, beyond MIN hits, is accepted,
as people do, and measured as the service does. With `effect` its share is then multiplied by 1 - effect.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.intervals import Interval
from service.suggest.change import BEFORE
from service.suggest.effect import Panel, Weeks, detectable, effect
from service.suggest.impact_plan import BASELINE_WEEKS, PLANNED_WEEKS, TRIGGER_WEEKS, WASHOUT_WEEKS

STAGES, TOPICS = 12, 20
WORTH = 0.2


@dataclass(frozen=True)
class World:
    """One generated history, and the week in which the change starts."""

    panel: Panel
    start: int
    picked: int


def world(chance: np.random.Generator, *, volume: float, worst: bool, change: float) -> World:
    """A history in which the picked cell's share is multiplied by 1 - change from its start on."""
    weeks = BASELINE_WEEKS + TRIGGER_WEEKS + WASHOUT_WEEKS + PLANNED_WEEKS
    start = BASELINE_WEEKS + TRIGGER_WEEKS
    time = np.arange(weeks)
    season = 1 + 0.3 * np.sin(2 * np.pi * (time / 52 + chance.random())) + chance.uniform(-0.2, 0.4) * time / weeks
    sizes = volume * chance.dirichlet(np.full(STAGES, 2.0)) * STAGES
    shares = chance.dirichlet(np.full(TOPICS, 0.5), STAGES) * chance.uniform(0.3, 0.8, (STAGES, 1))
    # odds wander: strength differs by cell, most are calm
    strength = chance.gamma(1.0, 0.12, (STAGES, TOPICS, 1))
    noise = chance.normal(size=(STAGES, TOPICS, weeks))
    for week in range(1, weeks):
        noise[..., week] = 0.6 * noise[..., week - 1] + 0.8 * noise[..., week]
    jumps = (chance.random((STAGES, TOPICS, weeks)) < 0.01) * chance.uniform(0.5, 1.5, (STAGES, TOPICS, weeks))
    jumps[..., 1:] += 0.6 * jumps[..., :-1]
    # two sources: the second one's shares differ, and its part of all drifts
    tilt = np.exp(chance.normal(0, 0.3, (STAGES, TOPICS, 1)))
    part = np.clip(0.3 + chance.uniform(-0.2, 0.2) * time / weeks, 0.05, 0.95)
    level = shares[..., None] * (1 - part + part * tilt) * np.exp(strength * noise + jumps)
    late = np.ones(weeks)
    late[-2:] = (0.95, 0.8)
    totals = chance.poisson(sizes[:, None] * season * late).astype(float)
    level = np.minimum(level, 0.95 / np.maximum(level.sum(axis=1, keepdims=True), 1e-9) * level)

    def draw(rates: Any) -> Any:
        return chance.poisson(totals[:, None] * np.minimum(rates, 0.9)).astype(float)

    hits = np.minimum(draw(level), totals[:, None])
    recent = (
        hits[..., start - 4 : start].sum(axis=2) / np.maximum(totals[:, start - 4 : start].sum(axis=1), 1)[:, None]
    )
    before = np.s_[start - 4 * (1 + BEFORE) : start - 4]
    earlier = hits[..., before].sum(axis=2) / np.maximum(totals[:, before].sum(axis=1), 1)[:, None]
    enough = hits[..., :start].sum(axis=2) / start * PLANNED_WEEKS >= 20
    rise = (
        np.where(enough, recent - earlier, -1.0) if worst else np.where(enough, chance.random(recent.shape), -1.0)
    )
    picked = int(rise.argmax())
    if change:
        stage, topic = divmod(picked, TOPICS)
        changed = level[stage, topic, start:] * (1 - change)
        hits[stage, topic, start:] = np.minimum(
            chance.poisson(totals[stage, start:] * changed), totals[stage, start:]
        )
    return World(Panel(hits.reshape(-1, weeks), totals, np.repeat(np.arange(STAGES), TOPICS)), start, picked)


def looks(one: World) -> list[Any]:
    """The measurement after each week from the first one on, the last one at the planned end."""
    after = one.start + WASHOUT_WEEKS
    untouched = np.ones(len(one.panel.hits), dtype=bool)
    untouched[one.picked] = False
    return [
        effect(
            one.panel,
            one.picked,
            Weeks(0, one.start - TRIGGER_WEEKS, after, after + done, PLANNED_WEEKS),
            worth=WORTH,
            untouched=untouched,
        )
        for done in range(1, PLANNED_WEEKS + 1)
    ]


def share_of(hits: int, n: int) -> dict[str, float | int]:
    """A share of worlds with its Wilson interval."""
    from service.intervals import share_interval

    found: Interval = share_interval(hits / n, n)
    return {"n": n, "share": round(found.value, 4), "low": round(found.low, 4), "high": round(found.high, 4)}


def run(worlds: int, volume: float, *, worst: bool, change: float, seed: int) -> dict[str, Any]:
    """Many worlds of one kind, measured."""
    chance = np.random.default_rng(seed)
    counts = dict.fromkeys(("helped", "helped_early", "got_worse", "covered", "covered_always", "spoke"), 0)
    seen = []
    for _ in range(worlds):
        one = world(chance, volume=volume, worst=worst, change=change)
        found = looks(one)
        final, early = found[-1], found[:-1]
        true = 1 - change
        counts["helped"] += final.verdict == "helped"
        counts["helped_early"] += any(look.verdict == "helped" for look in early)
        counts["got_worse"] += final.verdict == "got_worse"
        counts["spoke"] += final.verdict != "not_enough_data"
        counts["covered"] += final.ratio.low <= true <= final.ratio.high
        counts["covered_always"] += all(look.ratio.low <= true <= look.ratio.high for look in early)
        after = one.start + WASHOUT_WEEKS
        weeks = Weeks(0, one.start - TRIGGER_WEEKS, after, after, PLANNED_WEEKS)
        seen.append(detectable(one.panel, one.picked, weeks) or 1.0)
    return {
        "picked": "the worst riser" if worst else "at random",
        "volume": volume,
        "change": change,
        **{name: share_of(int(count), worlds) for name, count in counts.items()},
        "detectable_said": round(float(np.median(seen)), 3),
    }


def main() -> int:
    """Run and print; writes the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.impact", description=__doc__)
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--figures", type=Path)
    arguments = parser.parse_args()
    results = []
    kinds = [(worst, 0.0, volume) for worst in (True, False) for volume in (60.0, 250.0)]
    kinds += [(True, change, volume) for change in (0.2, 0.35, 0.5) for volume in (60.0, 250.0)]
    for worst, change, volume in kinds:
        found = run(arguments.worlds, volume, worst=worst, change=change, seed=arguments.seed)
        results.append(found)
        told = {name: value["share"] for name, value in found.items() if isinstance(value, dict)}
        print(
            f"{found['picked']}, {volume:.0f} items a stage and week, true change {-change:+.0%}: {told}",
            flush=True,
        )
    if arguments.figures is not None:
        arguments.figures.write_text(json.dumps({"worlds": arguments.worlds, "runs": results}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
