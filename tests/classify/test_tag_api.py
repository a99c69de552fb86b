"""POST /v1/tag and GET /v1/model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlmodel import select

from service.app import create_app
from service.classify import active_model
from service.classify.api import ModelOut, TagOut
from service.settings import Settings
from service.store.schema import FeedbackItem
from tests.classify.tagging import WordPipeline


def test_texts_are_tagged_in_order(client: Any, words: WordPipeline) -> None:
    answer = client.post("/v1/tag", json={"texts": ["stage=churn.", "…", "stage=support"]})
    assert answer.status_code == 200
    body = TagOut.model_validate(answer.json())
    assert (body.model, body.codebook) == ("words-1", "1")
    assert [one.stage.label if one.stage else None for one in body.results] == ["churn", None, "support"]
    assert body.results[1].unsure_reason == "meaningless"
    assert (body.results[0].segments[0].start, body.results[0].segments[0].end) == (0, 12)


def test_items_carry_their_question(client: Any, words: WordPipeline) -> None:
    items = [{"text": "price", "question": "What do you like least?"}, {"text": "all good"}]
    assert client.post("/v1/tag", json={"items": items}).status_code == 200
    assert words.asked == [("price", "What do you like least?"), ("all good", None)]


def test_nothing_to_tag_is_no_error(client: Any, words: WordPipeline) -> None:
    assert client.post("/v1/tag", json={"texts": []}).json()["results"] == []


def test_bad_input_is_a_problem(client: Any, words: WordPipeline) -> None:
    bodies: list[Any] = [
        {},
        {"texts": ["a"], "items": [{"text": "a"}]},
        {"texts": "a"},
        {"texts": [1]},
        {"items": [{"question": "a"}]},
        {"texts": ["a"], "more": 1},
        {"texts": ["a"] * 1001},
        {"texts": ["a", "b" * 100_001]},
    ]
    for body in bodies:
        answer = client.post("/v1/tag", json=body)
        assert answer.status_code == 422, body
        assert answer.json()["errors"], body
    assert words.asked == []


def test_nothing_is_stored(client: Any, words: WordPipeline, database: Any) -> None:
    client.post("/v1/tag", json={"texts": ["stage=churn"]})
    with database.read() as session:
        assert session.exec(select(FeedbackItem)).all() == []


def test_reading_is_needed(client_of: Callable[..., Any], words: WordPipeline) -> None:
    assert client_of(scopes=("ingest",)).post("/v1/tag", json={"texts": ["a"]}).status_code == 403
    assert client_of(scopes=("ingest",)).get("/v1/model").status_code == 403
    assert client_of(scopes=("read",)).post("/v1/tag", json={"texts": ["a"]}).status_code == 200


def test_the_shipped_model_tags(client: Any) -> None:
    answer = client.post("/v1/tag", json={"texts": ["My parcel arrived a week late and the box was crushed."]})
    (result,) = TagOut.model_validate(answer.json()).results
    assert result.stage is not None
    assert (result.stage.label, result.language) == ("delivery", "en")
    assert answer.json()["model"] == client.get("/v1/model").json()["model"]


def test_half_an_emoji_refuses_nothing(client: Any) -> None:
    answer = client.post("/v1/tag", content=b'{"texts": ["late again \\ud83d", "x"]}')
    assert answer.status_code == 200
    assert len(answer.json()["results"]) == 2
    broken = client.post("/v1/tag", content=b'{"texts": ["late again \\ud8')
    assert (broken.status_code, broken.json()["errors"][0]["code"]) == (422, "json_invalid")


def test_the_model_shows_its_scores(client: Any) -> None:
    body = ModelOut.model_validate(client.get("/v1/model").json())
    assert body.labels["sentiment"] == ["negative", "neutral", "positive", "mixed"]
    fields = body.evaluation[0]["with_question"]["fields"]
    assert fields["stage"]["n"] > 0
    assert {"accuracy", "macro_f1", "calibration_error", "labels"} <= set(fields["stage"])


def test_a_missing_model_is_said(client: Any, settings: Settings, tmp_path: Path) -> None:
    active_model.set_pipeline(None)
    empty = tmp_path / "no-model"
    empty.mkdir()
    client.http.app.state.settings = settings.model_copy(update={"models_dir": empty})
    for answer in (client.post("/v1/tag", json={"texts": ["a"]}), client.get("/v1/model")):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "30"
        assert str(tmp_path) not in answer.text


def test_the_document_describes_it(settings: Settings) -> None:
    paths = create_app(settings).openapi()["paths"]
    tag = paths["/v1/tag"]["post"]
    assert tag["requestBody"]["content"]["application/json"]["example"]
    assert paths["/v1/model"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
