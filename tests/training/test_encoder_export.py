"""The exporter, where the packages of requirements-training.txt are installed."""

import json
from pathlib import Path

import numpy as np
import pytest

from nlp.analysis import FIELDS
from nlp.codebook import load_codebook
from nlp.encoder import GRAPH_FILE, HEADS_FILE, TOKENIZER_FILE
from tests.nlp import tiny_encoder

pytest.importorskip("onnx", reason="requirements-training.txt is not installed")
safetensors = pytest.importorskip("safetensors.numpy", reason="requirements-training.txt is not installed")

LABELS = {field: load_codebook().labels(field) for field in FIELDS}


def test_the_exporter_makes_the_fixture(tmp_path: Path) -> None:
    from training.encoder_export import export

    (tmp_path / "given.json").write_text(tiny_encoder.tokenizer_json(), encoding="utf-8")
    export(tiny_encoder.weights(LABELS), LABELS, LABELS, tmp_path / "given.json", tmp_path)
    for name in (GRAPH_FILE, TOKENIZER_FILE):
        assert (tmp_path / name).read_bytes() == (tiny_encoder.FOLDER / name).read_bytes()


def test_heads_in_another_order_come_out_in_that_of_the_codebook(tmp_path: Path) -> None:
    from training.encoder_export import LABELS_KEY, ExportError, export, read_weights

    values = tiny_encoder.weights(LABELS)
    own = {**LABELS, "stage": LABELS["stage"][::-1]}
    path = tmp_path / "weights.safetensors"
    safetensors.save_file(values, path, metadata={LABELS_KEY: json.dumps(own)})
    read, order = read_weights(path)
    assert order == own
    (tmp_path / "given.json").write_text(tiny_encoder.tokenizer_json(), encoding="utf-8")
    export(read, order, LABELS, tmp_path / "given.json", tmp_path)
    stages = len(LABELS["stage"])
    with np.load(tmp_path / HEADS_FILE) as heads:
        assert np.array_equal(heads["weights"][:, :stages], values["heads.stage.weight"][::-1].T)
        assert np.array_equal(heads["bias"][:stages], values["heads.stage.bias"][::-1])
    with pytest.raises(ExportError, match="other stage labels"):
        export(read, {**LABELS, "stage": ("a",)}, LABELS, tmp_path / "given.json", tmp_path)
    safetensors.save_file(values, path)
    with pytest.raises(ExportError, match="order of its labels"):
        read_weights(path)
