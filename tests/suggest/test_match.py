"""What fits a pain: by what customers say, not by its labels alone, and steadily."""

from __future__ import annotations

import numpy as np

from service.suggest.fitting import SAMPLE, sample
from service.suggest.match import Matcher
from service.suggest.pains import find_pains
from service.suggest.playbook import Entry, Playbook, shipped_playbook
from tests.suggest.counted import CODEBOOK, columns, hurt

MATCHER = Matcher(shipped_playbook())


def proposed(stage: str, topic: str, *said: str) -> str:
    fit = MATCHER.fit(stage, topic, said)
    assert fit is not None
    return fit.entry.id


def test_words_choose_among_the_entries_of_one_stage_and_topic() -> None:
    said = {
        "usage-battery-power": [
            "the battery is flat by noon",
            "battery life is poor",
            "must charge it twice a day",
        ],
        "usage-picture-print": ["pictures come out blurry", "poor image quality in low light", "photos too dark"],
        "usage-cleanliness-food": ["the food was cold", "our room was dirty", "shower was not clean"],
    }
    for entry, words in said.items():
        assert proposed("usage", "quality", *words) == entry


def test_words_may_outweigh_labels() -> None:
    """A stolen card that the model took for a support matter of payment."""
    assert proposed("support", "payment", "my card was stolen", "someone stole my card", "lost my card") in (
        "usage-card-lost-stolen",
        "usage-unsafe",
    )


def test_where_nothing_fits_it_says_so_and_names_what_comes_near() -> None:
    fit = MATCHER.fit("purchase", "payment", ["purple hedgehogs hummed", "seven willows sang a madrigal"])
    assert fit is not None
    assert not fit.fits
    assert fit.entry.id == "purchase-find-out-why"
    assert len(fit.near) == 3


def test_without_words_stage_and_topic_decide() -> None:
    fit = MATCHER.fit("delivery", "delivery", ())
    assert fit is not None
    assert fit.fits
    assert fit.entry is shipped_playbook().entry_for("delivery", "delivery")
    assert MATCHER.fit("none", "delivery", ["late"]) is None
    general = MATCHER.fit("delivery", "general", ())
    assert general is not None
    assert not general.fits


def test_no_text_makes_it_stumble() -> None:
    for text in ("", " ", "?!", "\x00", "naïve 🙂" * 50, "a" * 5_000):
        assert MATCHER.fit("usage", "speed", [text]) is not None


def test_a_playbook_without_patterns_finds_out_why() -> None:
    only = Entry("w", "usage", ("general",), "p", "a", "low", "m", "o", "t", "i")
    fit = Matcher(Playbook((only,))).fit("usage", "speed", ["slow"])
    assert fit is not None
    assert (fit.entry, fit.fits, fit.near) == (only, False, ())


def test_the_sample_stays_nearly_the_same_as_evidence_grows() -> None:
    def ids(items: int) -> set[int]:
        pain = find_pains(columns([hurt(day=20_000 + one) for one in range(items)]), CODEBOOK)
        return set(sample(pain["purchase", "ease_of_use"]))

    assert ids(10) == set(range(1, 11)) or len(ids(10)) == 10
    before, after = ids(2_000), ids(2_050)
    assert len(before) == len(after) == SAMPLE
    assert len(before & after) >= SAMPLE - 4
    assert np.std(list(before)) > 300  # of all times, not the oldest or the newest alone
