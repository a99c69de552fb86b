"""The encoder's runtime, on a very small encoder with random weights."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from nlp import artifact, encoder
from nlp.analysis import FIELDS
from nlp.artifact import ArtifactError, Manifest
from nlp.codebook import Codebook
from nlp.encoder import GRAPH_FILE, HEADS_FILE, TOKENIZER_FILE, EncoderModel
from nlp.pipeline import Pipeline, TextInput
from nlp.wordpieces import MAX_PIECES, WordPieces
from tests.nlp import tiny_encoder
from tests.nlp.tiny_encoder import WORDS

TEXTS = [
    "Checkout was easy but my parcel was late.",
    "How much is it?",
    "nobody answers the phone",
    "rude staff!",
    "app crashing",
    "my bill is wrong, fix it",
    "ok",
    "the waiter was very kind and the price was not great. " * 20,
]
QUESTIONS = [None, None, "What is the app?", None, "What is the app?", None, None, "How is the staff?"]


@pytest.fixture
def folder(tmp_path: Path, codebook: Codebook) -> Path:
    """An artifact with the small encoder."""
    labels = {field: codebook.labels(field) for field in FIELDS}
    for name in (GRAPH_FILE, TOKENIZER_FILE):
        shutil.copyfile(tiny_encoder.FOLDER / name, tmp_path / name)
    values = tiny_encoder.weights(labels)
    np.savez(
        tmp_path / HEADS_FILE,
        weights=np.concatenate([values[f"heads.{field}.weight"].T for field in FIELDS], axis=1),
        bias=np.concatenate([values[f"heads.{field}.bias"] for field in FIELDS]),
    )
    thresholds = {"unsure_below": 0.1, "second_from": 0.6, "whole_share": dict.fromkeys(FIELDS, 1.0)}
    settings = {"scales": dict.fromkeys(FIELDS, 1.0), "thresholds": thresholds}
    (tmp_path / artifact.SETTINGS_FILE).write_text(json.dumps(settings), encoding="utf-8")
    write_manifest(tmp_path, codebook)
    return tmp_path


def write_manifest(folder: Path, codebook: Codebook) -> None:
    manifest = Manifest(
        format=artifact.FORMAT,
        version="accurate-20260101-00000000",
        created="2026-01-01T00:00:00Z",
        tier="accurate",
        kind="encoder",
        codebook_version=codebook.version,
        labels={field: codebook.labels(field) for field in FIELDS},
        libraries=artifact.library_versions(),
        files={name: artifact.sha256(folder / name) for name in artifact.model_files("encoder")},
        recipe_sha256="0",
        training_data={},
    )
    (folder / artifact.MANIFEST_FILE).write_text(json.dumps(asdict(manifest)), encoding="utf-8")


@pytest.fixture
def model(folder: Path, codebook: Codebook) -> EncoderModel:
    loaded = artifact.load(folder, codebook).model
    assert isinstance(loaded, EncoderModel)
    return loaded


@pytest.fixture
def pieces() -> WordPieces:
    return WordPieces.read(tiny_encoder.FOLDER / TOKENIZER_FILE)


def test_scores_are_those_of_the_network_but_for_eight_bits(model: EncoderModel, codebook: Codebook) -> None:
    """Against BERT written down in numpy: errors of 8 bits in two layers stay small beside the scores' spread."""
    values = tiny_encoder.weights({field: codebook.labels(field) for field in FIELDS})
    given = model.scores(TEXTS, QUESTIONS)
    for row, (text, question) in enumerate(zip(TEXTS, QUESTIONS, strict=True)):
        numbers, first = model.pieces.pieces(text, question)
        types = [int(place >= first) for place in range(len(numbers))]
        pooled = tiny_encoder.vector(values, numbers, types)
        expected = np.concatenate(
            [values[f"heads.{field}.weight"] @ pooled + values[f"heads.{field}.bias"] for field in FIELDS]
        )
        difference = np.abs(np.concatenate([given[field][row] for field in FIELDS]) - expected)
        assert difference.mean() < 0.05 * expected.std()
        assert difference.max() < 0.2 * expected.std()


def test_a_text_gets_the_same_whatever_is_beside_it(model: EncoderModel, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [model.scores([text], [question]) for text, question in zip(TEXTS, QUESTIONS, strict=True)]

    def same(order: list[int]) -> bool:
        scores = model.scores([TEXTS[n] for n in order], [QUESTIONS[n] for n in order])
        return all(
            np.allclose(scores[f][row], alone[n][f][0], atol=1e-5) for row, n in enumerate(order) for f in FIELDS
        )

    assert same(list(range(len(TEXTS))))
    assert same(list(range(len(TEXTS)))[::-1] * 7)
    monkeypatch.setattr(encoder, "BATCH_PIECES", 20)  # less than the longest text has
    assert same([*range(len(TEXTS))] * 3)


def test_no_texts_no_rows(model: EncoderModel, codebook: Codebook) -> None:
    scores = model.scores([], [])
    assert {field: rows.shape for field, rows in scores.items()} == {
        field: (0, len(codebook.labels(field))) for field in FIELDS
    }


def test_the_pipeline_reads_with_it(folder: Path) -> None:
    pipeline = Pipeline.load(folder, "accurate", threads=1)
    inputs = [TextInput(text, question) for text, question in zip(TEXTS, QUESTIONS, strict=True)]
    analyses = pipeline.analyze([*inputs, TextInput(""), TextInput("\ud83d broken app")])
    assert (pipeline.tier, pipeline.model_version) == ("accurate", "accurate-20260101-00000000")
    assert [analysis.stage is None for analysis in analyses] == [False] * len(TEXTS) + [True, False]
    assert analyses[: len(TEXTS)] == [pipeline.analyze([given])[0] for given in inputs]


@pytest.mark.parametrize("name", [GRAPH_FILE, TOKENIZER_FILE, HEADS_FILE])
def test_a_changed_file_is_refused(folder: Path, codebook: Codebook, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(ArtifactError, match=f"{name} was changed"):
        artifact.load(folder, codebook)


def fewer_heads(folder: Path) -> None:
    np.savez(folder / HEADS_FILE, weights=np.zeros((4, 2)), bias=np.zeros(2))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (fewer_heads, "encoder and heads do not fit"),
        (lambda folder: (folder / GRAPH_FILE).write_bytes(b"no graph"), "encoder.onnx cannot be run"),
        (lambda folder: (folder / TOKENIZER_FILE).write_text("{}"), "tokenizer.json is not a tokenizer"),
    ],
)
def test_what_cannot_be_run_is_an_artifact_error(
    folder: Path, codebook: Codebook, spoil: Callable[[Path], None], message: str
) -> None:
    """Even where the manifest agrees."""
    spoil(folder)
    write_manifest(folder, codebook)
    with pytest.raises(ArtifactError, match=message):
        artifact.load(folder, codebook)


def words(pieces: WordPieces, text: str, question: str | None = None) -> tuple[list[str], int]:
    numbers, first = pieces.pieces(text, question)
    return [WORDS[number] for number in numbers], first


def test_the_question_stands_in_front_and_is_of_the_other_type(pieces: WordPieces) -> None:
    assert words(pieces, "My app!") == (["[CLS]", "my", "app", "!", "[SEP]"], 5)
    assert words(pieces, "My app!", "What?") == (["[CLS]", "what", "?", "[SEP]", "my", "app", "!", "[SEP]"], 4)
    assert words(pieces, "My app!", "") == words(pieces, "My app!")


def test_emoji_are_read_as_words(pieces: WordPieces) -> None:
    assert words(pieces, "👍 staff")[0] == ["[CLS]", "great", "staff", "[SEP]"]


def test_a_long_text_keeps_its_beginning_and_its_end(pieces: WordPieces) -> None:
    text = "parcel " + "late " * 50_000 + "checkout"
    found, first = words(pieces, text)
    assert (len(found), first, found[1], found[-2]) == (MAX_PIECES, MAX_PIECES, "parcel", "checkout")
    found, first = words(pieces, text, "how much " * 100)
    assert (len(found), first) == (MAX_PIECES, 34)
    assert (found[34], found[-2]) == ("parcel", "checkout")


def test_a_text_of_just_the_length_is_whole(pieces: WordPieces) -> None:
    found, _ = words(pieces, "late " * (MAX_PIECES - 2))
    assert found == ["[CLS]", *["late"] * (MAX_PIECES - 2), "[SEP]"]


@pytest.mark.parametrize("text", ["", "\ud83d", "\0", "\u202e", "x" * 10**6, "﷽" * 10**5])
def test_no_string_makes_it_raise(pieces: WordPieces, text: str) -> None:
    numbers, _ = pieces.pieces(text, text)
    assert 2 <= len(numbers) <= MAX_PIECES
