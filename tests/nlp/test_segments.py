import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.segments import MAX_SEGMENTS, Segmenter


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "Checkout was easy but my parcel came a week late.",
            ["Checkout was easy", "but my parcel came a week late."],
        ),
        ("Love it. Will buy again!", ["Love it.", "Will buy again!"]),
        (
            "Although the room was nice, the staff were rude.",
            ["Although the room was nice,", "the staff were rude."],
        ),
        (
            "Fast delivery of the lamp; the bulb was broken though.",
            ["Fast delivery of the lamp;", "the bulb was broken though."],
        ),
        ("I paid $5.50 at 3 p.m. to Mr. Smith", ["I paid $5.50 at 3 p.m. to Mr. Smith"]),
        ("It did nothing but crash on my phone", ["It did nothing but crash on my phone"]),
        ("Not only was it late but it was broken too", ["Not only was it late but it was broken too"]),
        ("Good but slow", ["Good but slow"]),
        ("Slow app\nRude agent\n", ["Slow app", "Rude agent"]),
        ("Terrible !!! \n 👍", ["Terrible !!! \n 👍"]),
        ("1. slow app 2. rude agent", ["1. slow app", "2. rude agent"]),
        ("Two points : 1 . slow app . 2 . rude agent", ["Two points :", "1 . slow app .", "2 . rude agent"]),
        ("It cost me 2. Never again for me", ["It cost me 2.", "Never again for me"]),
        ("The app is slow ( it never loads ! at all ) on my phone", None),
        ("Nice room. (The bed was hard.) We left.", ["Nice room.", "(The bed was hard.)", "We left."]),
        ("I saw an odour (as I had feared!) when opening the lid", None),
        ("Calls, photos etc. are fine on this one", None),
        ("Hello. My parcel never came. Anna", ["Hello. My parcel never came. Anna"]),
        ("Hi there! It is slow. Please help.", ["Hi there! It is slow.", "Please help."]),
        ("The belt clip however is not very useful", None),
        (
            "The room was lovely, however the staff were rude",
            ["The room was lovely,", "however the staff were rude"],
        ),
        ("I like the phone however it is slow", ["I like the phone", "however it is slow"]),
        ("I have to say that unfortunately it is still broken", None),
        ("It looked very nice, unfortunately it broke", ["It looked very nice,", "unfortunately it broke"]),
        ("I can receive all mails but not send them", None),
        ("   ", []),
        ("!!!", ["!!!"]),
    ],
)
def test_a_segment_holds_one_opinion(segmenter: Segmenter, text: str, parts: list[str] | None) -> None:
    expected = [text] if parts is None else parts  # None: nothing to cut
    assert [text[start:end] for start, end in segmenter.segments([text])[0]] == expected


PIECES = ["but ", "late", ". ", "! ", "\n", "; ", " ", "although ", ", ", "👍", "3", "it was "]
PIECES += ["(", ") ", "2. ", "Hi ", "etc. "]


@given(
    st.lists(
        st.sampled_from(PIECES),
        max_size=60,
    ).map("".join)
)
def test_segments_are_trimmed_in_order_and_lose_no_word(segmenter: Segmenter, text: str) -> None:
    spans = segmenter.segments([text])[0]
    position = 0
    for start, end in spans:
        assert position <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        assert not any(character.isalnum() for character in text[position:start])
        position = end
    assert not any(character.isalnum() for character in text[position:])
    assert bool(spans) is bool(text.strip())


def test_segments_do_not_depend_on_the_batch(segmenter: Segmenter) -> None:
    texts = ["One. Two.", "", "Nice but far too dear for me", "A\nB. C"]
    assert segmenter.segments(texts) == [segmenter.segments([text])[0] for text in texts]


def test_a_text_of_a_thousand_sentences_is_bounded(segmenter: Segmenter) -> None:
    text = "It broke. " * 1_000
    spans = segmenter.segments([text])[0]
    assert len(spans) == MAX_SEGMENTS
    assert spans[-1][1] == len(text.rstrip())
