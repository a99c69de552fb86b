"""Exports of known tools: recognised by themselves, read as their makers mean them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from service.ingest.incoming import IncomingItem
from service.ingest.mapping import Plan
from service.ingest.presets import PRESETS
from tests.ingest.reading import Taken, items_of, read_path, uses

FIXTURES = Path(__file__).parent / "fixtures"
Write = Callable[..., tuple[Plan, Taken]]


@pytest.fixture
def read(tmp_path: Path) -> Write:
    """What is made of a file with this content."""

    def run(content: str | bytes, filename: str = "file.csv", **choices: Any) -> tuple[Plan, Taken]:
        path = tmp_path / "upload"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_path(path, filename, **choices)

    return run


def table_of(*rows: list[Any], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue()


def score_of(item: IncomingItem) -> tuple[str, float, float | None] | None:
    return (item.score.kind, item.score.value, item.score.scale_max) if item.score else None


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Qualtrics -------------------------------------------------------------------------------------------------------


def test_qualtrics_three_header_rows_its_time_zone_and_no_previews() -> None:
    plan, found = read_path(FIXTURES / "qualtrics" / "export.csv-3headers.csv")
    assert (plan.preset, plan.head, plan.timezone, plan.channel, plan.questions) == (
        "qualtrics",
        2,
        "America/Denver",
        "survey",
        [],
    )
    first, partial = items_of(found)
    assert [len(row) for row in found] == [1, 0, 1]  # the preview says nothing of a customer
    assert (first.external_id, first.response_id, first.respondent) == ("R_1l9mcVuXuTest01",) * 2 + ("cust-7781",)
    assert first.occurred_at == at("2026-11-20T09:14:03")
    assert first.question == "What is the main reason for your score?"
    assert first.text == 'Support answered fast, but "answered" is not "solved".\nThird ticket this month.'
    assert score_of(first) == ("nps", 4, 10)
    assert first.language == "EN"
    assert first.attributes["plan"] == "pro"
    assert first.attributes["Please rate - Reliability"] == "2"
    assert "192.0.2.20" not in str(first)
    assert (partial.text, score_of(partial), partial.attributes["Finished"]) == (None, ("nps", 8, 10), "False")


def qualtrics(*rows: dict[str, str], zone: str = "Europe/Berlin", **questions: str) -> list[list[str]]:
    meta = {"StartDate": "startDate", "EndDate": "endDate", "Status": "status", "ResponseId": "_recordId"}
    columns = {**meta, **{name: f"Q{name}" for name in questions}}
    words = {**{name: name for name in meta}, **questions}
    ids = [
        json.dumps(
            {"ImportId": key if name in meta else f"{name.replace('Q', 'QID')}"}
            | ({"timeZone": zone} if name.endswith("Date") else {})
        )
        for name, key in columns.items()
    ]
    body = [[row.get(name, "") for name in columns] for row in rows]
    return [list(columns), [words[name] for name in columns], ids, *body]


def test_qualtrics_several_open_questions_are_items_of_one_response(read: Write) -> None:
    row = {"EndDate": "2026-07-01 12:00:00", "Status": "0", "ResponseId": "R_1"}
    rows = qualtrics(
        {**row, "Q1": "9", "Q2_TEXT": "Lovely staff", "Q7_TEXT": "Shorter queues"},
        {**row, "ResponseId": "R_2", "Q1": "2", "Q7_TEXT": "Heating"},
        {**row, "ResponseId": "R_3", "Status": "2", "Q1": "2", "Q7_TEXT": "test"},
        {**row, "ResponseId": "R_4", "Status": "Survey Test", "Q1": "2"},
        Q1="How likely are you to recommend us?",
        Q2_TEXT="<b>What</b> went well?",
        Q7_TEXT="What should we improve?",
    )
    plan, found = read(table_of(*rows, delimiter="\t").encode("utf-16"), "export.tsv")
    assert (plan.preset, plan.timezone, plan.head) == ("qualtrics", "Europe/Berlin", 2)
    assert [len(row) for row in found] == [2, 1, 0, 0]
    well, improve, late = items_of(found)
    assert (well.text, well.question) == ("Lovely staff", "What went well?")
    assert (improve.text, improve.question) == ("Shorter queues", "What should we improve?")
    assert (well.external_id, improve.external_id) == ("R_1", "R_1:what_should_we_improve")
    assert {well.response_id, improve.response_id} == {"R_1"}
    assert {score_of(item) for item in (well, improve)} == {("nps", 9, 10)}
    assert well.occurred_at == at("2026-07-01T10:00:00")
    assert late.external_id == "R_2:what_should_we_improve"  # the question's, whatever else was answered


def test_qualtrics_json_and_lines(read: Write) -> None:
    def response(number: int, **values: Any) -> dict[str, Any]:
        own = {
            "_recordId": f"R_{number}",
            "startDate": "2026-11-20T09:10:00Z",
            "endDate": "2026-11-20T09:14:03Z",
            "recordedDate": "2026-11-20T09:14:04.000Z",
            "status": 0,
            "ipAddress": "192.0.2.7",
            "QID1": 3,
            "QID1_NPS_GROUP": 1,
            "QID3": 2,
            "plan": "pro",
        }
        labels = {"status": "IP Address", "QID1": "3", "QID3": "Somewhat satisfied"}
        return {"responseId": f"R_{number}", "values": own | values, "labels": labels, "displayedFields": ["QID1"]}

    records = [
        response(1, QID2_TEXT="The export is slow"),
        response(2, status=1, QID2_TEXT="only a preview"),
        response(3, distributionChannel="preview", QID2_TEXT="another one"),
    ]
    for content, name in (
        (json.dumps({"responses": records}), "survey.json"),
        ("\n".join(map(json.dumps, records)), "survey.ndjson"),
    ):
        plan, found = read(content, name)
        assert (plan.preset, plan.channel, plan.questions) == ("qualtrics-json", "survey", [])
        assert [len(row) for row in found] == [1, 0, 0]
        item = items_of(found)[0]
        assert (item.external_id, item.text, score_of(item)) == ("R_1", "The export is slow", ("nps", 3, 10))
        assert item.occurred_at == at("2026-11-20T09:14:03")
        assert item.attributes == {"plan": "pro", "QID3": "Somewhat satisfied"}


def test_a_late_answer_of_a_json_record_is_an_item_not_a_shortened_attribute(read: Write) -> None:
    def line(number: int, **values: str) -> str:
        own = {"_recordId": f"R_{number}", "endDate": "2026-11-20T09:14:03Z", "QID1_TEXT": "words of the first"}
        return json.dumps({"responseId": f"R_{number}", "values": own | values})

    lines = [line(number) for number in range(250)] + [line(250, QID9_TEXT="this question is hardly ever seen")]
    _, found = read("\n".join(lines), "survey.ndjson")
    last = found[-1]
    assert isinstance(last, list)
    assert [item.text for item in last] == ["words of the first", "this question is hardly ever seen"]
    assert len({item.external_id for item in last}) == 2


# SurveyMonkey ----------------------------------------------------------------------------------------------------


def test_surveymonkey_condensed_with_choices_below_their_question() -> None:
    plan, found = read_path(FIXTURES / "surveymonkey" / "export.csv")
    assert (plan.preset, plan.head, plan.day_first, plan.questions) == ("surveymonkey", 1, False, [])
    reason, other, second = items_of(found)
    assert (reason.external_id, other.response_id, second.external_id) == (
        "118600034567",
        "118600034567",
        "118600034568",
    )
    assert reason.question == "What is the main reason for your score?"
    assert (other.text, other.question) == (
        "offline mode",
        "Which areas should we improve? – Other (please specify)",
    )
    assert reason.attributes["Which areas should we improve?"] == "Reports"
    assert second.attributes["Which areas should we improve?"] == "Speed"
    assert (score_of(reason), score_of(second)) == (("nps", 4, 10), ("nps", 10, 10))
    assert reason.occurred_at == at("2026-11-20T09:12:31")
    assert second.respondent == "respondent@example.com"
    assert "Person" not in str(second)


def surveymonkey_expanded() -> list[list[str]]:
    meta = ["Respondent ID", "Collector ID", "Date Created", "Date Modified", "Email Address"]
    scale = ["Not at all likely - 0", *map(str, range(1, 10)), "Extremely likely - 10"]
    header = [
        *meta,
        "How likely is it that you would recommend us?",
        *[""] * 10,
        "Which do you use?",
        "",
        "Service",
        "",
    ]
    below = ["", "", "", "", "", *scale, "Reports", "Search", "Speed", "Staff"]

    def row(number: int, score: int, uses_: tuple[str, str], speed: str, staff: str) -> list[str]:
        marks = [choice if place == score else "" for place, choice in enumerate(scale)]
        own = [str(118600034567 + number), "43", "03/04/2026 09:12:31 AM", "03/04/2026 09:14:03 AM", ""]
        return [*own, *marks, *uses_, speed, staff]

    return [
        header,
        below,
        row(1, 0, ("Reports", "Search"), "Good", "Bad"),
        row(2, 10, ("", "Search"), "Bad", "Good"),
    ]


@pytest.mark.parametrize("as_workbook", [False, True])
def test_surveymonkey_expanded_a_column_for_each_choice(read: Write, as_workbook: bool) -> None:
    rows = surveymonkey_expanded()
    if as_workbook:
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        for line in rows:
            sheet.append([cell or None for cell in line])
        out = io.BytesIO()
        book.save(out)
        plan, found = read(out.getvalue(), "export.xlsx")
    else:
        plan, found = read(table_of(*rows))
    assert (plan.preset, plan.day_first, plan.questions) == ("surveymonkey", False, [])
    first, second = items_of(found)
    assert (score_of(first), score_of(second)) == (("nps", 0, 10), ("nps", 10, 10))
    assert first.attributes == {
        "Collector ID": "43",
        "Which do you use?": "Reports, Search",
        "Service – Speed": "Good",
        "Service – Staff": "Bad",
    }
    assert second.attributes["Which do you use?"] == "Search"
    assert first.occurred_at == at("2026-03-04T09:12:31")  # the American order, where nothing tells another


def test_surveymonkey_in_the_european_order_where_the_file_tells_it(read: Write) -> None:
    rows = surveymonkey_expanded()
    rows[-1][2] = "25/04/2026 09:12:31"
    plan, _ = read(table_of(*rows))
    assert plan.day_first is True


# other surveys ---------------------------------------------------------------------------------------------------


def test_google_forms_download_and_sheet() -> None:
    plan, found = read_path(FIXTURES / "google-forms" / "responses.forms-download.csv")
    assert (plan.preset, plan.questions) == ("google-forms", [])
    first, second = items_of(found)
    assert first.occurred_at == at("2026-11-20T09:14:03")  # GMT+1
    assert (first.text, first.question) == ("Font is tiny, my eyes hurt.\nThanks", "Anything else?")
    assert (first.respondent, score_of(first)) == ("respondent@example.com", ("csat", 2, 5))
    assert first.attributes == {"What should we improve? (pick all)": "Speed;Reports;Other: dark mode"}
    assert second.attributes == {}
    plan, _ = read_path(FIXTURES / "google-forms" / "responses.sheets-export.csv")
    # the fixture mixes both orders: nobody but its owner knows
    assert (plan.preset, [question["id"] for question in plan.questions]) == ("google-forms", ["day_first"])


@pytest.mark.parametrize(
    ("time", "score", "text"),
    [
        ("Zeitstempel", "Wie wahrscheinlich ist es, dass Sie uns weiterempfehlen?", "Was sollten wir verbessern?"),
        ("Horodateur", "Recommanderiez-vous notre service ?", "Que devrions-nous améliorer ?"),
        ("Marca temporal", "¿Nos recomendaría a un amigo?", "¿Qué deberíamos mejorar?"),
    ],
)
def test_google_forms_in_other_languages(read: Write, time: str, score: str, text: str) -> None:
    rows = [
        ["25.11.2026 10:14:03", "9", "schneller antworten bitte"],
        ["26.11.2026 10:14:03", "0", "nichts, danke"],
    ]
    plan, found = read(table_of([time, score, text], *rows))
    assert (plan.preset, plan.questions) == ("google-forms", [])
    assert uses(plan) == {time: "occurred_at", score: "score_nps", text: "text"}
    assert [item.question for item in items_of(found)] == [text, text]


def test_typeform_table_in_utc_with_partial_answers(read: Write) -> None:
    header = [
        "#",
        "How likely are you to recommend us to a friend?",
        "What did you like most?",
        "Speed",
        "Your email",
    ]
    header += ["Response Type", "Start Date (UTC)", "Stage Date (UTC)", "Submit Date (UTC)", "Network ID", "Tags"]
    rows = [
        [
            "abc123",
            "9",
            "The support team",
            "Speed",
            "a@example.com",
            "completed",
            "2026-11-20 09:12:31",
            "",
            "2026-11-20 09:14:03",
            "938f",
            "beta",
        ],
        ["abc124", "3", "", "", "", "partial", "2026-11-20 09:12:31", "2026-11-20 09:13:00", "", "938e", ""],
    ]
    plan, found = read(table_of(header, *rows), "responses-dKUiHhZl-01HX.csv", default_timezone="Europe/Berlin")
    assert (plan.preset, plan.source, plan.timezone) == ("typeform", "dKUiHhZl", "UTC")
    done, partial = items_of(found)
    assert (done.external_id, done.occurred_at, done.respondent) == (
        "abc123",
        at("2026-11-20T09:14:03"),
        "a@example.com",
    )
    assert (done.text, done.question, score_of(done)) == (
        "The support team",
        "What did you like most?",
        ("nps", 9, 10),
    )
    assert done.attributes == {"Response Type": "completed", "Tags": "beta", "Speed": "Speed"}
    assert (partial.text, partial.occurred_at) == (None, at("2026-11-20T09:13:00"))


def test_typeform_answers_of_its_api(read: Write) -> None:
    def answer(field: str, kind: str, type_: str, value: Any, **more: str) -> dict[str, Any]:
        return {"field": {"id": field, "type": kind, **more}, "type": type_, type_: value}

    record = {
        "token": "t1",
        "landed_at": "2026-11-20T09:10:00Z",
        "submitted_at": "2026-11-20T09:14:03Z",
        "metadata": {"user_agent": "Mozilla", "platform": "mobile"},
        "hidden": {"plan": "pro"},
        "answers": [
            answer("f1", "nps", "number", 8),
            answer("f2", "long_text", "text", "Exports fail on Mondays"),
            answer("f3", "multiple_choice", "choice", {"label": "Reports"}, ref="area"),
            answer("f4", "long_text", "text", "Nothing else, thank you", title="Anything else?"),
            None,
        ],
    }
    broken = {"token": "t2", "landed_at": "2026-11-20T09:10:00Z", "answers": [{"field": "?", "type": 3}]}
    plan, found = read(json.dumps({"total_items": 1, "items": [record, broken]}), "responses.json")
    assert (plan.preset, plan.questions) == ("typeform-json", [])
    assert [len(row) for row in found] == [2, 0]
    first, second = items_of(found)
    assert (first.external_id, second.external_id, second.response_id) == ("t1", "t1:f4", "t1")
    assert (first.text, second.question) == ("Exports fail on Mondays", "Anything else?")
    assert score_of(first) == score_of(second) == ("nps", 8, 10)
    assert first.attributes == {"plan": "pro", "platform": "mobile", "area": "Reports"}


def test_tally_without_its_second_copy_of_choices(read: Write) -> None:
    header = ["Submission ID", "Respondent ID", "Submitted at", "How satisfied are you with us?"]
    header += ["What could be better?", "Topics", "Topics (Speed)", "Topics (Price)"]
    plan, found = read(
        table_of(
            header,
            ["x1", "r1", "2026-05-01 10:00:00", "4", "Make it quicker", "Speed, Price", "TRUE", "TRUE"],
            ["x2", "r2", "2026-05-01 11:00:00", "5", "", "Price", "FALSE", "TRUE"],
        )
    )
    assert plan.preset == "tally"
    first, second = items_of(found)
    assert (first.external_id, first.respondent, first.text) == ("x1", "r1", "Make it quicker")
    assert (score_of(second), second.attributes) == (("csat", 5, 5), {"Topics": "Price"})


def test_jotform(read: Write) -> None:
    plan, found = read(
        table_of(
            [
                "Submission Date",
                "First Name",
                "E-mail",
                "How would you rate our service?",
                "Comments",
                "Submission ID",
            ],
            ["Nov 20, 2026", "Ann", "ann@example.com", "4", "The queue was long", "5512345678912345678"],
            ["Nov 21, 2026", "Bob", "bob@example.com", "2", "Rude staff", "5512345678912345679"],
        )
    )
    assert (plan.preset, plan.questions) == ("jotform", [])
    first, _ = items_of(found)
    assert (first.external_id, first.respondent) == ("5512345678912345678", "ann@example.com")
    assert (first.text, score_of(first), first.attributes) == ("The queue was long", ("stars", 4, 5), {})


def test_limesurvey_complete_and_broken_off(read: Write) -> None:
    header = ["id", "submitdate", "lastpage", "startlanguage", "seed", "startdate", "datestamp", "ipaddr"]
    header += ["G1Q2", "G2Q1[SQ001]", "G3Q1[other]"]
    own, ip = ["9", "2026-11-20 10:10:00"], ["192.0.2.1"]
    rows = [
        [
            "1",
            "1980-01-01 00:00:00",
            "4",
            "de",
            *own,
            "2026-11-20 10:14:03",
            *ip,
            "Das Laden dauert ewig",
            "Y",
            "",
        ],
        ["2", "", "2", "en", *own, "2026-11-20 10:12:03", *ip, "It crashes when I log in", "N", "offline"],
    ]
    plan, found = read(table_of(header, *rows, delimiter=";"), "results-survey623939.csv")
    assert (plan.preset, plan.source) == ("limesurvey", "623939")
    done, broken_off, aside = items_of(found)
    assert (done.external_id, done.occurred_at, done.language) == ("1", at("2026-11-20T10:14:03"), "de")
    assert (broken_off.text, broken_off.occurred_at) == ("It crashes when I log in", at("2026-11-20T10:12:03"))
    assert (broken_off.external_id, aside.external_id, aside.text) == ("2", "2:g3q1_other", "offline")
    assert done.attributes == {"G2Q1[SQ001]": "Y"}
    assert done.question is None  # a code says nothing


def test_delighted_kinds_of_score_and_further_answers(read: Write) -> None:
    records = [
        {
            "id": "1",
            "person": "10",
            "survey_type": "nps",
            "score": 0,
            "comment": "I waited an hour on hold",
            "permalink": "https://delighted.com/r/x",
            "created_at": 1795166045,
            "updated_at": 1795166050,
            "person_properties": {"Plan": "pro"},
            "notes": [{"text": "called her back"}],
            "additional_answers": [
                {"question": {"id": "q1", "text": "What next?"}, "value": {"free_response": "Shorter queues"}},
                {"question": {"id": "q2", "text": "How much?"}, "value": {"scale": 3}},
            ],
        },
        {"id": "2", "person": "11", "survey_type": "csat", "score": 5, "comment": None, "created_at": 1795166045},
    ]
    plan, found = read(json.dumps(records), "survey_responses.json")
    assert (plan.preset, plan.channel, plan.questions) == ("delighted", "survey", [])
    first, further, second = items_of(found)
    assert (score_of(first), score_of(second)) == (("nps", 0, 10), ("csat", 5, 5))
    assert (further.text, further.question, further.response_id) == ("Shorter queues", "What next?", "1")
    assert (first.respondent, first.attributes) == ("10", {"Plan": "pro"})
    assert "called" not in str(found)


# reviews ---------------------------------------------------------------------------------------------------------


def test_google_plays_monthly_file() -> None:
    plan, found = read_path(FIXTURES / "google-play" / "reviews_com.example.notes_202611.csv")
    assert (plan.preset, plan.source, plan.channel) == ("google-play", "com.example.notes", "review")
    first, second, third = items_of(found)
    assert (first.external_id, first.language, score_of(first)) == ("gp:AOqpTEST01", "de", ("stars", 1, 5))
    assert second.text == "便利です\n\n同期が少し遅いですが、\n全体的に満足しています。"
    assert (second.occurred_at, second.updated_at) == (at("2026-11-19T01:00:00"), at("2026-11-20T01:00:00"))
    assert "ありがとう" not in str(second)  # the developer's reply
    assert (third.text, score_of(third)) == (None, ("stars", 5, 5))
    assert third.external_id == "com.example.notes:1794963600000:en:a14"


def test_app_store_reviews_of_its_api_and_as_a_table(read: Write) -> None:
    plan, found = read_path(FIXTURES / "app-store" / "api.customerReviews.json")
    assert (plan.preset, plan.channel) == ("app-store", "review")
    [item] = items_of(found)
    assert (item.external_id, score_of(item)) == ("00000032-6f0e-9d2a-3f1a-21c700000001", ("stars", 2, 5))
    assert item.text is not None
    assert item.text.startswith("Widget is blank\n\nAfter the update")
    assert (item.occurred_at, item.attributes) == (at("2026-11-20T09:14:03"), {"territory": "DEU"})
    header = ["id", "rating", "title", "body", "reviewerNickname", "createdDate", "territory"]
    row = ["7", "1", "Crash", "It closes by itself", "tester", "2026-11-20T01:14:03-08:00", "USA"]
    plan, found = read(table_of(header, row))
    assert plan.preset == "app-store"
    assert items_of(found)[0].text == "Crash\n\nIt closes by itself"


def test_trustpilot_table_and_api(read: Write) -> None:
    header = ["Review Id", "Review Created (UTC)", "Review Consumer User Id", "Review Title", "Review Content"]
    header += ["Review Stars", "Company Reply content"]
    row = ["6a1", "2026-11-20 09:14:03", "u1", "Broken", "The handle came off.", "1", "We are sorry to hear that"]
    plan, found = read(table_of(header, row), default_timezone="Europe/Berlin")
    assert (plan.preset, plan.channel) == ("trustpilot", "review")
    [item] = items_of(found)
    assert (item.external_id, item.text, item.respondent) == ("6a1", "Broken\n\nThe handle came off.", "u1")
    assert item.occurred_at == at("2026-11-20T09:14:03")
    assert "sorry" not in str(item)
    record = {
        "id": "6b2",
        "consumer": {"id": "u2", "displayName": "Ann"},
        "stars": 4,
        "title": "Good",
        "text": "Quick delivery.",
        "language": "en",
        "createdAt": "2026-11-20T09:14:03Z",
        "companyReply": {"text": "Thanks!", "createdAt": "2026-11-21T09:14:03Z"},
    }
    plan, found = read(json.dumps({"reviews": [record]}), "reviews.json")
    assert plan.preset == "trustpilot"
    [item] = items_of(found)
    assert (item.external_id, item.respondent, item.text) == ("6b2", "u2", "Good\n\nQuick delivery.")
    assert "Ann" not in str(item)
    assert "Thanks" not in str(item)


# all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize(
    ("content", "filename"),
    [
        ("a,b\nx,y\n", "x.csv"),
        ("id,text\n1,fine\n", "x.csv"),
        (
            '[{"answers": 5, "values": [], "score": "x", "comment": {"a": [1]}, "additional_answers": {"a": 1}}]',
            "x.json",
        ),
        ('{"token": null, "answers": [[], 5, {"field": []}], "person_properties": null}\n', "x.ndjson"),
        ("Respondent ID\n\n,\n", "x.csv"),
    ],
)
def test_a_preset_that_does_not_fit_breaks_nothing(read: Write, name: str, content: str, filename: str) -> None:
    plan, found = read(content, filename, preset=name)
    assert plan.preset == name
    assert all(isinstance(row, str | list) for row in found)


def test_plain_files_are_taken_for_no_tool(read: Write) -> None:
    for header in (
        ["id", "timestamp", "comment"],
        ["Timestamp", "NPS", "Comment"],
        ["id", "title", "body", "rating"],
    ):
        rows = [
            [f"2026-11-{n:02d}" if name.lower() == "timestamp" else f"{n}" for name in header] for n in range(1, 9)
        ]
        assert read(table_of(header, *rows))[0].preset == "generic"


def test_every_preset_is_in_the_readme_and_says_what_it_is_known_by() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    assert [name for name in PRESETS if f"`{name}`" not in text] == []
    assert all(preset.told_by and preset.title for preset in PRESETS.values())
