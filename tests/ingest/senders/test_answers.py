"""The one rule of all surveys: what is an item, the score, an attribute, and who answered."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from pydantic import ValidationError

from service.ingest.incoming import SCALES, CannotParse
from service.ingest.senders.answers import Answer, Response, SurveyOptions, given, numbered_scale, response_items
from service.ingest.senders.questions import asked_score, asks_contact, asks_profile, reads_as_open, spelled


def items(*answers: Answer, options: dict[str, Any] | None = None, **response: Any) -> list[dict[str, Any]]:
    return response_items(
        Response("r", answers, **response), SurveyOptions(**({"scales": options} if options else {}))
    )


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How likely are you to recommend us to a friend?", "nps"),
        ("Wie wahrscheinlich ist es, dass Sie uns weiterempfehlen?", "nps"),
        ("Würden Sie uns empfehlen?", "nps"),
        ("Recommanderiez-vous notre service ?", "nps"),
        ("¿Qué probabilidad hay de que nos recomiende?", "nps"),
        ("nps_score", "nps"),
        ("How satisfied are you with how easy it was?", "csat"),
        ("Wie zufrieden sind Sie mit uns?", "csat"),
        ("Quel est votre niveau de satisfaction ?", "csat"),
        ("¿Qué tan satisfecho está?", "csat"),
        ("How happy are you?", "csat"),
        ("howSatisfied", "csat"),
        ("How easy was it to solve your problem?", "ces"),
        ("Wie einfach war die Bestellung?", "ces"),
        ("Était-ce facile ?", "ces"),
        ("¿Fue fácil resolver su problema?", "ces"),
        ("How much effort did it take?", "ces"),
        ("Please rate our support", "stars"),
        ("Bewerten Sie unseren Service", "stars"),
        ("How old are you?", None),
        ("Rate our content strategy", "stars"),
        ("How often do you visit us?", None),
        ("What is at stake?", None),
        ("", None),
        (None, None),
    ],
)
def test_what_a_rating_asks_for(question: str | None, kind: str | None) -> None:
    assert asked_score(question) == kind


@pytest.mark.parametrize(
    "question",
    [
        "Email",
        "E-mail address",
        "Please leave your email",
        "What's your name?",
        "Your full name",
        "First name",
        "Phone number",
        "May we have your phone number, please?",
        "Ihre E-Mail-Adresse",
        "Wie heißen Sie?",
        "Wie lautet Ihr Name?",
        "Vorname",
        "Telefonnummer",
        "Votre nom",
        "Quel est votre numéro de téléphone ?",
        "Prénom",
        "¿Cómo se llama?",
        "Su correo electrónico",
        "Nombre",
        "Leave your email so we can come back to you",
        "q_email",
        "yourEmail",
    ],
)
def test_who_the_person_is_is_no_feedback(question: str) -> None:
    assert asks_contact(question), question
    assert not items(Answer("q", question, "open", "Anna Smith"), Answer("s", "Plan", "choice", "pro"))


@pytest.mark.parametrize(
    "question",
    [
        "What do you think of our email newsletter?",
        "How do you like your email notifications?",
        "What do you think of our new name for the product?",
        "Why did you choose us?",
        "How did our telephone support do?",
        "Wie gefällt Ihnen unser Telefonservice?",
        "What should we name the next version?",
        "Anything about the address search?",
        "",
    ],
)
def test_questions_about_such_things_are_feedback(question: str) -> None:
    assert not asks_contact(question)
    assert items(Answer("q", question, "open", "It is great"))[0]["text"] == "It is great"


def test_what_the_person_belongs_to_is_an_attribute() -> None:
    for question in ("Company", "What company do you work for?", "Country", "Welches Land?", "Your role", "Stadt"):
        assert asks_profile(question)
    for question in ("What do you think of our company?", "Which city should we open in next, and why?", ""):
        assert not asks_profile(question)
    first, *rest = items(Answer("a", "Company", "open", "ACME Ltd"), Answer("b", "Why?", "open", "Price"))
    assert not rest
    assert (first["text"], first["attributes"]) == ("Price", {"Company": "ACME Ltd"})


def test_texts_of_questions_without_a_type() -> None:
    assert reads_as_open("Comments", "Fine")
    assert reads_as_open("main_reason", "Slow")
    assert reads_as_open("Was können wir verbessern?", "Preis")
    for asked in (
        "What did you like most?",
        "Was hat Ihnen gefallen?",
        "Qu'avez-vous aimé ?",
        "¿Qué le gustó de la visita?",
    ):
        assert reads_as_open(asked, "Alles"), asked
    assert not reads_as_open("What do you do?", "Nurse")
    assert reads_as_open("Product", "the one with two handles")
    assert not reads_as_open("Product", "Phone")
    assert not reads_as_open("What should we improve? (pick all)", "Speed, Reports, and all the rest")
    assert (spelled("howSatisfied_areYou"), spelled("NPS"), spelled("Why not?")) == (
        "how satisfied are you",
        "NPS",
        "Why not?",
    )


def test_the_score_and_the_first_open_answer_share_the_responses_item() -> None:
    first, second = items(
        Answer("1", "Stars", "rating", 3, scale=SCALES["stars"]),
        Answer("2", "How likely to recommend?", "rating", 9, scale=(0, 10)),
        Answer("3", "Why?", "open", "Slow"),
        Answer("4", "Else?", "open", " "),
        Answer("5", "More?", "open", "Dark mode"),
    )
    assert (first["external_id"], first["text"], first["question"]) == ("r", "Slow", "Why?")
    assert first["score"] == {"kind": "stars", "value": 3, "scale_min": 1, "scale_max": 5}
    assert first["attributes"] == {"How likely to recommend?": "9"}
    assert (second["external_id"], second["text"], second["question"]) == ("r:5", "Dark mode", "More?")
    assert "score" not in second
    assert first["response_id"] == second["response_id"] == "r"


def test_no_item_is_left_behind_as_answers_become_more() -> None:
    """Whatever questions are answered first: every item that ever was is an item of the whole response."""
    form = [
        Answer("n", "Recommend?", "rating", 9, scale=(0, 10)),
        Answer("a", "Why?", "open", "Slow"),
        Answer("c", "Plan", "choice", "pro"),
        Answer("b", "Else?", "open", "Dark mode"),
        Answer("d", "More?", "open", "Thanks"),
    ]
    whole = {item["external_id"]: item for item in items(*form)}
    assert set(whole) == {"r", "r:b", "r:d"}
    for count in range(1, len(form) + 1):
        for some in itertools.combinations(form, count):
            for item in items(*some):
                assert item["external_id"] in whole
                if item["external_id"] != "r":
                    assert item["text"] == whole[item["external_id"]]["text"]
                    assert "score" not in item
                elif "score" in item:
                    assert item["score"] == whole["r"]["score"]


def test_the_answer_that_stands_with_the_score_may_come_last() -> None:
    score = Answer("s", None, "rating", 3, score="nps")
    comment = Answer("c", None, "open", None, stands_with_score=True)
    more = Answer("m", "Else?", "open", "Dark mode")
    assert [item["external_id"] for item in items(score, comment, more)] == ["r", "r:m"]
    assert [item["external_id"] for item in items(comment, more)] == ["r:m"]


def test_scales() -> None:
    def score(answer: Answer, **options: str) -> Any:
        found = items(answer, options=options or None)
        return found[0]["score"] if found else None

    def told(kind: str, value: float, low: float, high: float) -> dict[str, Any]:
        return {"kind": kind, "value": value, "scale_min": low, "scale_max": high}

    assert score(Answer("q", "Recommend?", "rating", 4, scale=(1, 5))) == told("stars", 4, 1, 5)
    assert score(Answer("q", "Recommend?", "rating", 4, scale=(0, 6))) is None
    assert score(Answer("q", "How easy?", "rating", 6)) == told("ces", 6, 1, 7)
    assert score(Answer("q", "How easy?", "rating", 8)) is None
    assert score(Answer("q", "Age group", "rating", 4, scale=(1, 7))) is None
    assert score(Answer("q", "Satisfied?", "unknown", "4/7")) == told("csat", 4, 1, 7)
    assert score(Answer("q", "Recommend?", "choice", "10 - Extremely likely")) == told("nps", 10, 0, 10)
    assert score(Answer("q", "Recommend?", "choice", "Yes")) is None
    assert score(Answer("q", "How easy?", "open", "5")) is None
    assert score(Answer("q", "Rate it", "rating", True)) is None
    assert score(Answer("q", "Rate it", "rating", "★★★★☆")) == told("stars", 4, 1, 5)
    assert score(Answer("q", "Satisfied?", "rating", 3), q="none") is None
    assert score(Answer("q", "X", "unknown", 3), X="ces") == told("ces", 3, 1, 7)
    assert score(Answer("q", "X", "unknown", 9), q="csat:0-10") == told("csat", 9, 0, 10)
    assert numbered_scale(["1 - bad", "2", "3 - good"]) == (1, 3)
    assert numbered_scale(["bad", "2", "3"]) is None
    assert numbered_scale([]) is None
    assert numbered_scale(["1", "1"]) is None


@pytest.mark.parametrize("wrong", ["", "likes", "nps:", "nps:5", "nps:10-0", "csat:1-5-7", "stars:a-b"])
def test_scales_that_nobody_could_mean_are_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        SurveyOptions(scales={"q": wrong})


def test_the_respondent_is_an_id_before_an_e_mail() -> None:
    mail = Answer("m", "Mail", "contact", " anna@example.com ")
    why = Answer("w", "Why?", "open", "Price")
    hidden = {"email": "hidden@example.com", "customer_id": 77, "lang": "pt-BR", "plan": ["a", 1], "name": "Anna"}
    assert items(why)[0].get("respondent") is None
    assert items(why, mail)[0]["respondent"] == "anna@example.com"
    (item,) = items(why, mail, hidden=hidden)
    assert item["respondent"] == "77"
    assert item["language"] == "pt-br"
    assert item["attributes"] == {"customer_id": "77", "plan": "a, 1"}
    del hidden["customer_id"]
    assert items(why, mail, hidden=hidden)[0]["respondent"] == "hidden@example.com"
    assert items(why, mail, hidden=hidden, respondent="p-1")[0]["respondent"] == "p-1"
    assert "Anna" not in str(items(why, mail, hidden=hidden))


def test_what_says_nothing_in_words_is_no_item() -> None:
    values: tuple[Any, ...] = (
        "12345",
        "...",
        "https://example.com/a",
        "anna@example.com",
        "+49 151 1234567",
        " ",
        None,
        5,
    )
    for value in values:
        assert not items(Answer("q", "Why?", "open", value)), value
    assert items(Answer("q", "Why?", "open", "👍"))[0]["text"] == "👍"


def test_long_and_repeated_ids_of_questions() -> None:
    long = "Question " * 100
    found = items(*(Answer(key, "Why?", "open", key[:9]) for key in ("a", long, "b", "b")))
    ids = [item["external_id"] for item in found]
    assert len(set(ids)) == len(ids) == 4
    assert all(len(one) < 200 for one in ids)


def test_more_answers_than_a_survey_has_questions() -> None:
    with pytest.raises(CannotParse):
        items(*(Answer(str(number), None, "fact", number) for number in range(2001)))


def test_given_counts_what_was_answered() -> None:
    blank: tuple[Any, ...] = (None, "", [], {}, "x", 0, False)
    answers = [Answer("a", None, "open", value) for value in blank]
    assert given([*answers, Answer("b", None, "choice", None, comment="mine")]) == 4
