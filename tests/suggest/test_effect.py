"""Before and after of one cell against cells that were not changed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from service.suggest.effect import Panel, Weeks, detectable, effect

STAGES, TOPICS, WEEKS = 6, 15, 34
WINDOWS = Weeks(0, 26, 26, 34, 8)


def panel(seed: int = 1, *, size: float = 400, change: float = 1.0, everywhere: float = 1.0) -> Panel:
    """Cells of independent counts; the share of cell 0 is multiplied by `change` after week 26."""
    chance = np.random.default_rng(seed)
    totals = chance.poisson(size, (STAGES, WEEKS)).astype(float)
    shares = np.full((STAGES, TOPICS, WEEKS), 0.05)
    shares[..., 26:] *= everywhere
    shares[0, 0, 26:] *= change
    hits = chance.poisson(totals[:, None] * shares).astype(float)
    return Panel(hits.reshape(-1, WEEKS), totals, np.repeat(np.arange(STAGES), TOPICS))


def everything(of: Panel) -> np.ndarray:
    untouched = np.ones(len(of.hits), dtype=bool)
    untouched[0] = False
    return untouched


def test_a_real_fall_helped_and_its_size_is_told() -> None:
    found = effect(panel(change=0.5), 0, WINDOWS, worth=0.2, untouched=everything(panel()))
    assert found.verdict == "helped"
    assert found.final
    assert found.ratio.low < 0.5 < found.ratio.high < 0.8
    assert found.difference.value == pytest.approx(-0.025, abs=0.008)
    assert found.cells == (STAGES - 1) * TOPICS, "cells of the same stage are tied to it by arithmetic"


def test_a_rise_got_worse() -> None:
    assert effect(panel(change=1.6), 0, WINDOWS, worth=0.2, untouched=everything(panel())).verdict == "got_worse"


def test_what_happens_everywhere_is_no_effect_of_the_change() -> None:
    found = [
        effect(panel(seed, everywhere=0.6, size=1500), 0, WINDOWS, worth=0.2, untouched=everything(panel()))
        for seed in range(40)
    ]
    assert sum(one.verdict == "helped" for one in found) <= 4
    assert all(0.55 < one.others.value < 0.65 for one in found)
    assert sum(one.verdict == "no_effect_worth_having" for one in found) > 20


def test_no_change_is_rarely_called_one_and_intervals_cover() -> None:
    found = [effect(panel(seed), 0, WINDOWS, worth=0.2, untouched=everything(panel())) for seed in range(200)]
    assert sum(one.verdict in ("helped", "got_worse") for one in found) <= 18
    assert sum(one.ratio.low <= 1 <= one.ratio.high for one in found) >= 182


def test_early_looks_are_wider_than_the_end_and_narrow_on_the_way() -> None:
    of = panel()
    widths = []
    for done in range(1, 9):
        found = effect(of, 0, replace(WINDOWS, after_to=26 + done), worth=0.2, untouched=everything(of))
        widths.append(np.log(found.ratio.high / found.ratio.low))
        assert found.final == (done == 8)
    assert all(one > other for one, other in pairwise(widths))
    same = effect(of, 0, replace(WINDOWS, planned=16), worth=0.2, untouched=everything(of))
    assert np.log(same.ratio.high / same.ratio.low) > 1.5 * widths[-1], "a look before the end pays for looking"


def test_shares_that_wander_by_themselves_need_more() -> None:
    calm = panel()
    chance = np.random.default_rng(3)
    restless = replace(
        calm, hits=calm.hits * np.exp(chance.normal(0, 0.6, (len(calm.hits), 1)) * (np.arange(WEEKS) >= 26))
    )
    one, other = (effect(of, 0, WINDOWS, worth=0.2, untouched=everything(of)) for of in (calm, restless))
    assert other.ratio.high / other.ratio.low > 2 * one.ratio.high / one.ratio.low
    assert other.blown_up > 3 > one.blown_up
    bursty = calm.hits.copy()
    bursty[0, :26] *= np.repeat([2.0, 0.1, 2.2, 0.2, 1.5, 0.3, 1.0], 4)[:26]
    own = effect(replace(calm, hits=bursty), 0, WINDOWS, worth=0.2, untouched=everything(calm))
    assert own.blown_up > 3, "its own past counts too"
    counts = 1 / own.before_hits - 1 / own.before_n + 1 / own.after_hits - 1 / own.after_n
    errors = np.log(own.ratio.high / own.ratio.value) / np.sqrt(counts * own.blown_up)
    assert errors > 2.2, "six blocks tell little of how much it wanders: Student's t, not the normal's 1.96"


def test_little_data_says_so_and_nothing_breaks() -> None:
    empty = panel(size=0)
    found = effect(empty, 0, WINDOWS, worth=0.2, untouched=everything(empty))
    assert (found.verdict, found.cells) == ("not_enough_data", 0)
    thin = panel(size=4)
    assert effect(thin, 0, WINDOWS, worth=0.2, untouched=everything(thin)).verdict == "not_enough_data"
    alone = panel()
    nobody = effect(alone, 0, WINDOWS, worth=0.2, untouched=np.zeros(len(alone.hits), dtype=bool))
    assert nobody.cells == 0
    assert nobody.others.value == 1
    assert nobody.ratio.high / nobody.ratio.low > 1.5, "without others to compare, shares are taken to wander"


def test_more_volume_sees_smaller_changes() -> None:
    seen = [detectable(panel(size=size), 0, WINDOWS) for size in (50, 400, 4000)]
    assert all(one is not None and 0 < one < 1 for one in seen)
    assert seen == sorted(seen, reverse=True)
    assert detectable(panel(size=0), 0, WINDOWS) is None
