"""Whatever the order and repetition of an item's versions, the newest by the sender's clock stands in the end."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from service import auth
from service.ingest.incoming import IncomingItem
from service.ingest.receive import receive
from service.settings import Settings
from service.store.engine import Database
from service.store.queue import Priority
from service.store.schema import FeedbackItem, ItemVersion, Job

SHOWN = (
    "text",
    "channel",
    "score_value",
    "attributes",
    "sender_updated_at",
    "occurred_at",
    "at",
    "state",
    "question",
    "respondent",
)

versions = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.sampled_from(["late", "late again", "lost", None]),
            "score": st.sampled_from([1, 3, 5]),
            "channel": st.sampled_from(["review", "survey"]),
            "question": st.sampled_from([None, "Why?"]),
            "attributes": st.sampled_from([{}, {"plan": "pro"}]),
            "occurred_at": st.sampled_from(["2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z"]),
        }
    ),
    min_size=1,
    max_size=5,
)


@st.composite
def histories(draw: Any) -> tuple[list[dict[str, Any]], list[list[int]]]:
    """An item's versions, oldest first, and calls of one or more of them that deliver each at least once."""
    made = [
        version | {"external_id": "r-1", "respondent": "c-1", "updated_at": f"2026-11-0{number + 1}T00:00:00Z"}
        for number, version in enumerate(draw(versions))
    ]
    places = list(range(len(made)))
    order = draw(st.permutations(places + draw(st.lists(st.sampled_from(places), max_size=4))))
    calls: list[list[int]] = [[]]
    for place in order:
        if calls[-1] and draw(st.booleans()):
            calls.append([])
        calls[-1].append(place)
    return made, calls


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=histories())
def test_every_order_ends_in_the_same_state(
    database: Database, settings: Settings, history: tuple[list[dict[str, Any]], list[list[int]]]
) -> None:
    made, calls = history
    vault = auth.Vault(settings)
    with database.write() as session:
        ws = auth.workspace_named(session, f"w{id(history)}", create=True).id
        assert ws is not None
        newest = {**made[-1], "external_id": "expected"}
        take = {"workspace_id": ws, "source_default": "shop", "priority": Priority.SINGLE}
        receive(session, vault, items=[IncomingItem.model_validate(newest)], **take)
        tagged = 0
        for call in calls:
            outcomes = receive(session, vault, items=[IncomingItem.model_validate(made[n]) for n in call], **take)
            tagged += sum(outcome.needs_tagging for outcome in outcomes)
        expected, found = session.exec(
            select(FeedbackItem).where(FeedbackItem.workspace_id == ws).order_by(FeedbackItem.id)  # type: ignore[arg-type]
        ).all()
        assert {name: getattr(found, name) for name in SHOWN} == {name: getattr(expected, name) for name in SHOWN}
        history_rows = session.exec(select(ItemVersion).where(ItemVersion.item_id == found.id)).all()
        assert found.text_version == 1 + len(history_rows)
        assert sorted(row.text_version for row in history_rows) == list(range(1, found.text_version))
        jobs = session.exec(select(Job).where(Job.workspace_id == ws, Job.kind == "classify")).all()
        assert sum(job.payload["items"].count(found.id) for job in jobs) == tagged
        session.rollback()
