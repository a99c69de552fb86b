"""Two models never meet in one comparison: trends, series, the period before, suggestions' changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from service.classify.batch import classify
from service.classify.retag import enqueue_retag, retag
from service.store import queue
from service.store.like_with_like import WITHHELD, mixed_weeks, model_of_both
from service.store.queue import Priority
from service.work import Work
from tests.classify.made import enqueue, make_item
from tests.classify.tagging import WordPipeline
from tests.suggest.counted import Item, columns, fine, hurt

FROM = datetime(2026, 1, 5, 12, tzinfo=UTC)  # a Monday
PERIOD = {"from": "2026-02-02", "to": "2026-03-02"}


def numbers(*given: tuple[int, int]) -> Any:
    return np.concatenate([np.full(count, number) for number, count in given] or [np.empty(0, np.int64)])


def test_the_model_that_labelled_nearly_all_of_both() -> None:
    assert model_of_both(numbers((1, 100)), numbers((1, 50))) == 1
    assert model_of_both(numbers((0, 100)), numbers((1, 100))) is None
    assert model_of_both(numbers((0, 50), (1, 50)), numbers((0, 50), (1, 50))) is None
    assert model_of_both(numbers((2, 995), (1, 5)), numbers((2, 100), (-1, 900))) == 2
    assert model_of_both(numbers((2, 980), (1, 20)), numbers((2, 100))) is None
    assert model_of_both(numbers(), numbers((3, 10))) == 3
    assert model_of_both(numbers((-1, 4)), numbers()) == -1


def test_weeks_of_another_model() -> None:
    week = np.array([-1, 0, 0, 1, 1, 2])
    other = np.array([True, False, False, True, False, False])
    labelled = np.array([True, True, True, True, True, False])
    assert mixed_weeks(week, other, labelled, weeks=3).tolist() == [False, True, False]


def tag_weeks(work: Work, workspace_id: int, weeks: range, sentiment: str) -> None:
    """Twelve items a week, from Monday to Sunday, tagged by the pipeline that is in use."""
    ids = [
        make_item(
            work.database,
            workspace_id,
            f"stage=purchase topic=price sentiment={sentiment} number {week}-{n}",
            occurred_at=FROM + timedelta(weeks=week, hours=14 * n),
            at=FROM + timedelta(weeks=week, hours=14 * n),
        )
        for week in weeks
        for n in range(12)
    ]
    enqueue(work.database, workspace_id, ids)
    with work.database.write() as session:
        jobs = queue.claim(session, worker="test", lease_seconds=60, kinds=["classify"])
    list(classify(work, jobs))


def renew(work: Work, workspace_id: int) -> None:
    with work.database.write() as session:
        enqueue_retag(session, workspace_id=workspace_id, which="all", priority=Priority.UPKEEP)
    while True:
        with work.database.write() as session:
            jobs = queue.claim(session, worker="test", lease_seconds=60, kinds=["retag"])
        if not jobs:
            return
        list(retag(work, jobs))


@pytest.fixture
def half_renewed(work: Work, client: Any, words: WordPipeline) -> Any:
    """Four weeks tagged by the fast tier as positive, four by the accurate one as negative."""
    words.model_version = "fast-1"
    tag_weeks(work, client.workspace_id, range(4), "positive")
    words.model_version, words.tier = "accurate-1", "accurate"
    tag_weeks(work, client.workspace_id, range(4, 8), "negative")
    return client


def test_nothing_is_told_of_two_models_and_all_of_it_once_they_are_one(
    work: Work, half_renewed: Any, words: WordPipeline
) -> None:
    client = half_renewed
    for question in ({}, PERIOD):
        found = client.get("/v1/journey-map", params={**question, "compare_to": "previous"}).json()
        assert [stage["trend"] for stage in found["stages"]] == [None] * len(found["stages"])
        assert found["previous"] is None
        assert found["labels"]["trends_withheld"] == WITHHELD
        trends = client.get("/v1/trends", params={**question, "by": "stage"}).json()
        assert [one["trend"] for one in trends["data"]] == [None]
        assert trends["labels"]["trends_withheld"] == WITHHELD
    found = client.get("/v1/journey-map").json()
    assert found["labels"]["models"] == [
        {"model": "accurate-1", "tier": "accurate", "items": 48},
        {"model": "fast-1", "tier": "fast", "items": 48},
    ]
    # the series keep every item, and say nothing of sentiment in the weeks of the other model
    series = found["totals"]["series"]
    assert [week["items"] for week in series] == [12] * 8
    assert sum(week["net_sentiment"] is None for week in series) == 4
    (label,) = client.get("/v1/trends", params={"by": "stage"}).json()["data"]
    assert sum(week["share"] is None for week in label["series"]) == 4
    assert sum(week["net_sentiment"]["value"] is None for week in label["series"]) == 4

    renew(work, client.workspace_id)
    for question in ({}, PERIOD):
        found = client.get("/v1/journey-map", params={**question, "compare_to": "previous"}).json()
        assert found["labels"]["trends_withheld"] is None
        assert [one["model"] for one in found["labels"]["models"]] == ["accurate-1"]
        told = [stage["trend"]["net_sentiment"] for stage in found["stages"] if stage["items"]]
        # without bounds the newest week does not count yet: two days after its end it will
        before = 48 if question else 36
        assert [(one["significant"], one["n"], one["previous_n"]) for one in told] == [(True, 48, before)]
        trends = client.get("/v1/trends", params={**question, "by": "stage"}).json()
        assert trends["data"][0]["trend"]["net_sentiment"]["significant"] is True
    assert all(week["net_sentiment"] is not None for week in found["totals"]["series"])


def test_a_period_of_one_model_is_compared_while_older_labels_wait(work: Work, half_renewed: Any) -> None:
    found = half_renewed.get("/v1/journey-map", params={"from": "2026-02-16", "to": "2026-03-02"}).json()
    assert found["labels"]["trends_withheld"] is None
    (trend,) = [stage["trend"] for stage in found["stages"] if stage["items"]]
    assert (trend["net_sentiment"]["n"], trend["net_sentiment"]["previous_n"]) == (24, 24)


def with_pain(model: int, day: int, hurt_of_40: int) -> list[Item]:
    people = range(day * 100, day * 100 + 40)
    return [
        (hurt if n < hurt_of_40 else fine)(day=day, model=model, respondent=who) for n, who in enumerate(people)
    ]


def test_suggestions_tell_no_change_between_two_models() -> None:
    from service.store.rollup_codes import codebook
    from service.suggest.pains import find_pains

    def trend_of(*items: Item) -> Any:
        return find_pains(columns(items), codebook())["purchase", "ease_of_use"].trend

    before, recent = range(20_000, 20_056, 5), range(20_056, 20_112, 5)
    # a week counts two days after its end
    later = with_pain(1, 20_116, 2)
    mixed = trend_of(
        *(one for day in before for one in with_pain(0, day, 2)),
        *(one for day in recent for one in with_pain(1, day, 20)),
        *later,
    )
    assert (mixed.change, mixed.significant, mixed.withheld) == (None, False, WITHHELD)
    same = trend_of(
        *(one for day in before for one in with_pain(1, day, 2)),
        *(one for day in recent for one in with_pain(1, day, 20)),
        *later,
    )
    assert (same.significant, same.withheld) == (True, None)
    # a stray of another model stays out and hides nothing
    stray = trend_of(
        *(one for day in before for one in with_pain(1, day, 2)),
        *(one for day in recent for one in with_pain(1, day, 20)),
        *later,
        hurt(day=20_100, model=0, respondent=7),
    )
    assert (stray.significant, stray.recent_n) == (True, same.recent_n)
