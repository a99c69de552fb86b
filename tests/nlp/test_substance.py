import pytest

from nlp.substance import nothing_said


@pytest.mark.parametrize("text", ["", " \n\t", "...", "!!!", "-", "--- ---", "\u200b"])
def test_nothing_but_punctuation_is_empty(text: str) -> None:
    assert nothing_said(text) == "empty"


@pytest.mark.parametrize(
    "text",
    [
        "n/a",
        "N/A.",
        "NA",
        "test",
        "Testing!",
        "asdf",
        "asdfghjkl",
        "qwerty",
        "sdfsdf",
        "hgjkhgkj dfgdfg",
        "aaaaaaa",
        "Nothing",
        "none",
        "xxx",
        "12345",
        "lorem ipsum",
        "No comment",
    ],
)
def test_fillers_and_noise_are_meaningless(text: str) -> None:
    assert nothing_said(text) == "meaningless"


@pytest.mark.parametrize(
    "text",
    [
        "👍",
        "😡😡",
        ":)",
        "ok",
        "bad",
        "HTTPS",
        "no refund",
        "test drive was great",
        "were",
        "property",
        "Great",
        "meh",
        "slow",
        "the test failed",
        "wow",
        "nothing works",
        "brrr",
        "Ärger",
        "良い",
        "zzz boring",
    ],
)
def test_short_words_and_pictures_keep_their_meaning(text: str) -> None:
    assert nothing_said(text) is None


def test_a_question_gives_meaning_to_bare_answers() -> None:
    assert nothing_said("Nothing", has_question=True) is None
    assert nothing_said("7", has_question=True) is None
    assert nothing_said("n/a", has_question=True) == "meaningless"
