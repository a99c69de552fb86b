"""A change tried in one segment first: how often no effect is called one, and do its intervals hold?

    PYTHONPATH=. python -m benchmarks.impact_segments

Worlds as in `benchmarks.impact`, each cell seen in two segments (a country, say), `part` of all feedback in the
one that is changed first. Shares differ between segments; most bursts and wandering hit both, some only one, so
that the comparison is not handed to the method. The cell that rose most in the segment is picked, as people do.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.impact import STAGES, TOPICS, WORTH, share_of
from service.suggest.effect import Panel, Weeks, detectable, effect
from service.suggest.impact_plan import BASELINE_WEEKS, PLANNED_WEEKS, TRIGGER_WEEKS, WASHOUT_WEEKS

WEEKS = BASELINE_WEEKS + TRIGGER_WEEKS + WASHOUT_WEEKS + PLANNED_WEEKS
START = BASELINE_WEEKS + TRIGGER_WEEKS
OWN = 0.4  # of the wandering's strength is the segment's own
OWN_JUMPS = 0.3  # of jumps are


@dataclass(frozen=True)
class SplitWorld:
    """One history in the segment that is changed and in all others, and the cell that is."""

    here: Panel
    elsewhere: Panel
    picked: int


def split_world(chance: np.random.Generator, *, volume: float, part: float, change: float) -> SplitWorld:
    """A history in which the picked cell's share in the picked segment is multiplied by 1 - change."""
    time = np.arange(WEEKS)
    season = 1 + 0.3 * np.sin(2 * np.pi * (time / 52 + chance.random())) + chance.uniform(-0.2, 0.4) * time / WEEKS
    sizes = volume * chance.dirichlet(np.full(STAGES, 2.0)) * STAGES
    shares = chance.dirichlet(np.full(TOPICS, 0.5), STAGES) * chance.uniform(0.3, 0.8, (STAGES, 1))
    strength = chance.gamma(1.0, 0.12, (STAGES, TOPICS, 1))
    common, jumps = _wandering(chance), _jumps(chance, 0.01 * (1 - OWN_JUMPS))
    late = np.ones(WEEKS)
    late[-2:] = (0.95, 0.8)
    sides = []
    # the mix of segments drifts too
    drift = chance.uniform(-0.3, 0.3) * time / WEEKS
    for size in (part * (1 + drift), 1 - part * (1 + drift)):
        tilt = np.exp(chance.normal(0, 0.3, (STAGES, TOPICS, 1)))
        own = strength * OWN * _wandering(chance) + _jumps(chance, 0.01 * OWN_JUMPS)
        level = shares[..., None] * tilt * np.exp(strength * common + jumps + own)
        level = np.minimum(level, 0.95 / np.maximum(level.sum(axis=1, keepdims=True), 1e-9) * level)
        totals = chance.poisson(sizes[:, None] * season * late * size).astype(float)
        hits = np.minimum(chance.poisson(totals[:, None] * np.minimum(level, 0.9)), totals[:, None]).astype(float)
        sides.append((hits, totals, level))
    rises = []
    for hits, totals, _ in sides:
        recent, earlier = (
            hits[..., first : first + 4].sum(axis=2)
            / np.maximum(totals[:, first : first + 4].sum(axis=1), 1)[:, None]
            for first in (START - 4, START - 8)
        )
        enough = hits[..., :START].sum(axis=2) / START * PLANNED_WEEKS >= 20
        rises.append(np.where(enough, recent - earlier, -1.0).ravel())
    # one tries where it hurts: the cell is the one that rose most in the segment
    picked = int(rises[0].argmax())
    hits, totals, level = sides[0]
    if change:
        stage, topic = divmod(picked, TOPICS)
        changed = level[stage, topic, START:] * (1 - change)
        hits[stage, topic, START:] = np.minimum(
            chance.poisson(totals[stage, START:] * changed), totals[stage, START:]
        )
    of = np.repeat(np.arange(STAGES), TOPICS)
    here, elsewhere = (Panel(one[0].reshape(-1, WEEKS), one[1], of) for one in sides)
    return SplitWorld(here, elsewhere, picked)


def _wandering(chance: np.random.Generator) -> Any:
    noise = chance.normal(size=(STAGES, TOPICS, WEEKS))
    for week in range(1, WEEKS):
        noise[..., week] = 0.6 * noise[..., week - 1] + 0.8 * noise[..., week]
    return noise


def _jumps(chance: np.random.Generator, often: float) -> Any:
    found = (chance.random((STAGES, TOPICS, WEEKS)) < often) * chance.uniform(0.5, 1.5, (STAGES, TOPICS, WEEKS))
    found[..., 1:] += 0.6 * found[..., :-1]
    return found


def looks(one: SplitWorld) -> list[Any]:
    """The measurement after each week, the last one at the planned end."""
    after = START + WASHOUT_WEEKS
    untouched = np.ones(len(one.here.hits), dtype=bool)
    untouched[one.picked] = False
    return [
        effect(
            one.here,
            one.picked,
            Weeks(0, BASELINE_WEEKS, after, after + done, PLANNED_WEEKS),
            worth=WORTH,
            untouched=untouched,
            elsewhere=one.elsewhere,
        )
        for done in range(1, PLANNED_WEEKS + 1)
    ]


def run(worlds: int, volume: float, *, part: float, change: float, seed: int) -> dict[str, Any]:
    """Many worlds of one kind, measured."""
    chance = np.random.default_rng(seed)
    counts = dict.fromkeys(("helped", "helped_early", "got_worse", "covered", "covered_always", "spoke"), 0)
    seen = []
    true = 1 - change
    for _ in range(worlds):
        one = split_world(chance, volume=volume, part=part, change=change)
        *early, final = looks(one)
        counts["helped"] += final.verdict == "helped"
        counts["helped_early"] += any(look.verdict == "helped" for look in early)
        counts["got_worse"] += final.verdict == "got_worse"
        counts["spoke"] += final.verdict != "not_enough_data"
        counts["covered"] += final.ratio.low <= true <= final.ratio.high
        counts["covered_always"] += all(look.ratio.low <= true <= look.ratio.high for look in early)
        weeks = Weeks(0, BASELINE_WEEKS, START, START, PLANNED_WEEKS)
        seen.append(detectable(one.here, one.picked, weeks, elsewhere=one.elsewhere) or 1.0)
    return {
        "part": part,
        "volume": volume,
        "change": change,
        **{name: share_of(int(count), worlds) for name, count in counts.items()},
        "detectable_said": round(float(np.median(seen)), 3),
    }


def main() -> int:
    """Run and print; writes the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.impact_segments", description=__doc__)
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--figures", type=Path)
    arguments = parser.parse_args()
    results = []
    kinds = [(part, 0.0, volume) for part in (0.2, 0.5) for volume in (60.0, 250.0)]
    kinds += [(0.2, change, 250.0) for change in (0.2, 0.35, 0.5)] + [(0.5, 0.35, 60.0)]
    for part, change, volume in kinds:
        found = run(arguments.worlds, volume, part=part, change=change, seed=arguments.seed)
        results.append(found)
        told = {name: value["share"] for name, value in found.items() if isinstance(value, dict)}
        print(
            f"{part:.0%} first, {volume:.0f} items a stage and week, true change {-change:+.0%}: {told}",
            flush=True,
        )
    if arguments.figures is not None:
        arguments.figures.write_text(json.dumps({"worlds": arguments.worlds, "runs": results}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
