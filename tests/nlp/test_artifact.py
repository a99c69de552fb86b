"""A wrong artifact is refused before any of it is read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlp import artifact, linear
from nlp.artifact import ArtifactError
from nlp.codebook import Codebook
from nlp.features import Features
from nlp.heads import Heads
from nlp.pipeline import Pipeline


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the default artifact that a test may spoil."""
    return Path(shutil.copytree(artifact.tier_folder("fast"), tmp_path / "artifact"))


@pytest.fixture
def nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the arrays were read before the checks were done")

    monkeypatch.setattr(np, "load", refuse)


def with_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / artifact.MANIFEST_FILE
    manifest = json.loads(path.read_text(encoding="utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


def test_the_default_artifact_is_whole_and_small(codebook: Codebook) -> None:
    folder = artifact.tier_folder("fast")
    loaded = artifact.load(folder, codebook)
    assert loaded.manifest.version == folder.name
    assert sum(path.stat().st_size for path in folder.iterdir()) < 15_000_000
    assert (folder / "CARD.md").is_file()


def test_every_listed_file_is_as_it_was_published(codebook: Codebook) -> None:
    folder = artifact.tier_folder("fast")
    for name, digest in artifact.read_manifest(folder).files.items():
        assert artifact.sha256(folder / name) == digest


@pytest.mark.usefixtures("nothing_is_read")
@pytest.mark.parametrize("name", [linear.ARRAYS_FILE, linear.VOCABULARY_FILE, artifact.SETTINGS_FILE])
def test_a_changed_file_is_refused(folder: Path, codebook: Codebook, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=f"{name} was changed"):
        artifact.load(folder, codebook)


@pytest.mark.usefixtures("nothing_is_read")
@pytest.mark.parametrize("name", [linear.ARRAYS_FILE, artifact.MANIFEST_FILE])
def test_a_missing_file_is_refused(folder: Path, codebook: Codebook, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        artifact.load(folder, codebook)


@pytest.mark.usefixtures("nothing_is_read")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["libraries"].update(spacy="2.3.1"), "install spacy 2.3.1 or train it anew"),
        (lambda m: m["libraries"].pop("py3langid"), "py3langid none"),
        (lambda m: m.update(codebook_version="0.1"), "trained for codebook 0.1"),
        (lambda m: m["labels"]["stage"].reverse(), "stage labels"),
        (lambda m: m["labels"]["topic"].pop(), "topic labels"),
        (lambda m: m.update(format=0), "format 0"),
        (lambda m: m.update(kind="forest"), "kind forest"),
        (lambda m: m.update(kind="encoder"), "does not list encoder.onnx"),
        (lambda m: m["files"].pop("arrays.npz"), "does not list arrays.npz"),
        (lambda m: m.pop("version"), "not a manifest"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_do(
    folder: Path, codebook: Codebook, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    with_manifest(folder, change)
    with pytest.raises(ArtifactError, match=message):
        artifact.load(folder, codebook)


def test_arrays_that_would_run_code_are_not_read(folder: Path, codebook: Codebook) -> None:
    """A pickle inside the arrays is refused even where its sha256 stands in the manifest."""
    np.savez(folder / linear.ARRAYS_FILE, idf=np.array([{"a": 1}], dtype=object))
    with_manifest(
        folder, lambda m: m["files"].update({linear.ARRAYS_FILE: artifact.sha256(folder / linear.ARRAYS_FILE)})
    )
    with pytest.raises(ArtifactError, match="allow_pickle"):
        artifact.load(folder, codebook)


def test_the_pointer_cannot_lead_out_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact, "MODELS_FOLDER", tmp_path)
    with pytest.raises(ArtifactError, match="make train"):
        Pipeline.load()
    for name in (artifact.DEFAULT_FILE, "fast.txt"):
        (tmp_path / name).write_text("../elsewhere\n", encoding="utf-8")
    with pytest.raises(ArtifactError, match="name of a folder"):
        Pipeline.load()
    with pytest.raises(ArtifactError, match="name of a folder"):
        Pipeline.load(tier="fast")


def test_a_tier_is_asked_for_by_name(folder: Path) -> None:
    assert Pipeline.load(tier="fast").tier == "fast"
    assert Pipeline.load(folder, "fast").tier == "fast"
    with pytest.raises(ArtifactError, match="of the tier fast, not accurate"):
        Pipeline.load(folder, "accurate")
    with pytest.raises(ArtifactError, match="is no tier"):
        Pipeline.load(tier="../fast")


def test_every_shipped_artifact_can_be_loaded_and_all_together_are_small(codebook: Codebook) -> None:
    pointers = sorted(artifact.MODELS_FOLDER.glob("*.txt"))
    assert {"default.txt", "fast.txt"} <= {pointer.name for pointer in pointers}
    folders = {artifact.MODELS_FOLDER / pointer.read_text(encoding="utf-8").strip() for pointer in pointers}
    for folder in folders:
        assert artifact.load(folder, codebook).manifest.version == folder.name
        assert (folder / "CARD.md").is_file()
    assert sum(path.stat().st_size for folder in folders for path in folder.iterdir()) < 40_000_000
    for tier in ("fast", "accurate"):
        if f"{tier}.txt" in {pointer.name for pointer in pointers}:
            assert artifact.read_manifest(artifact.tier_folder(tier)).tier == tier


def test_equal_linear_heads_are_held_once(tmp_path: Path) -> None:
    labels = {"sentiment": ("negative", "positive")}
    folders = [tmp_path / name for name in ("first", "twin", "other")]
    for number, folder in enumerate(folders):
        folder.mkdir()
        weights = np.array([[0.5, -0.5], [-0.25, 0.25 + number // 2]], dtype=np.float32)
        heads = Heads(labels, weights, np.zeros(2, dtype=np.float32))
        linear.write(
            folder, linear.LinearModel(Features(("w:bad", "w:good"), np.ones(2, dtype=np.float32)), heads)
        )
    first, twin, other = (linear.read(folder, labels) for folder in folders)
    assert first is twin
    assert other is not first
    assert other.heads.weights[1, 1] == 1.25
