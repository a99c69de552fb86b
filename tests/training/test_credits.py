"""Whoever's texts a model was made from or measured on is credited, and the limits stand on the card."""

import json
from pathlib import Path

import pytest

from nlp.artifact import MODELS_FOLDER, tier_folder
from nlp.codebook import DATA_FOLDER, load_codebook
from nlp.gold import read_gold
from nlp.segment_gold import part_ids
from training.card import limits
from training.corpus import family, read_corpus
from training.encoder_recipe import read_encoder_recipe
from training.relabelled import label_files

CREDITS = (DATA_FOLDER / "README.md").read_text(encoding="utf-8")
LEARNT, MEASURED = CREDITS.split("## What it is measured on")
TINY = Path(__file__).with_name("tiny")
SHARED_GOLD = Path(__file__).parents[3] / "shared" / "gold"


def credited(part: str) -> set[str]:
    """The names in the first column of the tables of a part."""
    rows = [line.split("|")[1] for line in part.splitlines() if line.startswith("| ")]
    return {name.strip() for row in rows for name in row.split(",")}


def source_of(identity: str) -> str:
    """`bank-12` and `bank-t-12` are of `bank`."""
    return family(identity.rsplit("-", 1)[0]).split("-")[0]


def test_every_source_that_is_learnt_from_is_credited() -> None:
    learnt = set(read_encoder_recipe().auxiliary.shares)
    for path in label_files():
        rows = path.read_text(encoding="utf-8").splitlines()[1:]
        learnt |= {source_of(row.split("\t")[0]) for row in rows}
    assert len(learnt) > 10
    assert learnt <= credited(LEARNT)


def test_every_source_that_is_measured_on_is_credited() -> None:
    measured = {source_of(identity) for identity in part_ids()}
    for tier in ("accurate", "fast"):
        reports = json.loads((tier_folder(tier) / "evaluation.json").read_text(encoding="utf-8"))
        measured |= {family(source) for report in reports for source in report["with_question"]["sources"]}
    assert {"uservoice", "museum", "nhs"} <= measured
    assert measured <= credited(LEARNT) | credited(MEASURED)


def test_every_source_of_the_gold_set_is_credited() -> None:
    if not (SHARED_GOLD / "train.tsv").is_file():
        pytest.skip("../shared/gold is not there")
    sources = {family(item.source) for item in read_gold(SHARED_GOLD / "train.tsv", load_codebook())}
    assert sources <= credited(LEARNT)


def test_what_may_only_be_measured_on_is_not_credited_as_learnt_from() -> None:
    assert not credited(LEARNT) & {"uservoice", "app", "course", "restaurant", "laptop", "seat", "hotel", "museum"}


def test_the_encoders_licence_goes_with_the_models() -> None:
    notice = (MODELS_FOLDER / "NOTICE.md").read_text(encoding="utf-8")
    licence = (MODELS_FOLDER / "LICENSE-Apache-2.0").read_text(encoding="utf-8")
    assert "all-MiniLM-L6-v2" in notice
    assert "LICENSE-Apache-2.0" in notice
    assert "END OF TERMS AND CONDITIONS" in licence


def test_the_image_takes_credits_and_notice_along() -> None:
    kept = (DATA_FOLDER.parent / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {"!data/README.md", "!data/models"} <= set(kept)


def test_the_card_tells_how_long_the_texts_are_that_were_learnt_from() -> None:
    corpus = read_corpus(TINY, load_codebook(), near_duplicate_cosine=0.8)
    lengths = sorted(len(text.split()) for text in corpus.texts)
    assert f"the median training text has {lengths[len(lengths) // 2]} words" in limits(corpus)
