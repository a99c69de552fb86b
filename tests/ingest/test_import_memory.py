"""What one import leaves to the next: known files, mended rows, answers that hold again; what the map counts."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service.ingest.imports import read_file
from service.settings import Settings
from service.store.engine import Database
from service.store.schema import FeedbackItem
from service.work import Work
from tests.ingest.importing import begin, claim, imported, read_all, rows, tag_all
from tests.ingest.rows import stored

FIXTURES = Path(__file__).parent / "fixtures"
ADDRESS = "/v1/imports"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"import_slice_rows": 7})


def dry_run(client: Any, content: bytes, filename: str, **query: Any) -> dict[str, Any]:
    answer = client.post(ADDRESS, content=content, params={"filename": filename, "dry_run": True, **query})
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def all_items(database: Database) -> list[FeedbackItem]:
    with database.read() as session:
        return list(session.execute(select(FeedbackItem).order_by(FeedbackItem.id)).scalars())  # type: ignore[arg-type]


def test_the_same_file_under_another_name_is_known(client: Any, work: Work, database: Database) -> None:
    content = b"id,comment\n1,late again\n2,all fine\n"
    first = imported(client, work, content, "survey.csv")
    assert first["same_file_as"] is None
    again = imported(client, work, content, "survey (1).csv")
    assert (again["same_file_as"], again["source"]) == (first["id"], "survey")
    assert again["rows"] == rows(read=2, duplicate=2)
    assert dry_run(client, content, "other.csv")["same_file_as"] == first["id"]
    # told otherwise it is what it is told to be, and other bytes are another file
    apart = imported(client, work, content, "survey.csv", source="second shop")
    assert (apart["source"], apart["rows"]) == ("second shop", rows(read=2, accepted=2))
    other = imported(client, work, content + b"3,new\n", "other.csv")
    assert (other["same_file_as"], other["source"]) == (None, "other")
    assert other["rows"] == rows(read=3, accepted=3)
    assert stored(database) == 7


def test_a_file_of_another_workspace_is_not_known(client_of: Any, work: Work) -> None:
    content = b"id,comment\n1,late again\n"
    imported(client_of("ours"), work, content, "survey.csv", mapping='{"comment": "text"}')
    shown = dry_run(client_of("theirs"), content, "other.csv")
    assert (shown["same_file_as"], shown["read_as_in"], shown["source"]) == (None, None, "other")


def test_what_was_told_about_one_file_holds_for_the_next_of_its_kind(client: Any, work: Work) -> None:
    def month(number: int) -> bytes:
        return f"a,b,c\n{number},3/4/2026,words of number {number}\n".encode()

    first = client.post(ADDRESS, content=month(1), params={"filename": "march.csv"})
    assert first.json()["state"] == "needs_input"
    told = {
        "mapping": {"c": "text", "b": "occurred_at", "a": "ignore"},
        "day_first": True,
        "timezone": "Europe/Berlin",
    }
    done = client.put(f"{first.headers['location']}/mapping", json=told)
    assert done.json()["state"] == "queued"
    read_all(work)
    tag_all(work)

    shown = dry_run(client, month(2), "april.csv")
    assert (shown["questions"], shown["read_as_in"], shown["source"]) == ([], first.json()["id"], "april")
    assert (shown["timezone"], shown["day_first"]) == ("Europe/Berlin", True)
    assert {use["column"]: use["note"] for use in shown["mapping"]}["c"] == "as told for an earlier file"
    assert shown["items"][0]["occurred_at"] == "2026-04-02T22:00:00Z"
    # what is told now, and what the file itself says, goes before
    assert dry_run(client, month(2), "april.csv", mapping='{"a": "text"}')["items"][0]["text"] == "2"
    clear = dry_run(client, b"a,b,c\n1,4/25/2026,words of another\n", "may.csv")
    assert (clear["day_first"], clear["rows"]["rejected"]) == (False, 0)
    # a file of other columns has nothing of it
    assert dry_run(client, b"a,b,d\n1,3/4/2026,words here\n", "june.csv")["read_as_in"] is None


def test_answers_hold_for_a_source_whose_export_has_grown(client: Any, work: Work) -> None:
    told = '{"c": "text"}'
    imported(client, work, b"id,c\n1,first\n", "export.csv", mapping=told)
    shown = dry_run(client, b"id,c,plan\n2,second,pro\n", "export.csv")
    assert shown["items"][0]["text"] == "second"
    assert dry_run(client, b"id,comment\n2,second\n", "export.csv")["read_as_in"] is None


def rejected(client: Any, shown: dict[str, Any]) -> list[list[str]]:
    answer = client.get(f"{ADDRESS}/{shown['id']}/rejected.csv")
    assert answer.text.startswith("_row,_code,_detail,")
    return list(csv.reader(io.StringIO(answer.text)))


def sent(table: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(table)
    return ("\ufeff" + out.getvalue()).encode()


def test_rejected_rows_of_an_export_with_three_headers_come_back_with_them(
    client: Any, work: Work, database: Database
) -> None:
    whole = (FIXTURES / "qualtrics" / "export.csv-3headers.csv").read_bytes()
    broken = whole.replace(b',4,"Support', b',44,"Support')  # an NPS of 44
    assert broken != whole
    first = imported(client, work, broken, "SV_4711.csv", source="spring survey")
    assert (first["state"], first["preset"]) == ("partially_succeeded", "qualtrics")
    assert first["rows"] == rows(read=3, accepted=1, rejected=1, empty=1)
    table = rejected(client, first)
    assert [row[:2] for row in table] == [["_row", "_code"], ["", ""], ["", ""], ["3", "value_error"]]
    assert table[2][3] == '{"ImportId":"startDate","timeZone":"America/Denver"}'
    table[3][table[0].index("Q1")] = "4"
    second = imported(client, work, sent(table), "whatever it is called now.csv")
    assert (second["source"], second["preset"]) == ("spring survey", "qualtrics")
    assert second["rows"] == rows(read=1, accepted=1)
    by_id = {item.external_id: item for item in all_items(database)}
    assert set(by_id) == {"R_1l9mcVuXuTest01", "R_partialTest00003"}
    mended = by_id["R_1l9mcVuXuTest01"]
    assert mended.occurred_at is not None
    assert (mended.occurred_at.isoformat(), mended.score_value) == ("2026-11-20T09:14:03+00:00", 4)


def test_mended_choices_stay_below_their_question(client: Any, work: Work) -> None:
    whole = (FIXTURES / "surveymonkey" / "export.csv").read_bytes()
    first = imported(client, work, whole.replace(b"11/20/2026 10:01:10 AM", b"around noon"), "export.csv")
    assert first["rows"] == rows(read=2, accepted=1, rejected=1)
    table = rejected(client, first)
    assert [row[0] for row in table] == ["_row", "", "3"]
    table[2] = [cell.replace("around noon", "11/20/2026 10:01:10 AM") for cell in table[2]]
    shown = dry_run(client, sent(table), "export-rejected.csv")
    assert (shown["preset"], shown["source"], shown["rows"]["checked"]) == ("surveymonkey", "export", 1)
    assert shown["items"][0]["attributes"]["Which areas should we improve?"] == "Speed"


def test_what_an_import_leaves_out_is_said(client: Any, work: Work) -> None:
    names = [f"extra {number}" for number in range(23)]
    content = ",".join(["comment", "last name", *names]) + "\n" + ",".join(["fine", "Doe", *names]) + "\n"
    done = imported(client, work, content.encode())
    notes = {one["column"]: one["note"] for one in done["left_out"]}
    assert notes["last name"] == "personal data"
    assert [name for name in names if notes.get(name) == "more than 20 attributes"] == names[20:]


def test_a_table_without_header_is_read_whole_and_resumed_so(client: Any, work: Work, database: Database) -> None:
    lines = [f"{n},person{n}@example.com,answer number {n} of a long list of them" for n in range(25)]
    content = "\n".join(lines).encode()
    assert dry_run(client, content, "list.csv")["header"] is False
    answer = client.post(ADDRESS, content=content, params={"filename": "list.csv"})
    assert answer.json()["questions"] == []
    read_all(work)
    done = client.get(answer.headers["location"]).json()
    assert done["rows"] == rows(read=25, accepted=25)
    assert "answer number 0 of a long list of them" in {item.text for item in all_items(database)}
    told = client.post(
        ADDRESS, content=content, params={"filename": "list.csv", "header": "true", "dry_run": "true"}
    )
    assert told.json()["rows"]["checked"] == 24


OPEN = b"id,NPS,What went well?,What should we do better?\n" + b"".join(
    b"%d,%d,The staff was lovely on day %d,%s\n"
    % (n, n % 11, n, b"Shorter queues at number %d" % n if n % 3 else b"")
    for n in range(40)
)


def test_a_responses_score_counts_once_and_its_rows_are_rows(client: Any, work: Work, database: Database) -> None:
    done = imported(client, work, OPEN, "open.csv")
    answers = 40 + sum(1 for n in range(40) if n % 3)
    assert (done["rows"], done["items"], done["tagged"]) == (rows(read=40, accepted=40), answers, answers)
    items = all_items(database)
    assert len(items) == answers
    assert len({item.response_id for item in items}) == 40
    map_ = client.get("/v1/journey-map").json()
    assert map_["totals"]["scores"]["nps"]["everyone"]["n"] == 40
    assert imported(client, work, OPEN, "open.csv")["rows"] == rows(read=40, duplicate=40)
    changed = imported(
        client,
        work,
        OPEN.replace(b"Shorter queues at number 4,", b"Never mind").replace(
            b"Shorter queues at number 4\n", b"Never mind\n"
        ),
        "open.csv",
    )
    assert changed["rows"] == rows(read=40, updated=1, duplicate=39)


@pytest.mark.parametrize(
    "content",
    [
        OPEN,
        OPEN.replace(b"id,", b"x,", 1),
        b"".join(line.split(b",", 1)[1] for line in OPEN.splitlines(keepends=True)),
    ],
)
def test_a_dead_worker_costs_and_doubles_no_answer(
    client: Any, work: Work, database: Database, content: bytes
) -> None:
    client.post(ADDRESS, content=content, params={"filename": "open.csv"})
    begin(work, slices=2)
    before = stored(database)
    assert 0 < before < 66
    list(read_file(work, claim(work, "import")))
    answers = 40 + sum(1 for n in range(40) if n % 3)
    items = all_items(database)
    assert len(items) == answers
    assert len({item.response_id for item in items}) == 40
