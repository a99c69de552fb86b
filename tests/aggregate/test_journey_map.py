"""The map equals a count by hand, on random small data, for every model and filter."""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from service import auth
from service.aggregate.journey import journey_map
from service.aggregate.query import MapQuery
from service.store import rollups
from service.store.engine import Database
from service.store.rollup_codes import codebook
from service.store.rollup_frame import forget
from service.store.schema import FeedbackItem, JourneyModel, Segment
from tests.store.items_for_counting import START, add_items, change_item, delete_item, make_item

STAGES = ["consideration", "decision", "purchase", "usage", "support", "none"]
EMOTIONS = ["joy", "anger", "neutral", "frustration", "satisfaction"]
SENTIMENTS = ["negative", "neutral", "positive", "mixed"]
TOPICS = ["price", "payment", "speed", "staff"]
TOUCHPOINTS = ["website", "sales", "checkout", "product", "unknown"]


def _labels(rng: random.Random, sentiments: list[str]) -> tuple[str, str, str, str, str]:
    return (
        rng.choice(STAGES),
        rng.choice(EMOTIONS),
        rng.choice(sentiments),
        rng.choice(TOPICS),
        rng.choice(TOUCHPOINTS),
    )


def fill(session: Session, workspace_id: int, seed: int, items: int = 120) -> list[int]:
    """Random items of every kind: unsure, untagged, without text, with scores, of repeating respondents."""
    rng = random.Random(seed)
    made, segments = [], {}
    for number in range(items):
        stage, emotion, sentiment, topic, touchpoint = _labels(rng, SENTIMENTS)
        values: dict[str, Any] = {
            "stage": stage,
            "emotion": emotion,
            "sentiment": sentiment,
            "topic": topic,
            "touchpoint": touchpoint,
            "respondent": rng.choice([None, "a" * 32, "b" * 32, f"{number % 17:032x}"]),
            "channel": rng.choice(["review", "survey"]),
            "attributes": rng.choice([{}, {"plan": "pro"}, {"plan": "free", "country": "DE"}]),
            "occurred_at": rng.choice([None, START + timedelta(days=rng.randrange(120))]),
            "received_at": START + timedelta(days=rng.randrange(120)),
            "declared_stage": rng.choice([None, "purchase", "Adoption", "elsewhere"]),
            "response_id": rng.choice([None, f"r{number // 3}"]),
        }
        if rng.random() < 0.5:
            kind, low, high = rng.choice([("nps", 0, 10), ("csat", 1, 5), ("ces", 1, 7), ("stars", 1, 5)])
            values |= {
                "score_kind": kind,
                "score_value": rng.randint(low, high),
                "score_min": low,
                "score_max": high,
            }
        fate = rng.random()
        if fate < 0.05:
            values |= {"text": None, "state": "no_text"}
        elif fate < 0.1:
            values |= {"state": "pending"}
        elif fate < 0.2:
            values |= {"unsure_reason": "low_confidence"}
        elif fate < 0.25:
            values |= {"unsure_reason": "meaningless", "stage": None, "sentiment": None}
        elif fate < 0.3:
            values |= {"unsure_reason": "unsupported_language"}
        else:
            segments[number] = [_labels(rng, SENTIMENTS[:3]) for _ in range(rng.randrange(4))]
        made.append(make_item(workspace_id, seed * 100_000 + number, **values))
    return add_items(session, made, segments)


def by_hand(session: Session, workspace_id: int, model: Any, keep: Any) -> dict[str, Any]:
    """The countable part of the map, item by item."""
    columns = {
        c.name: {"items": 0, "segments": 0, "people": set(), "s": [], "pains": defaultdict(list)}
        for c in model.stages
    }
    reasons: dict[str, int] = defaultdict(int)
    loose = 0
    for item in session.exec(select(FeedbackItem).where(FeedbackItem.workspace_id == workspace_id)).all():
        if not keep(item):
            continue
        segments = session.exec(select(Segment).where(Segment.item_id == item.id)).all()
        person = item.respondent or (item.response_id and (item.source, item.response_id)) or item.id
        reason = None
        if item.text is None:
            reason = "no_text"
        elif item.state == "pending":
            reason = "untagged"
        elif item.unsure_reason:
            reason = {"low_confidence": "unsure"}.get(item.unsure_reason, item.unsure_reason)
        elif item.stage == "none":
            reason = "none"
        number = None if reason else model.column(item.stage, item.touchpoint)
        if number is None:
            reasons[reason or "none"] += 1
        else:
            column = columns[model.stages[number].name]
            column["items"] += 1
            column["people"].add(person)
            column["s"].append({"positive": 1, "negative": -1}.get(item.sentiment, 0))
            for topic in {s.topic for s in segments if s.sentiment == "negative" and s.stage == item.stage}:
                column["pains"][topic].append(person)
        for segment in segments if reason in (None, "none") else []:
            place = model.column(segment.stage, segment.touchpoint) if segment.stage != "none" else None
            if place is None:
                loose += 1
            else:
                columns[model.stages[place].name]["segments"] += 1
    return {"columns": columns, "reasons": dict(reasons), "loose": loose}


def check(found: dict[str, Any], hand: dict[str, Any]) -> None:
    """The answered map says what was counted by hand."""
    assert {k: v for k, v in found["unassigned"]["reasons"].items() if v} == hand["reasons"]
    assert found["unassigned"]["segments"] == hand["loose"]
    items = sum(stage["items"] for stage in found["stages"]) + found["unassigned"]["items"]
    assert items == found["totals"]["items"]
    for stage in found["stages"]:
        counted = hand["columns"][stage["stage"]]
        assert stage["items"] == counted["items"]
        assert stage["segments"] == counted["segments"]
        assert stage["respondents"] == len(counted["people"])
        assert stage["net_sentiment"]["n"] == counted["items"]
        assert {p["topic"]: (p["count"], p["respondents"]) for p in stage["pain_points"]} == {
            topic: (len(people), len(set(people))) for topic, people in counted["pains"].items()
        }
        for kind in ("emotions", "topics", "touchpoints"):
            assert sum(one["items"] for one in stage[kind]) == counted["items"]
            assert sum(one["segments"] for one in stage[kind]) == counted["segments"]
        if counted["items"]:
            mean = 100 * sum(counted["s"]) / counted["items"]
            assert stage["net_sentiment"]["value"] == pytest.approx(mean, abs=0.006)
            assert -100 <= stage["net_sentiment"]["low"] <= mean + 0.01
            assert mean - 0.01 <= stage["net_sentiment"]["high"] <= 100
        else:
            assert stage["net_sentiment"]["value"] is None


def _no_nan(value: Any) -> None:
    json.dumps(value, allow_nan=False)


def _map(database: Database, workspace_id: int, **query: Any) -> dict[str, Any]:
    with database.read() as session:
        return journey_map(session, workspace_id=workspace_id, timezone="UTC", query=MapQuery(**query))


@pytest.mark.parametrize("model_id", [model.id for model in codebook().journey_models])
def test_equals_a_count_by_hand(database: Database, workspace_id: int, model_id: str) -> None:
    with database.write() as session:
        fill(session, workspace_id, seed=len(model_id))
    model = codebook().journey_model(model_id)
    cases: list[tuple[dict[str, Any], Any]] = [
        ({}, lambda item: True),
        ({"channel": ["review"]}, lambda item: item.channel == "review"),
        ({"attributes": {"plan": ["pro"]}}, lambda item: item.attributes.get("plan") == "pro"),
        (
            {"attributes": {"plan": ["pro", "free"], "country": ["DE"]}, "source": ["shop"]},
            lambda item: item.attributes.get("country") == "DE",
        ),
        ({"attributes": {"plan": ["nobody has it"]}}, lambda item: False),
        (
            {"from": date(2026, 2, 1), "to": date(2026, 3, 1)},
            lambda item: date(2026, 2, 1) <= item.at.date() < date(2026, 3, 1),
        ),
    ]
    for query, keep in cases:
        found = _map(database, workspace_id, model=model_id, **query)
        _no_nan(found)
        with database.read() as session:
            check(found, by_hand(session, workspace_id, model, keep))


def test_the_kept_frame_follows_every_change(database: Database, workspace_id: int) -> None:
    rng = random.Random(5)
    model = codebook().journey_model("7-stage")
    with database.write() as session:
        ids = fill(session, workspace_id, seed=1, items=60)
    for step in range(12):
        with database.write() as session:
            if step % 4 == 0:
                ids += fill(session, workspace_id, seed=step + 2, items=5)
            elif step % 4 == 1:
                change_item(session, workspace_id, rng.choice(ids), state="tagged", stage=rng.choice(STAGES))
            elif step % 4 == 2:
                delete_item(session, workspace_id, ids.pop(rng.randrange(len(ids))))
            else:
                rollups.merge(session, workspace_id, full=step > 6)
        warm = _map(database, workspace_id)
        forget()
        cold = _map(database, workspace_id)
        assert {**warm, "as_of": None} == {**cold, "as_of": None}
        with database.read() as session:
            check(warm, by_hand(session, workspace_id, model, lambda item: True))


def test_what_is_added_bit_by_bit_is_counted_as_all_at_once(database: Database, workspace_id: int) -> None:
    for seed in range(6):
        with database.write() as session:
            # later bits give scores to responses that had none, and speak for respondents that are known
            fill(session, workspace_id, seed=seed, items=8 + seed)
        warm = [_map(database, workspace_id, channel=channel) for channel in ([], ["survey"])]
    forget()
    cold = [_map(database, workspace_id, channel=channel) for channel in ([], ["survey"])]
    assert [{**one, "as_of": None} for one in warm] == [{**one, "as_of": None} for one in cold]


def test_an_empty_workspace_is_a_map_of_zeros(database: Database, workspace_id: int) -> None:
    found = _map(database, workspace_id)
    _no_nan(found)
    assert [stage["stage"] for stage in found["stages"]] == [
        "Awareness",
        "Acquisition",
        "Engagement",
        "Conversion",
        "Adoption",
        "Loyalty",
        "Advocacy",
    ]
    for stage in found["stages"]:
        assert (stage["items"], stage["segments"], stage["trend"], stage["series"]) == (0, 0, None, [])
        assert stage["net_sentiment"] == {"value": None, "low": None, "high": None, "n": 0, "respondents": 0}
        assert stage["scores"] == {"nps": None, "csat": None, "ces": None, "stars": None}
    assert found["totals"]["items"] == 0
    assert set(found["unassigned"]["reasons"]) == {
        "none",
        "unsure",
        "unsupported_language",
        "meaningless",
        "no_text",
        "untagged",
    }


def test_consideration_is_split_by_touchpoint(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        add_items(
            session,
            [
                make_item(workspace_id, 1, stage="consideration", touchpoint="website"),
                make_item(workspace_id, 2, stage="consideration", touchpoint="sales"),
                make_item(workspace_id, 3, stage="consideration", touchpoint=None),
            ],
        )
    counts = {stage["stage"]: stage["items"] for stage in _map(database, workspace_id)["stages"]}
    assert (counts["Engagement"], counts["Acquisition"]) == (1, 2)


def test_a_score_is_counted_once_a_response(database: Database, workspace_id: int) -> None:
    nps = {"score_kind": "nps", "score_min": 0, "score_max": 10, "response_id": "r1", "respondent": "a" * 32}
    with database.write() as session:
        add_items(
            session,
            [
                make_item(workspace_id, 1, score_value=10, **nps),
                make_item(workspace_id, 2, score_value=10, stage="usage", **nps),
                make_item(
                    workspace_id, 3, text=None, state="no_text", score_value=0, **(nps | {"response_id": None})
                ),
            ],
        )
    found = _map(database, workspace_id)
    everyone, with_text = (found["totals"]["scores"]["nps"][part] for part in ("everyone", "with_text"))
    assert (everyone["value"], everyone["n"], everyone["respondents"]) == (0, 2, 1)
    assert (with_text["value"], with_text["n"]) == (100, 1)
    by_stage = {stage["stage"]: stage["scores"]["nps"] for stage in found["stages"]}
    assert by_stage["Conversion"]["n"] == by_stage["Adoption"]["n"] == 1
    assert by_stage["Loyalty"] is None


def test_days_are_those_of_the_time_zone(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        rollups.change_timezone(session, workspace_id, "Asia/Tokyo")
        add_items(session, [make_item(workspace_id, 1, occurred_at=START.replace(hour=20))])  # the 6th in Tokyo
    for bounds, items in (
        ({"from": date(2026, 1, 5), "to": date(2026, 1, 6)}, 0),
        ({"from": date(2026, 1, 6), "to": date(2026, 1, 7)}, 1),
    ):
        with database.read() as session:
            found = journey_map(
                session, workspace_id=workspace_id, timezone="Asia/Tokyo", query=MapQuery(**bounds)
            )
        assert found["totals"]["items"] == items
    assert found["from"] == "2026-01-05T15:00:00Z"


def test_another_workspace_is_not_counted(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        other = auth.workspace_named(session, "other", create=True)
        assert other.id is not None
        fill(session, other.id, seed=3, items=20)
    found = _map(database, workspace_id)
    assert found["totals"]["items"] == 0
    assert all(stage["verbatims"] == [] for stage in found["stages"])


def test_verbatims_are_the_segments_of_their_column(database: Database, workspace_id: int) -> None:
    text = "The checkout asked for my card three times in a row. Paying by invoice was quick and easy though."
    first = ("purchase", "frustration", "negative", "payment", "checkout")
    second = ("purchase", "satisfaction", "positive", "payment", "checkout")
    with database.write() as session:
        ids = add_items(session, [make_item(workspace_id, 1, text=text)])
        before = rollups.snapshot(session, workspace_id, ids)
        for position, (start, end, labels) in enumerate(((0, 52, first), (53, len(text), second))):
            fields = dict(zip(("stage", "emotion", "sentiment", "topic", "touchpoint"), labels, strict=True))
            session.add(
                Segment(
                    workspace_id=workspace_id, item_id=ids[0], position=position, start=start, end=end, **fields
                )
            )
        session.flush()
        rollups.apply(session, workspace_id, before=before, after=rollups.snapshot(session, workspace_id, ids))
    stage = next(stage for stage in _map(database, workspace_id)["stages"] if stage["stage"] == "Conversion")
    assert [(one["polarity"], one["text"], one["feedback_id"]) for one in stage["verbatims"]] == [
        ("negative", text[:52], str(ids[0])),
        ("positive", text[53:], str(ids[0])),
    ]
    assert stage["pain_points"][0]["topic"] == stage["delights"][0]["topic"] == "payment"
    with database.read() as session:
        hidden = journey_map(session, workspace_id=workspace_id, timezone="UTC", query=MapQuery(), verbatims=0)
    assert all(stage["verbatims"] == [] for stage in hidden["stages"])


def test_a_planted_change_is_significant_and_a_steady_stage_is_not(database: Database, workspace_id: int) -> None:
    rng = random.Random(4)
    made = []
    for number in range(400):
        day = number % 56
        share = 0.2 if day < 28 else 0.8
        made.append(
            make_item(
                workspace_id,
                number,
                occurred_at=START + timedelta(days=day),
                sentiment="negative" if rng.random() < share else "positive",
            )
        )
        made.append(
            make_item(
                workspace_id,
                1000 + number,
                occurred_at=START + timedelta(days=day),
                stage="usage",
                sentiment=rng.choice(["negative", "positive"]),
            )
        )
    # two days later, when the last week is full
    made.append(make_item(workspace_id, 9_000, occurred_at=START + timedelta(days=57), stage="support"))
    with database.write() as session:
        add_items(session, made)
    found = {stage["stage"]: stage for stage in _map(database, workspace_id)["stages"]}
    worse = found["Conversion"]["trend"]
    assert worse["net_sentiment"]["significant"]
    assert worse["net_sentiment"]["change"] < -80
    assert worse["net_sentiment"]["low"] < worse["net_sentiment"]["change"] < worse["net_sentiment"]["high"] < 0
    assert (worse["previous_from"], worse["from"], worse["to"]) == ("2026-01-05", "2026-02-02", "2026-03-02")
    assert not found["Adoption"]["trend"]["net_sentiment"]["significant"]
    assert not worse["items"]["significant"]
    assert sum(week["items"] for week in found["Conversion"]["series"]) == 400
    assert math.isclose(found["Conversion"]["series"][0]["net_sentiment"], 60, abs_tol=30)


def test_compare_to_previous(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        add_items(session, [make_item(workspace_id, n, occurred_at=START + timedelta(days=n)) for n in range(10)])
    found = _map(
        database, workspace_id, **{"from": date(2026, 1, 9), "to": date(2026, 1, 13), "compare_to": "previous"}
    )
    assert found["totals"]["items"] == found["previous"]["totals"]["items"] == 4
    assert found["previous"]["from"] == "2026-01-05T00:00:00Z"
    # all time has nothing before it
    assert _map(database, workspace_id, compare_to="previous")["previous"] is None


def test_a_model_of_ones_own_leaves_what_it_does_not_cover_unassigned(
    database: Database, workspace_id: int
) -> None:
    with database.write() as session:
        session.add(
            JourneyModel(
                workspace_id=workspace_id,
                slug="short",
                name="Short",
                stages=[{"name": "Buy", "rules": [{"codebook_stage": "purchase"}]}],
            )
        )
        add_items(session, [make_item(workspace_id, 1), make_item(workspace_id, 2, stage="usage")])
    found = _map(database, workspace_id, model="short")
    assert [(stage["stage"], stage["items"]) for stage in found["stages"]] == [("Buy", 1)]
    assert found["unassigned"]["reasons"]["none"] == 1


def test_suggestions_stand_in_the_column_of_their_touchpoint(database: Database, workspace_id: int) -> None:
    def proposed(_session: Session, **_given: Any) -> dict[str, list[dict[str, Any]]]:
        one = {"id": "x", "touchpoint": "website", "priority": 1.0}
        return {"consideration": [one, one | {"id": "y", "touchpoint": "sales"}]}

    with database.read() as session:
        found = journey_map(
            session, workspace_id=workspace_id, timezone="UTC", query=MapQuery(), suggestions_by_stage=proposed
        )
    placed = {stage["stage"]: [one["id"] for one in stage["suggestions"]] for stage in found["stages"]}
    assert placed["Engagement"] == ["x"]
    assert placed["Acquisition"] == ["y"]


def test_a_column_is_answered_for_deleted_and_corrected_items_as_they_are(
    database: Database, workspace_id: int
) -> None:
    with database.write() as session:
        ids = add_items(session, [make_item(workspace_id, n, unsure_reason="low_confidence") for n in range(2)])
    assert _map(database, workspace_id)["unassigned"]["reasons"]["unsure"] == 2
    with database.write() as session:
        change_item(session, workspace_id, ids[0], corrected=True, stage="support")
        delete_item(session, workspace_id, ids[1])
    found = _map(database, workspace_id)
    assert found["unassigned"]["items"] == 0
    assert {stage["stage"]: stage["items"] for stage in found["stages"]}["Loyalty"] == 1
    with database.read() as session:
        assert (
            len(session.exec(select(FeedbackItem).where(col(FeedbackItem.workspace_id) == workspace_id)).all())
            == 1
        )
