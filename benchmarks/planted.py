"""Do planted stories come out on top, told rightly, and is nothing else called a change?

python -m benchmarks.planted [--worlds 50] [--figures benchmarks/figures/planted.json]

Each world (benchmarks/planted_world.py) is stored in a workspace of its own through the rollups' own write path,
and asked for by the function behind GET /v1/suggestions. A story counts as found where its stage and topic are
among the first three of its list (pains or delights); its direction is right where the trend says what was
planted: a significant rise or fall, or for what is steady no significant change. Unplanned are all other rows.

A few worlds are read by the shipped tagger instead of getting their labels: everything happens at stages, topics
and sentiments of which data/written holds enough situations. The tagger has learnt from these, so its error in the
field is larger than here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy import func, insert, select
from sqlmodel import Session, col

from benchmarks.map import databases
from benchmarks.planted_world import SOURCES, Story, World, planted, texts_of, told_by_texts
from nlp.pipeline import Pipeline, TextInput
from service import auth
from service.intervals import share_interval
from service.selection import Selection
from service.store import rollups
from service.store.engine import Database
from service.store.rollup_codes import codebook
from service.store.schema import FeedbackItem, Segment
from service.suggest.selected import Kind
from service.suggest.suggestions import SuggestionQuery, suggestions

START: Final = datetime(2025, 9, 1, 8, tzinfo=UTC)  # a Monday
SLICE: Final = 2_000
TOP: Final = 3
SIDES: Final = {-1: "negative", 0: "neutral", 1: "positive"}
KINDS: Final[tuple[Kind, ...]] = ("pain", "delight")
CHANGED: Final = ("rise", "fall")  # stories that say that something changed
Labels = Mapping[str, str]
Tag = Callable[[list[str]], list[Labels | None]]


def store(database: Database, world: World, *, name: str, seed: int, tag: Tag | None = None) -> int:
    """A workspace with the items of a world, labels put in directly or read off the texts by `tag`."""
    chance = np.random.default_rng(seed)
    book = codebook()
    names = {field: book.labels(field) for field in ("stage", "topic", "emotion", "touchpoint")}
    with database.write() as session:
        workspace_id = auth.workspace_named(session, name, create=True).id
        assert workspace_id is not None
        first = (session.execute(select(func.max(col(FeedbackItem.id)))).scalar_one() or 0) + 1
    items, segments = [], []
    for place in range(len(world.day)):
        side = SIDES[int(world.side[place])]
        stage, topic = names["stage"][world.stage[place]], names["topic"][world.topic[place]]
        some = texts_of(stage, topic, side)
        text = some[int(chance.integers(len(some)))]
        labels = {
            "stage": stage,
            "topic": topic,
            "emotion": names["emotion"][world.emotion[place]],
            "touchpoint": names["touchpoint"][0],
        }
        at = START + timedelta(days=int(world.day[place]), minutes=int(chance.integers(600)))
        source, channel = SOURCES[world.source[place]]
        person = int(world.person[place])
        item = {
            "id": first + place,
            "workspace_id": workspace_id,
            "source": source,
            "identity": f"id:{place}",
            "channel": channel,
            "text": text,
            "occurred_at": at,
            "received_at": at,
            "at": at,
            "respondent": f"{person:032x}" if person >= 0 else None,
            "attributes": {},
            "state": "tagged",
            "model": "planted",
            "language": "en",
            "sentiment": side,
            **labels,
        }
        parts = [labels | {"sentiment": side}]
        if world.second[place] >= 0:
            other = {
                "topic": names["topic"][world.second[place]],
                "sentiment": SIDES[int(world.second_side[place])],
            }
            parts.append(parts[0] | other)
        items.append(item)
        segments.append(parts)
    if tag is not None:
        for item, parts, read in zip(items, segments, tag([one["text"] for one in items]), strict=True):
            if read is None:
                item["unsure_reason"] = "low_confidence"
            else:
                item.update(read)
                parts[0] = dict(read)
            del parts[1:]  # the text holds one opinion
    for begin in range(0, len(items), SLICE):
        some = items[begin : begin + SLICE]
        rows = [
            {
                "workspace_id": workspace_id,
                "item_id": item["id"],
                "position": position,
                "start": 0,
                "end": len(str(item["text"])),
                **part,
            }
            for item, parts in zip(some, segments[begin : begin + SLICE], strict=True)
            for position, part in enumerate(parts)
        ]
        with database.write() as session:
            session.execute(insert(FeedbackItem), some)
            session.execute(insert(Segment), rows)
            after = rollups.snapshot(session, workspace_id, [item["id"] for item in some])
            rollups.apply(session, workspace_id, before=[], after=after)
    return workspace_id


def look(database: Database, workspace_id: int, stories: Iterable[Story]) -> dict[str, Any]:
    """What the table says of a workspace: each story's place and direction, and what else it calls a change."""
    stories = tuple(stories)
    planted_ids = {one.id for one in stories}
    tables: dict[str, list[dict[str, Any]]] = {}
    all_time: dict[str, list[str]] = {}
    with database.read() as session:
        for kind in KINDS:
            tables[kind] = _rows(session, workspace_id, SuggestionQuery(kind=kind))
            whole = Selection.model_validate({"from": START.date()})
            all_time[kind] = [row["id"] for row in _rows(session, workspace_id, SuggestionQuery(whole, kind=kind))]
    told = []
    for one in stories:
        ids = [row["id"] for row in tables["delight" if one.kind == "delight" else "pain"]]
        formerly = all_time["delight" if one.kind == "delight" else "pain"]
        place = ids.index(one.id) + 1 if one.id in ids else None
        found = tables["delight" if one.kind == "delight" else "pain"][place - 1] if place else None
        trend = found["trend"] if found else {"significant": False, "low": None, "high": None, "change": None}
        said = (1 if trend["change"] > 0 else -1) if trend["significant"] else 0
        points = 0 if not trend["change"] else 1 if trend["change"] > 0 else -1
        beyond = 0 if trend["low"] is None else 1 if trend["low"] > 0 else -1 if trend["high"] < 0 else 0
        told.append(
            asdict(one)
            | {
                "id": one.id,
                "place": place,
                "top": place is not None and place <= TOP,
                "top_of_all_time": one.id in formerly[:TOP],
                "direction": said == one.direction,
                "points": points == one.direction,
                "interval": beyond == one.direction,
                "opposite": bool(one.direction) and said == -one.direction,
                "change": trend["change"],
            }
        )
    others = [row for rows in tables.values() for row in rows if row["id"] not in planted_ids]
    tested = [row for row in others if row["trend"]["change"] is not None]
    called = [row["id"] for row in tested if row["trend"]["significant"]]
    return {"stories": told, "unplanned": len(tested), "called": called}


def _rows(session: Session, workspace_id: int, query: SuggestionQuery) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = suggestions(
        session, workspace_id=workspace_id, timezone="UTC", query=query, limit=500, verbatims=False
    )["data"]
    return found


def figures(looks: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares with Wilson's 95 % intervals, over stories and over looks."""
    stories = [one for each in looks for one in each["stories"]]

    def of(some: list[dict[str, Any]]) -> dict[str, Any]:
        pointing = [one["points"] for one in some if one["kind"] in CHANGED]
        return {
            "stories": len(some),
            "in_the_top_three": share(sum(one["top"] for one in some), len(some)),
            "in_the_top_three_of_all_time": share(sum(one["top_of_all_time"] for one in some), len(some)),
            "right_direction": share(sum(one["direction"] for one in some), len(some)),
            "change_points_its_way": share(sum(pointing), len(pointing)) if pointing else None,
            "both": share(sum(one["top"] and one["direction"] for one in some), len(some)),
            "interval_on_its_side": share(sum(one["interval"] for one in some), len(some)),
            "told_the_wrong_way_round": sum(one["opposite"] for one in some),
        }

    return {
        "worlds": len(looks),
        "all": of(stories),
        **{
            kind: of([one for one in stories if one["kind"] == kind])
            for kind in ("steady", "rise", "fall", "delight")
        },
        "looks_with_an_unplanned_change": share(sum(bool(each["called"]) for each in looks), len(looks)),
        "unplanned_rows": sum(each["unplanned"] for each in looks),
        "unplanned_called": sum(len(each["called"]) for each in looks),
    }


def share(hits: int, n: int) -> dict[str, float]:
    """Hits of n with interval."""
    found = share_interval(hits / max(1, n), n)
    return {"value": round(found.value, 3), "low": round(found.low, 3), "high": round(found.high, 3)}


def reader(tier: str) -> Tag:
    """The shipped tagger on single opinions; None for a text that it is unsure of. Each text is read once."""
    pipeline = Pipeline.load(tier=tier)
    known: dict[str, Labels | None] = {}

    def read(texts: list[str]) -> list[Labels | None]:
        new = sorted(set(texts) - known.keys())
        for text, found in zip(new, pipeline.analyze([TextInput(one) for one in new]), strict=True):
            known[text] = None
            if not found.unsure and found.segments:
                segment = found.segments[0]
                fields = ("stage", "topic", "emotion", "touchpoint", "sentiment")
                known[text] = {field: getattr(segment, field).label for field in fields}
        return [known[text] for text in texts]

    return read


def run(database: Database, seeds: Iterable[int], *, items: tuple[int, int], tag: Tag | None = None) -> list[Any]:
    """Look at the worlds of these seeds; volumes are drawn between `items` a week."""
    looks = []
    for seed in seeds:
        a_week = float(np.random.default_rng(seed).uniform(*items))
        world = planted(seed, items=a_week, only=told_by_texts() if tag is not None else None)
        workspace_id = store(database, world, name=f"world-{seed}-{tag is not None}", seed=seed, tag=tag)
        found = look(database, workspace_id, world.stories)
        looks.append({"seed": seed, "items": len(world.day), **found})
        told = ", ".join(
            f"{one['kind']} {one['id']} #{one['place']} {'right' if one['direction'] else 'not told'}"
            for one in found["stories"]
        )
        print(f"{seed}: {len(world.day)} items; {told}; unplanned {found['called']}", flush=True)
    return looks


def main() -> int:
    """Run and print; writes the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planted", description=__doc__)
    parser.add_argument("--worlds", type=int, default=50)
    parser.add_argument("--read", type=int, default=6, help="worlds whose texts the tagger reads")
    parser.add_argument("--tier", choices=["accurate", "fast"], default="accurate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--items", type=int, nargs=2, default=(150, 450), help="a week, at least and at most")
    parser.add_argument("--figures", type=Path)
    given = parser.parse_args()
    items = (given.items[0], given.items[1])
    with databases("sqlite") as database:
        labelled = run(database, range(given.seed, given.seed + given.worlds), items=items)
        read = []
        if given.read:
            seeds = range(1_000 + given.seed, 1_000 + given.seed + given.read)
            read = run(database, seeds, items=items, tag=reader(given.tier))
    answer: dict[str, Any] = {"seed": given.seed, "items_a_week": items, "labelled": figures(labelled)}
    if read:
        answer["read_by_the_tagger"] = {"tier": given.tier, **figures(read)}
    for name in ("labelled", "read_by_the_tagger"):
        print(name, json.dumps(answer.get(name)))
    if given.figures is not None:
        missed = [
            {"seed": each["seed"], **one}
            for each in (*labelled, *read)
            for one in each["stories"]
            if not (one["top"] and one["direction"])
        ]
        given.figures.write_text(json.dumps(answer | {"missed": missed}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
