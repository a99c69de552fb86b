"""Themes whose names claim each other's texts are one theme; others stay as they are."""

from __future__ import annotations

import numpy as np

from nlp.likeness import Likeness
from nlp.model import Vectors
from nlp.named_themes import joined, leaning, named
from nlp.theme_names import Said
from nlp.themes import Ints, centres
from tests.nlp.test_themes import TEXTS, TROUBLES

HASHED = Likeness.of_model(None, "none")
SAID = [Said(text, person) for person, (text, _) in enumerate(TEXTS)]
OF_TROUBLE: Ints = np.array([list(TROUBLES).index(kind) for _, kind in TEXTS], dtype=np.int64)


def _rows() -> Vectors:
    return HASHED.vectors([text for text, _ in TEXTS])


def test_groups_that_their_names_tell_apart_stay() -> None:
    found = named(_rows(), SAID, OF_TROUBLE, alike=HASHED.vectors)
    assert found.group.tolist() == OF_TROUBLE.tolist()
    assert set(found.called) == {0, 1, 2}
    assert len(set(found.called.values())) == 3
    assert all(found.called.values())


def test_a_trouble_in_two_groups_becomes_one_with_one_name() -> None:
    cut: Ints = np.where((OF_TROUBLE == 0) & (np.arange(len(TEXTS)) % 2 == 0), 3, OF_TROUBLE)
    found = named(_rows(), SAID, cut, alike=HASHED.vectors)
    assert len(set(found.group[OF_TROUBLE == 0].tolist())) == 1
    assert len(found.called) == 3
    assert sum("refund" in name.lower() for name in found.called.values()) == 1
    assert found.group[OF_TROUBLE != 0].tolist() == OF_TROUBLE[OF_TROUBLE != 0].tolist()


def test_a_text_goes_where_it_would_be_looked_for() -> None:
    astray = OF_TROUBLE.copy()
    astray[0] = 1  # "The refund takes weeks to arrive" among those whose app crashes
    astray[-1] = -1  # in no group: it stays there
    found = named(_rows(), SAID, astray, alike=HASHED.vectors)
    assert found.group[0] == 0
    assert found.group[-1] == -1


def test_texts_that_names_are_not_made_from_follow() -> None:
    texts = [said.text for said in SAID] * 2
    said = [Said(text, person) for person, text in enumerate(texts)]
    trouble: Ints = np.tile(OF_TROUBLE, 2)
    cut: Ints = np.where((trouble == 0) & (np.arange(len(texts)) % 2 == 0), 3, trouble)
    shown = np.ones(len(texts), dtype=bool)
    shown[[0, 1]] = False  # one of either half
    found = named(HASHED.vectors(texts), said, cut, alike=HASHED.vectors, shown=shown)
    assert len(set(found.group[trouble == 0].tolist())) == 1
    # a group of which nothing is shown has no name, and stays
    hidden = trouble != 2
    alone = named(HASHED.vectors(texts), said, trouble, alike=HASHED.vectors, shown=hidden)
    assert set(alone.called) == {0, 1}
    assert alone.group.tolist() == trouble.tolist()


def test_a_large_group_does_not_swallow_a_small_one_that_it_claims() -> None:
    """Four texts that are put to the other's name are much for a small group, little beside a large one."""
    assert joined(np.array([[400.0, 0.0], [4.0, 2.0]]), np.array([400.0, 6.0])) == [0, 1]
    assert joined(np.array([[6.0, 0.0], [4.0, 2.0]]), np.array([6.0, 6.0])) == [0, 0]
    # joined groups claim together: neither of the small ones alone is confused with the third
    claimed = np.array([[10.0, 5.0, 2.0], [0.0, 10.0, 2.0], [0.0, 0.0, 20.0]])
    assert joined(claimed, np.array([17.0, 12.0, 20.0])) == [0, 0, 2]
    assert joined(np.zeros((0, 0)), np.zeros(0)) == []


def test_what_a_name_attracts_leans_towards_it() -> None:
    middle = centres(_rows(), OF_TROUBLE)
    called = {0: "Refund takes weeks", 1: "App crashes", 2: ""}
    drawn = leaning(middle, called, HASHED.vectors)
    assert set(drawn) == {0, 1}
    name = HASHED.vectors(["Refund takes weeks"])[0]
    assert float(drawn[0] @ name) > float(middle[0] @ name)
    assert np.isclose(np.linalg.norm(drawn[0]), 1.0, atol=1e-5)
