"""The figure on GoEmotions' own labels: thresholds, scores, and that dev and test are never learnt from."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.goemotions import (
    WrongFileError,
    best_threshold,
    check_unseen,
    figures,
    fit_chances,
    measure,
    read_part,
    to_text,
)
from nlp.artifact import read_manifest, tier_folder
from training.encoder_data import tasks
from training.encoder_recipe import read_encoder_recipe
from training.goemotions import read_goemotions
from training.recipe import read_recipe

LABELS = ["joy", "anger", "neutral"]
GLAD = ["so happy about this", "what a lovely day", "i love it", "great news for all of us", "wonderful, thanks"]
CROSS = ["this makes me furious", "i hate every bit of it", "how dare they", "what an awful mess", "so angry now"]
PLAIN = [
    "the train leaves at nine",
    "it is on the table",
    "they met on monday",
    "see page four",
    "it has two doors",
]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "goemotions-labels.txt").write_text("\n".join(LABELS), encoding="utf-8")
    for part in ("train", "dev", "test"):
        lines = [
            f"{text}, in {part}\t{number}\t{part}{place}"
            for number, texts in enumerate((GLAD, CROSS, PLAIN))
            for place, text in enumerate(texts)
        ]
        (tmp_path / f"goemotions-{part}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_the_threshold_is_the_one_with_the_best_f1() -> None:
    chances = np.array([0.9, 0.8, 0.6, 0.4, 0.2, 0.1])
    truth = np.array([True, True, False, True, False, False])
    # three of four right beats two of two: 2 * 3 / (4 + 3) against 2 * 2 / (2 + 3)
    assert best_threshold(chances, truth) == pytest.approx(0.3)
    assert best_threshold(chances, np.zeros(6, dtype=bool)) == 1.0


def test_texts_of_one_probability_are_never_parted_by_a_threshold() -> None:
    chances, truth = np.array([0.5, 0.5, 0.5, 0.1]), np.array([True, False, False, False])
    assert 0.1 < best_threshold(chances, truth) < 0.5


def test_macro_f1_counts_every_label_and_its_interval_holds_it() -> None:
    truth = np.repeat([[True, False], [False, True]], 50, axis=0)
    given = truth.copy()
    given[50:75, 1] = False
    found = figures(truth, given, ["first", "second"], seed=1)
    second = 2 * 25 / (25 + 50)
    assert found["macro_f1"] == pytest.approx((1 + second) / 2, abs=1e-4)
    low, high = found["macro_f1_interval"]
    assert low < found["macro_f1"] < high
    assert found["labels"][1] == {
        "label": "second",
        "n": 50,
        "given": 25,
        "precision": 1.0,
        "recall": 0.5,
        "f1": pytest.approx(second, abs=1e-4),
    }


def test_a_label_without_a_text_to_learn_from_is_never_given() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(40, 3)).astype(np.float32)
    truth = np.stack([rows[:, 0] > 0, np.zeros(40, dtype=bool)], axis=1)
    [chances] = fit_chances(rows, truth, [rows])
    assert ((chances[:, 0] > 0.5) == truth[:, 0]).mean() > 0.9
    assert not chances[:, 1].any()


def test_a_line_that_is_not_as_published_is_named(corpus: Path) -> None:
    path = corpus / "goemotions-dev.tsv"
    path.write_text("a text\t0\tid\nanother\t7\tid\n", encoding="utf-8")
    with pytest.raises(WrongFileError, match="line 2"):
        read_part(path, len(LABELS))


def test_the_shipped_encoder_is_measured_from_files_to_figures(corpus: Path) -> None:
    found = measure(corpus, tier_folder("accurate"), seed=1)
    assert found["n"] == {"train": 15, "dev": 15, "test": 15}
    assert found["test_texts_that_train_has_too"] == 0
    assert found["model"] == tier_folder("accurate").name
    assert found["macro_f1"] > 0.6, "the texts differ by one word between the parts"
    assert "as published: 0.46" in to_text(found)


def test_no_shipped_model_names_dev_or_test_as_learnt_from() -> None:
    for tier in ("accurate", "fast"):
        check_unseen(read_manifest(tier_folder(tier)).training_data)
    with pytest.raises(WrongFileError, match=r"goemotions-test\.tsv"):
        check_unseen({"goemotions-train.tsv": "", "goemotions-test.tsv": ""})


def test_neither_tier_reads_dev_or_test_when_it_learns(corpus: Path) -> None:
    """Both recipes read one folder in which all three parts lie."""
    with gzip.open(corpus / "feedback.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(json.dumps({"id": "1", "source": "bank", "text": "where is my card", "native_label": "card"}))
    choices = replace(read_encoder_recipe().auxiliary, shares={"goemotions": 1.0})
    [task] = tasks(corpus, choices, without=frozenset())
    further = read_goemotions(corpus / "goemotions-train.tsv", read_recipe(), without=frozenset())
    for texts in (task.texts, *further.texts.values()):
        assert texts
        assert all(text.endswith("in train") for text in texts)
