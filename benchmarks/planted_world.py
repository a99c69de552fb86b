"""Invented workspaces with stories planted in them: what `benchmarks/planted.py` looks at.

Feedback comes in as it does: stages of unequal size, odds that wander and jump for a week or two, season and
growth, four sources whose mix shifts and of which some speak more of one thing, newest weeks that still fill up,
people who say the same up to three times and regulars who write about everything, second opinions in one text.

A story is a pain (or delight) at a random stage and topic that is SIZE times as valuable (mentions × severity) as
the largest of the background where it is at its largest: all the time ("steady", "delight"), since a few weeks
("rise"), or until a few weeks ago ("fall"). The texts are the situations of data/written with the same labels.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.statistics import volume, wander
from service.store.rollup_codes import codebook
from service.suggest.priority import FLOOR

Array = NDArray[Any]
Texts = dict[tuple[str, str, str], list[str]]
WRITTEN = Path(__file__).resolve().parents[1] / "data" / "written"
WEEKS: Final = 60
SIZE: Final = (2.0, 5.0)
RATIO: Final = (2.5, 6.0)  # of the large to the small level of a rise or fall
SINCE: Final = (4, 5)  # full weeks before the end in which a rise or fall has been there: a trend looks at four
SOURCES: Final = (("desk", "ticket"), ("shop", "review"), ("after-order", "survey"), ("helper", "chat"))
PAINS: Final = ("steady", "rise", "fall")
NOT_PLANTED: Final = ("general", "none")  # of no topic or stage: nothing to act on by design
BOTHER: Final = ("frustration", "disappointment", "anger", "anxiety", "confusion", "skepticism", "regret")
PLEASE: Final = ("satisfaction", "joy", "gratitude", "relief", "excitement")
ENOUGH_TEXTS: Final = 15  # of a cell, where texts speak for themselves


@dataclass(frozen=True, slots=True)
class Story:
    """What was planted, and where."""

    kind: str  # steady, rise, fall, delight
    stage: str
    topic: str
    size: float  # beside the largest of the background
    ratio: float  # of the levels of a rise or fall, else 1
    since: int  # full weeks before the end

    @property
    def id(self) -> str:
        """The public id of the suggestion that it should become."""
        return f"{'delight.' if self.kind == 'delight' else ''}{self.stage}.{self.topic}"

    @property
    def direction(self) -> int:
        """What a trend should say: 1 up, -1 down, 0 nothing."""
        return {"rise": 1, "fall": -1}.get(self.kind, 0)


@dataclass(frozen=True, slots=True)
class World:
    """A workspace in columns, one entry an item, and the stories in it."""

    stories: tuple[Story, ...]
    week: Array
    day: Array  # since the first Monday
    source: Array
    stage: Array  # position in the codebook
    topic: Array
    side: Array  # -1 negative, 0 neutral, 1 positive
    emotion: Array
    person: Array  # -1 for none
    second: Array  # topic of a second opinion in the same stage, -1 for none
    second_side: Array


def planted(seed: int, *, items: float, only: frozenset[tuple[str, str, str]] | None = None) -> World:
    """A workspace of some `items` a week; with `only`, all at these stages, topics and sentiments."""
    chance = np.random.default_rng(seed)
    book = codebook()
    stages, topics = book.labels("stage"), book.labels("topic")
    allowed = np.ones((2, len(stages), len(topics)), dtype=bool)
    allowed[:, stages.index("none")] = False
    if only is not None:
        for side, name in enumerate(("negative", "positive")):
            allowed[side] &= [[(stage, topic, name) in only for topic in topics] for stage in stages]
    flow = chance.dirichlet(np.full(len(stages), 2.0)) * items
    share = chance.dirichlet(np.full(len(topics), 0.5), (2, len(stages))) * allowed
    share /= np.maximum(share.sum(axis=2, keepdims=True), 1e-9)
    said = chance.uniform([[0.25], [0.15]], [[0.6], [0.4]], (2, len(stages)))  # negative, positive part of a stage
    rate = flow[None, :, None] * said[..., None] * share
    feelings = [_numbers("emotion", BOTHER), _numbers("emotion", PLEASE)]
    mood = np.stack([chance.choice(names, rate.shape[1:]) for names in feelings])
    harm = _harm(mood, feelings)
    shape = np.ones((*rate.shape, WEEKS))
    stories = []
    kinds = [*chance.choice(PAINS, chance.integers(1, 4)), "delight"]
    free = allowed.copy()
    free[:, :, [topics.index(one) for one in NOT_PLANTED if one in topics]] = False
    largest = [float((rate * harm)[side].max()) for side in (0, 1)]
    for kind in kinds:
        side = int(kind == "delight")
        stage, topic = _place(chance, free[side])
        free[:, stage, topic] = False
        size, ratio = float(chance.uniform(*SIZE)), float(chance.uniform(*RATIO))
        since = int(chance.choice(SINCE))
        rate[side, stage, topic] = size * largest[side] / harm[side, stage, topic]
        if kind == "rise":
            shape[side, stage, topic, : WEEKS - since] = 1 / ratio
        if kind == "fall":
            shape[side, stage, topic, WEEKS - since :] = 1 / ratio
        changes = kind in ("rise", "fall")
        stories.append(Story(str(kind), stages[stage], topics[topic], size, ratio if changes else 1.0, since))
    return _drawn(chance, tuple(stories), flow, said, rate, shape, mood, feelings)


def _numbers(field: str, labels: tuple[str, ...]) -> list[int]:
    book = codebook().labels(field)
    return [book.index(one) for one in labels]


def _harm(mood: Array, feelings: list[list[int]]) -> Array:
    """By side and cell the mean severity of items of which 70 % carry the cell's own emotion."""
    valence = np.array([entry.valence for entry in codebook().emotions])
    found = []
    for side, sign in ((0, -1.0), (1, 1.0)):
        felt = np.maximum(FLOOR, sign * valence)
        found.append(0.7 * felt[mood[side]] + 0.3 * felt[feelings[side]].mean())
    return np.stack(found)


def _place(chance: np.random.Generator, free: Array) -> tuple[int, int]:
    stage, topic = chance.choice(np.argwhere(free))
    return int(stage), int(topic)


def _drawn(
    chance: np.random.Generator,
    stories: tuple[Story, ...],
    flow: Array,
    said: Array,
    rate: Array,
    shape: Array,
    mood: Array,
    feelings: list[list[int]],
) -> World:
    sides, stages, topics = rate.shape
    time = np.arange(WEEKS + 1)  # the last is not over yet
    everywhere = np.concatenate([shape, shape[..., -1:]], axis=-1)
    strength = chance.gamma(1.0, 0.12, (sides, stages, topics, 1))
    season = volume(chance, WEEKS + 1) * np.exp(wander(chance, (stages, WEEKS + 1), 0.1))
    level = (
        rate[..., None] * everywhere * np.exp(wander(chance, everywhere.shape, strength)) * season[None, :, None]
    )
    rest = (flow * np.maximum(0.05, 1 - said.sum(axis=0)))[:, None] * season
    mix = np.exp(
        chance.normal(0, 0.5, (len(SOURCES), 1)) + chance.normal(0, 0.5, (len(SOURCES), 1)) * time / WEEKS
    )
    mix /= mix.sum(axis=0)
    tilt = np.exp(chance.normal(0, 0.3, (len(SOURCES), sides, stages, topics, 1)))
    late = np.ones((len(SOURCES), WEEKS + 1))
    late[:, -2] = chance.uniform(0.8, 1.0, len(SOURCES))
    late[:, -1] = chance.uniform(0.1, 0.5, len(SOURCES))
    arriving = (mix * late)[:, None, None, None] * tilt * level[None]
    neutral = (mix * late)[:, None] * rest[None]
    groups = []
    for copies, part in ((1, 0.7), (2, 0.1), (3, 1 / 30)):
        found = np.nonzero(chance.poisson(part * np.broadcast_to(arriving, arriving.shape)))
        counts = chance.poisson(part * arriving)
        found = np.repeat(np.arange(counts.size), counts.reshape(-1))
        source, side, stage, topic, week = np.unravel_index(found, counts.shape)
        groups.append((np.full(len(found), copies), source, 2 * side - 1, stage, topic, week))
    counts = chance.poisson(neutral)
    source, stage, week = np.unravel_index(np.repeat(np.arange(counts.size), counts.reshape(-1)), counts.shape)
    general = np.full(len(stage), codebook().labels("topic").index("general"))
    groups.append((np.ones(len(stage), int), source, np.zeros(len(stage), int), stage, general, week))
    copies, source, side, stage, topic, week = (np.concatenate(one) for one in zip(*groups, strict=True))
    person = np.arange(len(copies))
    regular = chance.random(len(copies)) < 0.1
    person[regular] = len(copies) + chance.integers(0, max(1, len(copies) // 20), int(regular.sum()))
    person[(copies == 1) & ~regular & (chance.random(len(copies)) < 0.4)] = -1
    own = np.where(side < 0, mood[0][stage, topic], mood[1][stage, topic])
    other = np.where(side < 0, chance.choice(feelings[0], len(side)), chance.choice(feelings[1], len(side)))
    emotion = np.where(chance.random(len(side)) < 0.7, own, other)
    emotion[side == 0] = codebook().labels("emotion").index("neutral")
    again = np.repeat(np.arange(len(copies)), copies)
    order = chance.permutation(len(again))
    again = again[order]
    day = 7 * week[again] + chance.integers(0, 7, len(again))
    last = 7 * WEEKS + int(chance.integers(2, 6))
    day = np.where(day > last, 7 * WEEKS + chance.integers(0, last - 7 * WEEKS + 1, len(day)), day)
    second, second_side = _second(chance, rate, stories, stage[again])
    return World(
        stories,
        week[again],
        day,
        source[again],
        stage[again],
        topic[again],
        side[again],
        emotion[again],
        person[again],
        second,
        second_side,
    )


def _second(
    chance: np.random.Generator, rate: Array, stories: tuple[Story, ...], stage: Array
) -> tuple[Array, Array]:
    """Of an eighth of the items another opinion about their stage, as the background has them."""
    sides, _, topics = rate.shape
    calm = rate.copy()
    book = codebook()
    for one in stories:
        calm[:, book.labels("stage").index(one.stage), book.labels("topic").index(one.topic)] = 0
    flat = np.cumsum(calm.transpose(1, 0, 2).reshape(calm.shape[1], -1), axis=1)
    flat /= np.maximum(flat[:, -1:], 1e-9)
    found = (flat[stage] < chance.random(len(stage))[:, None]).sum(axis=1)
    found = np.minimum(found, sides * topics - 1)
    has = (chance.random(len(stage)) < 0.125) & (flat[stage, -1] > 0.5)
    return np.where(has, found % topics, -1), np.where(found // topics == 0, -1, 1)


@cache
def _texts() -> Texts:
    found: Texts = defaultdict(list)
    for path in sorted(WRITTEN.glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                found[row["stage"], row["topic"], row["sentiment"]].append(row["text"])
    return dict(found)


def texts_of(stage: str, topic: str, sentiment: str) -> list[str]:
    """Situations of our own with these labels, else of the topic alone, else something said of it."""
    found = _texts().get((stage, topic, sentiment))
    if found:
        return found
    of_topic = [one for key, some in sorted(_texts().items()) if key[1:] == (topic, sentiment) for one in some]
    return of_topic or [f"Something {sentiment} about {topic.replace('_', ' ')}."]


def told_by_texts() -> frozenset[tuple[str, str, str]]:
    """Cells of which there are enough situations to let the tagger read them."""
    return frozenset(key for key, some in _texts().items() if len(some) >= ENOUGH_TEXTS and key[0] != "none")
