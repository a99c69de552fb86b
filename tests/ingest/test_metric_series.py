"""Metrics from elsewhere: as JSON or CSV, replaced when sent again, bad values named and never refusing others."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any

import pytest

from service.store.engine import Database
from service.store.schema import MetricValue
from tests.conftest import Client
from tests.ingest.rows import stored

CSV = {"content-type": "text/csv"}
ORDERS = {"name": "orders", "stage": "purchase", "date": "2026-11-20", "value": 1412}


def test_values_are_stored_and_replaced(client: Client, database: Database) -> None:
    more = {"name": "conversion", "date": "2026-11-20T23:30:00+02:00", "value": 31, "denominator": 940}
    assert client.post("/v1/metrics", json=[ORDERS, more]).json() == {"accepted": 2, "rejected": 0, "results": []}
    assert client.post("/v1/metrics", json=ORDERS | {"value": 1500}).json()["accepted"] == 1
    assert client.post("/v1/metrics", json={"metrics": [ORDERS | {"attributes": {"country": "DE"}, "value": 200}]})
    found = client.get("/v1/metrics").json()
    values = {(one["name"], one["value"], one["attributes"].get("country")) for one in found["data"]}
    assert values == {("conversion", 31, None), ("orders", 1500, None), ("orders", 200, "DE")}
    assert stored(database, MetricValue) == 3
    one = client.get("/v1/metrics?name=conversion").json()["data"]
    assert one == [
        {
            "name": "conversion",
            "stage": None,
            "date": "2026-11-20",
            "value": 31,
            "denominator": 940,
            "attributes": {},
        }
    ]
    assert client.get("/v1/metrics?from=2026-11-21").json()["data"] == []


def test_a_table_is_taken_as_csv(client: Client) -> None:
    header = "\ufeffName;Stage;Date;Value;Attributes.country\n"
    table = header + "orders;purchase;2026-11-19;1 200;DE\norders;;2026-11-20;7;\n"
    answer = client.post("/v1/metrics", content=table.encode(), headers={"content-type": "text/csv"})
    assert answer.json() == {"accepted": 2, "rejected": 0, "results": []}
    data = client.get("/v1/metrics?stage=purchase").json()["data"]
    assert [(one["value"], one["attributes"]) for one in data] == [(1200, {"country": "DE"})]


def test_a_table_with_semicolons_has_commas_in_its_numbers(client: Client) -> None:
    table = "name;date;value;denominator\norders;2026-11-20;1 234,5;2000,0\n"
    assert client.post("/v1/metrics", content=table.encode(), headers=CSV).json()["accepted"] == 1
    (one,) = client.get("/v1/metrics").json()["data"]
    assert (one["value"], one["denominator"]) == (1234.5, 2000)


def test_a_table_that_can_not_be_read_is_said(client: Client) -> None:
    table = "name,date,value\norders,2026-11-20," + "7" * 200_000
    before = csv.field_size_limit(131_072)  # as in a process that has read no file yet
    try:
        answer = client.post("/v1/metrics", content=table.encode(), headers=CSV)
    finally:
        csv.field_size_limit(before)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "bad_csv")


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"stage": "checkout"}, "/stage"),
        ({"date": "soon"}, "/date"),
        ({"value": "many"}, "/value"),
        ({"value": None}, "/value"),
        ({"denominator": -1}, "/denominator"),
        ({"colour": "red"}, "/colour"),
        ({"name": "  "}, "/name"),
    ],
)
def test_a_bad_value_is_named_and_the_others_are_stored(
    client: Client, wrong: dict[str, Any], pointer: str
) -> None:
    answer = client.post("/v1/metrics", json=[ORDERS | wrong, ORDERS])
    assert answer.status_code == 200
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (1, 1)
    (result,) = answer.json()["results"]
    assert (result["index"], result["errors"][0]["pointer"]) == (0, pointer)
    alone = client.post("/v1/metrics", json=[ORDERS | wrong])
    assert alone.status_code == 422
    assert alone.json()["errors"][0]["pointer"] == f"/0{pointer}"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe"])
def test_what_is_no_json_is_said(client: Client, body: bytes) -> None:
    answer = client.post("/v1/metrics", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    header = client.post("/v1/metrics", content=b"a,b\n1,2\n", headers={"content-type": "text/csv"})
    assert header.status_code == 422
    assert "lacks date, name, value" in header.json()["detail"]


def test_workspaces_do_not_see_each_other(client: Client, client_of: Callable[..., Client]) -> None:
    client.post("/v1/metrics", json=ORDERS)
    assert client_of(workspace="another").get("/v1/metrics").json()["data"] == []
    assert client_of(scopes=["read"]).post("/v1/metrics", json=ORDERS).status_code == 403
