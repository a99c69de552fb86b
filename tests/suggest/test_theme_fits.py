"""A suggestion fits the theme: the worker writes down which entries a theme's texts mean, pages read that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from nlp.likeness import Likeness, readable
from nlp.model import Look
from service.aggregate import grouping
from service.aggregate.grouping import regroup
from service.classify.active_model import set_pipeline
from service.stop import Stop
from service.store.columns import now
from service.store.engine import Database
from service.store.meaning_blocks import store_vectors, unread
from service.store.schema import Job, Theme
from service.store.themes import ThemeSize
from service.suggest.meaning import FITS_FROM, Meanings
from service.suggest.pains import find_pains
from service.suggest.playbook import Entry, Playbook, shipped_playbook
from service.suggest.theme_fits import fit_themes, of_pain, several, speaker
from service.work import JobKind, Work
from service.worker import KINDS, Worker
from tests.classify.tagging import WordPipeline
from tests.nlp.test_themes import TROUBLES
from tests.suggest.counted import CODEBOOK, columns, hurt

HASHED = Likeness("hashed", None, None)


class Encoder:
    """Reads words where the real one reads meaning."""

    def __init__(self) -> None:
        self.read = 0
        self.seen: set[str] = set()

    def look(self, texts: Sequence[str], _questions: Sequence[str | None]) -> Look:
        self.read += len(texts)
        self.seen.update(texts)
        return Look(HASHED.vectors(texts), {})


@pytest.fixture
def encoder() -> Iterator[Encoder]:
    set_pipeline(WordPipeline(sentiment="negative", emotion="frustration"))
    yield Encoder()
    set_pipeline(None)


@pytest.fixture
def up_to_date(work: Work, database: Database, encoder: Encoder) -> Any:
    likeness = Likeness("words", None, encoder)  # type: ignore[arg-type]
    themes = JobKind(partial(regroup, likeness_of=lambda _: likeness, afterwards=fit_themes))

    def run() -> None:
        for _ in range(2):
            with database.write() as session:
                session.execute(update(Job).values(run_after=now()))
            Worker(work, Stop(), kinds={"classify": KINDS["classify"], "themes": themes}).run_until_idle()

    return run


@pytest.mark.parametrize("stored", [True, False])
def test_stored_vectors_are_not_made_again(
    client: Any, work: Work, database: Database, encoder: Encoder, stored: bool
) -> None:
    likeness = Likeness("words", None, encoder)  # type: ignore[arg-type]
    send(client)
    themes = JobKind(partial(regroup, likeness_of=lambda _: likeness, afterwards=fit_themes))
    tag(work, database)
    if stored:
        store(database, client.workspace_id, likeness)
    encoder.seen.clear()
    with database.write() as session:
        session.execute(update(Job).values(run_after=now()))
    Worker(work, Stop(), kinds={"themes": themes}).run_until_idle()
    with database.read() as session:
        fits = session.execute(select(col(Theme.fits)).where(col(Theme.state) == "active")).scalars().all()
    assert len(fits) == 3
    assert all(one and one["near"] for one in fits)
    said = {readable(text) for texts in TROUBLES.values() for text in texts}
    assert (encoder.seen & said == set()) is stored


@pytest.mark.parametrize("stored", [True, False])
def test_all_is_grouped_by_meaning_where_that_is_stored(
    client: Any,
    work: Work,
    database: Database,
    encoder: Encoder,
    stored: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("LEAST_MEANING", "SHARE_MEANING", "MOST_MEANING"):
        monkeypatch.setattr(grouping, name, 0)
    likeness = Likeness("words", None, encoder)  # type: ignore[arg-type]
    endings = ("", " sadly", " again", " today", " twice")
    for ending in endings:
        send(client, ending)
    tag(work, database)
    if stored:
        store(database, client.workspace_id, likeness)
    with database.write() as session:
        session.execute(update(Job).values(run_after=now()))
    themes = JobKind(partial(regroup, likeness_of=lambda _: likeness))
    Worker(work, Stop(), kinds={"themes": themes}).run_until_idle()
    with database.read() as session:
        history = session.execute(select(col(Theme.history)).where(col(Theme.state) == "active")).scalars().all()
    grouped = sum(one["segments"] for some in history for one in some if one["what"] == "found")
    assert (grouped > grouping.LEAST_READ) is stored


def tag(work: Work, database: Database) -> None:
    with database.write() as session:
        session.execute(update(Job).values(run_after=now()))
    Worker(work, Stop(), kinds={"classify": KINDS["classify"]}).run_until_idle()


def store(database: Database, workspace_id: int, likeness: Likeness) -> None:
    with database.read() as session:
        items = unread(session, workspace_id, vectors="words", below=None, limit=100)
    rows = [likeness.short([readable(one.text[start:end]) for start, end in one.spans]) for one in items]
    with database.write() as session:
        store_vectors(session, workspace_id, vectors="words", items=items, rows=rows)


def send(client: Any, ending: str = "", kinds: Sequence[str] = ("refund", "crash", "code")) -> None:
    items = [
        {"text": text + ending, "channel": "review", "source": "shop", "respondent": f"{kind}-{number}-{ending}"}
        for kind in kinds
        for number, text in enumerate(TROUBLES[kind])
    ]
    assert client.post("/v1/feedback/batch", json=items).json()["accepted"] == len(items)


def told(client: Any) -> dict[str, Any]:
    [row] = client.get("/v1/suggestions").json()["data"]
    return dict(row)


def test_each_theme_has_what_fits_it_and_the_largest_speaks_for_the_pain(
    client: Any, up_to_date: Any, encoder: Encoder
) -> None:
    send(client)
    send(client, " sadly")
    send(client, " again", kinds=("refund",))
    up_to_date()
    row = told(client)
    entries = {entry.id: entry for entry in shipped_playbook().entries}
    best = {one["name"].split()[0]: one["best"] for one in row["themes"]}
    assert set(best) == {"Refund", "App", "Verification"}
    told_apart = {one["playbook_entry"]: name for name, one in best.items() if one is not None}
    assert told_apart
    for entry_id, name in told_apart.items():
        assert name.lower() in " ".join(entries[entry_id].patterns).lower()
    assert row["theme"] == row["themes"][0]["name"]
    assert row["theme"].startswith("Refund")
    assert row["themes"][0]["complaining"] == 18
    assert all(one["complaining"] == one["respondents"] for one in row["themes"])


def test_nothing_is_read_twice_until_the_theme_has_doubled(
    client: Any, up_to_date: Any, encoder: Encoder, database: Database
) -> None:
    send(client)
    send(client, " sadly")
    up_to_date()
    with database.read() as session:
        before = {row.id: row.fits for row in session.execute(select(Theme)).scalars()}
    assert all(one and one["near"] for one in before.values())
    send(client, " once more", kinds=("code",))
    up_to_date()
    with database.read() as session:
        after = {row.id: row.fits for row in session.execute(select(Theme)).scalars()}
    assert after == before  # half as many again
    send(client, " today", kinds=("code",))
    up_to_date()
    with database.read() as session:
        rows = session.execute(select(Theme).where(col(Theme.name).like("Verification%"))).scalars().all()
        assert {row.fits["members"] for row in rows if row.fits} == {24}


def test_an_entry_of_ones_own_is_looked_at_at_once(client: Any, up_to_date: Any) -> None:
    send(client)
    send(client, " sadly")
    send(client, " again", kinds=("crash",))
    up_to_date()
    body = {
        "stage": "usage",
        "topics": ["reliability"],
        "pain": "The app falls over",
        "patterns": ["the app crashes", "app crashes again and again", "your app crashes at the login"],
        "adaptation": "Call the night shift and roll back the release.",
        "effort": "low",
        "metric": "Sessions without a crash",
        "owner": "App lead",
        "test": "Roll back for a tenth of the users.",
    }
    made = client.post("/v1/playbook", json=body)
    assert made.status_code == 201, made.text
    assert made.json()["id"] not in {
        one["best"] and one["best"]["playbook_entry"] for one in told(client)["themes"]
    }
    up_to_date()
    assert told(client)["themes"][0]["best"]["playbook_entry"] == made.json()["id"]
    assert "The adaptation is for its largest theme, «App" in told(client)["why"]
    assert told(client)["playbook_entry"] == made.json()["id"]
    assert told(client)["adaptation"] == body["adaptation"]
    client.delete(f"/v1/playbook/{made.json()['id']}")
    assert told(client)["playbook_entry"] != made.json()["id"]  # gone at once, also before the worker looks


def test_without_an_encoder_words_decide_as_before(client: Any, work: Work, database: Database) -> None:
    set_pipeline(WordPipeline(sentiment="negative", emotion="frustration"))
    try:
        send(client)
        send(client, " sadly")
        for _ in range(2):
            with database.write() as session:
                session.execute(update(Job).values(run_after=now()))
            kinds = {name: KINDS[name] for name in ("classify", "themes")}
            Worker(work, Stop(), kinds=kinds).run_until_idle()
        row = told(client)
        assert row["themes"]
        assert not any(one["fits"] for one in row["themes"])
        with database.read() as session:
            assert not any(one for one in session.execute(select(col(Theme.fits))).scalars())
    finally:
        set_pipeline(None)


def entry(name: str, stage: str, topic: str, *patterns: str) -> Entry:
    return Entry(name, stage, (topic,), name, "do it", "low", "m", "o", "t", "i", patterns)


def test_what_fits_nothing_is_said_to() -> None:
    likeness = Likeness("words", None, Encoder())  # type: ignore[arg-type]
    only = Playbook((entry("late", "delivery", "delivery", "parcel came late", "late again"),))
    found = Meanings(only, likeness)
    assert found.near("delivery", "delivery", []) == []
    assert found.near("delivery", "delivery", ["parcel came late"])[0][0] == "late"
    [(_, strange)] = found.near("delivery", "delivery", ["purple hedgehogs hummed"])
    assert strange < FITS_FROM
    assert Meanings(Playbook(()), likeness).near("delivery", "delivery", ["late"]) == []


BOOK = Playbook(
    (
        entry("usual", "usage", "quality", "not good enough"),
        entry("battery", "usage", "quality", "battery flat"),
        entry("noise", "usage", "quality", "too loud"),
        Entry("why", "usage", ("general",), "p", "find out", "low", "m", "o", "t", "i"),
    )
)


def pain_of(people: int) -> Any:
    found = find_pains(columns([hurt("quality", stage="usage") for _ in range(people)]), CODEBOOK)
    return found["usage", "quality"]


def theme(number: int, complaining: int, near: str | None, *, respondents: int = 0) -> ThemeSize:
    fits = None if near is None else {"stamp": "s", "members": 9, "near": [[near, 0.6], ["usual", 0.3]]}
    return ThemeSize(str(number), f"T{number}", complaining, respondents or complaining, fits, complaining)


def test_a_theme_speaks_for_a_pain_only_where_a_third_have_it() -> None:
    pain = pain_of(90)
    found = speaker(BOOK, pain, [theme(1, 30, "battery"), theme(2, 20, "noise")])
    assert found is not None
    assert (found[0].id, found[1].entry.id) == ("1", "battery")
    assert speaker(BOOK, pain, [theme(1, 29, "battery")]) is None
    assert speaker(BOOK, pain, [theme(1, 80, None), theme(2, 70, "battery")]) is None
    assert speaker(BOOK, pain, [theme(1, 80, "gone from the playbook")]) is None
    assert speaker(BOOK, pain, []) is None


def test_several_troubles_get_the_usual_entry_with_theirs_beside_it() -> None:
    pain = pain_of(90)
    found = several(BOOK, pain, [theme(1, 20, "battery"), theme(2, 15, "noise"), theme(3, 15, None)])
    assert found is not None
    assert (found.entry.id, found.fits) == ("usual", True)
    assert [one.id for one, _ in found.near] == ["battery", "noise"]
    assert several(BOOK, pain, [theme(1, 20, "battery"), theme(2, 15, "battery")]) is None
    assert several(BOOK, pain, [theme(1, 20, "battery")]) is None


def test_who_says_it_calmly_does_not_make_a_theme_of_a_pain_large() -> None:
    calm, upset, none = theme(1, 3, "noise", respondents=500), theme(2, 9, "battery"), theme(3, 0, "noise")
    assert [one.id for one in of_pain([calm, upset, none])] == ["2", "1"]
