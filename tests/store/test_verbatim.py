"""What examples show of a customer's words: cut in the database, redacted with what stands around them in view."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from service.aggregate.journey import journey_map
from service.aggregate.query import MapQuery
from service.store.engine import Database
from service.store.schema import FeedbackItem, Segment
from service.store.verbatim import said, said_columns
from tests.store.items_for_counting import add_items, make_item
from tests.suggest.conftest import AddItem, add  # noqa: F401

PAIN = ("purchase", "frustration", "negative", "ease_of_use", "checkout")


def shown(database: Database, workspace_id: int, text: str, start: int, end: int, *, most: int) -> tuple[str, str]:
    """The raw and the shown words of one stored segment."""
    with database.write() as session:
        (item_id,) = add_items(session, [make_item(workspace_id, 1, text=text)])
        labels = dict(zip(("stage", "emotion", "sentiment", "topic", "touchpoint"), PAIN, strict=True))
        session.add(
            Segment(workspace_id=workspace_id, item_id=item_id, position=0, start=start, end=end, **labels)
        )
    with database.read() as session:
        row = session.execute(
            select(*said_columns(most)).join(FeedbackItem, col(FeedbackItem.id) == col(Segment.item_id))
        ).one()
        return said(row, most).raw, said(row, most).shown()


@pytest.mark.parametrize(
    ("before", "segment", "after", "expected"),
    [
        (
            "",
            "Mail jo@example.com, nobody answers order 12345678.",
            "",
            "Mail <email>, nobody answers order 12345678.",
        ),
        ("My name is\n", "Ann Lee and it never came.", " Bye.", "<name> and it never came."),
        ("😀" * 300 + " call me on ", "5551234567 after six", " please", "<phone> after six"),
        ("fine. ", "  all fine  ", "", "all fine"),
    ],
)
def test_words_are_redacted_with_what_stands_around_them(
    database: Database, workspace_id: int, before: str, segment: str, after: str, expected: str
) -> None:
    place = (len(before), len(before) + len(segment))
    raw, safe = shown(database, workspace_id, before + segment + after, *place, most=200)
    assert raw == segment.strip()
    assert safe == expected


def test_what_is_cut_in_the_middle_of_a_number_shows_no_half_of_it(database: Database, workspace_id: int) -> None:
    text = "The card that I paid with, 4111 1111 1111 1111, was charged again and again."
    raw, safe = shown(database, workspace_id, text, 0, len(text), most=36)
    assert raw == "The card that I paid with, 4111 111…"
    assert "4111" not in safe
    assert safe == "The card that I paid with, <card>…"


def test_verbatims_of_map_and_suggestions_are_redacted_the_item_is_not(
    client: Any,
    database: Database,
    workspace_id: int,
    add: AddItem,  # noqa: F811
) -> None:
    endings = ("the basket was empty again", "five pages until I could pay", "vouchers vanish when I log in")
    for day, end in enumerate(endings):
        text = f"I am Mr Petrov{'abc'[day]}, 07700 900{day}23, order 4417239988: {end}"
        item_id = add(workspace_id, text, respondent=str(day), day=day)
    with database.read() as session:
        found = journey_map(session, workspace_id=workspace_id, timezone="UTC", query=MapQuery())
    on_map = [one["text"] for stage in found["stages"] for one in stage["verbatims"]]
    suggestion = client.get("/v1/suggestions/purchase.ease_of_use").json()
    under_it = [one["verbatim"] for one in suggestion["evidence"]]
    for texts in (on_map, under_it):
        assert sorted(texts) == sorted(f"I am Mr <name>, <phone>, order 4417239988: {end}" for end in endings)
    assert "<phone>" in suggestion["customer_feedback"]
    assert "07700" not in suggestion["customer_feedback"]
    with database.read() as session:
        item = session.get_one(FeedbackItem, item_id)
    assert item.text == f"I am Mr Petrovc, 07700 900223, order 4417239988: {endings[2]}"
