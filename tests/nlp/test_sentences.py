from typing import Any

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from nlp.sentences import SentenceStarts

PIECES = [
    *(
        "a",
        "The ",
        "etc",
        "id",
        "p.m.",
        "Mr. ",
        "U.S. ",
        "e.g",
        "don't ",
        "word ",
        "1.5",
        "3",
        "#",
        "#12",
        "#a",
        "x.com",
    ),
    *(".", "!", "?", "...", "…", "。", ")", "(", '"', "’", "'", "-", ":", ":)", ": )", "O.o", "😀"),
    *(" ", "  ", "\t", "\xa0", "\u2028"),
]


@pytest.fixture(scope="module")
def own() -> SentenceStarts:
    return SentenceStarts()


@pytest.fixture(scope="module")
def sentencizer() -> Any:
    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    return pipeline


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=30).map("".join))
def test_sentences_begin_where_spacy_says(own: SentenceStarts, sentencizer: Any, line: str) -> None:
    assert own.starts(line, 0, len(line)) == [sentence.start_char for sentence in sentencizer(line).sents]


@pytest.mark.parametrize(
    ("line", "starts"),
    [
        ("Nice. Really nice.", [0, 6]),
        ('He said "no." (Twice!) Bye', [0, 15, 23]),
        ("My email id. is wrong", [0]),
        ("Came at 3 p.m. to Mr. Smith", [0]),
        ("Late...again", [0]),
        ("Still nothing. #48213", [0, 16]),
    ],
)
def test_examples(own: SentenceStarts, sentencizer: Any, line: str, starts: list[int]) -> None:
    assert own.starts(line, 0, len(line)) == starts
    assert [sentence.start_char for sentence in sentencizer(line).sents] == starts


def test_a_part_of_a_text_is_cut_as_if_it_stood_alone(own: SentenceStarts) -> None:
    assert own.starts("Bad. One. Two. End. ", 5, 15) == [5, 10]


def test_a_word_of_twenty_thousand_letters_takes_no_time(own: SentenceStarts) -> None:
    assert own.starts("a" * 20_000 + " it. c", 0, 20_006) == [0, 20_005]
