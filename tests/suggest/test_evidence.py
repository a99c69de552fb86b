"""Verbatims: real words, cut where they stand, of different people, saying different things."""

from __future__ import annotations

from typing import Any

from service.suggest.evidence import MAX_CHARS, VERBATIMS
from tests.suggest.conftest import WORDS, AddItem


def evidence(client: Any, public_id: str = "purchase.ease_of_use") -> list[dict[str, Any]]:
    answer = client.get(f"/v1/suggestions/{public_id}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["evidence"]
    return found


def test_verbatims_are_cut_out_of_their_items(client: Any, workspace_id: int, add: AddItem) -> None:
    praise, pain = "Lovely lamps, and so cheap! 😀 ", "But paying needed five pages and two passwords."
    parts = [
        (0, len(praise), {"topic": "price", "sentiment": "positive", "emotion": "joy"}),
        (len(praise), len(praise + pain), {}),
    ]
    for day, who in enumerate("abc"):
        add(workspace_id, praise + pain, segments=parts, respondent=who, day=day)
    [only] = evidence(client)
    assert only["verbatim"] == pain
    assert (only["start"], only["end"]) == (len(praise), len(praise + pain))
    assert only["occurred_at"].startswith("2026-03-0")
    assert only["feedback_id"].isdecimal()


def test_different_people_saying_different_things(client: Any, workspace_id: int, add: AddItem) -> None:
    for number in range(20):
        add(workspace_id, WORDS[0] + "!" * (number % 3), respondent=f"copy{number}", day=number)
    for number, text in enumerate(WORDS[1:]):
        add(workspace_id, text, respondent="same" if number < 3 else f"p{number}", day=number)
    found = evidence(client)
    assert len(found) == VERBATIMS
    assert len({one["verbatim"].rstrip("!") for one in found}) == VERBATIMS
    assert sum(one["verbatim"] in WORDS[1:4] for one in found) <= 1


def test_sure_ones_before_unsure_ones(client: Any, workspace_id: int, add: AddItem) -> None:
    for number, text in enumerate(WORDS):
        add(workspace_id, text, confidence=0.95 if number < 4 else 0.2, day=0)
    assert {one["verbatim"] for one in evidence(client)} == set(WORDS[:4])


def test_words_whose_feeling_speaks_against_the_pain_come_last(
    client: Any, workspace_id: int, add: AddItem
) -> None:
    """Negative and glad at once is often a wrong label; strong gladness is no sign of a telling complaint."""
    for number, text in enumerate(WORDS):
        add(workspace_id, text, emotion="joy" if number < 4 else "confusion", day=0)
    assert not {one["verbatim"] for one in evidence(client)} & set(WORDS[:4])


def test_readable_lengths_before_fragments_and_walls(client: Any, workspace_id: int, add: AddItem) -> None:
    for number, text in enumerate(WORDS[:4]):
        add(workspace_id, text, day=number)
    for number in range(4):
        add(workspace_id, f"bad {'xyzv'[number]}", day=number)
        add(
            workspace_id,
            f"{number} " + "again and again the very same long story without an end " * 40,
            day=number,
        )
    assert {one["verbatim"] for one in evidence(client)} == set(WORDS[:4])


def test_long_ones_are_cut(client: Any, workspace_id: int, add: AddItem) -> None:
    for number in range(3):
        add(workspace_id, f"story {number}: " + "and then the page was slow " * 400, respondent=str(number))
    for one in evidence(client):
        assert len(one["verbatim"]) <= MAX_CHARS
        assert one["verbatim"].endswith("…")


def test_praise_and_other_topics_are_no_evidence(client: Any, workspace_id: int, add: AddItem) -> None:
    for day in range(3):
        add(workspace_id, WORDS[day], day=day)
        add(workspace_id, f"so easy, number {day}, wonderful", sentiment="positive", emotion="joy", day=day)
        add(workspace_id, f"too expensive for me, number {day}", topic="price", day=day)
    assert {one["verbatim"] for one in evidence(client)} == set(WORDS[:3])


def test_evidence_follows_the_filters(client: Any, workspace_id: int, add: AddItem) -> None:
    for day in range(3):
        add(workspace_id, WORDS[day], day=day, channel="survey")
        add(workspace_id, WORDS[day + 3], day=day, channel="chat")
    [row] = client.get("/v1/suggestions?channel=chat").json()["data"]
    assert {one["verbatim"] for one in row["evidence"]} == set(WORDS[3:6])
