"""How often does a rejected suggestion come back although nothing changed, and does it come back when it should?

python -m benchmarks.reopening [--worlds 300]

A pain of a stage with 40 items a week wanders and jumps as in benchmarks/statistics.py. It is rejected after a
year and looked at every week for half a year, by the rule of service/suggest/evidence_growth.py for a risen share:
once by its level and noise, once at 99 % without the noise of the past.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.statistics import Array, wander
from service.intervals import difference_interval, share_interval
from service.suggest.evidence_growth import LEVEL, MIN_PEOPLE

BEFORE, AFTER, ITEMS, SHARE = 52, 26, 40, 0.12


def noise_of(hits: Array, n: Array) -> float:
    """Variance over that of independent items, from neighbouring blocks of four weeks, as beyond_noise.py."""
    blocks = len(hits) // 4
    some, of = (part[-4 * blocks :].reshape(blocks, 4).sum(axis=1) for part in (hits, n))
    both = (some[1:] + some[:-1]) / (of[1:] + of[:-1])
    spread = both * (1 - both) * (1 / of[1:] + 1 / of[:-1]) + 1e-12
    squared = (some[1:] / of[1:] - some[:-1] / of[:-1]) ** 2 / spread
    return max(1.0, float((squared.sum() / 1.5 + 3 * 1.5) / (len(squared) / 1.5 + 3)))


def comes_back(worlds: int, *, rise: float, level: float, noisy: bool, seed: int = 1) -> float:
    """The part of worlds in which the share since the rejection is called higher at any look."""
    chance = np.random.default_rng(seed)
    back = 0
    for _ in range(worlds):
        odds = SHARE * np.exp(wander(chance, (BEFORE + AFTER,), chance.gamma(1.0, 0.12)))
        odds[BEFORE:] *= rise
        n = np.maximum(1, chance.poisson(ITEMS, BEFORE + AFTER))
        hits = chance.binomial(n, np.minimum(odds, 0.9))
        then = int(hits[:BEFORE].sum()), int(n[:BEFORE].sum())
        for week in range(BEFORE + 1, BEFORE + AFTER + 1):
            new, of = int(hits[BEFORE:week].sum()), int(n[BEFORE:week].sum())
            if new < MIN_PEOPLE:
                continue
            worth = 1 / noise_of(hits[:week], n[:week]) if noisy else 1.0
            since = share_interval(new / of, of * worth, level=level)
            before = share_interval(then[0] / then[1], then[1] * worth, level=level)
            if difference_interval(since, before).low > 0:
                back += 1
                break
    return back / worlds


def main() -> None:
    """Print both rules."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reopening", description=__doc__)
    parser.add_argument("--worlds", type=int, default=300)
    given = parser.parse_args()
    for name, level, noisy in (("as it is", LEVEL, True), ("at 99 %, without noise", 0.99, False)):
        found = [comes_back(given.worlds, rise=rise, level=level, noisy=noisy) for rise in (1.0, 1.5, 2.0)]
        print(f"{name}: unchanged {found[0]:.3f}, risen by half {found[1]:.3f}, doubled {found[2]:.3f}")


if __name__ == "__main__":
    main()
