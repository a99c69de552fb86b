"""The playbook is complete, consistent, and never answers a pain with a platitude."""

import tomllib
from collections import Counter
from typing import Any

import pytest

from nlp.codebook import DATA_FOLDER, load_codebook

CODEBOOK = load_codebook()
STAGES = [stage for stage in CODEBOOK.labels("stage") if stage != "none"]
TOPICS = CODEBOOK.labels("topic")
FIELDS = {"id", "stage", "topics", "pain", "adaptation", "effort", "metric", "owner", "test", "idea"}

IMPLAUSIBLE = {
    # Who has only just heard of us has no account, has paid nothing, is owed nothing and waits for no parcel.
    ("awareness", "account"),
    ("awareness", "billing"),
    ("awareness", "delivery"),
    ("awareness", "payment"),
    ("awareness", "resolution"),
    ("awareness", "returns_refunds"),
    # A problem that waits for its solution is a support case; before the choice there is none.
    ("decision", "resolution"),
}


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    found = tomllib.loads((DATA_FOLDER / "playbook.toml").read_text(encoding="utf-8"))
    assert set(found) == {"entry", "ideas", "question", "keep"}
    return found


@pytest.fixture(scope="module")
def entries(content: dict[str, Any]) -> list[dict[str, Any]]:
    return list(content["entry"])


def test_every_entry_has_every_field_in_its_shape(entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        # who asks for the reason has no pattern to look for
        assert set(entry) == FIELDS | ({"patterns"} if entry["topics"] != ["general"] else set()), entry["id"]
        assert entry["id"].startswith(entry["stage"] + "-"), entry["id"]
        assert entry["stage"] in STAGES, entry["id"]
        assert entry["topics"], entry["id"]
        assert len(set(entry["topics"])) == len(entry["topics"]), entry["id"]
        assert set(entry["topics"]) <= set(TOPICS), entry["id"]
        assert entry["effort"] in {"low", "medium", "high"}, entry["id"]
        for field in ("pain", "adaptation", "metric", "owner", "test"):
            assert entry[field] == entry[field].strip() != "", f"{entry['id']}: {field}"


def test_ids_and_wordings_are_unique(entries: list[dict[str, Any]]) -> None:
    for field in ("id", "pain", "adaptation", "test"):
        repeated = [value for value, count in Counter(entry[field] for entry in entries).items() if count > 1]
        assert repeated == [], field


def test_every_pair_of_stage_and_topic_that_can_hurt_is_reached(entries: list[dict[str, Any]]) -> None:
    reached = {(entry["stage"], topic) for entry in entries for topic in entry["topics"]}
    wanted = {(stage, topic) for stage in STAGES for topic in TOPICS} - IMPLAUSIBLE
    assert sorted(wanted - reached) == []
    assert sorted(reached & IMPLAUSIBLE) == [], "no longer implausible: take it off the list"


def test_the_list_of_implausible_pairs_stays_short_and_names_real_pairs() -> None:
    assert len(IMPLAUSIBLE) <= 10
    assert {(stage, topic) for stage in STAGES for topic in TOPICS} >= IMPLAUSIBLE


@pytest.mark.parametrize("stage", STAGES)
def test_without_a_topic_the_entry_says_what_to_ask(entries: list[dict[str, Any]], stage: str) -> None:
    general = [entry for entry in entries if entry["stage"] == stage and "patterns" not in entry]
    assert [entry["topics"] for entry in general] == [["general"]]
    adaptation = general[0]["adaptation"]
    assert adaptation.startswith("Find out why: ")
    assert "'" in adaptation
    assert "?" in adaptation


def test_adaptations_are_one_or_two_concrete_sentences(entries: list[dict[str, Any]]) -> None:
    vague = ("improve the experience", "delight", "best practice", "leverage", "customer-centric", "optimise")
    for entry in entries:
        assert 50 <= len(entry["adaptation"]) <= 330, f"{entry['id']}: {len(entry['adaptation'])}"
        assert not [word for word in vague if word in entry["adaptation"].lower()], entry["id"]


@pytest.mark.parametrize(
    ("stage", "topic", "words"),
    [
        ("awareness", "information", ("message", "target")),
        ("consideration", "speed", ("speed", "mobile")),
        ("purchase", "ease_of_use", ("steps", "ways to pay")),
        ("support", "responsiveness", ("answer", "self-service")),
    ],
)
def test_the_best_known_pains_meet_their_best_known_answer(
    entries: list[dict[str, Any]], stage: str, topic: str, words: tuple[str, ...]
) -> None:
    first = next(entry for entry in entries if entry["stage"] == stage and topic in entry["topics"])
    for word in words:
        assert word in first["adaptation"].lower()


def test_every_idea_says_where_it_comes_from_and_every_topic_what_to_ask_and_keep(content: dict[str, Any]) -> None:
    assert {entry["idea"] for entry in content["entry"]} == set(content["ideas"])
    assert {one["topic"] for one in content["question"]} == set(TOPICS)
    assert {one["topic"] for one in content["keep"]} == set(TOPICS)
    assert all(one["ask"].endswith("?") for one in content["question"])
    patterns = [pattern for entry in content["entry"] for pattern in entry.get("patterns", [])]
    assert all(len(entry.get("patterns", [""])) >= 1 for entry in content["entry"])
    assert all(pattern == pattern.strip() != "" for pattern in patterns)
