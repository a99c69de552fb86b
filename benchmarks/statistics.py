"""Do the intervals hold what they promise, how often do trends alarm for nothing, and what do they see?

python -m benchmarks.statistics [--worlds 400] [--figures benchmarks/figures/statistics.json]

Worlds are generated as feedback is: bursts (odds wander as an autocorrelated process whose strength differs by
cell, and jump now and then for a week or two), season and growth, two sources with different shares whose mix
shifts, late rows (the newest weeks still fill up, one source's more), and respondents who repeat themselves.
What is measured is the code of the service. `benchmarks/impact.py` does the same for "did it help".
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from benchmarks.statistics_together import together
from service.aggregate.change import Course, past_of, trends
from service.aggregate.scores import KINDS, moments, score_values
from service.beyond_noise import PERIODS, QUARTERS, Changes, Counts, Periods, holm, shares_or_means
from service.intervals import difference_interval, effective_n, share_interval
from service.suggest.change import BEFORE, MIN_HITS, MIN_ITEMS, called, usual_mentions

Array = NDArray[Any]
STAGES, TOPICS = 12, 20
REPEATED = 1.4  # variance ratio of 70 % who say it once, 10 % twice, 3.3 % three times
SAMPLE = Path(__file__).parents[1] / "data" / "sample"


def part_of(hits: int, n: int) -> dict[str, float | int]:
    """A share of worlds with its Wilson interval."""
    found = share_interval(hits / max(1, n), n)
    return {"n": n, "share": round(found.value, 4), "low": round(found.low, 4), "high": round(found.high, 4)}


def wander(chance: np.random.Generator, shape: tuple[int, ...], strength: Any, jumps: float = 0.01) -> Array:
    """An autocorrelated process over weeks (last axis) in logarithms, with jumps of a week or two."""
    noise = chance.normal(size=shape)
    for week in range(1, shape[-1]):
        noise[..., week] = 0.6 * noise[..., week - 1] + 0.8 * noise[..., week]
    leaps = (chance.random(shape) < jumps) * chance.uniform(0.5, 1.5, shape)
    leaps[..., 1:] += 0.6 * leaps[..., :-1]
    return np.asarray(strength * noise + leaps)


def volume(chance: np.random.Generator, weeks: int) -> Array:
    """Season and growth over weeks, and bursts of all feedback."""
    time = np.arange(weeks)
    season = 1 + 0.3 * np.sin(2 * np.pi * (time / 52 + chance.random()))
    return np.asarray((season + chance.uniform(-0.2, 0.4) * time / weeks) * np.exp(wander(chance, (weeks,), 0.1)))


# --- coverage


def answers(
    chance: np.random.Generator, people: int, values: int, *, weeks: int = 13
) -> tuple[Array, Array, Array, Array]:
    """Answers 0 … values-1 of people who repeat: (value, respondent, probability of each value in the whole
    period, source). One person's answers are alike (normal copula, correlation 0.5).
    """
    base = chance.dirichlet(np.full(values, 1.5))
    tilt = wander(chance, (2, weeks), 0.15)[..., None] + np.array([0.0, chance.normal(0, 0.4)])[:, None, None]
    odds = base * np.exp(tilt * np.linspace(-1, 1, values))
    odds /= odds.sum(axis=-1, keepdims=True)
    part = np.clip(0.3 + chance.uniform(-0.2, 0.3) * np.arange(weeks) / weeks, 0.05, 0.95)
    expected = np.stack([1 - part, part]) * volume(chance, weeks)
    expected /= expected.sum()
    times = np.minimum(chance.geometric(0.7, people), 12)
    who = np.repeat(np.arange(people), times)
    where = chance.choice(2 * weeks, len(who), p=expected.reshape(-1))
    source, week = np.divmod(where, weeks)
    alike = chance.normal(size=people)[who] * np.sqrt(0.5) + chance.normal(size=len(who)) * np.sqrt(0.5)
    value = (np.cumsum(odds, axis=-1)[source, week] < ndtr(alike)[:, None]).sum(axis=1)
    late = np.ones((2, weeks))
    late[:, -2:] = [[0.97, 0.85], [0.9, 0.6]]
    arrived = chance.random(len(who)) < late[source, week]
    truth = (expected[..., None] * odds).sum(axis=(0, 1))
    return np.minimum(value, values - 1)[arrived], who[arrived], truth, source[arrived]


SCALES = {"nps": (0, 10), "csat": (1, 5), "csat_mean": (1, 5), "ces": (1, 7), "stars": (1, 5)}


def coverage(worlds: int, people: int, seed: int) -> dict[str, Any]:
    """How often 95 % intervals of a period hold what a complete one would show on average."""
    chance = np.random.default_rng(seed)
    held = dict.fromkeys((*SCALES, "net_sentiment", "share", "difference"), 0)
    for _ in range(worlds):
        for kind, (low, high) in SCALES.items():
            value, who, truth, _ = answers(chance, people, high - low + 1)
            scale = np.full(high - low + 1, low), np.full(high - low + 1, high)
            meant = score_values(kind, np.arange(low, high + 1, dtype=float), *scale)
            of = moments(meant[value], np.zeros(len(value), np.int64), who, groups=1)
            [found] = KINDS[kind].answer(of)
            true = float(meant @ truth) * KINDS[kind].scale
            held[kind] += found["low"] - 0.005 <= true <= found["high"] + 0.005
        value, who, truth, _ = answers(chance, people, 3)
        [found] = KINDS["nps"].answer(moments(value - 1.0, np.zeros(len(value), np.int64), who, groups=1))
        held["net_sentiment"] += found["low"] <= 100 * (truth[2] - truth[0]) <= found["high"]
        sides = []
        for _side in range(2):
            value, who, truth, _ = answers(chance, people, 4)
            sizes = np.bincount(who).astype(float)
            hits = np.bincount(who, value == 0, minlength=len(sizes))
            spoke = sizes > 0
            worth = effective_n(hits[spoke], sizes[spoke])
            sides.append((share_interval(float(hits.sum() / sizes.sum()), worth), float(truth[0])))
        (after, true_after), (before, true_before) = sides
        held["share"] += after.low <= true_after <= after.high
        both = difference_interval(after, before)
        held["difference"] += both.low <= true_after - true_before <= both.high
    return {name: part_of(int(count), worlds) for name, count in held.items()}


# --- trends


def said(chance: np.random.Generator, rate: Array) -> Array:
    """Items of people of whom some say the same two or three times."""
    return np.asarray(
        chance.poisson(0.7 * rate) + 2 * chance.poisson(0.1 * rate) + 3 * chance.poisson(rate / 30), dtype=float
    )


def panel(
    chance: np.random.Generator, *, items: float, weeks: int, size: float = 0.0, change: float = 0.0, at: int = 0
) -> tuple[Counts, int]:
    """Pains of stages by source and week, the oldest first; the cell that says about `size` things a week gets its
    share multiplied by 1 + change from week `at` on. Answers the counts and that cell.
    """
    sizes = items * chance.dirichlet(np.full(STAGES, 2.0)) * STAGES
    shares = chance.dirichlet(np.full(TOPICS, 0.5), STAGES) * chance.uniform(0.3, 0.8, (STAGES, 1))
    calm = np.repeat(shares[..., None], weeks, axis=2)
    cell = int(np.abs(np.log(np.maximum(sizes[:, None] * shares, 1e-9) / max(size, 1e-9))).argmin())
    calm.reshape(-1, weeks)[cell, at:] *= 1 + change
    level = calm * np.exp(wander(chance, calm.shape, chance.gamma(1.0, 0.12, (STAGES, TOPICS, 1))))
    tilt = np.exp(chance.normal(0, 0.3, (STAGES, TOPICS, 1)))
    part = np.clip(0.3 + chance.uniform(-0.2, 0.2) * np.arange(weeks) / weeks, 0.05, 0.95)
    flow = sizes[:, None] * volume(chance, weeks)
    late = np.ones((2, weeks))
    late[:, -1] = 0.97, 0.8
    n, hits = [], []
    for source, own in ((1 - part, np.ones_like(tilt)), (part, tilt)):
        rates = level * own
        rates = rates / np.maximum(1.0, rates.sum(axis=1, keepdims=True) / 0.95)
        arriving = flow * source * late[len(n)]
        found = said(chance, arriving[:, None] * rates)
        rest = said(chance, arriving * np.maximum(0.0, 1 - rates.sum(axis=1)))
        n.append(np.repeat((found.sum(axis=1) + rest)[:, None], TOPICS, axis=1).reshape(-1, weeks))
        hits.append(found.reshape(-1, weeks))
    of = Counts(np.stack(n, axis=1), np.stack(hits, axis=1), np.stack(hits, axis=1))
    return of, cell


def look(of: Counts, end: int) -> tuple[Changes, Array]:
    """What is called a change of pains at the end of week `end`, the latest four weeks against those before."""
    size = PERIODS * QUARTERS
    cut = []
    for part in (of.n, of.total, of.squares):
        seen = part[..., max(0, end - size) : end][..., ::-1]
        cut.append(np.pad(seen, ((0, 0), (0, 0), (0, size - seen.shape[-1]))))
    seen = Counts(*cut)
    windows = min(1 + BEFORE, max(2, end / QUARTERS))
    mentions = usual_mentions(seen.total, windows=windows)
    tested = mentions >= MIN_HITS
    for period in range(2):
        tested &= seen.n[..., period * QUARTERS : (period + 1) * QUARTERS].sum(axis=(1, 2)) >= MIN_ITEMS
    repeats = np.full(len(of.n), REPEATED)
    found = shares_or_means(seen, repeats=repeats, enough=tested, shares=True, before=BEFORE)
    return found, called(found.chance, mentions=mentions, looked_at=tested)


def counts_alone(of: Counts) -> Array:
    """What a test of two shares that knows nothing of the past would call a change, corrected for all cells."""
    n, hits = (
        part.sum(axis=1)[:, -2 * QUARTERS :].reshape(len(part), 2, QUARTERS).sum(axis=2)
        for part in (of.n, of.total)
    )
    share = hits.sum(axis=1) / np.maximum(n.sum(axis=1), 1)
    error = np.sqrt(np.maximum(share * (1 - share) * (1 / np.maximum(n, 1)).sum(axis=1), 1e-12))
    chance = 2 * ndtr(-np.abs(np.diff(hits / np.maximum(n, 1), axis=1)[:, 0]) / error)
    return holm(chance, among=np.flatnonzero((hits.sum(axis=1) >= MIN_HITS) & (n.min(axis=1) >= 20)))


def false_alarms(worlds: int, items: float, weeks: int, seed: int) -> dict[str, Any]:
    """How many looks at unchanged pains show any alarm, and how often intervals of single changes hold zero."""
    chance = np.random.default_rng(seed)
    alarms = pooled = inside = cells = 0
    for _ in range(worlds):
        of, _ = panel(chance, items=items, weeks=weeks)
        found, held = look(of, weeks)
        alarms += bool(held.any())
        pooled += bool(counts_alone(of).any())
        told = of.total[..., -2 * QUARTERS :].sum(axis=(1, 2)) >= MIN_HITS
        inside += int(((found.low <= 0) & (found.high >= 0))[told].sum())
        cells += int(told.sum())
    return {
        "items_a_stage_and_week": items,
        "weeks_of_history": weeks,
        "cells_tested": round(cells / worlds, 1),
        "alarm": part_of(alarms, worlds),
        "alarm_of_counts_alone": part_of(pooled, worlds),
        "intervals_hold_zero": {"n": cells, "share": round(inside / max(1, cells), 4)},
    }


def whole_year(worlds: int, items: float, seed: int) -> dict[str, Any]:
    """Unchanged years looked at every week: how many years, and how many looks, show an alarm."""
    chance = np.random.default_rng(seed)
    years = looks = 0
    for _ in range(worlds):
        of, _ = panel(chance, items=items, weeks=PERIODS * QUARTERS + 51)
        found = [bool(look(of, PERIODS * QUARTERS + week)[1].any()) for week in range(52)]
        years += any(found)
        looks += sum(found)
    return {
        "items_a_stage_and_week": items,
        "year": part_of(years, worlds),
        "look": round(looks / worlds / 52, 4),
    }


def power(worlds: int, size: float, change: float, seed: int) -> dict[str, Any]:
    """How often a planted change is seen after four weeks and within twelve, and the median delay in weeks."""
    chance = np.random.default_rng(seed)
    start = PERIODS * QUARTERS - 4
    at_four = 0
    delays = []
    for _ in range(worlds):
        of, cell = panel(chance, items=250.0, weeks=start + 12, size=size, change=change, at=start)
        seen = [week for week in range(1, 13) if look(of, start + week)[1][cell]]
        at_four += 4 in seen
        delays.append(seen[0] if seen else 99)
    middle = float(np.median(delays))
    return {
        "mentions_a_week": size,
        "change": change,
        "after_four_weeks": part_of(at_four, worlds),
        "within_twelve": part_of(sum(delay <= 12 for delay in delays), worlds),
        "median_delay_weeks": middle if middle <= 12 else None,
    }


def stage_alarms(worlds: int, items: float, seed: int) -> dict[str, Any]:
    """Looks at stages whose net sentiment and volume only wander, from items, as the map tells them."""
    chance = np.random.default_rng(seed)
    weeks, alarms = 28, {"net_sentiment": 0, "items": 0, "any": 0}
    first = Periods(0, 28, 56)
    periods = Periods(7 * weeks - 56, 7 * weeks - 28, 7 * weeks)
    assert past_of(first) <= 0
    for _ in range(worlds):
        flow = items * chance.dirichlet(np.full(STAGES, 2.0))[:, None] * STAGES * volume(chance, weeks)
        flow = flow * np.exp(wander(chance, flow.shape, 0.15))
        part = np.clip(0.3 + chance.uniform(-0.2, 0.2) * np.arange(weeks) / weeks, 0.05, 0.95)
        rates = flow[None] * np.stack([1 - part, part])[:, None]
        negative = 1 / (
            1 + np.exp(-(chance.normal(0, 1, (1, STAGES, 1)) + wander(chance, rates.shape, 0.2, 0.02)))
        )
        people = chance.poisson(rates / 1.4)
        index = np.repeat(np.arange(people.size), people.reshape(-1))
        value = np.where(chance.random(len(index)) < negative.reshape(-1)[index], -1.0, 1.0)
        value[chance.random(len(index)) < 0.2] = 0.0
        times = np.minimum(chance.geometric(0.72, len(index)), 8)
        kind, group, week = np.unravel_index(np.repeat(index, times), people.shape)
        day = 7 * week + chance.integers(0, 7, len(week))
        sign = (value + 1).astype(np.uint8)
        course = Course(
            day, group, np.repeat(np.arange(len(index)), times), np.repeat(sign, times), STAGES, kind, 2
        )
        found = trends(course, periods)
        seen = {
            name: any(one[name] is not None and one[name]["significant"] for one in found)
            for name in ("net_sentiment", "items")
        }
        for name, alarmed in seen.items():
            alarms[name] += alarmed
        alarms["any"] += any(seen.values())
    return {"items_a_stage_and_week": items, **{name: part_of(count, worlds) for name, count in alarms.items()}}


def permuted_sample(permutations: int, seed: int) -> dict[str, Any]:
    """The bundled sample with its whole weeks in another order: what is left of its stories is chance."""
    dates: dict[str, str] = {}
    with (SAMPLE / "survey.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        dates[row.get("external_id") or ""] = row.get("occurred_at") or ""
    for name in ("reviews.ndjson", "tickets.ndjson"):
        for line in (SAMPLE / name).read_text(encoding="utf-8").splitlines():
            body = json.loads(line)
            told = body.get("data", body)
            dates[str(told.get("external_id"))] = told.get("occurred_at") or body.get("timestamp") or ""
    with (SAMPLE / "labels.csv").open(encoding="utf-8", newline="") as file:
        labels = [row for row in csv.DictReader(file) if dates.get(row["external_id"])]
    week = np.array([(date.fromisoformat(dates[row["external_id"]][:10]).toordinal() - 1) // 7 for row in labels])
    week -= week.min()
    weeks = int(week.max()) + 1
    stages = sorted({row["stage"] for row in labels})
    cells = sorted({(row["stage"], row["topic"]) for row in labels})
    n = np.zeros((len(cells), 1, weeks))
    hits = np.zeros_like(n)
    for row, number in zip(labels, week.tolist(), strict=True):
        for cell, (stage, topic) in enumerate(cells):
            if stage == row["stage"]:
                n[cell, 0, number] += 1
                hits[cell, 0, number] += topic == row["topic"] and row["sentiment"] == "negative"
    chance = np.random.default_rng(seed)
    alarms = 0
    for _ in range(permutations):
        order = chance.permutation(weeks)
        alarms += bool(look(Counts(n[..., order], hits[..., order], hits[..., order]), weeks)[1].any())
    return {
        "items": len(labels),
        "weeks": weeks,
        "stages": len(stages),
        "cells": len(cells),
        "alarm": part_of(alarms, permutations),
    }


def main() -> int:
    """Run and print; writes the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics", description=__doc__)
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--figures", type=Path)
    given = parser.parse_args()
    worlds, seed = given.worlds, given.seed
    found: dict[str, Any] = {"worlds": worlds, "seed": seed}

    def told(name: str, result: dict[str, Any]) -> dict[str, Any]:
        short = {key: value["share"] if isinstance(value, dict) else value for key, value in result.items()}
        print(f"{name}: {short}", flush=True)
        return result

    found["coverage"] = [
        {"respondents": people, **told(f"coverage, {people} respondents", coverage(5 * worlds, people, seed))}
        for people in (30, 150, 600)
    ]
    found["false_alarms"] = [
        told("pains unchanged", false_alarms(worlds, items, weeks, seed))
        for weeks in (8, 24, PERIODS * QUARTERS)
        for items in (60.0, 250.0, 1000.0)
    ]
    found["stages"] = [told("stages unchanged", stage_alarms(worlds // 2, items, seed)) for items in (30.0, 120.0)]
    found["together"] = [
        told("all that is told unasked", together(worlds // 2, items, seed, worse=worse))
        for items in (30.0, 120.0, 400.0)
        for worse in (1.0, 4.0)
    ]
    found["years"] = [told("a year of weekly looks", whole_year(max(10, worlds // 5), 250.0, seed))]
    found["power"] = [
        told("planted", power(max(10, worlds // 5), size, change, seed))
        for size in (5.0, 20.0, 60.0)
        for change in (0.5, 1.0, 2.0, -0.5)
    ]
    found["sample_permuted"] = told("the sample's weeks permuted", permuted_sample(worlds, seed))
    if given.figures is not None:
        given.figures.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
