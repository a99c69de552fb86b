import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from nlp.codebook import load_codebook
from nlp.gold import GoldError
from tests.training.test_corpus import row, write
from training.relabelled import RELABELLED_FOLDER, label_files
from training.second_reading import BLIND_FILE, agreement, agreement_lines, kappa, read_readings
from training.written import (
    alike_inside,
    covered,
    distinct_per_slice,
    first_tokens,
    main,
    real_texts,
    text_set,
    type_token_ratio,
    vocabulary,
    word_counts,
)

CODEBOOK = load_codebook()
HEADER = "id\treader\tstage\tstage2\temotion\temotion2\tsentiment\ttopic\ttouchpoint\n"


def reading(item: str, reader: str, stage: str, stage2: str = "-") -> str:
    return f"{item}\t{reader}\t{stage}\t{stage2}\tneutral\t-\tneutral\tgeneral\tproduct\n"


def readings(folder: Path, *rows: str) -> Path:
    path = folder / "blind.tsv"
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path


def test_words_are_counted_without_marks() -> None:
    assert word_counts([["late", "again", "!"], ["?"], []]) == [2, 0, 0]


def test_variety_is_measured_on_equal_numbers_of_tokens() -> None:
    assert first_tokens([["a", "b"], ["c", "d"], ["e"]], 3) == [["a", "b"], ["c"]]
    assert type_token_ratio([["a", "b"], ["a", "a"]]) == 0.5
    assert type_token_ratio([]) == 0


def test_pairs_do_not_reach_over_two_texts_and_a_rest_fills_no_slice() -> None:
    # slices "a b | a b" and "c c c c"; the last token is a rest
    assert distinct_per_slice([["a", "b"], ["a", "b"], ["c"] * 4, ["z"]], size=4) == (1.5, 1.0)
    assert distinct_per_slice([["a"]], size=4) is None


def test_what_a_vocabulary_covers() -> None:
    texts = [["a", "a", "a", "b"]]
    assert covered(texts, vocabulary([["a", "c"]])) == (0.75, 0.5)
    assert covered([], frozenset()) == (0, 0)


def test_near_duplicates_inside_are_shares_of_texts() -> None:
    texts = ["the kettle broke after one week", "The kettle broke after one week!", "my train was late", "so kind"]
    assert alike_inside(texts, cosine=0.8) == 0.5


def test_texts_are_read_as_models_read_them_in_an_order_of_the_seed() -> None:
    texts = [
        "mail me at ann@example.com about the <b>late</b> parcel",
        "Die Lieferung kam viel zu spät bei mir an",
        "",
    ]
    [read] = text_set("ours", texts, seed=7).texts
    assert "ann@" not in read
    assert "<b>" not in read
    many = [f"parcel number {number} was late again" for number in range(20)]
    assert text_set("ours", many, seed=7) == text_set("ours", many, seed=7)
    assert text_set("ours", many, seed=7).texts != text_set("ours", many, seed=8).texts


def corpus_file(folder: Path, count: int) -> Path:
    path = folder / "feedback.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(
            json.dumps({"id": f"shop-{number}", "text": f"the parcel number {number} came late"}) + "\n"
            for number in range(count)
        )
    return path


def test_real_texts_are_drawn_without_those_that_are_compared_elsewhere(tmp_path: Path) -> None:
    path = corpus_file(tmp_path, 5)
    assert sorted(real_texts(path, count=9, without=frozenset({"shop-0", "shop-1"}), seed=7)) == [
        f"the parcel number {number} came late" for number in (2, 3, 4)
    ]
    assert real_texts(path, count=2, without=frozenset(), seed=7) == real_texts(
        path, count=2, without=frozenset(), seed=7
    )


def test_the_report_says_what_is_missing_and_measures_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written, gold = tmp_path / "written", tmp_path / "gold"
    written.mkdir()
    gold.mkdir()
    write(written, "cafe.tsv", [row(1, "the waiter was kind to my mother"), row(2, "late")])
    arguments = ["--written", str(written), "--gold", str(gold), "--corpus", str(tmp_path)]
    blind = readings(tmp_path, reading("a-1", "first", "usage"), reading("a-1", "second", "usage"))
    assert main([*arguments, "--blind", str(blind)]) == 0
    alone = capsys.readouterr().out
    assert "train.tsv is not there" in alone
    assert "feedback.jsonl.gz is not there" in alone
    assert "| texts of 1–3 words | 50.0% |" in alone
    assert "usage 100.0" in alone
    assert "| 1 texts read twice |" in alone

    write(gold, "train.tsv", [row(3, "The waiter was kind to my mother!"), row(4, "my train never came")])
    corpus_file(tmp_path, 9)
    assert main([*arguments, "--blind", str(tmp_path / "none.tsv")]) == 0
    beside = capsys.readouterr().out
    assert "none.tsv is not there" in beside
    assert "| with a near-duplicate in ours | – | 50.0% | 0.0% |" in beside
    assert "usage 100.0 / 100.0" in beside


def test_a_folder_without_texts_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--written", str(tmp_path), "--gold", str(tmp_path), "--corpus", str(tmp_path)]) == 1
    assert "no texts" in capsys.readouterr().err


def test_kappa_takes_off_what_chance_alone_gives() -> None:
    first = np.array(["a", "a", "b", "b"])
    second = np.array(["a", "b", "b", "b"])
    # equal 3/4, by chance 1/2 · 1/4 + 1/2 · 3/4 = 1/2
    assert kappa(first, second, np.ones((1, 4))).tolist() == [0.5]
    # counted only where the readers agree; and one label alone, where chance is all
    assert kappa(first, second, np.array([[1.0, 0, 1, 1], [0, 0, 1, 1]])).tolist() == [1, 1]


def test_two_readings_are_compared_label_by_label(tmp_path: Path) -> None:
    rows = [(f"a-{number:02}", "usage", "usage") for number in range(12)]
    rows += [("b-1", "usage", "loyalty"), ("b-2", "churn", "usage"), ("b-3", "usage", "loyalty")]
    path = readings(
        tmp_path,
        *[reading(item, "first", first, "loyalty" if item == "b-1" else "-") for item, first, _ in rows],
        *[reading(item, "second", second) for item, _, second in rows],
    )
    found = agreement(read_readings(path, CODEBOOK), "stage", CODEBOOK, seed=7)
    assert found.score.accuracy == pytest.approx(12 / 15)
    assert found.score.macro_f1 == pytest.approx(2 * 12 / (14 + 13))  # usage alone has ten examples
    assert found.differing == (("usage", "loyalty", 2), ("churn", "usage", 1))
    assert found.other_pair == 1
    assert found.kappa_interval[0] <= found.kappa <= found.kappa_interval[1]
    table = list(agreement_lines(path, CODEBOOK, seed=7))
    assert "| usage | 14 | 0.89 | loyalty 2 |" in table
    assert any(line.startswith("| sentiment | 1.00 (1.00–1.00) | 1.00 (1.00–1.00) |") for line in table)


@pytest.mark.parametrize(
    "rows",
    [
        [reading("a", "first", "usage")],
        [reading("a", "third", "usage")],
        [reading("a", "first", "usage"), reading("a", "first", "usage")],
        [reading("a", "first", "utility"), reading("a", "second", "usage")],
        ["a\tfirst\tusage\n"],
    ],
)
def test_a_file_of_readings_that_is_wrong_is_refused(tmp_path: Path, rows: list[str]) -> None:
    with pytest.raises(GoldError):
        read_readings(readings(tmp_path, *rows), CODEBOOK)


def test_a_file_of_readings_that_is_missing_or_headless_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GoldError, match="cannot be read"):
        read_readings(tmp_path / "none.tsv", CODEBOOK)
    (tmp_path / "empty.tsv").write_text("", encoding="utf-8")
    with pytest.raises(GoldError, match="header"):
        read_readings(tmp_path / "empty.tsv", CODEBOOK)


def test_the_second_readings_are_whole_and_no_part_of_training() -> None:
    assert len(read_readings(BLIND_FILE, CODEBOOK)) == 400
    assert BLIND_FILE not in label_files(RELABELLED_FOLDER)
