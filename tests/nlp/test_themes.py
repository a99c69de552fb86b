"""Groups are found, kept up, matched and named; the same texts give the same themes."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from nlp import artifact
from nlp.codebook import load_codebook
from nlp.likeness import Likeness, Spread, echo_of, readable
from nlp.theme_names import Said, names, supported
from nlp.theme_phrases import phrases
from nlp.themes import agreement, centres, find, match, nearest, unassigned_share

HASHED = Likeness.of_model(None, "none")
TROUBLES = {
    "refund": [
        "The refund takes weeks to arrive",
        "My refund takes weeks, nobody answers",
        "A refund takes weeks here",
        "Why does every refund takes weeks now",
        "Still waiting, refund takes weeks",
        "It is sad that a refund takes weeks",
    ],
    "crash": [
        "The app crashes when I log in",
        "App crashes on my phone every day",
        "Since the update the app crashes",
        "app crashes again and again",
        "Your app crashes at the login screen",
        "The app crashes while I write",
    ],
    "code": [
        "The verification code never arrives",
        "Verification code never arrives by SMS",
        "I wait and the verification code never arrives",
        "My verification code never arrives, please fix",
        "verification code never arrives on my new phone",
        "Asked three times, verification code never arrives",
    ],
}
TEXTS = [(text, kind) for kind, texts in TROUBLES.items() for text in texts]


def _groups(texts: list[str]) -> list[int]:
    return find(HASHED.vectors([readable(text) for text in texts])).tolist()


def test_groups_are_those_that_a_person_would_make() -> None:
    group = _groups([text for text, _ in TEXTS])
    kinds = {kind: Counter(group[at] for at, (_, own) in enumerate(TEXTS) if own == kind) for kind in TROUBLES}
    largest = [found.most_common(1)[0] for found in kinds.values()]
    assert all(number >= 0 and n >= 5 for number, n in largest)
    assert len({number for number, _ in largest}) == 3


def test_the_same_texts_give_the_same_groups() -> None:
    texts = [text for text, _ in TEXTS]
    assert _groups(texts) == _groups(texts)
    assert _groups([]) == []
    assert _groups(["alone", "two"]) == [-1, -1]
    assert find(HASHED.vectors(texts), groups=2).max() == 1


def test_a_new_text_joins_its_group_and_a_strange_one_none() -> None:
    rows = HASHED.vectors([readable(text) for text, _ in TEXTS])
    group = find(rows)
    middle = centres(rows, group)
    new = HASHED.vectors(["my refund takes weeks and weeks", "zebra quartz violin", ""])
    found = nearest(new, middle)
    assert found.group.tolist() == [group[0], -1, -1]
    assert unassigned_share(found.group) == pytest.approx(2 / 3)
    assert nearest(new, middle, words=HASHED.words_width).group[0] == group[0]
    assert nearest(new, np.empty((0, 0), np.float32)).group.tolist() == [-1, -1, -1]


def test_matching_keeps_identities_and_tells_splits_and_merges() -> None:
    earlier = np.array([7] * 10 + [9] * 4 + [11] * 6)
    same = match(earlier, np.array([0] * 10 + [1] * 4 + [2] * 6))
    assert same.continues == {0: 7, 1: 9, 2: 11}
    assert not same.split_from
    assert not same.merged_into
    split = match(earlier, np.array([0] * 6 + [3] * 4 + [1] * 4 + [2] * 6))
    assert (split.continues, split.split_from) == ({0: 7, 1: 9, 2: 11}, {3: 7})
    merged = match(earlier, np.array([0] * 14 + [2] * 6))
    assert (merged.continues, merged.merged_into) == ({0: 7, 2: 11}, {9: 0})


def test_names_are_phrases_that_several_people_use() -> None:
    groups = [[Said(text, person) for person, text in enumerate(texts)] for texts in TROUBLES.values()]
    found = names(groups)
    assert found == ["Refund takes weeks", "App crashes", "Verification code never arrives"]
    assert all(supported(name, group) for name, group in zip(found, groups, strict=True))
    assert names([[Said(text, 1) for text in TROUBLES["crash"]]]) == [""]  # one person is nobody's theme
    assert not supported("Refund takes weeks", groups[1])
    # what was redacted is never part of a name
    hidden = [Said(f"Agent <name> was rude to me {n}", n) for n in range(5)]
    assert "name" not in names([hidden])[0].lower()


def test_a_second_phrase_stands_for_whom_the_first_leaves_out() -> None:
    said = [
        *("I was charged a fee twice", "You charged me the fee", "they charge fees", "fee charged again"),
        *("the receipt shows nothing", "No receipt, nothing", "nothing on my receipt"),
    ]
    group = [Said(text, person) for person, text in enumerate(said)]
    elsewhere = [Said(text, 100 + at) for at, (text, _) in enumerate(TEXTS)]
    found = names([group, elsewhere])[0]
    first, second = found.split(", ")
    assert "charge" in first.lower()
    assert "receipt" in second
    assert not {"i", "you", "me", "my", "they"} & set(found.lower().replace(",", "").split())
    assert supported(found, group)
    assert not supported(found, group[:4])  # nobody is left who speaks of receipts


PAGE = [
    "The page does not load on my phone",
    "Your page won't load",
    "no size on the page, photos not in order",
    "I could not read this page",
    "a page full of ads is no help to me",
]
ELSEWHERE = ["It would not load", "loads too slowly", "load it again", *TROUBLES["crash"], *TROUBLES["code"]]


def test_in_a_small_group_two_people_may_make_a_phrase_of_a_mere_word() -> None:
    small = [Said(text, person) for person, text in enumerate(PAGE)]
    named = names([small], others=ELSEWHERE)[0]
    assert named in ("Page does not load", "Page won't load")
    assert supported(named, small)
    assert not supported(named, small[1:])  # one is left who says so
    # of a larger group two are too few, as ever; so they are where their word is no common one
    large = [*small, *(Said(f"not the page for this {n}", 10 + n) for n in range(8))]
    assert "load" not in names([large], others=ELSEWHERE)[0]
    assert not supported(named, large)
    assert "load" not in names([small], others=TROUBLES["crash"])[0]


def test_two_voices_do_not_turn_a_word_round() -> None:
    said = [
        *("I cannot recommend it enough", "Could not recommend it more"),
        *("I recommend it", "Recommend to all", "recommend, recommend"),
    ]
    name = names([[Said(text, person) for person, text in enumerate(said)]], others=["I would not recommend it"])[
        0
    ]
    assert "not" not in name


def test_a_name_denies_as_people_do() -> None:
    said = ["I could not verify the card", "could not verify card", "You could not verify the card?"]
    group = [Said(text, person) for person, text in enumerate(said)]
    found = names([group], others=TROUBLES["crash"])[0]
    assert found.startswith("Could not verify")
    assert supported(found, group)


def test_a_name_has_three_phrases_and_eight_words_at_most() -> None:
    def named(*parts: str) -> str:
        group = [Said(part, 10 * turn + at) for at, part in enumerate(parts) for turn in range(4)]
        return names([group], others=[text for text, _ in TEXTS])[0]

    assert len(named("parcel delivery", "charging cable", "printed manual", "winter jacket").split(", ")) == 3
    # nine words would be one too many, so that less is said of the third
    long = named("slow parcel delivery", "broken charging cable", "missing printed manual")
    assert (len(long.split(", ")), len(long.split())) == (3, 8)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("Why isn't my card working?", "card isn't working"),
        ("Isn't the deposit showing up?", "deposit isn't showing up"),
        ("How long do transfers take to arrive?", "transfers take long"),
        ("How long is delivery?", "long delivery"),
        ("How much is the fee for topping up?", "fee for topping up"),
        ("Is the refund late?", "refund late"),
        ("They are not transferring my money", "not transferring money"),
        ("Could not use top up", "could not use top up"),
        ("Don't get a refund", "don't get a refund"),
    ],
)
def test_a_question_is_told_as_a_statement(asked: str, told: str) -> None:
    assert told in {phrase.shown for phrase in phrases(asked)}


def test_a_number_is_no_name() -> None:
    said = ("four boots in it", "Spare parts: four came", "they took four", "lasted four", "four, again four")
    assert names([[Said(text, person) for person, text in enumerate(said)]]) == [""]


def test_a_name_leans_towards_its_own_centre() -> None:
    groups = [[Said(text, person) for person, text in enumerate(texts)] for texts in TROUBLES.values()]
    rows = HASHED.vectors([text for text, _ in TEXTS])
    middle = centres(rows, np.repeat(np.arange(3), 6))
    assert names(groups, alike=HASHED.vectors, middle=middle) == names(groups)
    # said with the other groups' centres in their places, the same phrases are worth less, but none is lost
    assert all(names(groups, alike=HASHED.vectors, middle=middle[[1, 2, 0]]))


def test_the_shipped_encoders_vectors_are_evened_out() -> None:
    shipped = artifact.load(artifact.tier_folder("accurate"), load_codebook())
    likeness = Likeness.of_artifact(shipped, shipped.manifest.version)
    assert likeness.version.endswith("+even"), "run `python -m training.likeness` for the new encoder"
    texts = ["Where is my refund?", "The money was not paid back", "The app shows a blank page"]
    rows = likeness.vectors(texts)
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert rows[0] @ rows[1] > rows[0] @ rows[2]
    assert likeness.vectors(texts[:1], meaning=False)[0, likeness.words_width :].any() == np.False_
    # another encoder's are left as they are
    other = Likeness.of_model(shipped.model, "other")
    assert other.spread is None
    assert other.version == "other"


def test_stored_rows_spare_the_encoder_and_change_nothing() -> None:
    shipped = artifact.load(artifact.tier_folder("accurate"), load_codebook())
    likeness = Likeness.of_artifact(shipped, shipped.manifest.version)
    texts = [text for text, _ in TEXTS[:4]]
    stored = likeness.short(texts)
    assert stored.shape[1] == likeness.short_width
    read = likeness.vectors(texts)
    partly = stored.copy()
    partly[2] = 0
    assert np.array_equal(likeness.vectors(texts, known=partly), read)
    # the rows decide, not the texts: what is known is not read once more
    assert not np.array_equal(likeness.vectors(texts, known=stored[::-1]), read)


def test_evening_out_takes_from_the_widest_direction() -> None:
    rows = np.random.default_rng(1).normal(size=(400, 3)) * [9.0, 1.0, 1.0] + [5.0, 0.0, 0.0]
    before = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    even = Spread.measured("some", rows.astype(np.float32)).even(rows.astype(np.float32))
    assert even.var(axis=0).max() / even.var(axis=0).min() < before.var(axis=0).max() / before.var(axis=0).min()


def test_copies_share_an_echo_and_short_texts_have_none() -> None:
    campaign = "We the customers of this town demand that the branch on the square stays open on every Saturday"
    assert echo_of(campaign) == echo_of(campaign.upper() + "!!")
    assert echo_of("Great service") is None
    assert echo_of(campaign) != echo_of(
        "The parcel came two weeks late and the box was open and half of it was gone"
    )


def test_order_does_not_matter_once_texts_are_sorted() -> None:
    texts = sorted(text for text, _ in TEXTS)
    shuffled = list(texts)
    random.Random(1).shuffle(shuffled)
    assert _groups(texts) == _groups(sorted(shuffled))


def _around(centre_count: int, each: int, *, spread: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    middle = rng.normal(size=(centre_count, 32))
    of = np.repeat(np.arange(centre_count), each)
    rows = middle[of] + spread * rng.normal(size=(len(of), 32))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), of


@pytest.mark.parametrize("groups", [1, 2, 5, 12, 59])
def test_exactly_so_many_groups_as_asked_for(groups: int) -> None:
    rows, of = _around(5, 12, spread=0.4)
    found = find(rows, groups=groups)
    sizes = Counter(found.tolist())
    assert sorted(sizes) == list(range(groups)), "every row is in one"
    assert [sizes[number] for number in range(groups)] == sorted(sizes.values(), reverse=True)
    assert np.array_equal(found, find(rows, groups=groups))
    if groups == 5:
        assert len(set(zip(found.tolist(), of.tolist(), strict=True))) == 5, "the groups that are there"


def test_a_row_between_groups_is_the_least_sure() -> None:
    rows, of = _around(2, 15, spread=0.2)
    between = rows[of == 0].mean(axis=0) + rows[of == 1].mean(axis=0)
    rows = np.vstack([rows, (between / np.linalg.norm(between))[None].astype(np.float32)])
    group = find(rows, groups=2)
    sure = agreement(rows, group)
    assert ((sure >= 0) & (sure <= 1)).all()
    assert sure.argmin() == len(rows) - 1
