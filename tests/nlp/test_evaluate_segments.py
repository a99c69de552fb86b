import gzip
import json
from pathlib import Path

import pytest

from nlp.analysis import FIELDS
from nlp.codebook import load_codebook
from nlp.evaluate_segments import boundaries, evaluate_segments, matches, sentences, window_differences
from nlp.gold import GoldError
from nlp.pipeline import Pipeline
from nlp.segment_gold import SEGMENTS_FILE, Document, part_ids, read_documents
from nlp.sentences import SentenceStarts

CODEBOOK = load_codebook()
CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
HEADER = "document\tstart\tend\tstage\temotion\tsentiment\ttopic\ttouchpoint\n"
FIRST, SECOND = "Checkout was easy.", "my parcel came late"
LABELS = "delivery\tneutral\tnegative\tdelivery\tdelivery\n"
ROWS = [
    "shop-1+shop-2\t0\t18\tpurchase\tsatisfaction\tpositive\tease_of_use\tcheckout\n",
    f"shop-1+shop-2\t19\t38\t{LABELS}",
]


def corpus_and_table(folder: Path, rows: list[str]) -> Path:
    with gzip.open(folder / "feedback.jsonl.gz", "wt", encoding="utf-8") as file:
        for name, text in (("shop-1", FIRST + " "), ("shop-2", SECOND), ("shop-3", "of no matter")):
            file.write(json.dumps({"id": name, "source": "shop", "text": text}) + "\n")
    (folder / "documents.tsv").write_text(HEADER + "".join(rows), encoding="utf-8")
    return folder / "documents.tsv"


def test_a_document_is_put_together_from_its_parts(tmp_path: Path) -> None:
    table = corpus_and_table(tmp_path, ROWS)
    [document] = read_documents(tmp_path, CODEBOOK, table)
    assert document.text == f"{FIRST} {SECOND}"
    assert [document.text[start:end] for start, end in document.spans] == [FIRST, SECOND]
    assert [labels["topic"] for labels in document.labels] == ["ease_of_use", "delivery"]
    assert part_ids(table) == {"shop-1", "shop-2"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([ROWS[0], ROWS[1].replace("negative", "mixed")], "line 3: 'mixed' is no sentiment of a segment"),
        ([ROWS[0], ROWS[1].replace("\tdelivery\n", "\tpost\n")], "line 3: 'post' is no touchpoint"),
        ([ROWS[0], ROWS[1].replace("\t19\t", "\t17\t")], "line 3: the segment does not follow"),
        ([ROWS[0], ROWS[1].replace("\t19\t", "\t22\t")], "line 3: the segment does not follow"),
        (ROWS[:1], "line 2: the last segment ends before the text"),
        ([ROWS[0].replace("\t18\t", "\tx\t"), ROWS[1]], "line 2: start and end are not numbers"),
        ([ROWS[0], ROWS[1].replace("\tdelivery\n", "\n")], "line 3: 7 columns instead of 8"),
        ([row.replace("shop-2", "shop-4") for row in ROWS], "1 texts are missing, shop-4 among them"),
    ],
)
def test_a_wrong_table_is_refused_by_line(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(GoldError, match=message):
        read_documents(tmp_path, CODEBOOK, corpus_and_table(tmp_path, rows))


def test_without_the_corpus_there_are_no_documents(tmp_path: Path) -> None:
    with pytest.raises(GoldError, match="cannot be read"):
        read_documents(tmp_path, CODEBOOK)


def test_the_committed_documents_are_whole() -> None:
    assert len(part_ids()) == 359
    if not CORPUS.is_dir():
        pytest.skip("the corpus is not here")
    documents = read_documents(CORPUS, CODEBOOK, SEGMENTS_FILE)
    assert (len(documents), sum(len(document.spans) for document in documents)) == (150, 579)
    assert not any(
        document.text[start:end] != document.text[start:end].strip()
        for document in documents
        for start, end in document.spans
    )


def test_boundaries_are_the_words_that_begin_a_segment() -> None:
    assert boundaries([0, 4, 8, 12], [(0, 3), (4, 7), (11, 15)]) == [1, 3]  # a mark before the word belongs to it
    assert boundaries([0, 4], [(0, 7)]) == boundaries([], []) == []


@pytest.mark.parametrize(
    ("found", "meant", "tolerance", "count"),
    [
        ([3, 9], [3, 9], 0, 2),
        ([3, 9], [4, 12], 0, 0),
        ([3, 9], [4, 12], 2, 1),
        ([3, 4, 5], [4], 2, 1),  # one boundary is found once
        ([4], [3, 4, 5], 2, 1),
        ([3, 5], [1, 3], 2, 2),
        ([], [4], 2, 0),
    ],
)
def test_a_boundary_matches_once_within_the_tolerance(
    found: list[int], meant: list[int], tolerance: int, count: int
) -> None:
    assert matches(found, meant, tolerance) == matches(meant, found, tolerance) == count


def test_window_differences_count_windows_by_hand() -> None:
    # ten words, windows of three: 0–3 … 6–9; a boundary at 5 is inside those that begin at 2, 3, 4
    assert window_differences(10, [], [5], 3) == (3, 7)
    assert window_differences(10, [5], [5], 3) == (0, 7)
    assert window_differences(10, [4], [5], 3) == (2, 7)
    assert window_differences(3, [1], [2], 3) == (0, 0)  # shorter than a window


def test_sentences_end_at_marks_and_line_ends() -> None:
    text = "It broke. Sad!\n so be it"
    assert [text[start:end] for start, end in sentences(text, SentenceStarts())] == [
        "It broke.",
        "Sad!",
        "so be it",
    ]


def test_a_report_compares_three_cuts(pipeline: Pipeline) -> None:
    text = "The battery dies quickly. The staff were very friendly and helpful."
    labels = [dict.fromkeys(FIELDS, "none"), dict.fromkeys(FIELDS, "none")]
    documents = [Document("shop-1", text, ((0, 25), (26, len(text))), tuple(labels))]
    report = evaluate_segments(pipeline, documents)
    assert (report.documents, report.segments, report.words, report.boundaries, report.window) == (1, 2, 11, 1, 3)
    assert [report.cuts[name].segments for name in ("pipeline", "sentences", "whole")] == [2, 2, 1]
    assert [report.cuts[name].f1.value for name in ("pipeline", "sentences", "whole")] == [1, 1, 0]
    assert report.cuts["pipeline"].window_diff.value == 0 < report.cuts["whole"].window_diff.value
    [given] = {field: figure.value for field, figure in report.given.items() if field == "topic"}.values()
    assert given == report.cuts["sentences"].words["topic"].value == 0  # no topic is called none
    assert report == evaluate_segments(pipeline, documents)
