"""Columns of files that no preset knows: guessed by names in four languages and by what they hold."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from service.ingest.files import FileOptions, open_table
from service.ingest.mapping import Plan, begins_with_data
from tests.ingest.reading import Taken, items_of, read_path, uses

Read = Callable[..., tuple[Plan, Taken]]
PROSE = [
    "The parcel came a week late and nobody told me",
    "Great support, they called back within an hour",
    "Ich finde die neue App leider viel zu langsam",
    "Le site plante toujours au moment de payer",
    "No me gusta que no haya tienda en mi ciudad",
    "Everything works as it should, thank you",
]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """What is made of a table with this header and these columns."""

    def run(columns: dict[str, list[Any]], **choices: Any) -> tuple[Plan, Taken]:
        out = io.StringIO()
        csv.writer(out).writerows([list(columns), *zip(*columns.values(), strict=True)])
        path = tmp_path / "upload"
        path.write_text(out.getvalue())
        return read_path(path, "file.csv", **choices)

    return run


def sure(plan: Plan, column: str) -> float:
    return next(use.confidence for use in plan.columns if use.column == column)


@pytest.mark.parametrize(
    ("text", "score", "time", "person"),
    [
        ("Your comment", "How likely are you to recommend us to a friend?", "Date submitted", "Customer ID"),
        ("Ihr Kommentar", "Würden Sie uns weiterempfehlen?", "Datum der Bewertung", "Kundennummer"),
        ("Votre commentaire", "Recommanderiez-vous nos services ?", "Date de réponse", "Adresse e-mail"),
        ("Sus comentarios", "¿Nos recomendaría?", "Fecha de respuesta", "Correo electrónico"),
    ],
)
def test_names_in_four_languages(read: Read, text: str, score: str, time: str, person: str) -> None:
    plan, found = read(
        {
            person: [f"c{n}" for n in range(6)],
            score: [0, 10, 9, 3, 7, 6],
            time: [f"2026-11-{n + 1:02d}" for n in range(6)],
            text: PROSE,
        }
    )
    assert uses(plan) == {person: "respondent", score: "score_nps", time: "occurred_at", text: "text"}
    assert plan.questions == []
    assert [item.score.value for item in items_of(found) if item.score] == [0, 10, 9, 3, 7, 6]
    assert all(0 < use.confidence < 1 for use in plan.columns)


def test_values_say_what_no_name_does(read: Read) -> None:
    plan, found = read(
        {
            "A": [f"TX-{n:05d}" for n in range(6)],
            "B": [f"person{n}@example.com" for n in range(6)],
            "C": [f"{n + 20}.11.2026 10:00" for n in range(6)],
            "D": PROSE,
            "E": ["pro", "free", "pro", "pro", "free", "pro"],
        }
    )
    assert uses(plan) == {
        "A": "external_id",
        "B": "respondent",
        "C": "occurred_at",
        "D": "text",
        "E": "attributes.E",
    }
    assert sure(plan, "A") < sure(plan, "B") < 1
    item = items_of(found)[0]
    assert (item.external_id, item.respondent, item.attributes) == (
        "TX-00000",
        "person0@example.com",
        {"E": "pro"},
    )


@pytest.mark.parametrize(
    ("header", "values", "field"),
    [
        ("Would recommend", [0, 10, 9, 3, 7, 6], "score_nps"),
        ("Would recommend", ["yes", "no", "yes", "yes", "no", "yes"], "attributes.Would recommend"),
        ("Why would you recommend us?", PROSE[::-1], "text"),
        ("NPS comment", PROSE[::-1], "text"),
        ("NPS group", ["Promoter", "Detractor"] * 3, "attributes.NPS group"),
        ("How satisfied were you?", [1, 5, 4, 3, 2, 1], "score_csat"),
        ("How happy are you?", [1, 5, 4, 3, 2, 1], "score_csat"),
        ("Wie zufrieden sind Sie?", [1, 5, 4, 3, 2, 1], "score_csat"),
        ("How easy was it to reach us?", [1, 7, 4, 3, 2, 6], "score_ces"),
        ("Bewertung", [1, 5, 4, 3, 2, 1], "score"),
        ("Note", [1, 5, 4, 3, 2, 1], "score"),
        ("order_id", [f"order-{n:06d}" for n in range(6)], "attributes.order_id"),
        ("Delivery date", [f"2026-11-{n + 1:02d}" for n in range(6)], "attributes.Delivery date"),
        ("Contact", [f"person{n}@example.com" for n in range(6)], "respondent"),
        ("Where from", [f"192.0.2.{n}" for n in range(6)], None),
        ("Call me at", [f"+49 30 12345{n}" for n in range(6)], None),
        ("App version", [f"4.2.0.{n}" for n in range(6)], "attributes.App version"),
        ("Developer reply", PROSE[::-1], None),
        ("Interne Notizen des Agent Kommentar", PROSE[::-1], None),
    ],
)
def test_a_name_is_held_against_its_values(read: Read, header: str, values: list[Any], field: str | None) -> None:
    plan, _ = read({"comment": PROSE, header: values})
    assert uses(plan)[header] == field


def test_a_rating_off_its_guessed_scale_is_asked_about_not_refused(read: Read) -> None:
    columns = {"comment": PROSE, "Customer satisfaction": [80, 95, 100, 20, 60, 75]}
    plan, _ = read(columns)
    assert [(one["id"], one["columns"]) for one in plan.questions] == [("score", ["Customer satisfaction"])]
    assert "score_csat:0-100" in plan.questions[0]["choices"]
    plan, found = read(columns, mapping={"Customer satisfaction": "score_csat:0-100"})
    assert plan.questions == []
    assert [item.score.value for item in items_of(found) if item.score] == [80, 95, 100, 20, 60, 75]
    exact, found = read({"text": PROSE, "score_csat": [80, 4, 5, 1, 2, 3]})
    assert exact.questions == []  # the contract's own name says the scale
    assert found[0] == "value_error"


def test_a_headline_stands_in_front_of_its_review_and_not_in_front_of_the_contracts_text(read: Read) -> None:
    titles = ["Late again", "Very helpful", "Zu langsam", "Ne marche pas", "Lejos de casa", "All good"]
    plan, found = read({"Review title": titles, "Review": PROSE})
    assert uses(plan) == {"Review title": "title", "Review": "text"}
    assert items_of(found)[0].text == f"Late again\n\n{PROSE[0]}"
    plan, _ = read({"title": titles, "text": PROSE})
    assert uses(plan) == {"title": "attributes.title", "text": "text"}
    plan, found = read({"subject": [*titles[:5], ""], "Review": [*PROSE[:4], "", PROSE[5]]})
    assert [item.text for item in items_of(found)][4:] == ["Lejos de casa", PROSE[5]]


# several open questions ------------------------------------------------------------------------------------------

WELL = "What went well?"
BETTER = "What could we do better?"


def test_open_questions_of_a_row_are_items_of_one_response(read: Read) -> None:
    plan, found = read(
        {"id": range(6), "NPS": [0, 10, 9, 3, 7, 6], WELL: PROSE, BETTER: [*PROSE[:0:-1], ""], "plan": ["pro"] * 6}
    )
    assert uses(plan)[WELL] == uses(plan)[BETTER] == "text"
    assert [len(row) for row in found] == [2, 2, 2, 2, 2, 1]
    first, second = items_of(found)[:2]
    assert (first.question, second.question) == (WELL, BETTER)
    assert (first.external_id, second.external_id) == ("0", "0:what_could_we_do_better")
    assert (first.response_id, second.response_id) == ("0", "0")
    assert first.score == second.score
    assert first.attributes == second.attributes == {"plan": "pro"}


def test_open_questions_without_an_id_have_a_response_of_their_own_each_time(read: Read) -> None:
    same = {"NPS": [9] * 3, WELL: [PROSE[0]] * 3, BETTER: [PROSE[1]] * 3, "Date": ["2026-11-02"] * 3}
    _, found = read(same, mapping={WELL: "text", BETTER: "text"})
    responses = [item.response_id for item in items_of(found)]
    assert responses[0::2] == responses[1::2]
    assert len(set(responses)) == 3  # three equal rows are three people
    assert responses == [
        item.response_id for item in items_of(read(same, mapping={WELL: "text", BETTER: "text"})[1])
    ]


def test_columns_told_to_be_text_are_all_taken(read: Read) -> None:
    plan, found = read({"id": [1, 2], "a": ["good", ""], "b": ["bad", "dear"]}, mapping={"a": "text", "b": "text"})
    assert plan.questions == []
    assert [(item.external_id, item.text) for item in items_of(found)] == [
        ("1", "good"),
        ("1:b", "bad"),
        ("2:b", "dear"),
    ]


def test_the_contracts_text_is_alone(read: Read) -> None:
    plan, found = read({"text": PROSE, BETTER: PROSE[::-1], "score_nps": [9] * 6, "attributes.plan": ["pro"] * 6})
    assert uses(plan)[BETTER] == f"attributes.{BETTER}"
    assert [len(row) for row in found] == [1] * 6
    item = items_of(found)[0]
    assert (item.score.kind if item.score else None, item.attributes["plan"]) == ("nps", "pro")


def test_a_text_and_its_copy_are_one(read: Read) -> None:
    plan, found = read({"Review": PROSE, "What the customer said, cleaned": PROSE})
    assert [len(row) for row in found] == [1] * 6
    assert uses(plan)["Review"] == "text"


# files without a header ------------------------------------------------------------------------------------------


def headless(content: str | bytes, tmp_path: Path, filename: str = "x.csv") -> bool:
    path = tmp_path / "upload"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with open_table(path, FileOptions(filename=filename)) as table:
        return begins_with_data(table)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("1,2026-11-20,9,It was all fine with me\n2,2026-11-21,3,It was not so good at all\n", True),
        ("a@example.com,good\nb@example.com,bad\n", True),
        ("The app is slow on Mondays\nI like the new colours a lot\nIt works as it should do\n", True),
        ("id,date,score,comment\n1,2026-11-20,9,fine\n", False),
        ("a,b\n1,2\n", False),
        ("What did you like most?\nI like the new colours a lot\n", False),
        ("Q1,Q2\n5,3\n4,2\n", False),
        ("Kommentar,2025,2026\nsuper gemacht alles in allem,1,2\n", False),
        ("comment\n\n", False),
        ("1\n", False),  # a single row: nothing to compare it with
    ],
)
def test_a_first_row_like_those_below_it_is_no_header(tmp_path: Path, content: str, expected: bool) -> None:
    assert headless(content, tmp_path) is expected


def test_rows_of_a_file_without_header_are_all_read(tmp_path: Path) -> None:
    content = "7,It was all fine with me\n8,It was not so good at all\n"
    path = tmp_path / "upload"
    path.write_text(content)
    with open_table(path, FileOptions(filename="x.csv", header=False)) as table:
        assert table.columns == ["column_1", "column_2"]
        assert [list(row.cells) for row in table.rows()] == [line.split(",") for line in content.splitlines()]
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for line in content.splitlines():
        sheet.append([int(line[0]), line[2:]])
    book.save(path)
    with open_table(path, FileOptions(filename="x.xlsx", header=False)) as table:
        assert table.columns == ["column_1", "column_2"]
        assert [list(row.cells) for row in table.rows()] == [
            [7, "It was all fine with me"],
            [8, "It was not so good at all"],
        ]
    assert headless(path.read_bytes(), tmp_path, "x.xlsx")


# scales ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "values", "field"),
    [
        ("Zufriedenheit (1-10)", [9, 2, 10, 7, 1, 5], "score_csat:1-10"),
        ("Wie zufrieden sind Sie mit uns? (1 = gar nicht, 7 = sehr)", [1, 7, 3, 2, 5, 6], "score_csat:1-7"),
        ("Rate us from 0 to 10", [0, 10, 4, 5, 6, 7], "score_stars:0-10"),
        ("Satisfaction (1-5)", [1, 2, 3, 4, 5, 5], "score_csat"),
        ("Satisfaction (1-5)", [50, 60, 70, 80, 90, 100], "score_csat"),  # not what it says: asked about
        ("How likely are you to recommend us (0-10)?", [0, 10, 9, 3, 7, 6], "score_nps"),
        ("Satisfaction score", ["Good", "Bad", "Offered", "Good", "Bad", "Good"], "attributes.Satisfaction score"),
    ],
)
def test_a_scale_that_the_header_tells_is_taken(
    read: Read, header: str, values: list[Any], field: str | None
) -> None:
    plan, _ = read({"comment": PROSE, header: values})
    assert uses(plan)[header] == field
    assert [one["id"] for one in plan.questions] == (["score"] if 100 in values else [])
