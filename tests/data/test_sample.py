"""The bundled sample: valid, varied, complete, and with its two stories in it."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics.pairwise import cosine_similarity

from nlp.codebook import DATA_FOLDER, load_codebook

FOLDER = DATA_FOLDER / "sample"
FIELDS = ("stage", "emotion", "sentiment", "topic", "touchpoint")
ITEM_FIELDS = {
    "text",
    "channel",
    "external_id",
    "source",
    "occurred_at",
    "score",
    "respondent",
    "conversation_id",
    "url",
    "value",
    "attributes",
}
FIRST_DAY = datetime(2026, 7, 28, tzinfo=UTC)
LAST_DAY = datetime(2026, 11, 16, tzinfo=UTC)
SHORT_WORDS_LIMIT = 4
"""Texts of up to so many words may resemble each other: "fine", "no comment"."""


@cache
def survey() -> list[dict[str, str]]:
    with (FOLDER / "survey.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


@cache
def reviews() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / "reviews.ndjson").read_text("utf-8").splitlines()]


@cache
def ticket_bodies() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / "tickets.ndjson").read_text("utf-8").splitlines()]


@cache
def items() -> list[dict[str, Any]]:
    """Every item of the three files, with what they have in common."""
    return [*survey(), *reviews(), *(body["data"] for body in ticket_bodies())]


@cache
def labels() -> dict[str, dict[str, str]]:
    with (FOLDER / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    by_id = {row["external_id"]: row for row in rows}
    assert len(by_id) == len(rows)
    return by_id


def moment(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


def week(item: dict[str, Any]) -> int:
    """The week of the sample, 1 to 16."""
    return (moment(item["occurred_at"]) - FIRST_DAY).days // 7 + 1


def share(rows: Iterable[dict[str, str]], sentiment: str) -> float:
    counted = Counter(row["sentiment"] for row in rows)
    return counted[sentiment] / counted.total()


def test_there_are_enough_items_in_each_file() -> None:
    assert len(survey()) >= 250
    assert len(reviews()) >= 180
    assert len(ticket_bodies()) >= 175
    assert len(items()) >= 640


def test_ids_are_unique_over_all_files() -> None:
    assert len({item["external_id"] for item in items()}) == len(items())
    assert len({body["id"] for body in ticket_bodies()}) == len(ticket_bodies())


def test_survey_rows_are_valid() -> None:
    for row in survey():
        assert None not in row
        assert row["channel"] == "survey"
        assert 0 <= int(row["score_nps"]) <= 10
        assert row["question"].endswith("?")
        assert row["respondent"]
        assert re.fullmatch("[A-Z]{2}", row["attributes.country"])
        assert row["attributes.plan"] in {"guest", "circle", "circle_plus"}
        assert row["attributes.persona"]
        assert row["attributes.device"] in {"ios", "android", "desktop", "tablet"}


def test_a_response_with_two_answers_has_one_score_and_two_questions() -> None:
    responses: dict[str, list[dict[str, str]]] = {}
    for row in survey():
        responses.setdefault(row["response_id"], []).append(row)
    doubles = [rows for rows in responses.values() if len(rows) > 1]
    assert len(doubles) >= 8
    for rows in doubles:
        assert len(rows) == len({row["question"] for row in rows}) == 2
        for field in ("score_nps", "respondent", "occurred_at"):
            assert len({row[field] for row in rows}) == 1


def test_some_survey_rows_have_a_score_and_no_comment() -> None:
    assert 15 <= sum(row["text"] == "" for row in survey()) <= 60


def test_reviews_and_tickets_are_items_of_the_contract() -> None:
    for item in [*reviews(), *(body["data"] for body in ticket_bodies())]:
        assert set(item) <= ITEM_FIELDS
        assert item["text"].strip()
        assert set(item["attributes"]) == {"plan", "country", "persona"}
        assert re.fullmatch(r"https://[a-z.]+\.example/\S+", item["url"])
    for review in reviews():
        assert review["channel"] == "review"
        assert review["score"] == {
            "kind": "stars",
            "value": review["score"]["value"],
            "scale_min": 1,
            "scale_max": 5,
        }
        assert review["score"]["value"] in range(1, 6)


def test_tickets_are_bodies_of_a_signed_sender() -> None:
    for body in ticket_bodies():
        assert set(body) == {"id", "type", "timestamp", "data"}
        assert re.fullmatch(r"msg_[0-9A-Z]{22}", body["id"])
        assert body["type"] == "feedback.created"
        assert body["data"]["channel"] == "ticket"
        delay = moment(body["timestamp"]) - moment(body["data"]["occurred_at"])
        assert 0 < delay.total_seconds() <= 60
    rated = [body["data"]["score"] for body in ticket_bodies() if "score" in body["data"]]
    assert len(rated) >= 50
    assert all(score["kind"] == "csat" and score["value"] in range(1, 6) for score in rated)


def test_conversations_have_follow_ups_by_one_person_in_order() -> None:
    conversations: dict[str, list[dict[str, Any]]] = {}
    for body in ticket_bodies():
        if "conversation_id" in body["data"]:
            conversations.setdefault(body["data"]["conversation_id"], []).append(body["data"])
    assert sum(len(turns) > 1 for turns in conversations.values()) >= 6
    for turns in conversations.values():
        assert len({turn["respondent"] for turn in turns}) == 1
        times = [turn["occurred_at"] for turn in turns]
        assert times == sorted(times)


def test_the_times_span_sixteen_weeks_evenly() -> None:
    times = [moment(item["occurred_at"]) for item in items()]
    assert min(times).date() == FIRST_DAY.date()
    assert max(times).date() == LAST_DAY.date()
    for file_items in (survey(), reviews(), [body["data"] for body in ticket_bodies()]):
        by_week = Counter(week(item) for item in file_items)
        assert set(by_week) == set(range(1, 17))
        assert max(by_week.values()) <= 2 * min(by_week.values())


def test_customers_can_be_followed_over_time() -> None:
    days: dict[str, set[str]] = {}
    for item in items():
        days.setdefault(item["respondent"], set()).add(item["occurred_at"][:10])
    assert sum(len(seen) >= 2 for seen in days.values()) >= 60
    assert sum(len(seen) >= 3 for seen in days.values()) >= 20


def test_every_text_has_valid_labels_and_only_texts_have() -> None:
    codebook = load_codebook()
    assert set(labels()) == {item["external_id"] for item in items() if item["text"]}
    for row in labels().values():
        for field in FIELDS:
            assert row[field] in codebook.labels(field), row["external_id"]
        assert row["story"] in {"", "checkout_worse", "support_better"}
        assert row["language"] in {"en", "de", "fr", "es", "nl", ""}
        assert (row["language"] == "") == (row["stage"] == "none")


def test_emotions_fit_their_sentiment() -> None:
    polarity = {emotion.label: emotion.polarity for emotion in load_codebook().emotions}
    for row in labels().values():
        if polarity[row["emotion"]] == "negative":
            assert row["sentiment"] in {"negative", "mixed"}, row["external_id"]
        elif row["sentiment"] == "negative":
            # A fault told without feeling, or a wish under a question that asks for dislikes.
            assert row["emotion"] in {"neutral", "hope"}, row["external_id"]


@pytest.mark.parametrize(
    ("field", "at_least"),
    [("stage", 12), ("emotion", 8), ("sentiment", 8), ("topic", 8), ("touchpoint", 6)],
)
def test_every_label_of_the_codebook_occurs(field: str, at_least: int) -> None:
    counted = Counter(row[field] for row in labels().values())
    missing = {label: counted[label] for label in load_codebook().labels(field) if counted[label] < at_least}
    assert missing == {}


def test_lengths_and_languages_vary() -> None:
    lengths = sorted(len(item["text"]) for item in items() if item["text"])
    assert lengths[0] <= 3
    assert lengths[-1] >= 800
    assert sum(row["language"] in {"de", "fr", "es", "nl"} for row in labels().values()) >= 12
    assert any(re.search("[\U0001f300-\U0001faff]", item["text"]) for item in items())


def test_no_two_texts_are_near_duplicates() -> None:
    """Cosine of counted character trigrams below 0.8, over all pairs of the longer texts."""
    texts = [item["text"] for item in items() if len(item["text"].split()) > SHORT_WORDS_LIMIT]
    assert len(texts) >= 590
    counts = CountVectorizer(analyzer="char_wb", ngram_range=(3, 3)).fit_transform(texts)
    similarity = cosine_similarity(counts)
    similarity[range(len(texts)), range(len(texts))] = 0
    worst = divmod(int(similarity.argmax()), len(texts))
    assert similarity[worst] < 0.8, [texts[index] for index in worst]
    assert len({item["text"] for item in items() if item["text"]}) == len(labels())


def test_texts_do_not_begin_alike() -> None:
    openings = Counter(" ".join(item["text"].lower().split()[:4]) for item in items() if item["text"])
    assert openings.most_common(1)[0][1] <= 3


def test_the_checkout_became_worse_from_week_nine_on() -> None:
    by_id = {item["external_id"]: item for item in items()}
    purchase = [row for row in labels().values() if row["stage"] == "purchase"]
    before = [row for row in purchase if week(by_id[row["external_id"]]) < 9]
    after = [row for row in purchase if week(by_id[row["external_id"]]) >= 9]
    assert len(before) >= 15
    assert len(after) >= 2 * len(before)
    assert share(before, "negative") <= 0.45
    assert share(after, "negative") >= 0.8
    pain = Counter(row["topic"] for row in after if row["sentiment"] == "negative")
    assert {topic for topic, _ in pain.most_common(2)} == {"payment", "ease_of_use"}
    mild = {"disappointment", "neutral", "confusion"}
    assert {row["emotion"] for row in before if row["sentiment"] == "negative"} <= mild


def test_support_became_better_from_week_seven_on() -> None:
    by_id = {item["external_id"]: item for item in items()}
    support = [row for row in labels().values() if row["stage"] == "support"]
    before = [row for row in support if week(by_id[row["external_id"]]) < 7]
    after = [row for row in support if week(by_id[row["external_id"]]) >= 7]
    assert min(len(before), len(after)) >= 45
    assert share(before, "positive") <= 0.15
    assert share(before, "negative") >= 0.75
    assert share(after, "positive") >= 0.75
    assert share(after, "negative") <= 0.15


def test_the_stories_show_in_every_file() -> None:
    by_id = {item["external_id"]: item for item in items()}
    for stage, start in (("purchase", 9), ("support", 7)):
        for channel in ("survey", "review", "ticket"):
            rows = [row for key, row in labels().items() if by_id[key]["channel"] == channel]
            story = [row for row in rows if row["stage"] == stage]
            before = [row for row in story if week(by_id[row["external_id"]]) < start]
            after = [row for row in story if week(by_id[row["external_id"]]) >= start]
            change = share(after, "negative") - share(before, "negative")
            assert abs(change) > 0.3, (stage, channel)
            assert (change > 0) == (stage == "purchase"), (stage, channel)


def test_the_other_stages_are_steady() -> None:
    """Outside the stories no stage's negative share moves by more than chance allows (3 standard errors)."""
    by_id = {item["external_id"]: item for item in items()}
    for stage in load_codebook().labels("stage"):
        if stage in {"purchase", "support", "none"}:
            continue
        halves: tuple[list[dict[str, str]], list[dict[str, str]]] = ([], [])
        for row in labels().values():
            if row["stage"] == stage:
                halves[week(by_id[row["external_id"]]) >= 9].append(row)
        first, second = halves
        pooled = share([*first, *second], "negative")
        error = (pooled * (1 - pooled) * (1 / len(first) + 1 / len(second))) ** 0.5
        assert abs(share(first, "negative") - share(second, "negative")) < 3 * error, stage


def test_the_readme_counts_what_the_files_hold() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    counted = dict(re.findall(r"^\| `([a-z.]+)` \|.*\| (\d+) \|$", readme, flags=re.MULTILINE))
    assert {name: int(count) for name, count in counted.items()} == {
        "survey.csv": len(survey()),
        "reviews.ndjson": len(reviews()),
        "tickets.ndjson": len(ticket_bodies()),
        "labels.csv": len(labels()),
    }
