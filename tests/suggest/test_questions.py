"""What customers ask: question-shaped mentions, grouped by shared words, by column."""

from __future__ import annotations

from typing import Any

from service.aggregate.questions import is_question
from tests.suggest.conftest import AddItem


def test_shape_of_a_question() -> None:
    for text in ("Where is my parcel?", "how do i cancel my plan", "Can I pay later ?", "Wo ist mein Paket?"):
        assert is_question(text), text
    for text in ("", "the parcel is late", "how nice!", "What a day " * 20, "is it"):
        assert not is_question(text), text


def test_questions_are_grouped_by_column_and_told_once(client: Any, workspace_id: int, add: AddItem) -> None:
    asked = ["Where is my parcel now?", "where is my parcel", "Where is my lost parcel?", "Is my parcel here now?"]
    for number, text in enumerate(asked):
        add(workspace_id, text, stage="delivery", topic="delivery", day=number)
    for _ in range(3):  # one person alone
        add(workspace_id, "Do you sell green curtains?", stage="delivery", topic="features", respondent="r1")
    add(workspace_id, "the parcel came late", stage="delivery", topic="delivery")
    add(workspace_id, "Can I pay in instalments?", topic="payment", sentiment="neutral", emotion="neutral")
    add(workspace_id, "May I pay in instalments?", topic="payment", sentiment="neutral", emotion="neutral")
    answer = client.get("/v1/top-questions").json()
    stages = {one["stage"]: one for one in answer["stages"]}
    adoption = stages["Adoption"]
    assert (adoption["asked"], adoption["people"]) == (7, 5)
    [question] = adoption["questions"]
    assert "parcel" in question["verbatim"]
    assert (question["people"], question["mentions"]) == (4, 4)
    [question] = stages["Conversion"]["questions"]
    assert question["people"] == 2
    assert stages["Advocacy"]["questions"] == []
    assert client.get("/v1/top-questions?channel=chat").json()["items_read"] == 0


def test_the_map_says_how_much_it_rests_on_and_what_is_stale(client: Any, shop: int) -> None:
    stages = {one["stage"]: one for one in client.get("/v1/journey-map").json()["stages"]}
    assert stages["Conversion"]["evidence"]["strength"] == "thin"
    assert stages["Advocacy"]["evidence"]["strength"] == "none"
    assert stages["Advocacy"]["freshness"]["newest"] is None
    fresh = client.get("/v1/journey-map?to=2026-03-20").json()["stages"][3]["freshness"]
    assert (fresh["newest"], fresh["stale"]) == ("2026-03-13", False)
    old = client.get("/v1/journey-map?to=2026-08-20").json()["stages"][3]["freshness"]
    assert old["stale"]
    assert "2026-03-13" in old["says"]
