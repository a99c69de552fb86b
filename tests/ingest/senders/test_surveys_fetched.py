"""Thin survey senders from their event to the stored items, as the service runs it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from service.stop import Stop
from service.store.engine import Database
from service.store.schema import FeedbackItem
from service.work import Work
from service.worker import KINDS, Worker
from tests.ingest.senders import test_qualtrics, test_surveymonkey
from tests.ingest.senders.fake_api import Asked, fake_api
from tests.ingest.senders.recorded import recorded

QUALTRICS = {"response": {"result": test_qualtrics.RESPONSE}, "survey": {"result": test_qualtrics.SURVEY}}
SURVEYMONKEY = {"response": test_surveymonkey.RESPONSE, "survey": test_surveymonkey.SURVEY}


@pytest.mark.parametrize(
    ("sender", "event", "answers", "credentials", "expected"),
    [
        ("qualtrics", "event.completedResponse.signed", QUALTRICS, {"api_token": "token-1"}, 4),
        ("surveymonkey", "response_completed", SURVEYMONKEY, {"access_token": "token-1"}, 4),
    ],
)
def test_an_event_becomes_the_responses_items(
    client: Any,
    work: Work,
    database: Database,
    sender: str,
    event: str,
    answers: dict[str, Any],
    credentials: dict[str, str],
    expected: int,
) -> None:
    one = recorded(sender, event)

    def answer(asked: Asked) -> tuple[int, Any]:
        return 200, answers["response" if "/responses/" in asked.path else "survey"]

    with fake_api(answer) as api:
        new = {
            "sender": sender,
            "name": "Survey",
            "secrets": [one.secret],
            "credentials": credentials,
            "options": {"api_url": api.url},
        }
        made = client.post("/v1/endpoints", json=new)
        assert made.status_code == 201, made.text
        path = "/hooks/" + made.json()["url"].partition("/hooks/")[2]
        for _ in range(2):
            assert client.post(path, content=one.call.body, headers=one.call.headers).status_code == 200
        assert client.head(path).status_code == 200
        Worker(work, Stop(), kinds={"fetch": KINDS["fetch"]}).run_until_idle()
        assert len(api.asked) == 2
    with database.read() as session:
        stored = session.execute(
            select(col(FeedbackItem.channel), col(FeedbackItem.score_kind), col(FeedbackItem.response_id))
        ).all()
    assert len(stored) == expected
    assert {row.channel for row in stored} == {"survey"}
    assert [row.score_kind for row in stored if row.score_kind] == ["nps"]
    assert len({row.response_id for row in stored}) == 1
