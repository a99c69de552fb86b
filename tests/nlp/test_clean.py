import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.clean import MAX_CHARS, clean

PIECES = st.sampled_from(
    [
        "<p>",
        "</p>",
        "<b>",
        "<!--",
        "-->",
        "<script>",
        "</script>",
        "&amp;",
        "&#128077;",
        "&nope;",
        "\n> ",
        "\n-- \n",
        "On Monday Ann wrote:\n",
        "late",
        " ",
        "\n",
        "\x00",
        "\ud800",
        "👍🏽",
        "Kind regards,\nAnn",
        "3 < 5",
        "é",
    ]
)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("<p>Slow &amp; <b>dear</b></p>", "Slow & dear"),
        ("It broke.<br><br/>Twice.", "It broke.\n\nTwice."),
        ("<style>p {color: red}</style>Fine<script>alert(1)</script>", "Fine"),
        ("3 < 5 and <3 and <EMAIL>", "3 < 5 and <3 and <EMAIL>"),
        ("Thanks!\n\nOn Mon, 2 Mar 2026 at 10:00, Support wrote:\n> Hello\n> Bye", "Thanks!"),
        ("Still broken.\n\n-----Original Message-----\nFrom: you", "Still broken."),
        ("No.\nFrom: Help Desk <x>\nSent: Monday\nSubject: Re", "No."),
        ("> is it fixed?\nNo, it is not.", "No, it is not."),
        ("It is late.\n-- \nAnn Example\nExample Ltd", "It is late."),
        ("Where is it?\n\nKind regards,\nAnn", "Where is it?"),
        ("Great app\n\nSent from my iPhone", "Great app"),
        ("Great app Sent from my iPhone", "Great app"),
        ("> all of it is quoted", "> all of it is quoted"),
        ("best, I have ever had", "best, I have ever had"),
        ("Love it 👍🏽", "Love it 👍🏽"),
        ("a\x00b\ud800c", "a b c"),
    ],
)
def test_only_the_customers_words_stay(sent: str, kept: str) -> None:
    assert clean(sent).text.strip() == kept


def test_a_greeting_line_in_the_middle_of_a_long_text_cuts_nothing() -> None:
    text = "Cheers,\n" + "\n".join(f"and in paragraph {number} I go on about the parcel" for number in range(12))
    assert clean(text).text == text


@given(st.lists(PIECES | st.text(max_size=8), max_size=12).map("".join))
def test_every_character_leads_back_to_where_it_came_from(text: str) -> None:
    cleaned = clean(text)
    spans = [cleaned.original_span(i, i + 1) for i in range(len(cleaned.text))]
    for (start, end), (following, _) in zip(spans, [*spans[1:], (len(text), 0)], strict=False):
        assert 0 <= start < end <= len(text)
        assert start <= following
    for character, (start, end) in zip(cleaned.text, spans, strict=True):
        if end - start == 1 and character != " " and text[start] != "<":
            assert text[start] == character


@pytest.mark.parametrize(
    "text",
    [
        "<script>" * 50_000,
        "<p " * 100_000,
        "> a\n" * 100_000,
        "&amp;" * 100_000,
        "regards\n" * 50_000,
        "\ud800" * 10**6,
    ],
)
def test_hostile_lengths_are_read_in_time_and_bounded(text: str) -> None:
    assert len(clean(text).text) <= MAX_CHARS
