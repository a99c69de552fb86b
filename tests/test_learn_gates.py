"""What is learnt from many corrections, and what the gates do not let through."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nlp.overlay import from_bytes, to_bytes
from nlp.pipeline import Pipeline
from service.learn.gates import judge, objections
from service.learn.learn import FieldResult, learn
from service.learn.reference import Reference, Seen, looked_at, reference
from service.settings import Settings

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.load(tier="fast")


@pytest.fixture(scope="module")
def held_to(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"))
    made = reference(settings, pipeline)
    kept = reference(settings, pipeline)
    assert np.array_equal(made.evaluation.vectors, kept.evaluation.vectors)
    assert np.array_equal(made.replay.chances["topic"], kept.replay.chances["topic"])
    return made


def corrected(pipeline: Pipeline, labels: list[str | None], field: str = "touchpoint") -> Seen:
    """Texts of an escape room, a business of its own kind, with labels in one field."""
    things = ["lock", "lamp", "safe", "clue", "door", "clock", "letter", "mirror", "key", "chest"]
    doings = ["opened with a click", "was stuck", "glowed in the dark", "hid a number", "gave us a fright"]
    texts = [f"The {thing} in room {n % 4} {doing}" for n, thing in enumerate(things) for doing in doings]
    order = pipeline.artifact.model.labels
    said = {name: np.full(len(labels), -1, dtype=np.int16) for name in order}
    said[field] = np.array([-1 if one is None else order[field].index(one) for one in labels], dtype=np.int16)
    return looked_at(pipeline, texts[: len(labels)], [None] * len(labels), said)


def learnt(pipeline: Pipeline, held_to: Reference, seen: Seen) -> dict[str, FieldResult]:
    _, results = learn(
        seen, np.arange(len(seen)), held_to, dict(pipeline.artifact.model.labels), base=pipeline.model_version
    )
    return {result.field: result for result in results}


def test_a_business_s_own_ways_are_learnt(pipeline: Pipeline, held_to: Reference) -> None:
    seen = corrected(pipeline, ["store"] * 50)
    result = learnt(pipeline, held_to, seen)["touchpoint"]
    assert result.head is not None
    whole = result.held_out[0]
    assert whole.n == 50
    assert whole.after > whole.before  # on corrections that were held out
    assert not list(objections(result.evaluation, "ours"))
    document = result.document()["corrections"]
    assert document["after"]["low"] <= document["after"]["value"] <= document["after"]["high"]


def test_labels_without_sense_do_no_harm(pipeline: Pipeline, held_to: Reference) -> None:
    names = pipeline.artifact.model.labels["topic"]
    draw = np.random.default_rng(5)
    seen = corrected(pipeline, [names[int(at)] for at in draw.integers(len(names), size=50)], "topic")
    result = learnt(pipeline, held_to, seen)["topic"]
    # where anything is used at all, it passed both gates
    assert result.head is None or result.held_out[0].after >= result.held_out[0].before
    assert not result.adopted or not list(objections([*result.held_out, *result.evaluation], "either"))
    before, after = result.evaluation[0].before, result.evaluation[0].after
    assert after >= 0.98 * before


def test_a_field_that_loses_stays_at_the_default(pipeline: Pipeline, held_to: Reference) -> None:
    # a set that only the default gets right, near enough to be reached by what is learnt
    seen = corrected(pipeline, ["store"] * 50)
    opposed = {name: chances.argmax(axis=1).astype(np.int16) for name, chances in seen.chances.items()}
    strict = Reference(Seen(seen.vectors, seen.chances, opposed), held_to.replay, held_to.axes)
    result = learnt(pipeline, strict, seen)["touchpoint"]
    assert not result.adopted
    assert result.reason is not None
    assert "would lose more than noise on our evaluation set" in result.reason


def test_few_corrections_are_remembered_only(pipeline: Pipeline, held_to: Reference) -> None:
    seen = corrected(pipeline, ["store", "email", None])
    results = learnt(pipeline, held_to, seen)
    assert (results["touchpoint"].head, results["touchpoint"].remembered) == (None, True)
    assert not results["stage"].adopted
    assert results["stage"].reason == "nobody corrected this field"


def test_the_same_corrections_give_the_same_overlay(pipeline: Pipeline, held_to: Reference) -> None:
    seen = corrected(pipeline, ["store"] * 30)
    labels = dict(pipeline.artifact.model.labels)
    one, two = (learn(seen, np.arange(30), held_to, labels, base="fast-1")[0] for _ in range(2))
    assert one.version == two.version == from_bytes(to_bytes(one)).version


def test_losses_beyond_noise_are_objected_to() -> None:
    truth = np.repeat(np.array([0, 1, 2], np.int16), [20, 20, 5])
    right = truth.copy()
    worse = truth.copy()
    worse[20:25] = 0  # five of «b», none won: 1 in 32
    (told,) = [one for one in objections(judge(truth, right, worse, NAMES), "the set") if "«b»" in one]
    assert told == "«b» would lose more than noise on the set: 20 → 15 of 20"
    noise = truth.copy()
    noise[20:24] = 0  # four: 1 in 16
    assert not list(objections(judge(truth, right, noise, NAMES), "the set"))
    # too few of «c» to be judged alone
    assert [one.label for one in judge(truth, right, right, NAMES)] == [None, "a", "b"]


def test_what_is_won_counts_against_what_is_lost() -> None:
    truth = np.zeros(40, np.int16)
    before, after = truth.copy(), truth.copy()
    before[:20] = 1
    after[20:28] = 1  # 20 won, 8 lost
    assert not list(objections(judge(truth, before, after, NAMES), "the set"))
    assert list(objections(judge(truth, after, before, NAMES), "the set"))


def test_the_reference_is_made_anew_for_other_files(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.learn import reference as module

    header = "id\tsource\tcontext\ttext\tstage\tstage2\temotion\temotion2\tsentiment\ttopic\ttouchpoint"
    row = "x-{0}\tx\tinvented\ttext number {0}\tusage\t-\tneutral\t-\tneutral\tgeneral\tproduct"
    for name in ("EVALUATION_FOLDER", "REPLAY_FOLDER"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own.tsv").write_text("\n".join([header, *(row.format(n) for n in range(3))]) + "\n")
        monkeypatch.setattr(module, name, tmp_path / name)
    settings = Settings(data_dir=tmp_path / "data")
    (tmp_path / "REPLAY_FOLDER" / "own.tsv").write_text("\n".join([header, row.format(2), row.format(7)]) + "\n")
    found = reference(settings, pipeline)
    assert (len(found.evaluation), len(found.replay)) == (3, 1)  # what judges is not replayed
    (tmp_path / "REPLAY_FOLDER" / "own.tsv").write_text("\n".join([header, row.format(8), row.format(9)]) + "\n")
    assert len(reference(settings, pipeline).replay) == 2
    assert len(list((tmp_path / "data" / "learning").iterdir())) == 1
