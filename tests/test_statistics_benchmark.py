"""The simulations run, small and seeded, and say what the document says of them at large."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import statistics
from benchmarks.statistics_together import together

ROOT = Path(__file__).parents[1]


def test_the_simulations_run() -> None:
    covered = statistics.coverage(60, 40, seed=1)
    assert all(one["share"] > 0.85 for one in covered.values())
    looks = statistics.false_alarms(6, 60.0, 24, seed=1)
    assert looks["alarm"]["share"] <= 0.2
    assert looks["cells_tested"] > 40
    assert statistics.stage_alarms(3, 30.0, seed=1)["any"]["share"] <= 0.4
    assert together(3, 30.0, seed=1)["each_at_5"]["share"] <= 0.4
    assert statistics.power(3, 60.0, 4.0, seed=1)["within_twelve"]["share"] > 0.3
    assert statistics.whole_year(1, 60.0, seed=1)["look"] < 0.5
    assert statistics.permuted_sample(10, seed=1)["alarm"]["share"] <= 0.2


def test_the_figures_hold_what_is_promised() -> None:
    figures = json.loads((ROOT / "benchmarks" / "figures" / "statistics.json").read_text())
    for world in figures["coverage"]:
        for name, one in world.items():
            assert name == "respondents" or 0.93 <= one["share"] <= 0.97, (world["respondents"], name)
    looks = [*figures["false_alarms"], figures["sample_permuted"]]
    assert all(one["alarm"]["share"] <= 0.05 for one in looks)
    assert all(one["any"]["share"] <= 0.05 for one in figures["stages"])
    assert all(one["each_at_5"]["share"] <= 0.05 for one in figures["together"] if one["odds_times"] == 1)
    for name in ("impact", "impact_segments", "impact_rates"):
        for run in json.loads((ROOT / "benchmarks" / "figures" / f"{name}.json").read_text())["runs"]:
            assert run["helped"]["share"] <= 0.05 or run["change"], (name, run)
            assert 0.92 <= run["covered"]["share"] <= 0.98, (name, run)
            assert run["covered_always"]["share"] >= 0.95, (name, run)
