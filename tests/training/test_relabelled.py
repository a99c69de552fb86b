import gzip
import json
from pathlib import Path

import pytest

from nlp.codebook import load_codebook
from nlp.gold import GoldError, read_gold
from tests.training.test_corpus import row, write
from training.relabelled import ADDED_FILE, CHANGES_FILE, RELABELLED_FOLDER, added, corrected, label_files

CODEBOOK = load_codebook()


def test_a_second_readers_label_takes_the_place_of_the_first(tmp_path: Path) -> None:
    write(
        tmp_path, "train.tsv", [row(1, "the kettle broke"), row(2, "so kind").replace("\t-\t", "\tsupport\t", 1)]
    )
    items = read_gold(tmp_path / "train.tsv", CODEBOOK)
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / CHANGES_FILE).write_text("id\tfield\tlabel\nshop-2\tstage\tsupport\nshop-9\ttopic\tprice\n")
    changed = corrected(items, labels, CODEBOOK)
    assert changed[0] == items[0]
    assert items[1].stage2 == "support"
    assert (changed[1].labels, changed[1].stage2) == (items[1].labels | {"stage": "support"}, None)
    assert corrected(items, tmp_path / "none", CODEBOOK) == items  # no file of changes


def test_labels_for_corpus_texts_find_their_text_and_question(tmp_path: Path) -> None:
    entries = [
        {"id": "rlang-7", "source": "rlang", "text": "none so far", "native_label": "en like_least nps=9"},
        {"id": "nhs-1", "source": "nhs", "text": "kind nurses", "native_label": "staff"},
        {"id": "nhs-2", "source": "nhs", "text": "another text"},
    ]
    with gzip.open(tmp_path / "feedback.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in entries)
    header = "id\tstage\tstage2\temotion\temotion2\tsentiment\ttopic\ttouchpoint\n"
    rows = [
        "nhs-1\tusage\tadvocacy\tsatisfaction\t-\tpositive\tstaff\tproduct\n",
        "rlang-7\tnone\t-\tneutral\t-\tneutral\tgeneral\tunknown\n",
        "gone-1\tnone\t-\tneutral\t-\tneutral\tgeneral\tunknown\n",
    ]
    (tmp_path / ADDED_FILE).write_text(header + "".join(rows), encoding="utf-8")
    nurse, nothing = added(tmp_path, tmp_path, CODEBOOK)
    assert (nurse.text, nurse.question, nurse.labels["topic"], nurse.stage2) == (
        "kind nurses",
        None,
        "staff",
        "advocacy",
    )
    assert (nothing.question, nothing.labels["stage"], nothing.emotion2) == ("like_least", "none", None)
    assert added(tmp_path / "elsewhere", tmp_path, CODEBOOK) == []


@pytest.mark.parametrize(
    "content",
    ["id\tlabel\nshop-1\tprice\n", "id\tfield\tlabel\nshop-1\ttopic\n", "id\tfield\tlabel\nshop-1\ttopic\tcost\n"],
)
def test_a_file_of_changes_that_is_wrong_is_refused_by_line(tmp_path: Path, content: str) -> None:
    (tmp_path / CHANGES_FILE).write_text(content)
    with pytest.raises(GoldError, match=r"line|header"):
        corrected([], tmp_path, CODEBOOK)


def test_the_shipped_files_are_as_they_should_be(tmp_path: Path) -> None:
    assert corrected([], RELABELLED_FOLDER, CODEBOOK) == []
    with gzip.open(tmp_path / "feedback.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("")
    assert added(tmp_path, RELABELLED_FOLDER, CODEBOOK) == []
    assert {path.name for path in label_files()} <= {CHANGES_FILE, ADDED_FILE}
