"""Everything that the first page, the digest and webhooks call a change, looked at together in unchanged worlds.

Stages, topics and emotions are three answers on the same items. Each promises at most 5 % of looks with a false
alarm, so by arithmetic alone three of them could come to 15 %. Here is how many do, and what it would cost to
share one 5 % among the three (C. Bonferroni's inequality).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.aggregate.change import Course, past_of, trends
from service.aggregate.significant import CHANGE_FIELDS
from service.beyond_noise import LEVEL, Periods

Array = NDArray[Any]
STAGES, TOPICS = 12, 20
NEGATIVE, POSITIVE = 9, 6  # emotions of each side, and a neutral one
WEEKS = 28
SHARED_ALPHA = (1 - LEVEL) / len(CHANGE_FIELDS)


def items(chance: np.random.Generator, volume: float, *, worse: float) -> tuple[dict[str, Array], int]:
    """Items of people who repeat, with stage, topic, emotion, sentiment, day and source; and the stage in which
    negative words have `worse` times the odds in the last four weeks.
    """
    from benchmarks.statistics import volume as all_of_it
    from benchmarks.statistics import wander

    sizes = volume * chance.dirichlet(np.full(STAGES, 2.0)) * STAGES
    topics = chance.dirichlet(np.full(TOPICS, 0.5), STAGES)
    stage_flow = sizes[:, None] * all_of_it(chance, WEEKS) * np.exp(wander(chance, (STAGES, WEEKS), 0.15))
    topic_flow = topics[..., None] * np.exp(wander(chance, (STAGES, TOPICS, WEEKS), 0.15))
    part = np.clip(0.3 + chance.uniform(-0.2, 0.2) * np.arange(WEEKS) / WEEKS, 0.05, 0.95)
    rates = np.stack([1 - part, part])[:, None, None] * stage_flow[:, None] * topic_flow
    odds = chance.normal(0, 1, (1, STAGES, 1, 1)) + chance.normal(0, 0.5, (1, 1, TOPICS, 1))
    odds = odds + wander(chance, (2, STAGES, 1, WEEKS), 0.2, 0.02)
    changed = int(np.abs(sizes - np.median(sizes)).argmin())
    odds = np.broadcast_to(odds, rates.shape).copy()
    odds[:, changed, :, -4:] += np.log(worse)
    people = chance.poisson(rates / 1.4)
    index = np.repeat(np.arange(people.size), people.reshape(-1))
    negative = chance.random(len(index)) < (1 / (1 + np.exp(-odds))).reshape(-1)[index]
    value = np.where(negative, -1.0, 1.0)
    value[chance.random(len(index)) < 0.2] = 0.0
    kind, stage, topic, week = np.unravel_index(index, people.shape)
    felt = NEGATIVE + POSITIVE
    weights = np.exp(wander(chance, (felt, WEEKS), 0.2) + chance.normal(0, 1, (felt, 1)))
    emotion = np.full(len(index), felt)
    for side, first, last in ((-1.0, 0, NEGATIVE), (1.0, NEGATIVE, felt)):
        of_side = value == side
        steps = np.cumsum(weights[first:last] / weights[first:last].sum(axis=0), axis=0)
        chosen = (steps[:, week[of_side]] < chance.random(int(of_side.sum()))).sum(axis=0)
        emotion[of_side] = first + np.minimum(chosen, last - first - 1)
    times = np.minimum(chance.geometric(0.72, len(index)), 8)
    again = np.repeat(np.arange(len(index)), times)
    sign = (value + 1).astype(np.uint8)
    found = {"stage": stage, "topic": topic, "emotion": emotion, "sign": sign, "kind": kind, "week": week}
    found = {name: column[again] for name, column in found.items()} | {"who": again}
    found["day"] = 7 * found["week"] + chance.integers(0, 7, len(again))
    return found, changed


def called(found: dict[str, Array], alpha: float) -> dict[str, list[tuple[int, str]]]:
    """By field: the labels and measures that are called changed."""
    periods = Periods(7 * WEEKS - 56, 7 * WEEKS - 28, 7 * WEEKS)
    assert past_of(Periods(0, 28, 56)) <= 0
    groups = {"stage": STAGES, "topic": TOPICS, "emotion": NEGATIVE + POSITIVE + 1}
    told: dict[str, list[tuple[int, str]]] = {}
    for field in CHANGE_FIELDS:
        course = Course(found["day"], found[field], found["who"], found["sign"], groups[field], found["kind"], 2)
        told[field] = [
            (label, measure)
            for label, row in enumerate(trends(course, periods, alpha=alpha))
            for measure in ("net_sentiment", "items")
            if row[measure] is not None and row[measure]["significant"]
        ]
    return told


def together(worlds: int, volume: float, seed: int, *, worse: float = 1.0) -> dict[str, Any]:
    """How many looks show any alarm, each answer at 5 % and all sharing 5 %; with `worse` other than 1 how many
    show the stage that was made worse.
    """
    from benchmarks.statistics import part_of

    chance = np.random.default_rng(seed)
    each = shared = seen_each = seen_shared = 0
    for _ in range(worlds):
        found, changed = items(chance, volume, worse=worse)
        alone, all_of_them = called(found, 1 - LEVEL), called(found, SHARED_ALPHA)
        each += any(alone.values())
        shared += any(all_of_them.values())
        seen_each += (changed, "net_sentiment") in alone["stage"]
        seen_shared += (changed, "net_sentiment") in all_of_them["stage"]
    answer: dict[str, Any] = {"items_a_stage_and_week": volume, "odds_times": worse}
    if worse == 1.0:
        return answer | {"each_at_5": part_of(each, worlds), "together_at_5": part_of(shared, worlds)}
    return answer | {
        "seen_each_at_5": part_of(seen_each, worlds),
        "seen_together_at_5": part_of(seen_shared, worlds),
    }
