"""One respondent's timeline, and the pages about people over time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from service.auth import Vault
from service.work import Work
from tests.classify.made import tagged_item
from tests.classify.tagging import WordPipeline
from tests.review.test_pages import browser

__all__ = ["browser"]
MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def person(client: Any, work: Work, words: WordPipeline) -> str:
    """Somebody with four contacts over two channels who comes back to where they were; the pseudonym."""
    pseudonym = Vault(work.settings).pseudonym(client.workspace_id, "c-83")
    for day, stage, channel in (
        (1, "usage", "review"),
        (3, "support", "ticket"),
        (4, "usage", "ticket"),
        (9, "usage", "review"),
    ):
        tagged_item(
            work,
            client.workspace_id,
            f"stage={stage} said {MARKUP} on day {day}",
            respondent=pseudonym,
            channel=channel,
            occurred_at=datetime(2026, 3, day, 12, tzinfo=UTC),
            at=datetime(2026, 3, day, 12, tzinfo=UTC),
        )
    tagged_item(work, client.workspace_id, "stage=churn somebody else", respondent="f" * 32)
    return pseudonym


def test_contacts_in_order(client: Any, person: str) -> None:
    found = client.get("/v1/respondents/c-83/timeline")
    assert found.status_code == 200, found.text
    told = found.json()
    assert (told["respondent"], told["items"]) == (person, 4)
    assert (told["channels"], told["stages"]) == (["review", "ticket"], ["usage", "support"])
    assert (told["channel_switches"], told["returns"]) == (2, 1)
    first, *later = [one["step"] for one in told["data"]]
    assert first is None
    assert [
        (step["days"], step["stage_changed"], step["channel_changed"], step["returned"]) for step in later
    ] == [
        (2, True, True, False),
        (1, True, False, True),
        (5, False, True, False),
    ]
    assert client.get(f"/v1/respondents/{person}/timeline").json() == told


def test_who_is_not_held_or_erased(client: Any, client_of: Any, person: str) -> None:
    for key in ("nobody", "0" * 32, "a/b", "%00"):
        assert client.get(f"/v1/respondents/{key}/timeline").status_code == 404, key
    assert client_of(workspace="another").get(f"/v1/respondents/{person}/timeline").status_code == 404
    assert client.delete("/v1/respondents/c-83").json()["items"] == 4
    assert client.get("/v1/respondents/c-83/timeline").status_code == 404
    assert client.get(f"/v1/respondents/{person}/timeline").status_code == 404


def test_the_page_for_each_role(browser: Any, client: Any, person: str) -> None:
    for role, reads in (("analyst", True), ("viewer", False)):
        text = browser(role=role).get(f"/respondents/{person}").text
        assert "back again" in text
        assert "switched from" in text
        assert ("on day 3" in text) is reads, role
        assert MARKUP not in text
    assert person not in re.sub(r"href=\"[^\"]*\"", "", browser().get(f"/respondents/{person}").text)
    item = client.get("/v1/feedback").json()["data"][0]["id"]
    assert "/respondents/" in browser().get(f"/feedback/{item}").text


def test_the_matrix(browser: Any, person: str) -> None:
    text = browser(role="viewer").get("/transitions").text
    assert "Where people go next" in text
    assert "few" in text
    assert "<caption" in text
    channels = browser().get("/transitions?by=channel").text
    assert "Ticket" in channels or "ticket" in channels
    assert browser().get("/transitions?by=mood").status_code == 422


def test_the_matrix_of_nothing(browser: Any) -> None:
    text = browser().get("/transitions").text
    assert "Nobody can be followed yet" in text
    assert "respondent" in text


def test_who_was_merged_is_found_by_either_key(client: Any, work: Work, person: str) -> None:
    old = Vault(work.settings).pseudonym(client.workspace_id, "lead-7")
    tagged_item(work, client.workspace_id, "stage=usage as a lead", respondent=person, respondent_told=old)
    assert client.get("/v1/respondents/c-83/timeline").json()["items"] == 5
    found = client.get("/v1/respondents/lead-7/timeline").json()
    assert (found["respondent"], found["items"]) == (person, 1)
