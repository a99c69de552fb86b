import re
from pathlib import Path

import pytest

from nlp.analysis import FIELDS
from nlp.codebook import DATA_FOLDER, Codebook, CodebookError, load_codebook

SHARED_CODEBOOK = Path(__file__).parents[3] / "shared" / "CODEBOOK.md"


def test_every_field_has_its_labels_with_a_definition(codebook: Codebook) -> None:
    assert [len(codebook.labels(field)) for field in FIELDS] == [12, 16, 4, 22, 16]
    for field in FIELDS:
        assert all(len(entry.definition) > 15 for entry in codebook.definitions(field))


def test_valences_agree_with_polarity(codebook: Codebook) -> None:
    assert codebook.valence("curiosity") == 0
    assert codebook.valence("neutral") == 0
    for emotion in codebook.emotions:
        if emotion.polarity == "negative":
            assert -1 <= emotion.valence < 0
        elif emotion.label != "curiosity" and emotion.polarity == "positive":
            assert 0 < emotion.valence <= 1


def test_each_model_covers_every_stage_but_none(codebook: Codebook) -> None:
    assert [model.id for model in codebook.journey_models] == [
        "7-stage",
        "5-stage-retention",
        "5-stage-decision",
        "5-stage-emotions",
        "4-stage-decision",
        "4-stage-purchase",
    ]
    for model in codebook.journey_models:
        for stage in codebook.labels("stage"):
            for touchpoint in (None, *codebook.labels("touchpoint")):
                assert (model.column(stage, touchpoint) is None) is (stage == "none")


@pytest.mark.parametrize(
    ("stage", "touchpoint", "name"),
    [
        ("consideration", "website", "Engagement"),
        ("consideration", "search_content", "Engagement"),
        ("consideration", "sales", "Acquisition"),
        ("consideration", None, "Acquisition"),
        ("decision", "website", "Acquisition"),
        ("churn", "product", "Loyalty"),
    ],
)
def test_the_seven_stage_model_parts_consideration_by_touchpoint(
    codebook: Codebook, stage: str, touchpoint: str | None, name: str
) -> None:
    model = codebook.journey_model("7-stage")
    column = model.column(stage, touchpoint)
    assert column is not None
    assert model.stages[column].name == name


def test_the_projections_are_those_of_the_shared_codebook(codebook: Codebook) -> None:
    if not SHARED_CODEBOOK.is_file():
        pytest.skip("../shared/CODEBOOK.md is not there")
    text = SHARED_CODEBOOK.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+)(?: \([^|]*\))? \|((?:[^|\n]+\|){6})$", text, re.MULTILINE)
    seen = 0
    for stage, cells in rows:
        if stage not in codebook.labels("stage"):
            continue
        columns = [cell.strip() for cell in cells.strip("|").split("|")]
        touchpoint = "website" if columns[0] == "Engagement" else "sales"
        for model, expected in zip(codebook.journey_models, columns, strict=True):
            column = model.column(stage, touchpoint)
            assert column is not None
            assert model.stages[column].name == expected, (model.id, stage)
        seen += 1
    assert seen == 12


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('label = "churn"', 'label = "usage"', "twice"),
        ("valence = 1.0", "valence = 1.5", "outside"),
        ('codebook_stage = "churn"', 'codebook_stage = "leaving"', "unknown label"),
        ('version = "1.0"', "", "version"),
        ("[[stage]]", "[[stage", "codebook.toml"),
    ],
)
def test_a_contradictory_codebook_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (DATA_FOLDER / "codebook.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "codebook.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CodebookError, match=message):
        load_codebook(tmp_path / "codebook.toml")


def test_a_missing_codebook_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(CodebookError, match="no codebook"):
        load_codebook(tmp_path / "codebook.toml")
