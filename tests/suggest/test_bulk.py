"""One decision on all suggestions that fit a filter, and taking it back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlmodel import select

from service.classify.active_model import set_pipeline
from service.store.schema import AuditEvent, MapVersion, Suggestion, SuggestionDecision
from service.suggest.answers import BulkAnswer, UndoAnswer
from service.work import Work
from tests.classify.tagging import WordPipeline
from tests.review.test_pages import _fill

BAD = "sentiment=negative emotion=frustration"
PAINS = ("stage=delivery topic=delivery", "stage=usage topic=price", "stage=usage topic=speed")
IDS = ("delivery.delivery", "usage.price", "usage.speed")


@pytest.fixture(autouse=True)
def words_pipeline() -> Iterator[None]:
    set_pipeline(WordPipeline())
    yield
    set_pipeline(None)


@pytest.fixture
def three(client: Any, work: Work) -> Any:
    """A caller whose workspace has three suggestions."""
    _fill(work, client.workspace_id, [f"{BAD} {PAINS[n % 3]} number {n}" for n in range(45)])
    assert set(_status(client)) == set(IDS)
    return client


def _status(client: Any) -> dict[str, str]:
    return {one["id"]: one["status"] for one in client.get("/v1/suggestions").json()["data"]}


def _decide(client: Any, query: str = "", **body: Any) -> Any:
    answer = client.post(f"/v1/suggestions/decisions{query}", json=body)
    if answer.status_code == 200:
        BulkAnswer.model_validate(answer.json())
    return answer


def test_all_that_fit_and_no_others(three: Any, work: Work) -> None:
    first = _decide(three, "?stage=usage", decision="reject", reason="not ours", dry_run=True)
    assert set(first.json()["decided"]) == set(IDS[1:])
    assert first.json()["batch"] is None
    assert set(_status(three).values()) == {"suggested"}, "a dry run decides nothing"
    assert _decide(three, "?stage=usage", decision="reject", reason="x", expected=3).status_code == 409
    done = _decide(three, "?stage=usage", decision="reject", reason="not ours", expected=2).json()
    assert set(done["decided"]) == set(IDS[1:])
    assert _status(three) == {IDS[0]: "suggested", IDS[1]: "rejected", IDS[2]: "rejected"}
    with work.database.read() as session:
        audit = session.exec(select(AuditEvent).where(AuditEvent.action == "suggestion.reject")).all()
        rows = session.exec(select(SuggestionDecision)).all()
    assert {one.target for one in audit} == {f"suggestion:{one}" for one in IDS[1:]}
    assert {one.detail["batch"] for one in audit} == {done["batch"]} == {one.batch for one in rows}
    assert all(one.reason == "not ours" and one.numbers["size"]["n"] for one in rows)
    again = _decide(three, "?stage=usage", decision="reject", reason="again").json()
    assert (again["batch"], again["decided"], len(again["left"])) == (None, [], 2)
    assert "while it is rejected" in again["left"][0]["why"]


def test_taken_back_but_where_somebody_decided_since(three: Any, work: Work) -> None:
    done = _decide(three, "?topic=price&topic=speed&topic=delivery", decision="accept", owner="Maria").json()
    assert set(_status(three).values()) == {"accepted"}
    moved = three.post(f"/v1/suggestions/{IDS[1]}/decision", json={"decision": "plan"})
    assert moved.status_code == 200
    answer = three.post("/v1/suggestions/decisions/undo", json={"batch": done["batch"]})
    found = UndoAnswer.model_validate(answer.json())
    assert set(found.taken_back) == {IDS[0], IDS[2]}
    assert found.left == [IDS[1]]
    assert _status(three) == {IDS[0]: "suggested", IDS[1]: "planned", IDS[2]: "suggested"}
    one = three.get(f"/v1/suggestions/{IDS[0]}").json()
    assert one["owner"] is None
    assert [row["decision"] for row in one["decisions"]] == ["accept", "undo"]
    assert three.get(f"/v1/suggestions/{IDS[0]}/impact").status_code == 409, "nothing was agreed"
    with work.database.read() as session:
        newest = session.exec(select(MapVersion).order_by(MapVersion.id.desc())).first()  # type: ignore[union-attr]
    assert newest is not None
    assert (newest.kind, [change["suggestion_id"] for change in newest.changes]) == ("undo", [IDS[1]])
    again = three.post("/v1/suggestions/decisions/undo", json={"batch": done["batch"]}).json()
    assert again["taken_back"] == []
    assert three.post("/v1/suggestions/decisions/undo", json={"batch": "b-0"}).status_code == 404


def test_snooze_and_owner_by_filter(three: Any) -> None:
    later = {"decision": "snooze", "until": "2190-01-01T00:00:00Z"}
    done = _decide(three, "?stage=delivery", **later).json()
    assert _status(three)[IDS[0]] == "snoozed"
    assert three.post("/v1/suggestions/decisions/undo", json={"batch": done["batch"]}).status_code == 200
    assert _status(three)[IDS[0]] == "suggested"
    owned = _decide(three, "?owner=-&stage=usage", decision="note", owner="Jo").json()
    assert set(owned["decided"]) == set(IDS[1:])
    listed = three.get("/v1/suggestions?owner=Jo").json()
    assert {one["id"] for one in listed["data"]} == set(IDS[1:])
    assert listed["total"] == 2
    assert three.get("/v1/suggestions?owner=-&limit=1").json()["total"] == 1


def test_a_start_taken_back_never_was(three: Any, client_of: Any) -> None:
    from service.suggest.impact_plan import course_of

    for decision in ("accept", "start"):
        assert three.post(f"/v1/suggestions/{IDS[0]}/decision", json={"decision": decision}).status_code == 200
    past = three.get(f"/v1/suggestions/{IDS[0]}").json()["decisions"]
    accepted, started = past
    undone = started | {"decision": "undo", "old": started["new"], "new": started["old"], "effective_at": None}
    before, then, after = (course_of(rows) for rows in ([accepted], past, [*past, undone]))
    assert before == after
    assert before is not None
    assert then is not None
    assert (before.started, then.started) == (False, True)


def test_what_cannot_be_decided(three: Any, client_of: Any, work: Work) -> None:
    assert _decide(three, decision="reject").status_code == 422
    assert _decide(three, decision="start").status_code == 422
    assert _decide(three, "?status=odd", decision="accept").status_code == 422
    assert set(_status(three).values()) == {"suggested"}
    with work.database.read() as session:
        assert session.exec(select(Suggestion)).all() == []
