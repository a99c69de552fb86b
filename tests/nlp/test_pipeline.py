import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.analysis import FIELDS, Analysis
from nlp.codebook import Codebook
from nlp.pipeline import CHUNK_ITEMS, Pipeline, TextInput

TWO_OPINIONS = "Checkout was easy but my parcel came a week late."
TEXTS = [
    TWO_OPINIONS,
    "How much is the family plan per month?",
    "n/a",
    "",
    "Die Lieferung kam eine Woche zu spät und niemand antwortet.",
    "<p>The agent was <b>rude</b> &amp; slow.</p><p>Never again!</p>",
    "👍",
    "I want to close my account",
    "Thank you for your quick help, it works again now.",
]


def test_the_shape_is_that_of_the_contract(read: Callable[[str], Analysis], codebook: Codebook) -> None:
    shape = read(TWO_OPINIONS).to_dict()
    fields = "language unsure unsure_reason stage stage2 emotion emotion2 sentiment topic touchpoint segments"
    assert list(shape) == fields.split()
    assert json.loads(json.dumps(shape)) == shape
    assert shape["language"] == "en"
    for field in FIELDS:
        assert shape[field]["label"] in codebook.labels(field)
        assert 0 < shape[field]["confidence"] <= 1
        assert shape[field]["confidence"] == round(shape[field]["confidence"], 4)
    assert [list(segment) for segment in shape["segments"]] == [["start", "end", *FIELDS]] * 2
    assert [TWO_OPINIONS[part["start"] : part["end"]] for part in shape["segments"]] == [
        "Checkout was easy",
        "but my parcel came a week late.",
    ]


def test_each_segment_has_its_own_opinion(read: Callable[[str], Analysis]) -> None:
    first, second = read("The waiter was very friendly, but nobody answers the phone when I call.").segments
    assert (first.sentiment.label, first.topic.label) == ("positive", "staff")
    assert (second.sentiment.label, second.topic.label) == ("negative", "responsiveness")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("?!?!", "empty"),
        ("asdfgh", "meaningless"),
        ("test", "meaningless"),
        ("El pedido llegó tarde y nadie contesta el teléfono", "unsupported_language"),
    ],
)
def test_unread_texts_say_why_and_have_no_labels(read: Callable[[str], Analysis], text: str, reason: str) -> None:
    analysis = read(text)
    assert analysis.unsure
    assert analysis.unsure_reason == reason
    assert analysis.segments == ()
    assert all(analysis.to_dict()[name] is None for name in (*FIELDS, "stage2", "emotion2"))


def test_an_emoji_alone_is_read(read: Callable[[str], Analysis]) -> None:
    up, down = read("👍👍"), read("😡")
    assert up.sentiment is not None
    assert up.sentiment.label == "positive"
    assert down.sentiment is not None
    assert down.sentiment.label == "negative"


def test_offsets_point_into_the_text_as_sent(read: Callable[[str], Analysis]) -> None:
    text = "<p>The agent was <b>rude</b> &amp; slow.</p>\n<p>Never again!</p>"
    parts = [text[segment.start : segment.end] for segment in read(text).segments]
    assert parts == ["The agent was <b>rude</b> &amp; slow.", "Never again!"]


def test_low_confidence_gives_its_best_labels_all_the_same(pipeline: Pipeline) -> None:
    thresholds = replace(pipeline.artifact.thresholds, unsure_below=1.01)
    doubtful = Pipeline(replace(pipeline.artifact, thresholds=thresholds))
    sure, unsure = pipeline.analyze([TextInput(TWO_OPINIONS)])[0], doubtful.analyze([TextInput(TWO_OPINIONS)])[0]
    assert (unsure.unsure, unsure.unsure_reason) == (True, "low_confidence")
    assert replace(unsure, unsure=sure.unsure, unsure_reason=sure.unsure_reason) == sure


def test_the_question_colours_a_bare_answer(pipeline: Pipeline) -> None:
    bare, asked = pipeline.analyze(
        [
            TextInput("The documentation"),
            TextInput("The documentation", "What do you like least, what hinders you?"),
        ]
    )
    assert bare.sentiment is not None
    assert asked.sentiment is not None
    assert bare.to_dict() != asked.to_dict()


def test_results_do_not_depend_on_the_batch(pipeline: Pipeline) -> None:
    inputs = [TextInput(text) for text in TEXTS]
    alone = [pipeline.analyze([given])[0] for given in inputs]
    assert pipeline.analyze(inputs) == alone
    assert pipeline.analyze(inputs[::-1]) == alone[::-1]
    many = inputs * (2 * CHUNK_ITEMS // len(inputs) + 1)
    assert pipeline.analyze(many) == alone * (len(many) // len(inputs))


def test_what_the_encoder_read_is_handed_on(pipeline: Pipeline) -> None:
    both, asked = pipeline.analyze([TextInput(TWO_OPINIONS), TextInput(TWO_OPINIONS, "How was it?")])
    assert len(both.segments) > 1
    for part in both.segments:
        assert part.reading is not None
        assert part.reading.text == TWO_OPINIONS[part.start : part.end]
        alone = pipeline.artifact.model.look([part.reading.text], [None]).vectors[0]
        assert part.reading.vector.tolist() == alone.tolist()
        assert "reading" not in part.to_dict()
    assert [part.reading for part in asked.segments] == [None] * len(asked.segments)
    fast = Pipeline.load(None, "fast").analyze([TextInput(TWO_OPINIONS)])[0]
    assert [part.reading for part in fast.segments] == [None] * len(fast.segments)


def test_threads_may_share_a_pipeline(pipeline: Pipeline) -> None:
    inputs = [TextInput(text) for text in TEXTS] * 10
    expected = pipeline.analyze(inputs)
    with ThreadPoolExecutor(4) as pool:
        assert all(result == expected for result in pool.map(pipeline.analyze, [inputs] * 8))


def test_nothing_in_nothing_out(pipeline: Pipeline) -> None:
    assert pipeline.analyze([]) == []


def valid(analysis: Analysis, text: str) -> bool:
    position = 0
    for segment in analysis.segments:
        assert position <= segment.start < segment.end <= len(text)
        assert segment.sentiment.label != "mixed"
        assert not text[segment.start].isspace()
        assert not text[segment.end - 1].isspace()
        position = segment.end
    assert (analysis.stage is None) is (analysis.unsure_reason not in (None, "low_confidence"))
    return True


ANY_CHARACTER = st.characters(exclude_categories=())  # lone surrogates and all


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(ANY_CHARACTER, max_size=60) | st.sampled_from(TEXTS), max_size=6))
def test_no_string_makes_it_raise(pipeline: Pipeline, texts: list[str]) -> None:
    analyses = pipeline.analyze([TextInput(text, text[::-1] or None) for text in texts])
    assert len(analyses) == len(texts)
    assert all(valid(analysis, text) for analysis, text in zip(analyses, texts, strict=True))


HOSTILE = {
    "letter": "a" * 10**6,
    "words": "the food was late but " * 45_000,
    "dots": ". " * 500_000,
    "tags": "<b " * 300_000,
    "nul": "\0" * 10**6,
    "surrogates": "\ud83d " * 10**5,
    "emoji": "👍" * 10**5,
    "entities": "&lt;" * 250_000,
    "but": "but " * 250_000,
    "lines": "\n" * 10**6,
    "ligatures": "ﷺ" * 10**5,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(20)
def test_a_million_characters_are_read_in_seconds(read: Callable[[str], Analysis], name: str) -> None:
    assert valid(read(HOSTILE[name]), HOSTILE[name])
