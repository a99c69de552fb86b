"""Stories planted in invented workspaces come out on top, and nothing else is called a change."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.planted import figures, run
from benchmarks.planted_world import planted
from service.store.engine import Database

ROOT = Path(__file__).parents[2]
WORLDS = {True: 6, False: 2}  # by whether it is SQLite


def test_stories_come_out_on_top_and_nothing_else_is_called(database: Database) -> None:
    looks = run(database, range(1, 1 + WORLDS[database.is_sqlite]), items=(60, 100))
    found = figures(looks)
    assert found["all"]["stories"] >= 2 * len(looks)
    assert found["all"]["in_the_top_three"]["value"] >= 0.75
    assert found["delight"]["in_the_top_three"]["value"] == 1.0
    assert found["all"]["told_the_wrong_way_round"] == 0
    assert found["unplanned_rows"] > 50 * len(looks)
    assert found["unplanned_called"] <= 1


def test_worlds_are_the_same_for_the_same_seed_and_hold_their_stories() -> None:
    one, again, other = (planted(seed, items=80) for seed in (3, 3, 4))
    assert one.stories == again.stories != other.stories
    assert (one.day == again.day).all()
    for story in one.stories:
        assert 2.0 <= story.size <= 5.0
        assert (story.kind in ("rise", "fall")) == (story.ratio > 1)


def test_the_figures_hold_what_the_document_says() -> None:
    found = json.loads((ROOT / "benchmarks" / "figures" / "planted.json").read_text())["labelled"]
    assert found["worlds"] >= 50
    assert found["all"]["in_the_top_three"]["low"] >= 0.9
    assert found["all"]["told_the_wrong_way_round"] == 0
    assert found["looks_with_an_unplanned_change"]["value"] <= 0.05
    assert found["steady"]["right_direction"]["value"] >= 0.95
