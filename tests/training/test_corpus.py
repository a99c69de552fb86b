from pathlib import Path

import numpy as np
import pytest

from nlp.codebook import load_codebook
from nlp.gold import GoldError, read_gold
from nlp.segment_gold import part_ids, part_texts
from training.corpus import EVALUATION_FOLDER, corpus_of, like_any, near_duplicate_groups, normalised, read_corpus
from training.split import check_apart, folds, sources_out

TINY = Path(__file__).with_name("tiny")
SHARED_CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
HEADER = "id\tsource\tcontext\ttext\tstage\tstage2\temotion\temotion2\tsentiment\ttopic\ttouchpoint"


def row(number: int, text: str, source: str = "shop", stage: str = "usage") -> str:
    return f"{source}-{number}\t{source}\tinvented\t{text}\t{stage}\t-\tneutral\t-\tneutral\tgeneral\tproduct"


def write(folder: Path, name: str, rows: list[str]) -> None:
    (folder / name).write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")


def test_near_duplicates_form_a_group() -> None:
    texts = ["the kettle broke after one week", "The kettle broke after one week!", "my train was late", ""]
    groups = near_duplicate_groups(texts, cosine=0.8)
    assert groups[0] == groups[1]
    assert len({groups[0], groups[2], groups[3]}) == 3


def test_texts_of_our_own_are_trained_on_too(tmp_path: Path) -> None:
    written = tmp_path / "written"
    written.mkdir()
    write(tmp_path, "train.tsv", [row(1, "the kettle broke after one week")])
    write(written, "cafe.tsv", [row(2, "the waiter was kind to my mother", "cafe")])
    corpus = read_corpus(tmp_path, load_codebook(), near_duplicate_cosine=0.8, written=written)
    assert [item.source for item in corpus.items] == ["shop", "cafe"]


def test_texts_like_an_evaluation_text_are_found() -> None:
    texts = ["Where is it?!", "where is my grey parcel from last week", "nice soup"]
    others = ["where is it", "where is my grey parcel from last weeks"]
    assert like_any(texts, others, cosine=0.8).tolist() == [True, True, False]
    assert not like_any(texts, [], cosine=0.8).any()


def test_training_leaves_out_what_evaluation_holds_and_what_is_not_english(tmp_path: Path) -> None:
    write(
        tmp_path,
        "train.tsv",
        [
            row(1, "the kettle broke after one week"),
            row(2, "Die Lieferung kam eine Woche zu spät und niemand antwortet mir"),
            row(3, "nobody answers the phone at all"),
            row(4, "the seat was too small for me"),
        ],
    )
    write(tmp_path, "dev.tsv", [row(9, "Nobody answers the phone, at all!")])
    corpus = read_corpus(tmp_path, load_codebook(), near_duplicate_cosine=0.8)
    assert [item.id for item in corpus.items] == ["shop-1", "shop-4"]
    assert (corpus.dropped_foreign, corpus.dropped_alike) == (1, 1)
    evaluation = {normalised(item.text) for item in read_gold(tmp_path / "dev.tsv", load_codebook())}
    assert not evaluation & {normalised(text) for text in corpus.texts}


def test_no_split_has_near_duplicates_on_both_sides(tmp_path: Path) -> None:
    texts = [
        f"the {thing} broke after {days} days" for thing in ("kettle", "lamp", "tent") for days in range(2, 12)
    ]
    write(tmp_path, "train.tsv", [row(n, text, ("shop", "bank", "bank-t")[n % 3]) for n, text in enumerate(texts)])
    corpus = read_corpus(tmp_path, load_codebook(), near_duplicate_cosine=0.7)
    assert len(set(corpus.groups)) < len(texts)
    parts = folds(corpus, count=2, seed=1)
    check_apart(parts, corpus.groups)
    assert sorted(np.concatenate([part.predict for part in parts])) == list(range(len(corpus.items)))


@pytest.mark.parametrize(
    ("batches", "expected"),
    [(10, 3), (2, 2)],
)
def test_each_source_is_left_out_once(batches: int, expected: int) -> None:
    corpus = read_corpus(TINY, load_codebook(), near_duplicate_cosine=0.8)
    parts = sources_out(corpus, batches=batches)
    assert len(parts) == expected
    assert sorted(np.concatenate([part.predict for part in parts])) == list(range(len(corpus.items)))
    check_apart(parts, corpus.groups)
    for part in parts:
        sources = {corpus.items[item].source for item in part.predict}
        assert part.name == f"without {', '.join(sorted(sources))}"
        assert not sources & {corpus.items[item].source for item in part.train}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tb\n", "header"),
        (f"{HEADER}\nonly\tthree\tcells\n", "line 2: 3 columns"),
        (f"{HEADER}\n{row(1, 'x', stage='leaving')}\n", "no stage of the codebook"),
        (f"{HEADER}\n{row(1, 'x', stage='-')}\n", "first label is missing"),
    ],
)
def test_a_wrong_gold_file_says_where(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "gold.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(GoldError, match=message):
        read_gold(tmp_path / "gold.tsv", load_codebook())


def test_a_missing_gold_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(GoldError, match="cannot be read"):
        read_gold(tmp_path / "gold.tsv", load_codebook())


def test_training_leaves_out_our_own_evaluation_set(tmp_path: Path) -> None:
    own = EVALUATION_FOLDER / "own.tsv"
    set_aside = read_gold(own, load_codebook())
    assert len(set_aside) == len({normalised(item.text) for item in set_aside}) == 600
    further = row(1, "the kettle broke after one week")
    copied = own.read_text(encoding="utf-8").split("\n")[1:101]
    (tmp_path / "written.tsv").write_text("\n".join([HEADER, *copied, further]) + "\n", encoding="utf-8")
    corpus = corpus_of([tmp_path / "written.tsv"], tmp_path, load_codebook(), near_duplicate_cosine=0.8)
    assert [item.id for item in corpus.items] == ["shop-1"]


def test_training_leaves_out_the_segmented_documents(tmp_path: Path) -> None:
    parts = sorted(part_ids())
    name, further = parts[0], row(1, "the kettle broke after one week")
    own = row(2, "a text that nothing else is like").replace("shop-2", name, 1)
    write(tmp_path, "written.tsv", [own, further])
    codebook = load_codebook()
    corpus = corpus_of([tmp_path / "written.tsv"], tmp_path, codebook, near_duplicate_cosine=0.8)
    assert [item.id for item in corpus.items] == ["shop-1"]  # by its id, without any text
    if not SHARED_CORPUS.is_dir():
        pytest.skip("the corpus is not here: leaving out by text is not tested")
    texts = part_texts(SHARED_CORPUS, frozenset(parts))
    assert texts.keys() == {*parts}
    long = max(texts.values(), key=len).replace("\t", " ")
    write(tmp_path, "copied.tsv", [row(3, long + "!"), further])
    corpus = corpus_of(
        [tmp_path / "copied.tsv"], tmp_path, codebook, near_duplicate_cosine=0.8, feedback=SHARED_CORPUS
    )
    assert [item.id for item in corpus.items] == ["shop-1"]
    assert {normalised(text) for text in texts.values()} <= corpus.evaluation
