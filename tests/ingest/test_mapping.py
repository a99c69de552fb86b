"""Columns guessed, told and asked about; rows made into items."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.errors import BadInput
from service.ingest.column_names import FIELDS, guess_field
from service.ingest.conversions import to_moment, to_number, to_rating
from service.ingest.files import FileOptions, FileRefused, open_table
from service.ingest.incoming import IncomingItem
from service.ingest.mapping import Choices, Plan, study
from service.ingest.row_items import ItemReader, RowRefused

Read = Callable[..., tuple[Plan, list[IncomingItem | str | None]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """A file's plan, and its rows as items (None: empty, a text: the code of the refusal)."""

    def run(
        content: str, filename: str = "file.csv", **choices: Any
    ) -> tuple[Plan, list[IncomingItem | str | None]]:
        path = tmp_path / "upload"
        path.write_text(content)
        options = FileOptions(filename=filename)
        with open_table(path, options) as table:
            plan = study(table, Choices(**choices))
        # what is stored with an import is all that a later worker has
        plan = Plan.from_json(json.loads(json.dumps(plan.as_json())))
        found: list[IncomingItem | str | None] = []
        with open_table(path, options) as table:
            reader = ItemReader(plan, table.columns, max_text_chars=1000)
            for row in table.rows():
                try:
                    found.append(reader.item(row))  # type: ignore[arg-type]
                except RowRefused as error:
                    found.append(error.code)
        return plan, found

    return run


def table_of(header: list[str], *rows: list[Any]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([header, *rows])
    return out.getvalue()


def uses(plan: Plan) -> dict[str, str | None]:
    return {use.column: use.field for use in plan.columns}


@pytest.mark.parametrize("name", FIELDS)
def test_the_contracts_own_names_are_certain(name: str) -> None:
    assert guess_field(name) == (name, 1.0)


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("ID", "external_id"),
        ("Review Text", "text"),
        ("Kommentar:", "text"),
        ("Commentaires", "text"),
        ("Comentario", "text"),
        ("Was ist Ihr Feedback?", "text"),
        ("Any other comments on your visit?", "text"),
        ("Submitted At", "occurred_at"),
        ("Datum", "occurred_at"),
        ("Créé le", "occurred_at"),
        ("Fecha de creación", "occurred_at"),
        ("NPS-Score", "score_nps"),
        ("How likely are you to recommend us?", "score_nps"),
        ("Star Rating", "score_stars"),
        ("Customer ID", "respondent"),
        ("E-Mail", "respondent"),
        ("attributes.plan", "attributes.plan"),
        ("comment_id", "external_id"),
        ("Comment date", "occurred_at"),
        ("RecordedDate", "occurred_at"),
        ("Last reply date", None),
        ("Customer Review", "text"),
        ("Number of reviews", None),
        ("data.text", "text"),
        ("data.score.kind", "score.kind"),
        ("data.attributes.plan", "attributes.plan"),
        ("customer.id", "respondent"),
        ("product.id", None),
        ("plan", None),
    ],
)
def test_headers_in_four_languages(header: str, field: str | None) -> None:
    found = guess_field(header)
    assert (found and found[0]) == field


def test_a_plain_export_needs_no_word_from_its_owner(read: Read) -> None:
    content = table_of(
        ["Submitted", "NPS", "Kommentar", "E-Mail", "Plan", "Telefon"],
        ["2026-11-02 10:15", "9", "Schnelle Lieferung", "A@example.com", "pro", "0123"],
        ["2026-11-03", "", "Naja", "", "", ""],
        ["", "3,0", "", "b@example.com", "free", ""],
        ["", "", " ", "b@example.com", "free", ""],
        ["gestern", "3", "", "", "", ""],
        ["", "11", "x", "", "", ""],
        ["", "viel", "x", "", "", ""],
    )
    plan, items = read(content, timezone="Europe/Berlin")
    assert plan.questions == []
    assert plan.channel == "survey"
    assert uses(plan) == {
        "Submitted": "occurred_at",
        "NPS": "score_nps",
        "Kommentar": "text",
        "E-Mail": "respondent",
        "Plan": "attributes.Plan",
        "Telefon": None,
    }
    assert next(use.note for use in plan.columns if use.column == "Telefon") == "personal data"
    first = items[0]
    assert isinstance(first, IncomingItem)
    assert first.occurred_at == datetime(2026, 11, 2, 9, 15, tzinfo=UTC)
    assert first.score is not None
    assert (first.score.kind, first.score.value, first.score.scale_max) == ("nps", 9, 10)
    assert (first.respondent, first.attributes, first.channel) == ("A@example.com", {"Plan": "pro"}, "survey")
    second, third = items[1], items[2]
    assert isinstance(second, IncomingItem)
    assert isinstance(third, IncomingItem)
    assert second.score is None
    assert second.attributes == {}
    assert third.text is None
    assert third.score is not None
    assert items[3] is None
    assert items[4:] == ["bad_time", "value_error", "bad_score"]


def test_fields_of_the_contract_pass_as_they_are(read: Read) -> None:
    item = {
        "text": "Late again",
        "channel": "review",
        "external_id": 118600034567123456,
        "source": "shop",
        "occurred_at": "2026-11-02T10:15:00Z",
        "score": {"kind": "csat", "value": 3, "scale_min": 0, "scale_max": 7},
        "attributes": {"plan": "pro", "seats": 3},
        "url": "https://shop.example/1",
        "value": 12.5,
        "language": "de",
    }
    plan, items = read(json.dumps([item, {"text": "second", "score": 4, "persona": "new"}]), "file.json")
    assert plan.channel == "other"
    first, second = items
    assert isinstance(first, IncomingItem)
    assert isinstance(second, IncomingItem)
    assert first == IncomingItem.model_validate({**item, "external_id": "118600034567123456"})
    assert second.score is not None
    assert (second.score.kind, second.score.scale_max, second.channel) == ("stars", 5, "other")
    assert second.attributes == {"persona": "new"}


def test_wrong_types_in_json_are_refused_not_bent(read: Read) -> None:
    rows = [
        {"text": {"a": 1}, "channel": "chat"},
        {"text": "x", "channel": "fax"},
        {"text": "x", "occurred_at": "soon"},
        {"text": "y" * 1001},
        {"text": ["a", "b"]},
        {"text": 5},
    ]
    _, items = read("\n".join(map(json.dumps, rows)), "file.ndjson")
    assert items[:5] == ["wrong_type", "literal_error", "bad_time", "string_too_long", "wrong_type"]
    assert isinstance(items[5], IncomingItem)
    assert items[5].text == "5"


def test_keys_that_come_late_are_taken_as_attributes_but_not_personal_ones(read: Read) -> None:
    rows = [{"text": f"words {n}"} for n in range(300)] + [
        {"text": "last", "country": "DE", "email": "a@example.com"}
    ]
    _, items = read("\n".join(map(json.dumps, rows)), "file.ndjson")
    assert isinstance(items[-1], IncomingItem)
    assert items[-1].attributes == {"country": "DE"}


def test_a_mapping_that_is_told_wins_and_ignores_what_it_should(read: Read) -> None:
    content = table_of(
        ["comment", "notes", "grade", "plan"],
        ["short", "The parcel came late", "6", "pro"],
        ["b", "Fine", "7", "x"],
    )
    told = {"notes": "text", "grade": "score_csat:1-7", "plan": "attributes.tier"}
    plan, items = read(content, mapping=told)
    assert uses(plan) == {"comment": None, "notes": "text", "grade": "score_csat:1-7", "plan": "attributes.tier"}
    assert isinstance(items[0], IncomingItem)
    assert items[0].score is not None
    assert (items[0].text, items[0].score.kind, items[0].score.scale_max) == ("The parcel came late", "csat", 7)
    assert items[0].attributes == {"tier": "pro"}
    assert uses(read(content, mapping={"plan": "ignore", "grade": None})[0])["plan"] is None


@pytest.mark.parametrize(
    ("mapping", "code"),
    [
        ({"nope": "text"}, "unknown_column"),
        ({"a": "txt"}, "unknown_field"),
        ({"a": "score_nps:10-0"}, "unknown_field"),
        ({"a": "url", "b": "url"}, "field_twice"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(read: Read, mapping: dict[str, str], code: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(table_of(["a", "b"], ["x", "y"]), mapping=mapping)
    assert caught.value.errors[0].code == code


def test_an_unknown_preset_names_the_known_ones(read: Read) -> None:
    with pytest.raises(BadInput, match="generic") as caught:
        read(table_of(["text"], ["x"]), preset="surveyzilla")
    assert caught.value.errors[0].code == "unknown_preset"


def test_a_header_without_rows_is_refused(read: Read) -> None:
    with pytest.raises(FileRefused) as caught:
        read("id,text\n")
    assert caught.value.code == "no_rows"


def test_the_column_that_reads_like_sentences_is_the_text(read: Read) -> None:
    rows = [[f"answer number {n} is rather long and says something", "pro", str(n)] for n in range(20)]
    plan, _ = read(table_of(["Q7", "plan", "n"], *rows))
    assert uses(plan)["Q7"] == "text"
    assert next(use.confidence for use in plan.columns if use.column == "Q7") == 0.5


def test_a_name_is_not_believed_against_what_the_column_holds(read: Read) -> None:
    rows = [[str(n % 3), "positive", "12:30", str(n), f"answer {n} says something good"] for n in range(40)]
    plan, items = read(table_of(["ticket_id", "rating", "time", "review", "Q1"], *rows))
    assert uses(plan) == {
        "ticket_id": "attributes.ticket_id",  # three tickets: as an id it would merge forty answers to three
        "rating": "attributes.rating",
        "time": "attributes.time",
        "review": "attributes.review",
        "Q1": "text",
    }
    assert all(isinstance(item, IncomingItem) for item in items)


@pytest.mark.parametrize(
    "header", ["RecipientEmail", "IPAddress", "contact.phone", "Last Name", "LocationLatitude"]
)
def test_personal_columns_are_left_out(read: Read, header: str) -> None:
    plan, items = read(table_of(["customer_id", "text", header], ["c1", "words", "secret"]))
    assert uses(plan)[header] is None
    assert isinstance(items[0], IncomingItem)
    assert items[0].attributes == {}


def test_two_columns_of_prose_are_asked_about(read: Read) -> None:
    rows = [[f"this was quite good {n} I think", f"that was rather bad {n} I think", "9"] for n in range(20)]
    plan, _ = read(table_of(["Q7", "Q8", "nps"], *rows))
    assert [question["id"] for question in plan.questions] == ["text"]
    assert plan.questions[0]["columns"] == ["Q7", "Q8", "nps"]
    assert read(table_of(["Q7", "Q8", "nps"], *rows), mapping={"Q8": "text"})[0].questions == []


def test_a_file_without_text_or_score_is_asked_about(read: Read) -> None:
    plan, _ = read(table_of(["a", "b"], ["1", "2"]))
    assert [question["id"] for question in plan.questions] == ["text"]
    assert read(table_of(["nps", "b"], ["1", "2"]))[0].questions == []


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (["3/4/2026", "13/4/2026"], True),
        (["3/4/2026", "4/13/2026 5:06 PM"], False),
        (["2026-04-03", "2026-04-04"], None),
        (["3.4.2026", "5.4.2026"], None),
        (["4/4/2026", "5/5/2026"], None),
    ],
)
def test_the_order_of_day_and_month_is_told_by_the_file(
    read: Read, dates: list[str], expected: bool | None
) -> None:
    plan, items = read(table_of(["date", "text"], *([date, "fine"] for date in dates)))
    assert (plan.day_first, plan.questions) == (expected, [])
    first = items[0]
    assert isinstance(first, IncomingItem)
    assert first.occurred_at is not None
    assert first.occurred_at.month == (3 if expected is False else 4)


def test_an_open_order_is_asked_about_and_told_late_in_a_file(read: Read) -> None:
    open_rows = [["3/4/2026", "fine"]] * 1500
    plan, _ = read(table_of(["date", "text"], *open_rows))
    assert [question["id"] for question in plan.questions] == ["day_first"]
    assert read(table_of(["date", "text"], *open_rows), day_first=False)[0].questions == []
    assert read(table_of(["date", "text"], *open_rows, ["25/4/2026", "late"]))[0].day_first is True


def test_a_rating_beyond_five_is_asked_about(read: Read) -> None:
    content = table_of(["rating", "text"], ["7", "a"], ["10", "b"])
    plan, _ = read(content)
    assert [question["id"] for question in plan.questions] == ["score"]
    assert "score_nps" in plan.questions[0]["choices"]
    plan, items = read(content, mapping={"rating": "score_stars:1-10"})
    assert plan.questions == []
    assert isinstance(items[1], IncomingItem)
    assert items[1].score is not None
    assert (items[1].score.value, items[1].score.scale_max) == (10, 10)
    assert read(table_of(["rating", "text"], ["4/10", "a"]))[0].questions == []


def test_beyond_twenty_attributes_are_reported_and_long_cells_cut(read: Read) -> None:
    names = [f"extra {n}" for n in range(25)]
    plan, items = read(table_of(["text", *names], ["x", *("v" for _ in names)]))
    left_out = [use for use in plan.columns if use.note and "20 attributes" in use.note]
    assert len(left_out) == 5
    assert isinstance(items[0], IncomingItem)
    assert len(items[0].attributes) == 20
    rows = [["x", "short"]] * 1001 + [["x", "w" * 300]]
    _, items = read(table_of(["text", "note"], *rows))
    assert isinstance(items[-1], IncomingItem)
    assert items[-1].attributes == {"note": "w" * 256}


def test_a_second_score_is_kept_as_an_attribute(read: Read) -> None:
    plan, items = read(table_of(["nps", "csat", "text"], ["9", "4", "x"]))
    assert uses(plan) == {"nps": "score_nps", "csat": "score_csat", "text": "text"}
    assert isinstance(items[0], IncomingItem)
    assert items[0].score is not None
    assert (items[0].score.kind, items[0].attributes) == ("nps", {"csat": "4"})


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T09:14:03.123456789Z", "2026-11-20T09:14:03.123456+00:00"),
        ("2026-11-20 09:14:03 +0000 UTC", "2026-11-20T09:14:03+00:00"),
        ("2026/11/20 9:14:03 AM GMT+1", "2026-11-20T09:14:03+01:00"),
        ("20.11.26, 09:14 Uhr", "2026-11-20T09:14:00+01:00"),
        ("03-Nov-26", "2026-11-03T00:00:00+01:00"),
        ("3 de noviembre de 2026", "2026-11-03T00:00:00+01:00"),
        ("5. März 2026", "2026-03-05T00:00:00+01:00"),
        ("Tue, 03 Nov 2026 10:00:00 +0000", "2026-11-03T10:00:00+00:00"),
        ("Fri Nov 20 2026 09:14:03 GMT+0100 (CET)", "2026-11-20T09:14:03+01:00"),
        ("12:30", None),
        ("31.02.2026", None),
        ("1", None),
        ("3/4/2026", None),
        (1795166043123, "2026-11-20T09:14:03.123000+00:00"),
        ("1795166043", "2026-11-20T09:14:03+00:00"),
        (True, None),
        (5, None),
    ],
)
def test_times_in_the_forms_of_exports(text: Any, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
            to_moment(text, zone=BERLIN, day_first=None)
    else:
        assert to_moment(text, zone=BERLIN, day_first=None).isoformat() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.234,56 €", 1234.56),
        ("$1,234.56", 1234.56),
        ("1,234", 1234),
        ("-3,5", -3.5),
        ("1 234,5", 1234.5),
        (7, 7),
    ],
)
def test_numbers_with_either_decimal_sign(text: Any, expected: float) -> None:
    assert to_number(text) == expected


@pytest.mark.parametrize("text", ["abc", "12 and 13", "", "1.2.3,4,5", float("nan"), True])
def test_what_is_no_number_is_refused(text: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        to_number(text)


def test_dates_that_lost_their_format_are_read_where_a_column_holds_times(read: Read) -> None:
    header = ["id", "comment", "date", "zip"]
    bodies = [["1", "good", "46346", "46346"], ["2", "bad", "46347,5", "1"], ["3", "so", "12345", "2"]]
    plan, found = read(table_of(header, *bodies), timezone="Europe/Berlin")
    first, second, third = found
    assert isinstance(first, IncomingItem)
    assert isinstance(second, IncomingItem)
    assert first.occurred_at == datetime(2026, 11, 19, 23, tzinfo=UTC)
    assert second.occurred_at == datetime(2026, 11, 21, 11, tzinfo=UTC)
    assert third == "bad_time", "1933 is no time of feedback"
    assert uses(plan)["zip"] == "attributes.zip", "a number alone is no date"


@pytest.mark.parametrize("start", ["3/4/2026", "3 Nov 2026", "4", "1.5", "4 of"])
def test_endless_cells_cost_no_time(start: str) -> None:
    for cell in (start + " " * 1_000_000 + "x", start * 300_000):
        for convert in (lambda text: to_moment(text, zone=BERLIN, day_first=True), to_number, to_rating):
            with pytest.raises(ValueError):  # noqa: PT011
                convert(cell)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4,5", (4.5, None)),
        ("4/5", (4, 5)),
        ("5 out of 5", (5, 5)),
        ("9 - Extremely likely", (9, None)),
        ("4 Sterne", (4, None)),
        ("★★★☆☆", (3, None)),
        (3.0, (3, None)),
    ],
)
def test_ratings_with_words(text: Any, expected: tuple[float, float | None]) -> None:
    assert to_rating(text) == expected
