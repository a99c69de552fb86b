"""GET /v1/suggestions.csv."""

from __future__ import annotations

import csv
import html
import io
import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from service.review.suggestions_export import COLUMNS, suggestions_csv
from tests.suggest.conftest import START, add, shop

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
    (row,) = csv.DictReader(io.StringIO(suggestions_csv([listed])))
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


def test_the_table_keeps_to_every_filter_of_the_page(client: Any, person_of: Any, add: Any, shop: int) -> None:
    elsewhere = {"channel": "chat", "source": "desk", "language": "de", "attributes": {"plan": "pro"}}
    for day in range(60, 66):
        add(shop, stage="usage", topic="reliability", touchpoint="product", day=day, **elsewhere)
    persona = client.post("/v1/personas", json={"name": "Pro", "attributes": {"plan": ["pro"]}}).json()["id"]
    accepted = {"decision": "accept", "owner": "Ann"}
    assert client.post("/v1/suggestions/usage.reliability/decision", json=accepted).status_code == 200
    efforts = {one["id"]: one["effort"] for one in client.get("/v1/suggestions").json()["data"]}
    only = {"usage.reliability"}
    alike = {one for one, effort in efforts.items() if effort == efforts["usage.reliability"]}
    after = (START + timedelta(days=60)).date().isoformat()
    lead = person_of("lead")
    for given, expected in (
        ("stage=usage", only),
        ("topic=reliability", only),
        ("owner=Ann", only),
        ("owner=-", set(efforts) - only),
        (f"effort={efforts['usage.reliability']}", alike),
        ("channel=chat", only),
        ("source=desk", only),
        ("language=de", only),
        (f"from={after}", only),
        (f"to={after}", set(efforts)),  # what was agreed on stays on the list, whatever the period
        (f"persona={persona}", only),
        ("attr.plan=pro", only),
        ("channel=chat&channel=review&topic=reliability&topic=ease_of_use", only | {"purchase.ease_of_use"}),
        ("status=agreed&stage=usage&stage=support&channel=chat", only),
    ):
        status = "" if "status" in given else "status=all&"
        text = lead.get(f"/suggestions?{status}{given}").text
        shown = re.findall(r'<article class="\w+" id="s([^"]+)"', text)
        (address,) = re.findall(r'href="(/v1/suggestions.csv[^"]*)"', text)
        address = html.unescape(address)
        assert set(shown) == expected, given
        assert [row["id"] for row in table(lead.get(address))] == shown, given
        asked = {name: values for name, values in parse_qs(given).items() if name != "status"}
        assert asked.items() <= parse_qs(urlsplit(address).query).items(), given


def test_a_list_says_which_filters_it_does_not_have(person_of: Any, shop: int) -> None:
    for path in ("/suggestions?theme=4", "/map?theme=4", "/map/compare?emotion=joy", "/reconcile?q=late"):
        answer = person_of("lead").get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 422
        name = next(iter(parse_qs(urlsplit(path).query)))
        assert f"«{name}»" in answer.text
        assert "narrowed by it" in html.unescape(answer.text)
