"""Where people go next: steps, switches, loops, small n, and who is not counted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from service.aggregate.transitions import transitions
from service.selection import Selection
from service.store import rollups
from service.store.engine import Database
from tests.store.items_for_counting import START, add_items, make_item


@pytest.fixture
def walk(database: Database, workspace_id: int) -> Any:
    """`walk("a", "purchase support purchase")`: what somebody says, every third day one thing."""
    made = [0]

    def go(who: str | None, ways: str, *, start: int = 0, **more: Any) -> None:
        items = []
        for number, stage in enumerate(ways.split()):
            made[0] += 1
            stage, _, channel = stage.partition(":")
            known = {"channel": channel} if channel else {}
            moment = START + timedelta(days=start + 3 * number)
            labels = {"stage": None if stage == "-" else stage} | (
                {"unsure_reason": "low_confidence"} if stage == "-" else {}
            )
            items.append(
                make_item(workspace_id, made[0], respondent=who, occurred_at=moment, **labels, **known, **more)
            )
        with database.write() as session:
            add_items(session, items)

    return go


def steps(database: Database, workspace_id: int, by: Any = "stage", **selection: Any) -> dict[str, Any]:
    with database.read() as session:
        return transitions(
            session,
            workspace_id=workspace_id,
            timezone="UTC",
            selection=Selection.model_validate(selection),
            by=by,
        )


def test_steps_loops_and_their_intervals(database: Database, workspace_id: int, walk: Any) -> None:
    for number in range(6):
        walk(f"loops{number}", "purchase support purchase")
    for number in range(6):
        walk(f"ends{number}", "purchase delivery")
    walk("once", "purchase")
    walk(None, "purchase support")
    found = steps(database, workspace_id)
    assert found["items"] == {"all": 33, "followed": 31}
    assert found["respondents"] == {"known": 13, "followed": 12}
    by_label = {row["label"]: row for row in found["data"]}
    assert list(by_label) == ["purchase", "delivery", "support"], "in the order of the journey"
    purchase = by_label["purchase"]
    assert (purchase["contacts"], purchase["respondents"], purchase["steps"], purchase["n"]) == (19, 13, 12, 12)
    assert [(one["label"], one["count"], one["share"], one["days"]) for one in purchase["next"]] == [
        ("delivery", 6, 0.5, 3.0),
        ("support", 6, 0.5, 3.0),
    ]
    assert 0.2 < purchase["next"][0]["low"] < 0.5 < purchase["next"][0]["high"] < 0.8
    assert purchase["few"] is False
    assert (purchase["returns"]["count"], purchase["returns"]["n"]) == (6, 12)
    assert by_label["support"]["few"] is True
    assert by_label["support"]["returns"] == {
        "count": 0,
        "n": 6,
        "share": 0.0,
        "low": 0.0,
        "high": pytest.approx(0.39, abs=0.01),
    }
    assert by_label["delivery"]["next"] == []
    assert by_label["delivery"]["returns"] is None


def test_who_goes_back_and_forth_is_one_voice(database: Database, workspace_id: int, walk: Any) -> None:
    walk("often", "purchase support " * 20)
    for number in range(5):
        walk(f"other{number}", "purchase delivery")
    (support,) = [
        one
        for row in steps(database, workspace_id)["data"]
        if row["label"] == "purchase"
        for one in row["next"]
        if one["label"] == "support"
    ]
    assert (support["count"], support["respondents"], support["share"]) == (20, 1, 0.8)
    assert support["low"] < 0.4, "twenty steps of one person say little about people"


def test_the_same_again_and_what_is_no_contact(database: Database, workspace_id: int, walk: Any) -> None:
    walk("again", "usage - usage")
    walk("survey", "usage support delivery", response_id="r1")
    found = steps(database, workspace_id)
    (usage,) = found["data"]
    assert (usage["label"], usage["contacts"]) == ("usage", 3), "answers of one response are one contact"
    assert [(one["label"], one["count"], one["days"]) for one in usage["next"]] == [("usage", 1, 6.0)]
    assert usage["returns"] is None
    assert found["says"].endswith("take the shares as a lead.")


def test_switches_of_channel_and_filters(database: Database, workspace_id: int, walk: Any) -> None:
    walk("switches", "usage:review usage:ticket usage:ticket")
    walk("pro", "usage:chat usage:review", attributes={"plan": "pro"})
    found = steps(database, workspace_id, by="channel")
    told = {(row["label"], one["label"]): one["count"] for row in found["data"] for one in row["next"]}
    assert told == {("review", "ticket"): 1, ("ticket", "ticket"): 1, ("chat", "review"): 1}
    assert found["labels"] is None
    filtered = steps(database, workspace_id, by="channel", attributes={"plan": ["pro"]})
    assert filtered["respondents"] == {"known": 1, "followed": 1}
    later = steps(database, workspace_id, by="channel", **{"from": (START + timedelta(days=3)).date()})
    assert later["items"]["all"] == 3


def test_erased_people_leave_no_step(database: Database, workspace_id: int, walk: Any) -> None:
    from sqlalchemy import delete, select

    from service.store.schema import FeedbackItem

    walk("gone", "usage support")
    walk("stays", "usage support")
    with database.write() as session:
        ids = list(
            session.execute(select(FeedbackItem.id).where(FeedbackItem.respondent == "gone")).scalars()  # type: ignore[arg-type]
        )
        before = rollups.snapshot(session, workspace_id, ids)  # type: ignore[arg-type]
        session.execute(delete(FeedbackItem).where(FeedbackItem.id.in_(ids)))  # type: ignore[union-attr]
        rollups.apply(session, workspace_id, before=before, after=[])
    assert steps(database, workspace_id)["respondents"] == {"known": 1, "followed": 1}


def test_nobody_known(database: Database, workspace_id: int, walk: Any) -> None:
    walk(None, "usage support usage")
    found = steps(database, workspace_id)
    assert found["data"] == []
    assert found["says"].startswith("No sender tells who people are")


def test_over_http(client: Any, walk: Any) -> None:
    walk("a", "usage support")
    found = client.get("/v1/transitions").json()
    assert found["data"][0]["next"][0]["label"] == "support"
    assert client.get("/v1/transitions", params={"by": "mood"}).status_code == 422
