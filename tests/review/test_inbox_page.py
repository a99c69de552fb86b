"""The review inbox: what waits, deciding and taking back, and the blind sample that chance draws."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from service.auth import Caller, Vault
from service.review import audit, inbox
from service.review.agreement import AgreementOut, of_field
from service.store import rollups
from service.store.schema import AuditDraw, Correction
from service.work import Work
from tests.classify.made import change_item, make_item, tagged_item
from tests.classify.tagging import WordPipeline
from tests.conftest import Client
from tests.review.test_pages import MARKUP, browser

__all__ = ["browser"]  # the fixture

Browser = Callable[..., TestClient]
RIGHT = {
    "stage": "usage",
    "emotion": "neutral",
    "sentiment": "neutral",
    "topic": "general",
    "touchpoint": "product",
}


def _csrf(client: TestClient) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get("/review").text)
    assert found is not None
    return found[1]


def _item(text: str) -> int | None:
    found = re.search(r'data-decide>.*?name="item" value="(\d+)"', text, re.S)
    return int(found[1]) if found else None


def _decide(client: TestClient, queue: str, item_id: int | None, labels: dict[str, str], **more: str) -> Any:
    given = {"csrf": _csrf(client), "queue": queue, "item": str(item_id), **labels, **more}
    return client.post("/review/decide", data=given)


def test_unsure_items_come_one_at_a_time(
    browser: Browser, work: Work, client: Client, words: WordPipeline
) -> None:
    made = [tagged_item(work, client.workspace_id, f"stage=churn (unsure) {MARKUP} {n}") for n in range(3)]
    tagged_item(work, client.workspace_id, "stage=usage")
    tagged_item(work, client.workspace_id, "(foreign) words")
    analyst = browser("analyst")
    first = analyst.get("/review").text
    assert _item(first) == made[2]
    assert 'Unsure <b class="count plain">3</b>' in first
    assert re.search(r'value="churn"[^>]* checked', first), "the model's guess is proposed"
    assert "<script>alert" not in first
    assert "style=" not in first
    (skip,) = re.findall(r'href="(/review\?[^"]+)" data-skip', first)
    second = analyst.get(skip.replace("&amp;", "&"))
    assert _item(second.text) == made[1]
    after = second.url.params["after"]
    third = _decide(analyst, "unsure", made[1], RIGHT, after=after)
    assert _item(third.text) == made[0], "what was skipped stays skipped"
    stored = client.get(f"/v1/feedback/{made[1]}").json()
    assert (stored["stage"]["label"], stored["unsure"], stored["topic"]["corrected"]) == ("usage", False, True)
    undo = re.search(r'action="/review/undo".*?name="correction" value="(\d+)"', third.text, re.S)
    assert undo is not None
    back = analyst.post(
        "/review/undo",
        data={
            "csrf": _csrf(analyst),
            "queue": "unsure",
            "item": str(made[1]),
            "correction": undo[1],
            "after": after,
        },
    )
    assert _item(back.text) == made[1]
    assert client.get(f"/v1/feedback/{made[1]}").json()["unsure"] is True
    assert _decide(analyst, "unsure", made[1], {"topic": "price"}).status_code == 422
    with work.database.read() as session:
        assert not rollups.verify(session, client.workspace_id)


def test_people_who_disagree(browser: Browser, work: Work, client: Client, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, "one opinion")
    analyst, lead, admin = browser("analyst"), browser("lead"), browser("admin")
    _decide(analyst, "unsure", item_id, RIGHT)
    assert "Nothing waits" in analyst.get("/review?queue=disputed").text
    _decide(lead, "unsure", item_id, RIGHT | {"stage": "churn"})
    text = admin.get("/review?queue=disputed").text
    assert _item(text) == item_id
    assert "<b>a analyst</b> said" in text
    _decide(admin, "disputed", item_id, RIGHT)
    assert "Nothing waits" in admin.get("/review?queue=disputed").text


def test_when_a_dispute_is_settled() -> None:
    def said(*words: tuple[str, str]) -> bool:
        rows = [
            Correction(id=n, workspace_id=1, item_id=1, text_version=1, author=author, labels={"stage": label})
            for n, (author, label) in enumerate(words)
        ]
        return inbox.settled(rows)

    assert said(("a", "usage"), ("b", "usage"))
    assert not said(("a", "usage"), ("b", "churn"))
    assert said(("a", "usage"), ("b", "churn"), ("c", "usage")), "two against one"
    assert said(("a", "usage"), ("b", "churn"), ("b", "usage")), "gave in"
    assert not said(("a", "usage"), ("c", "usage"), ("b", "churn")), "what is shown is not what most say"


def test_a_labelled_text_that_was_replaced(
    browser: Browser, work: Work, client: Client, words: WordPipeline
) -> None:
    item_id = tagged_item(work, client.workspace_id, "one opinion")
    analyst = browser("analyst")
    _decide(analyst, "unsure", item_id, RIGHT)
    change_item(work, client.workspace_id, item_id, text="stage=churn", text_version=2)
    assert _item(analyst.get("/review?queue=changed").text) == item_id
    done = _decide(analyst, "changed", item_id, RIGHT)
    assert _item(done.text) is None


def test_the_sample_is_blind_and_measures(
    browser: Browser, work: Work, client: Client, words: WordPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "TWICE_OF", 2**62)
    for n in range(3):
        tagged_item(work, client.workspace_id, f"stage=usage peculiar{n}", respondent=f"r{n % 2}")
    tagged_item(work, client.workspace_id, "(foreign) words")
    make_item(work.database, client.workspace_id, None)
    analyst = browser("analyst")
    assert "Nothing drawn" in analyst.get("/review?queue=audit").text
    assert "Not measured yet" in analyst.get("/review").text
    drawn = analyst.post("/review/draw", data={"csrf": _csrf(analyst)})
    assert 'Random sample <b class="count plain">3</b>' in drawn.text, "only what has labels"
    article = drawn.text.partition("<article")[2]
    assert "checked" not in article
    assert "sure of" not in article
    first = _item(drawn.text)
    assert _decide(analyst, "audit", first, {"stage": "usage"}).status_code == 422
    done = _decide(analyst, "audit", first, RIGHT)
    again = _decide(analyst, "audit", first, RIGHT)
    assert again.status_code == 200, "sent twice is stored once"
    assert _decide(browser("lead"), "audit", first, RIGHT).status_code == 409
    second = _item(done.text)
    last = _decide(analyst, "audit", second, RIGHT | {"stage": "churn"})
    assert re.search(r"Measured on your data: n \d people, too few", last.text)
    assert "words-1" in last.text
    with work.database.read() as session:
        found = audit.measured(session, client.workspace_id)
        rows = session.exec(select(AuditDraw)).all()
    assert found is not None
    assert (found["items"], found["rate"], found["unsure"]) == (2, 1.0, 0)
    by_field = {one["field"]: one["value"] for one in found["fields"]}
    assert (by_field["stage"], by_field["topic"]) == (0.5, 1.0)
    assert found["n"] == len({client.get(f"/v1/feedback/{one}").json()["respondent"] for one in (first, second)})
    assert sum(one.decided_at is not None for one in rows) == 2
    # what is taken back waits again and is not counted
    undo = re.search(r'action="/review/undo".*?name="correction" value="(\d+)"', last.text, re.S)
    assert undo is not None
    given = {"csrf": _csrf(analyst), "queue": "audit", "item": str(second), "correction": undo[1]}
    assert _item(analyst.post("/review/undo", data=given).text) == second
    with work.database.read() as session:
        found = audit.measured(session, client.workspace_id)
    assert found is not None
    assert found["items"] == 1


def test_a_second_person_is_asked_blind(
    browser: Browser, work: Work, client: Client, words: WordPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "TWICE_OF", 1)
    made = [tagged_item(work, client.workspace_id, f"stage=usage {n}") for n in range(2)]
    analyst, lead, admin = browser("analyst"), browser("lead"), browser("admin")
    first = _item(analyst.post("/review/draw", data={"csrf": _csrf(analyst)}).text)
    assert "Not known yet. One in 1" in analyst.get("/review").text
    _decide(analyst, "audit", first, RIGHT | {"stage": "churn"})
    assert 'Random sample <b class="count plain">1</b>' in analyst.get("/review").text, "not once more by the same"
    waiting = lead.get(f"/review?queue=audit&show={first}").text
    assert 'Random sample <b class="count plain">2</b>' in waiting
    assert _item(waiting) == first
    article = waiting.partition("<article")[2]
    assert "checked" not in article
    assert "<b>a analyst</b>" not in waiting, "the first answer is hidden"
    _decide(lead, "audit", first, RIGHT)
    assert _decide(lead, "audit", first, RIGHT).status_code == 200, "sent twice is stored once"
    assert _decide(admin, "audit", first, RIGHT).status_code == 409, "two are enough"
    second = next(one for one in made if one != first)
    for person in (admin, lead):
        _decide(person, "audit", second, RIGHT)
    found = AgreementOut.model_validate(client.get("/v1/agreement").json())
    assert (found.n, found.people, found.few) == (2, 3, True)
    by_field = {one.field: one for one in found.fields}
    assert (by_field["stage"].equal, by_field["stage"].alpha) == (0.5, 0.0)
    assert (by_field["topic"].equal, by_field["topic"].alpha) == (1.0, None), "one label only"
    text = lead.get("/review").text
    assert "2 items labelled by two of 3 people, blind; too few" in text
    # they differ: a third word decides
    assert _item(admin.get("/review?queue=disputed").text) == first
    with work.database.read() as session:
        measured = audit.measured(session, client.workspace_id)
        corrections = session.exec(select(Correction).where(Correction.item_id == first)).all()
    assert measured is not None
    assert measured["items"] == 2, "the model is measured by the first answers alone"
    assert len(corrections) == 2
    # taken back, the second answer waits again and counts no more
    given = {"csrf": _csrf(lead), "queue": "audit", "item": str(first), "correction": str(corrections[1].id)}
    assert _item(lead.post("/review/undo", data=given).text) == first
    assert client.get("/v1/agreement").json()["n"] == 1


def test_alpha_is_krippendorffs() -> None:
    # worked by hand: 10 pairs, 8 equal; 9 of 20 labels «usage», 7 «churn», 4 «none»
    pairs = [("usage", "usage")] * 4 + [("churn", "churn")] * 3 + [("none", "none")] + [("usage", "none")]
    pairs += [("churn", "none")]
    counts = {"usage": 9, "churn": 7, "none": 4}
    expected = 1 - sum(n * (n - 1) for n in counts.values()) / (20 * 19)
    found = of_field("stage", pairs)
    assert found.alpha == pytest.approx(1 - 0.2 / expected, abs=1e-4)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.alpha < found.high <= 1
    assert found == of_field("stage", pairs), "the same every time"


def test_by_chance_alpha_is_nothing() -> None:
    labels = ("usage", "churn", "support", "none")
    draws = np.random.default_rng(1).integers(0, 4, (4_000, 2)).tolist()
    found = of_field("stage", [(labels[one], labels[other]) for one, other in draws])
    assert found.alpha == pytest.approx(0, abs=0.04)
    same = of_field("stage", [(labels[one], labels[one]) for one, _ in draws])
    assert (same.alpha, same.low, same.high) == (1.0, 1.0, 1.0)


def test_one_in_four_is_given_to_two(work: Work, client: Client, words: WordPipeline) -> None:
    numbers = audit.permanent_numbers(np.arange(1, 40_001, dtype=np.int64), 77)
    chosen = numbers % np.uint64(audit.TWICE_OF) == 0
    assert chosen.mean() == pytest.approx(1 / audit.TWICE_OF, abs=0.01)
    # whatever was drawn first: as many among the smallest numbers
    assert chosen[np.argsort(numbers)[:4_000]].mean() == pytest.approx(1 / audit.TWICE_OF, abs=0.03)


def test_ordinary_corrections_measure_nothing(
    browser: Browser, work: Work, client: Client, words: WordPipeline
) -> None:
    item_id = tagged_item(work, client.workspace_id, "one opinion (unsure)")
    _decide(browser("analyst"), "unsure", item_id, RIGHT)
    with work.database.read() as session:
        assert audit.measured(session, client.workspace_id) is None


def _person(client: Client) -> Caller:
    return Caller(client.workspace_id, "default", "UTC", "person:a", frozenset({"read", "verbatims", "review"}))


def test_each_draw_takes_the_smallest_numbers(work: Work, client: Client, words: WordPipeline) -> None:
    vault = Vault(work.settings)
    made = [tagged_item(work, client.workspace_id, f"stage=usage {n}") for n in range(9)]
    seed = int(vault.keyed_hash(f"audit:{client.workspace_id}")[:16], 16)
    order = [made[at] for at in np.argsort(audit.permanent_numbers(np.array(made, dtype=np.int64), seed))]
    for wanted, expected in ((2, 2), (4, 4), (9, 3), (9, 0)):
        with work.database.write() as session:
            assert audit.draw(session, vault, _person(client), wanted=wanted) == expected
    with work.database.read() as session:
        rows = session.exec(select(AuditDraw).order_by(AuditDraw.id)).all()  # type: ignore[arg-type]
        assert audit.undecided(session, client.workspace_id, actor="person:a") == order
    assert [one.item_id for one in rows] == order
    assert [round(one.rate, 3) for one in rows] == [0.222] * 2 + [0.667] * 4 + [1.0] * 3


def test_permanent_numbers_are_uniform() -> None:
    numbers = audit.permanent_numbers(np.arange(1, 100_001, dtype=np.int64), 12345).astype(np.float64) / 2**64
    assert abs(numbers.mean() - 0.5) < 0.005
    # every tenth of the range, and of the ids, holds its share
    tenths, _ = np.histogram(numbers, bins=10, range=(0, 1))
    assert tenths.min() > 9_600
    assert tenths.max() < 10_400
    assert abs(np.corrcoef(numbers, np.arange(100_000))[0, 1]) < 0.01


def test_who_sees_numbers_only_decides_nothing(
    browser: Browser, work: Work, client: Client, words: WordPipeline
) -> None:
    item_id = tagged_item(work, client.workspace_id, "peculiar (unsure)")
    viewer = browser("viewer")
    for queue in ("unsure", "audit"):
        text = viewer.get(f"/review?queue={queue}").text
        assert "numbers only" in text
        assert "peculiar" not in text
    for path in ("decide", "undo", "draw"):
        given = {"csrf": _csrf(viewer), "queue": "unsure", "item": str(item_id), "stage": "usage"}
        assert viewer.post(f"/review/{path}", data=given).status_code == 403
    analyst = browser("analyst")
    for path in ("decide", "undo", "draw"):
        assert analyst.post(f"/review/{path}", data={"csrf": "wrong", "queue": "unsure"}).status_code == 403
    other = browser("admin", "another")
    assert "peculiar" not in other.get("/review").text
    assert other.get(f"/review?show={item_id}").status_code == 404
    assert _decide(other, "unsure", item_id, RIGHT).status_code == 404
    assert analyst.get("/review?queue=odd").status_code == 404
    assert analyst.get("/review?after=odd").status_code == 422


@pytest.mark.parametrize("path", ["/review", "/review?queue=audit"])
def test_a_stranger_signs_in_first(client: Client, path: str) -> None:
    assert TestClient(client.app).get(path, headers={"Accept": "text/html"}).url.path == "/sign-in"
