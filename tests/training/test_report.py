import json
from pathlib import Path

import pytest

from training.report import BEGIN, END, README, further_lines, looks, put_in, section


def test_the_readmes_figures_are_those_of_the_shipped_models() -> None:
    text = README.read_text(encoding="utf-8")
    assert put_in(text, section()) == text, "run `python -m training.report`"


def test_the_section_goes_between_the_marks() -> None:
    assert put_in(f"a\n{BEGIN}\nold\n{END}\nb", "new\n") == f"a\n{BEGIN}\n\nnew\n\n{END}\nb"
    with pytest.raises(ValueError, match="marks"):
        put_in("no marks", "new")


def test_every_look_is_logged_with_its_figures_and_what_came_of_it() -> None:
    assert len(looks()) > 10
    for date, candidate, dev, elsewhere, decision in looks():
        assert date.startswith("20")
        assert candidate
        assert decision
        if dev == elsewhere == "-":  # aggregates of another kind, said in words
            continue
        assert len(dev.split()) == len(elsewhere.split()) >= 4
        assert all(0 < float(figure) < 1 for figure in [*dev.split(), *elsewhere.split()])


def test_further_figures_have_a_line_each_where_they_were_measured(tmp_path: Path) -> None:
    assert further_lines(tmp_path) == []
    probe = {
        "model": "accurate-1",
        "n": {"train": 3, "dev": 2, "test": 5_427},
        "macro_f1": 0.4312,
        "macro_f1_interval": [0.41, 0.4549],
        "published_bert_base_macro_f1": 0.46,
        "labels": [{}] * 28,
    }
    (tmp_path / "goemotions.json").write_text(json.dumps(probe), encoding="utf-8")
    [line, after] = further_lines(tmp_path)
    assert after == ""
    for part in (
        "28 labels",
        "5427 texts",
        "0.43 [0.41, 0.45]",
        "`accurate-1`",
        "linear probe",
        "published: 0.46",
    ):
        assert part in line
    score = {"accuracy": 0.7, "macro_f1": 0.5, "macro_f1_interval_over_sources": [0.4, 0.61]}
    fields = dict.fromkeys(("stage", "emotion", "sentiment", "topic", "touchpoint"), score)
    left_out = {
        "tier": "fast",
        "what": "the recipe as it stands",
        "recipe_sha256": "another",
        "pooled": {"real": {"n": 90, "sources": 3, "fields": fields}},
    }
    (tmp_path / "left-out-fast.json").write_text(json.dumps(left_out), encoding="utf-8")
    line = further_lines(tmp_path)[1]
    for part in ("90 texts of 3 real sources", "topic 0.50 [0.40, 0.61]", "touchpoint (accuracy) 0.70", "earlier"):
        assert part in line
    figure = {"value": 0.5, "low": 0.4, "high": 0.61}
    segments = {
        "model": "fast-1",
        "documents": 7,
        "segments": 31,
        "given": dict.fromkeys(fields, figure),
        "cuts": {"pipeline": {"f1": figure}, "sentences": {"f1": figure | {"value": 0.45}}},
    }
    (tmp_path / "segments.json").write_text(json.dumps([segments]), encoding="utf-8")
    line = further_lines(tmp_path)[2]
    for part in (
        "7 whole",
        "31 segments",
        "F1 0.50 [0.40, 0.61]",
        "segment 0.45 [0.40",
        "`fast-1` stage 0.50, emotion",
    ):
        assert part in line
