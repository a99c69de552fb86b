"""The calibration pictures of the shipped models fit what was measured when they were published."""

from __future__ import annotations

import json

import pytest

from nlp.artifact import tier_folder
from training.calibration_bins import TARGET, TIERS, laid_out


@pytest.mark.parametrize("tier", TIERS)
def test_bins_give_the_published_calibration_error(tier: str) -> None:
    folder = tier_folder(tier)
    told = json.loads(TARGET.read_text(encoding="utf-8"))
    reports = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    by_gold = {report["gold"]: report["with_question"]["fields"] for report in reports}
    for gold, fields in told[folder.name].items():
        assert fields.keys() == by_gold[gold].keys()
        for field, bins in fields.items():
            score = by_gold[gold][field]
            assert sum(n for n, _, _ in bins) == score["n"]
            error = sum(n * abs(sure - right) for n, sure, right in bins) / score["n"]
            assert error == pytest.approx(score["calibration_error"], abs=0.001), field
            assert sum(n * right for n, _, right in bins) == pytest.approx(score["accuracy"] * score["n"], abs=0.1)


def test_the_file_is_laid_out_as_it_is_written() -> None:
    text = TARGET.read_text(encoding="utf-8")
    assert laid_out(json.loads(text)) == text
