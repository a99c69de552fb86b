"""GET /v1/suggestions.csv."""

from __future__ import annotations

import csv
import html
import io
import re
from typing import Any

from service.review.suggestions_export import COLUMNS, suggestions_csv
from tests.suggest.conftest import add, shop

__all__ = ["add", "shop"]


def table(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def test_a_row_a_suggestion(client: Any, shop: int) -> None:
    answer = client.get("/v1/suggestions.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "suggestions-" in answer.headers["content-disposition"]
    rows = table(answer)
    listed = client.get("/v1/suggestions").json()["data"]
    assert list(rows[0]) == list(COLUMNS)
    assert [row["id"] for row in rows] == [one["id"] for one in listed]
    first, shown = rows[0], listed[0]
    assert (first["count"], first["n"], first["low"]) == tuple(
        str(shown["size"][name]) for name in ("count", "n", "low")
    )
    assert first["adaptation"] == shown["adaptation"]
    assert first["verbatim"] == shown["evidence"][0]["verbatim"]
    assert first["trend_significant"] == "false"


def test_filters_and_kinds(client: Any, shop: int) -> None:
    client.post("/v1/suggestions/purchase.ease_of_use/decision", json={"decision": "accept"})
    assert [row["id"] for row in table(client.get("/v1/suggestions.csv", params={"status": "accepted"}))] == [
        "purchase.ease_of_use"
    ]
    assert all(
        row["id"].startswith("delight")
        for row in table(client.get("/v1/suggestions.csv", params={"kind": "delight"}))
    )
    assert client.get("/v1/suggestions.csv", params={"status": "x"}).status_code == 422
    assert [row["id"] for row in table(client.get("/v1/suggestions.csv", params={"stage": "support"}))] == [
        "support.responsiveness"
    ]


def test_nobody_reads_what_he_may_not(person_of: Any, shop: int) -> None:
    rows = table(person_of("viewer").get("/v1/suggestions.csv"))
    assert rows
    assert {(row["verbatim"], row["verbatim_feedback_id"]) for row in rows} == {("", "")}


def test_no_cell_is_a_formula(client: Any, shop: int) -> None:
    edited = {"decision": "edit", "adaptation": "=HYPERLINK(1)", "owner": "@ann"}
    assert client.post("/v1/suggestions/purchase.ease_of_use/decision", json=edited).status_code == 200
    (row,) = table(client.get("/v1/suggestions.csv", params={"status": "edited"}))
    assert (row["adaptation"], row["owner"]) == ("'=HYPERLINK(1)", "'@ann")
    (listed,) = client.get("/v1/suggestions", params={"status": "edited"}).json()["data"]
    listed["evidence"] = [{"verbatim": "+1", "feedback_id": "4"}]
    (row,) = csv.DictReader(io.StringIO(suggestions_csv([listed]).removeprefix("\ufeff")))
    assert row["verbatim"] == "'+1"


def test_every_list_of_the_page_leads_to_its_table(client: Any, person_of: Any, shop: int) -> None:
    client.post("/v1/suggestions/purchase.ease_of_use/decision", json={"decision": "accept"})
    lead = person_of("lead")
    for status, expected in (
        ("all", {"purchase.ease_of_use", "support.responsiveness"}),
        ("agreed", {"purchase.ease_of_use"}),
        ("suggested", {"support.responsiveness"}),
    ):
        (address,) = re.findall(
            r'href="(/v1/suggestions.csv[^"]*)"', lead.get(f"/suggestions?status={status}").text
        )
        assert {row["id"] for row in table(lead.get(html.unescape(address)))} == expected, status
