import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.emoji import spoken
from nlp.features import BLOCK_WEIGHTS, BLOCKS, Features, named_features, tokens

TEXTS = ["the app is slow", "the app is not slow!", "WHERE IS MY PARCEL???", "slow 👍", ""]
ONCE = {"w": 1, "c": 1, "f": 1, "q": 1}


@pytest.fixture(scope="module")
def features() -> Features:
    return Features.fit(TEXTS, [None, "What do you like least?", None, None, None], min_documents=ONCE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't PANIC!", ["don't", "panic", "!"]),
        ("It’s 5 of 2024", ["it's", "#1", "of", "#4"]),
        ("love 👍🏽 it :)", ["love", "great", "emoji", "modifier", "fitzpatrick", "type", "#1", "it", "happy"]),
        ("mail <EMAIL> now", ["mail", "<email>", "now"]),
        ("", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


def test_emoji_and_emoticons_become_words() -> None:
    assert spoken("😡") == " awful angry "
    assert spoken("bad :(") == "bad  sad "
    assert spoken("http://x") == "http://x"
    assert "halo" in spoken("🪽 wing halo")


def test_a_question_gives_features_of_its_own() -> None:
    alone = set(named_features("nothing", None))
    asked = set(named_features("nothing", "Liked least?")) - alone
    assert asked == {"q:", "q:liked", "q:least", "q:?", "q:liked least", "q:least ?"}


def test_each_block_of_a_row_has_its_length(features: Features) -> None:
    rows = features.transform(TEXTS, ["Liked least?"] * len(TEXTS))
    names = np.array([name[0] for name in features.names])
    assert set(names) == {"w", "c", "f", "q"}
    assert len(BLOCKS) == 4
    for prefix, length in zip("wcf", BLOCK_WEIGHTS, strict=False):
        norms = np.sqrt(rows[:4][:, names == prefix].power(2).sum(axis=1))
        assert np.allclose(norms, length, atol=1e-5), prefix


def test_a_row_does_not_depend_on_its_batch(features: Features) -> None:
    together = features.transform(TEXTS, [None] * len(TEXTS)).toarray()
    alone = np.concatenate([features.transform([text], [None]).toarray() for text in TEXTS])
    assert np.array_equal(together, alone)


@given(st.text(max_size=40))
def test_any_text_gives_a_finite_row(features: Features, text: str) -> None:
    row = features.transform([text], [text])
    assert row.shape == (1, len(features.names))
    assert np.isfinite(row.data).all()
