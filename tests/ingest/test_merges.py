"""People whom a sender merged are one person here, in whatever order it is told, and erased as one."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from service.ingest import erasure, merges
from service.ingest.senders import SENDERS
from service.store.engine import Database
from service.store.schema import Delivery, ErasureMark, FeedbackItem, Job, MergedPerson
from service.work import Work
from tests.ingest.telling import TOLD, Desk, check_rollups, run_jobs

Told = dict[str, Any]
ORDERS = 10


@pytest.fixture
def desk(work: Work, workspace_id: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Desk]:
    monkeypatch.setitem(SENDERS, "told", TOLD)
    monkeypatch.setattr(erasure, "LATECOMER_SECONDS", 0.0)
    monkeypatch.setattr(merges, "LATECOMER_SECONDS", 0.0)
    return lambda source: Desk(work, workspace_id, source)


def said(person: str | None, number: int, **more: Any) -> Told:
    return {"items": [{"external_id": f"i-{number}", "text": "It broke.", "respondent": person, **more}]}


def merged(gone: str, survivor: str) -> Told:
    return {"merged": [[gone, survivor]]}


def erased(person: str) -> Told:
    return {"gone": [["respondent", person]]}


def people(work: Work, workspace_id: int, names: Sequence[str], source: str) -> dict[str, str]:
    """Of each item of the source whose it is."""
    by_pseudonym = {work.vault.pseudonym(workspace_id, name): name for name in names}
    with work.database.read() as session:
        rows = session.execute(
            select(col(FeedbackItem.external_id), col(FeedbackItem.respondent))
            .where(col(FeedbackItem.source) == source)
            .order_by(col(FeedbackItem.external_id))
        )
        return {row.external_id: by_pseudonym.get(row.respondent, "nobody") for row in rows}


CHAIN = [said("a", 1), said("b", 2), said("c", 3), said("d", 4), merged("a", "b"), merged("b", "c")]


def test_in_any_order_all_of_a_chain_are_the_last_one(
    work: Work, desk: Callable[[str], Desk], workspace_id: int
) -> None:
    chance = random.Random(5)
    for number in range(ORDERS):
        place = desk(f"s{number}")
        order = [*CHAIN, *chance.choices(CHAIN, k=3)]
        chance.shuffle(order)
        for told in order:
            place.tells(**told)
        found = people(work, workspace_id, "abcd", f"s{number}")
        assert found == {"i-1": "c", "i-2": "c", "i-3": "c", "i-4": "d"}, order
    check_rollups(work, workspace_id)


@pytest.mark.parametrize(
    ("gone", "left"),
    [("a", {"i-2", "i-3", "i-4"}), ("b", {"i-3", "i-4"}), ("c", {"i-4"}), ("d", {"i-1", "i-2", "i-3"})],
)
def test_an_erasure_reaches_who_was_merged_into_the_person_and_nobody_else(
    work: Work, desk: Callable[[str], Desk], workspace_id: int, gone: str, left: set[str]
) -> None:
    chance = random.Random(9)
    told = [*CHAIN, erased(gone)]
    for number in range(ORDERS):
        place = desk(f"s{number}")
        order = [*told, *chance.choices(told, k=3)]
        chance.shuffle(order)
        for one in order:
            place.tells(**one)
        assert set(people(work, workspace_id, "abcd", f"s{number}")) == left, order
        if number % 5 == 0:
            run_jobs(work)
            place.tells(**chance.choice(CHAIN))
            assert set(people(work, workspace_id, "abcd", f"s{number}")) == left, order
    run_jobs(work)
    check_rollups(work, workspace_id)


def test_of_an_erased_person_no_merge_is_kept(
    work: Work, desk: Callable[[str], Desk], database: Database, workspace_id: int
) -> None:
    place = desk("s")
    for told in [*CHAIN, merged("d", "e"), erased("c")]:
        place.tells(**told)
    run_jobs(work)
    for told in (merged("a", "b"), merged("x", "a"), merged("b", "c")):
        place.tells(**told)
    run_jobs(work)
    with database.read() as session:
        rows = session.execute(select(col(MergedPerson.gone_key))).scalars()
        assert [work.vault.decrypt(key) for key in rows] == ["d"]
        marks = session.execute(select(col(ErasureMark.key_hash)).where(col(ErasureMark.kind) == "respondent"))
        assert len(set(marks.scalars())) == 4, "a, b, c and x"
        # what they are called stands nowhere
        assert all(
            body == b"" for body in session.execute(
                select(col(Delivery.body)).where(col(Delivery.state) == "parsed", col(Delivery.results) == [])
            ).scalars()
        )  # fmt: skip
    place.tells(**said("x", 9))
    assert set(people(work, workspace_id, "dex", "s")) == {"i-4"}


def test_merges_that_come_together_hold_together(
    work: Work, desk: Callable[[str], Desk], workspace_id: int
) -> None:
    for number, pairs in enumerate(itertools.permutations([["a", "b"], ["b", "c"], ["c", "d"]])):
        place = desk(f"s{number}")
        place.tells(**said("a", 1))
        place.tells(**erased("d"))
        place.tells(**{"merged": list(pairs)})
        place.tells(**said("b", 2))
        assert people(work, workspace_id, "abcd", f"s{number}") == {}


def test_a_circle_of_merges_is_one_person(work: Work, desk: Callable[[str], Desk], workspace_id: int) -> None:
    told = [said("a", 1), said("b", 2), merged("a", "b"), merged("b", "a")]
    ends = set()
    for number, order in enumerate(itertools.permutations(told)):
        place = desk(f"s{number}")
        for one in order:
            place.tells(**one)
        found = people(work, workspace_id, "ab", f"s{number}")
        assert len(found) == 2
        ends |= set(found.values())
        place.tells(**erased("a"))
        assert people(work, workspace_id, "ab", f"s{number}") == {}
    assert len(ends) == 1
    run_jobs(work)


def test_a_merge_holds_for_its_own_source_and_workspace_only(
    work: Work, desk: Callable[[str], Desk], workspace_id: int
) -> None:
    here, there = desk("here"), desk("there")
    for place in (here, there):
        place.tells(**said("a", 1))
    here.tells(**merged("a", "b"))
    assert people(work, workspace_id, "ab", "here") == {"i-1": "b"}
    assert people(work, workspace_id, "ab", "there") == {"i-1": "a"}
    there.tells(**erased("b"))
    run_jobs(work)
    assert people(work, workspace_id, "ab", "here") == {"i-1": "b"}
    assert people(work, workspace_id, "ab", "there") == {"i-1": "a"}


def test_who_is_erased_here_takes_along_who_was_merged_into_them(
    work: Work, desk: Callable[[str], Desk], workspace_id: int
) -> None:
    here, there = desk("here"), desk("there")
    for place in (here, there):
        place.tells(**said("a", 1))
        place.tells(**said("b", 2))
    here.tells(**merged("a", "b"))
    unread = here.tells(**{"items": [{"text": 7}], "person": "visitor-a"})
    here.tells(**merged("visitor-a", "b"))
    erasure.erase_person(work.database, work.settings, work.vault, workspace_id=workspace_id, respondent="b")
    assert people(work, workspace_id, "ab", "here") == {}
    assert people(work, workspace_id, "ab", "there") == {"i-1": "a"}, "a is somebody else there"
    with work.database.read() as session:
        assert session.get_one(Delivery, unread).body == b"", "it names who was merged into them"
    here.tells(**said("visitor-a", 3))
    here.tells(**said("a", 4))
    assert people(work, workspace_id, "ab", "here") == {}


def test_a_merge_finds_what_slipped_in_meanwhile(
    work: Work, desk: Callable[[str], Desk], database: Database, workspace_id: int
) -> None:
    place = desk("s")
    place.tells(**merged("a", "b"))
    place.tells(**said("a", 1))
    with database.write() as session:  # as a transaction that had begun before leaves it
        (item,) = session.execute(select(FeedbackItem)).scalars()
        item.respondent, item.respondent_told = work.vault.pseudonym(workspace_id, "a"), None
        session.add(item)
    assert people(work, workspace_id, "ab", "s") == {"i-1": "a"}
    run_jobs(work)
    assert people(work, workspace_id, "ab", "s") == {"i-1": "b"}
    with database.read() as session:
        payloads = session.execute(select(col(Job.payload))).scalars().all()
        assert all("a" not in (payload.get("told") or []) for payload in payloads)


def test_a_part_that_says_otherwise_moves_the_item_back(
    work: Work, desk: Callable[[str], Desk], workspace_id: int
) -> None:
    place = desk("s")
    place.tells(**merged("a", "b"))
    place.tells(**said("a", 1, updated_at="2026-11-01T00:00:00Z"))
    assert people(work, workspace_id, "abc", "s") == {"i-1": "b"}
    place.tells(**said("c", 1, updated_at="2026-11-02T00:00:00Z"))
    assert people(work, workspace_id, "abc", "s") == {"i-1": "c"}
    place.tells(**said(None, 1, updated_at="2026-11-03T00:00:00Z"))
    assert people(work, workspace_id, "abc", "s") == {"i-1": "nobody"}
    place.tells(**erased("a"))
    assert set(people(work, workspace_id, "abc", "s")) == {"i-1"}
    check_rollups(work, workspace_id)


def test_more_merges_than_anybody_makes_are_kept_to_be_seen(
    work: Work, desk: Callable[[str], Desk], workspace_id: int
) -> None:
    place = desk("s")
    place.tells(**said("a0", 1))
    most = place.tells(merged=[[f"a{number}", "b"] for number in range(merges.MAX_MERGES)])
    assert people(work, workspace_id, ["a0", "b"], "s") == {"i-1": "b"}
    more = place.tells(merged=[[f"c{number}", "b"] for number in range(merges.MAX_MERGES + 1)])
    with work.database.read() as session:
        assert session.get_one(Delivery, most).state == "parsed"
        assert session.get_one(Delivery, more).state == "unparsed"
    place.tells(**erased("b"))
    run_jobs(work)
    assert people(work, workspace_id, ["a0", "b"], "s") == {}
    with work.database.read() as session:
        assert session.execute(select(MergedPerson)).first() is None
