"""GET /v1/feedback and GET /v1/feedback/{id}: what is shown, to whom, how it is filtered and paged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event, update

from service.review.feedback_models import FeedbackDetail, FeedbackPage
from service.store.schema import Correction, Delivery, Endpoint, FeedbackItem, ItemVersion, Workspace
from service.work import Work
from tests.classify.made import enqueue, make_import, make_item, tag_all, tagged_item
from tests.classify.tagging import WordPipeline

DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [int(one["id"]) for one in answer.json()["data"]]


def test_items_with_labels_newest_first(client: Any, work: Work, words: WordPipeline) -> None:
    older = tagged_item(work, client.workspace_id, "stage=churn topic=price", at=DAY - timedelta(days=1))
    newer = tagged_item(
        work,
        client.workspace_id,
        "stage=support. stage=usage.",
        at=DAY,
        respondent="0" * 32,
        attributes={"plan": "pro"},
        score_kind="nps",
        score_value=9.0,
        score_min=0.0,
        score_max=10.0,
        declared_stage="Service",
        url="https://shop.example/1",
    )
    body = client.get("/v1/feedback").json()
    page = FeedbackPage.model_validate(body)
    assert [int(one.id) for one in page.data] == [newer, older]
    assert page.next is None
    first, second = body["data"]
    assert second["stage"] == {"label": "churn", "confidence": 0.9, "corrected": False}
    assert second["score"] is None
    assert first["score"] == {"kind": "nps", "value": 9.0, "scale_min": 0.0, "scale_max": 10.0}
    assert (first["declared_stage"], first["attributes"]) == ("Service", {"plan": "pro"})
    assert [one["stage"]["label"] for one in first["segments"]] == ["support", "usage"]
    assert (first["state"], first["unsure"], first["stage2"]) == ("tagged", False, None)
    assert first["occurred_at"] == "2026-03-01T12:00:00Z"


def test_waiting_and_textless_items_are_listed(client: Any, work: Work, words: WordPipeline) -> None:
    waiting = make_item(work.database, client.workspace_id)
    textless = make_item(work.database, client.workspace_id, None)
    body = client.get("/v1/feedback").json()["data"]
    assert [(int(one["id"]), one["state"], one["stage"]) for one in body] == [
        (textless, "no_text", None),
        (waiting, "pending", None),
    ]
    assert body[0]["withheld"] is False


def test_filters(client: Any, work: Work, words: WordPipeline) -> None:
    workspace_id = client.workspace_id
    import_id = make_import(work.database, workspace_id, to_tag=1)
    one = tagged_item(
        work,
        workspace_id,
        "stage=churn emotion=anger sentiment=negative topic=price touchpoint=sales",
        source="shop-a",
        channel="survey",
        attributes={"plan": "pro", "odd $name.x'": "yes"},
        conversation_id="t-1",
        at=DAY,
    )
    two = tagged_item(
        work, workspace_id, "100% GOOD_ (unsure)", attributes={"plan": "free"}, at=DAY + timedelta(days=2)
    )
    three = tagged_item(work, workspace_id, "(foreign) 100x", import_id=import_id, at=DAY - timedelta(days=2))
    queries: list[tuple[dict[str, Any], list[int]]] = [
        ({"stage": "churn"}, [one]),
        ({"stage": ["churn", "usage"]}, [two, one]),
        ({"emotion": "anger"}, [one]),
        ({"sentiment": "negative", "stage": "usage"}, []),
        ({"topic": "price"}, [one]),
        ({"touchpoint": "sales"}, [one]),
        ({"channel": "survey"}, [one]),
        ({"source": "shop-a"}, [one]),
        ({"language": "fi"}, [three]),
        ({"language": ["en", "fi"]}, [two, one, three]),
        ({"attr.plan": "pro"}, [one]),
        ({"attr.plan": ["pro", "free"]}, [two, one]),
        ({"attr.odd $name.x'": "yes"}, [one]),
        ({"attr.country": "DE"}, []),
        ({"conversation": "t-1"}, [one]),
        ({"import_id": str(import_id)}, [three]),
        ({"import_id": "x"}, []),
        ({"unsure": "true"}, [two, three]),
        ({"unsure": "false"}, [one]),
        ({"corrected": "true"}, []),
        ({"state": "pending"}, []),
        ({"q": "good_"}, [two]),
        ({"q": "100%"}, [two]),
        ({"q": "%"}, [two]),
        ({"q": "_"}, [two]),
        ({"from": "2026-03-01", "to": "2026-03-02"}, [one]),
        ({"from": "2026-03-01T12:00:00Z"}, [two, one]),
        ({"from": "2026-03-01T12:00:01+00:00"}, [two]),
        ({"to": "2026-03-01T12:00:00Z"}, [three]),
    ]
    for query, expected in queries:
        assert ids(client.get("/v1/feedback", params=query)) == expected, query


def test_days_are_the_workspace_s(client: Any, work: Work, words: WordPipeline) -> None:
    late = make_item(work.database, client.workspace_id, at=datetime(2026, 3, 1, 23, 30, tzinfo=UTC))
    assert ids(client.get("/v1/feedback", params={"from": "2026-03-02"})) == []
    with work.database.write() as session:
        session.execute(update(Workspace).values(timezone="Europe/Berlin"))
    assert ids(client.get("/v1/feedback", params={"from": "2026-03-02"})) == [late]


def test_a_filter_that_can_t_be_used_is_said(client: Any) -> None:
    queries: list[tuple[dict[str, str], str]] = [
        ({"stage": "buying"}, "awareness"),
        ({"from": "yesterday"}, "2026-01-31"),
        ({"to": "0000-00-00"}, "2026-01-31"),
        ({"colour": "red"}, "attr."),
        ({'attr.a"b': "x"}, "quotation"),
        ({"unsure": "perhaps"}, "unsure"),
        ({"limit": "501"}, "limit"),
        ({"cursor": "no-cursor"}, "cursor"),
        ({"cursor": "WyJhIiwxXQ"}, "cursor"),
        ({"cursor": "Wzk5OTk5OTk5OTk5OTk5OTk5OTksMV0"}, "cursor"),
    ]
    for query, word in queries:
        answer = client.get("/v1/feedback", params=query)
        assert answer.status_code == 422, query
        assert word in answer.text, query


def test_pages_hold_every_item_once(client: Any, work: Work) -> None:
    made = [
        make_item(work.database, client.workspace_id, at=DAY + timedelta(microseconds=number // 3))
        for number in range(11)
    ]
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = client.get("/v1/feedback", params={"limit": 4, "cursor": cursor})
        seen += ids(answer)
        cursor = answer.json()["next"]
    assert seen == sorted(made, reverse=True)


def test_the_number_of_statements_does_not_grow(client: Any, work: Work, words: WordPipeline) -> None:
    def statements() -> int:
        count = 0

        def counted(*_: Any) -> None:
            nonlocal count
            count += 1

        engine = client.http.app.state.database.reader
        event.listen(engine, "before_cursor_execute", counted)
        assert client.get("/v1/feedback").status_code == 200
        event.remove(engine, "before_cursor_execute", counted)
        return count

    tagged_item(work, client.workspace_id, "stage=usage. stage=churn.")
    few = statements()
    for number in range(20):
        tagged_item(work, client.workspace_id, f"stage=usage {number}. stage=churn.")
    assert statements() == few


def test_one_item_with_its_history(client: Any, work: Work, words: WordPipeline) -> None:
    workspace_id = client.workspace_id
    with work.database.write() as session:
        endpoint = Endpoint(
            workspace_id=workspace_id,
            public_id="p",
            sender="zendesk",
            name="Tickets",
            source="zendesk",
            secrets="",
        )
        session.add(endpoint)
        session.flush()
        assert endpoint.id is not None
        delivery = Delivery(
            workspace_id=workspace_id, endpoint_id=endpoint.id, external_id="d1", body=b"{}", state="parsed"
        )
        session.add(delivery)
        session.flush()
        delivery_id = delivery.id
    import_id = make_import(work.database, workspace_id, to_tag=1)
    item_id = tagged_item(work, workspace_id, "old words", delivery_id=delivery_id, import_id=import_id)
    with work.database.write() as session:
        session.add(ItemVersion(workspace_id=workspace_id, item_id=item_id, text_version=1, text="old words"))
        session.add(
            Correction(
                workspace_id=workspace_id,
                item_id=item_id,
                text_version=1,
                labels={"topic": "price"},
                author="key:x",
            )
        )
        session.execute(update(FeedbackItem).values(text="new words", text_version=2, state="pending"))
    enqueue(work.database, workspace_id, [item_id])
    tag_all(work)
    body = FeedbackDetail.model_validate(client.get(f"/v1/feedback/{item_id}").json())
    assert body.text == "new words"
    assert [(one.text_version, one.text) for one in body.versions] == [(1, "old words")]
    assert [one.text_version for one in body.classifications] == [1, 2]
    assert [(one.state, one.labels) for one in body.corrections] == [("lapsed", {"topic": "price"})]
    assert body.topic is not None
    assert body.topic.label == "general"
    assert body.provenance.delivery is not None
    assert (body.provenance.delivery.sender, body.provenance.delivery.endpoint) == ("zendesk", "Tickets")
    raw = client.get(f"/v1/feedback/{item_id}").json()["provenance"]
    assert raw["import"]["filename"] == "feedback.csv"


def test_viewers_see_labels_and_no_words(
    client: Any, work: Work, words: WordPipeline, person_of: Callable[[str], Any]
) -> None:
    item_id = tagged_item(work, client.workspace_id, "stage=churn secret", translation="secret")
    make_item(work.database, client.workspace_id, None)
    viewer, analyst = person_of("viewer"), person_of("analyst")
    with work.database.write() as session:
        session.add(
            ItemVersion(workspace_id=client.workspace_id, item_id=item_id, text_version=0, text="secret before")
        )
    for address in ("/v1/feedback", f"/v1/feedback/{item_id}", "/v1/feedback/export?format=ndjson"):
        answer = viewer.get(address)
        assert answer.status_code == 200
        assert "secret" not in answer.text
        assert "churn" in answer.text
        assert "secret" in analyst.get(address).text
    shown = viewer.get(f"/v1/feedback/{item_id}").json()
    assert (shown["text"], shown["withheld"]) == (None, True)
    assert viewer.get("/v1/feedback", params={"q": "secret"}).status_code == 403
    assert viewer.put(f"/v1/feedback/{item_id}/labels", json={"labels": {"stage": "usage"}}).status_code == 403
    assert viewer.delete(f"/v1/feedback/{item_id}").status_code == 403
    assert viewer.delete("/v1/respondents/c-1").status_code == 403


def test_another_workspace_s_item_is_not_found(
    client: Any, client_of: Callable[..., Any], work: Work, words: WordPipeline
) -> None:
    other = client_of(workspace="other")
    item_id = tagged_item(work, other.workspace_id, "stage=churn", respondent="0" * 32)
    assert ids(client.get("/v1/feedback")) == []
    assert client.get("/v1/feedback/export?format=ndjson").text == ""
    for missing in (str(item_id), "0", "99999999999999999999", "x", "-1", "1.0"):
        address = f"/v1/feedback/{missing}"
        for answer in (
            client.get(address),
            client.delete(address),
            client.post(f"{address}/follow-up", json={"state": "answered"}),
            client.put(f"{address}/labels", json={"labels": {"stage": "usage"}}),
            client.delete(f"{address}/labels", params={"correction": "1"}),
        ):
            assert answer.status_code == 404, (missing, answer.request.method)
    assert ids(other.get("/v1/feedback")) == [item_id]


def test_follow_up(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = make_item(work.database, client.workspace_id)
    address = f"/v1/feedback/{item_id}/follow-up"
    given = {"state": "needs_answer", "owner": "ann", "note": "call on Monday"}
    assert client.post(address, json=given).json() == given
    assert client.post(address, json={"state": "answered"}).json() == given | {"state": "answered"}
    assert client.get(f"/v1/feedback/{item_id}").json()["follow_up"]["state"] == "answered"
    assert client.post(address, json={"state": "done"}).status_code == 422
    client.post(address, json={"state": "answered", "owner": "bea"})
    elsewhere = make_item(work.database, client.workspace_id)
    client.post(f"/v1/feedback/{elsewhere}/follow-up", json={"state": "dismissed"})
    steps = client.get(f"/v1/feedback/{item_id}").json()["follow_ups"]
    assert [(one["before"], one["state"]) for one in steps] == [
        (None, "needs_answer"),
        ("needs_answer", "answered"),
        ("answered", "answered"),
    ]
    assert {one["author"] for one in steps} == {"key:test"}
    assert [one["at"] for one in steps] == sorted(one["at"] for one in steps)


def test_a_repeated_follow_up_is_replayed(client: Any, work: Work) -> None:
    address = f"/v1/feedback/{make_item(work.database, client.workspace_id)}/follow-up"
    once = {"Idempotency-Key": "k-1"}
    first = client.post(address, json={"state": "needs_answer"}, headers=once)
    client.post(address, json={"state": "answered"})
    assert client.post(address, json={"state": "needs_answer"}, headers=once).json() == first.json()
    assert client.post(address, json={"state": "dismissed"}, headers=once).status_code == 422
    assert client.get(address.removesuffix("/follow-up")).json()["follow_up"]["state"] == "answered"
