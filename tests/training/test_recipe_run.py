"""The whole recipe on a small corpus of invented texts, in seconds."""

import json
from pathlib import Path

import numpy as np
import pytest

from nlp import artifact, linear
from nlp.artifact import ArtifactError
from nlp.codebook import load_codebook
from nlp.gold import read_gold
from nlp.pipeline import Pipeline, TextInput
from training.__main__ import train
from training.evaluate import GateError
from training.recipe import DEFAULT_RECIPE

TINY = Path(__file__).with_name("tiny")


def recipe_with(folder: Path, **gates: float) -> Path:
    """The real recipe with gates that a tiny corpus can pass, or not."""
    head, _, _ = DEFAULT_RECIPE.read_text(encoding="utf-8").partition("[gates")
    lines = ["[gates]", "refused_english = 1.0", "[gates.accuracy]", "[gates.macro_f1]"]
    lines += [f"{field} = {least}" for field, least in gates.items()]
    path = folder / "recipe.toml"
    path.write_text(head + "\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return train(TINY, recipe_with(folder), folder / "models", report=False)


def test_what_is_published_can_be_loaded_and_reads(published: Path) -> None:
    """Most of what it was trained on must come back: a model that has learnt nothing says `usage` always."""
    pipeline = Pipeline.load(published)
    items = read_gold(TINY / "train.tsv", load_codebook())
    analyses = pipeline.analyze([TextInput(item.text, item.question) for item in items])
    right = sum(
        analysis.stage is not None and analysis.stage.label == item.labels["stage"]
        for analysis, item in zip(analyses, items, strict=True)
    )
    assert right > 0.7 * len(items)


def test_the_folder_holds_card_report_and_pointer(published: Path) -> None:
    assert (published.parent / "fast.txt").read_text(encoding="utf-8").strip() == published.name
    card = (published / "CARD.md").read_text(encoding="utf-8")
    assert published.name in card
    assert "dev.tsv" in card
    reports = json.loads((published / "evaluation.json").read_text(encoding="utf-8"))
    assert [report["gold"] for report in reports] == ["dev.tsv"]
    assert reports[0]["without_question"] is not None
    manifest = artifact.read_manifest(published)
    assert set(manifest.files) == {path.name for path in published.iterdir()} - {artifact.MANIFEST_FILE}
    artifact.check(published, manifest, load_codebook())


def test_the_same_seed_gives_the_same_numbers(published: Path, tmp_path: Path) -> None:
    again = train(TINY, recipe_with(tmp_path), tmp_path / "models", report=False)
    assert again.name.rsplit("-", 1)[1] == published.name.rsplit("-", 1)[1]
    first, second = (artifact.load(folder, load_codebook()) for folder in (published, again))
    assert np.array_equal(first.model.heads.weights, second.model.heads.weights)
    assert first.model.features.names == second.model.features.names


def test_a_candidate_below_a_gate_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="stage: macro-F1"):
        train(TINY, recipe_with(tmp_path, stage=0.99), tmp_path / "models", report=False)
    assert not (tmp_path / "models").exists()


def test_no_training_text_is_left_in_the_vocabulary(published: Path) -> None:
    """The artifact may be passed on: it holds words, pairs of words and letter runs, never a text."""
    names = (published / linear.VOCABULARY_FILE).read_text(encoding="utf-8").split("\n")
    assert max(len(name.split(":", 1)[1].split()) for name in names) <= 2


def test_an_artifact_of_another_codebook_is_refused(published: Path) -> None:
    manifest = artifact.read_manifest(published)
    with pytest.raises(ArtifactError, match="codebook 0"):
        artifact.check(
            published, artifact.Manifest(**{**_fields(manifest), "codebook_version": "0"}), load_codebook()
        )


def _fields(manifest: artifact.Manifest) -> dict[str, object]:
    return {name: getattr(manifest, name) for name in artifact.Manifest.__dataclass_fields__}
