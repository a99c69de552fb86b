from dataclasses import replace
from pathlib import Path

import pytest

from nlp.codebook import load_codebook
from nlp.gold import GoldError
from nlp.linear import VOCABULARY_FILE
from tests.training.test_recipe_run import TINY, recipe_with
from training.__main__ import train
from training.goemotions import read_goemotions
from training.recipe import read_recipe

LABELS = ["admiration", "anger", "surprise", "fear", "neutral"]
ROWS = [
    ("what a wonderful gizmo", "0"),
    ("furious about this mess", "1"),
    ("well look at that", "2"),
    ("scared of the dark", "3"),
    ("both at once", "0,1"),
    ("it is Tuesday", "4"),
]


@pytest.fixture
def goemotions(tmp_path: Path) -> Path:
    rows = ROWS + [(f"furious and livid again {n}", "1") for n in range(5)]
    (tmp_path / "goemotions-labels.txt").write_text("\n".join(LABELS), encoding="utf-8")
    path = tmp_path / "goemotions-train.tsv"
    path.write_text("".join(f"{text}\t{label}\tid{n}\n" for n, (text, label) in enumerate(rows)), encoding="utf-8")
    return path


def test_single_labels_are_mapped_and_others_left_out(goemotions: Path) -> None:
    further = read_goemotions(goemotions, read_recipe(), without=frozenset({"itistuesday"}))
    emotions = dict(zip(further.texts["emotion"], further.labels["emotion"], strict=True))
    assert emotions["what a wonderful gizmo"] == "satisfaction"
    assert emotions["scared of the dark"] == "anxiety"
    assert not {"well look at that", "both at once", "it is Tuesday"} & set(emotions)
    sentiments = dict(zip(further.texts["sentiment"], further.labels["sentiment"], strict=True))
    assert sentiments["furious about this mess"] == "negative"


def test_every_mapped_label_is_one_of_the_codebook() -> None:
    codebook = load_codebook()
    for field, mapping in read_recipe().goemotions.items():
        assert set(mapping.values()) <= set(codebook.labels(field))


def test_a_wrong_file_says_where(goemotions: Path) -> None:
    goemotions.write_text("a text\t0\tid\nanother\t99\tid\n", encoding="utf-8")
    with pytest.raises(GoldError, match="line 2"):
        read_goemotions(goemotions, read_recipe(), without=frozenset())


def test_no_label_exceeds_its_limit(goemotions: Path) -> None:
    recipe = replace(read_recipe(), most_per_label=2)
    further = read_goemotions(goemotions, recipe, without=frozenset())
    assert further.labels["emotion"].count("anger") == 2
    assert further == read_goemotions(goemotions, recipe, without=frozenset())


def test_the_recipe_learns_words_that_only_further_texts_have(goemotions: Path, tmp_path: Path) -> None:
    folder = train(TINY, recipe_with(tmp_path), tmp_path / "models", goemotions=goemotions, report=False)
    names = (folder / VOCABULARY_FILE).read_text(encoding="utf-8").split("\n")
    assert "w:furious" in names
    # nine of eleven rows for each of both fields: a label that is not mapped and a double one are out
    assert "on 18 rows of GoEmotions" in (folder / "CARD.md").read_text(encoding="utf-8")
