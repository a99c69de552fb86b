"""An accepted change measured through the API: windows, comparison, verdict, and what little data can tell."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from service.store import rollups
from service.store.columns import now
from service.store.engine import Database
from service.store.schema import FeedbackItem, SuggestionDecision
from service.suggest.impact_wording import change_in_words
from tests.conftest import Client
from tests.suggest.conftest import START, AddItem

PATH = "/v1/suggestions/purchase.ease_of_use"
BASELINE, TRIGGER, WASHOUT, AFTER = 6, 8, 1, 8


@pytest.fixture
def agreed_at() -> datetime:
    """So long ago that the plan has just ended."""
    return now() - timedelta(weeks=WASHOUT + AFTER, hours=1)


@pytest.fixture
def history(add: AddItem, workspace_id: int, database: Database, agreed_at: datetime) -> Callable[..., None]:
    """Fills the weeks around the decision: so many complaints a week of ten in the changed cell."""

    def fill(
        before: int, after: int, *, raised: int | None = None, unchanged: tuple[str, ...] = ("usage", "support")
    ) -> None:
        first = (agreed_at - START).days - 7 * (BASELINE + TRIGGER) - 1
        neutral = {"topic": "quality", "sentiment": "neutral", "emotion": "neutral"}
        with database.write() as session:
            for week in range(BASELINE + TRIGGER + WASHOUT + AFTER + 1):
                day = first + 7 * week
                late = week >= BASELINE + TRIGGER
                complaints = before if week < BASELINE else after if late else raised or before
                for number in range(10):
                    said = {"topic": "ease_of_use"} if number < complaints else neutral
                    add(workspace_id, day=day + number % 7, session=session, **said)
                for stage in unchanged:
                    for topic in ("reliability", "quality", "features", "information"):
                        add(workspace_id, stage=stage, topic=topic, day=day + 2, session=session)

    return fill


def _agree(client: Client, database: Database, at: datetime) -> None:
    answer = client.post(f"{PATH}/decision", json={"decision": "accept"})
    assert answer.status_code == 200, answer.text
    plan = answer.json()["decisions"][-1]["numbers"]["plan"]
    assert plan["planned_weeks"] == AFTER
    assert plan["metric"] == "share_of_stage"
    with database.write() as session:
        session.execute(update(SuggestionDecision).values(at=at))


def test_a_change_that_helped(
    client: Client, database: Database, history: Callable[..., None], agreed_at: datetime
) -> None:
    history(before=6, after=1)
    assert client.get(f"{PATH}/impact").status_code == 409
    _agree(client, database, agreed_at)
    found = client.get(f"{PATH}/impact").json()
    assert (found["verdict"], found["final"]) == ("helped", True), found["says"]
    assert found["before"]["share"] == pytest.approx(0.6, abs=0.03)
    assert found["after"]["share"] == pytest.approx(0.1, abs=0.03)
    assert found["difference"]["high"] < 0
    assert found["comparison"]["cells"] == 8
    assert found["baseline"]["excluded_from"] == found["baseline"]["to"]
    parts = [week["part"] for week in found["series"]]
    assert parts == sorted(parts, key=["baseline", "excluded", "washout", "after", "later"].index)
    assert sum(part == "after" for part in parts) == AFTER
    assert found["says"].startswith("It helped: ")
    assert found["start_told"] is False
    detail = client.get(PATH).json()
    assert detail["decisions"][0]["numbers"]["plan"]["smallest_effect"] == 0.2


def test_the_weeks_that_raised_it_are_no_baseline(
    client: Client, database: Database, history: Callable[..., None], agreed_at: datetime
) -> None:
    """A spike before the decision that falls again by itself: nothing helped."""
    history(before=3, after=3, raised=9)
    _agree(client, database, agreed_at)
    found = client.get(f"{PATH}/impact").json()
    assert found["verdict"] in ("inconclusive", "no_effect_worth_having")
    assert found["before"]["share"] == pytest.approx(0.3, abs=0.05)


def test_little_to_compare_with_is_told(
    client: Client, database: Database, history: Callable[..., None], agreed_at: datetime
) -> None:
    history(before=6, after=5, unchanged=("usage",))
    _agree(client, database, agreed_at)
    found = client.get(f"{PATH}/impact").json()
    assert (found["verdict"], found["comparison"]["cells"]) == ("inconclusive", 4), found["says"]
    assert "Little is there to compare with: 4 other complaints that nobody changed" in found["says"]


def test_enough_to_compare_with_is_no_matter(
    client: Client, database: Database, history: Callable[..., None], agreed_at: datetime
) -> None:
    history(before=6, after=5)
    _agree(client, database, agreed_at)
    found = client.get(f"{PATH}/impact").json()
    assert (found["verdict"], found["comparison"]["cells"]) == ("inconclusive", 8), found["says"]
    assert "to compare with" not in found["says"]


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (0.35, "65 % less"),
        (0.001, "over 99 % less"),
        (0.998, "about as much"),
        (1.2, "20 % more"),
        (3.44, "3.4 times as much"),
        (46.64, "47 times as much"),
        (1234.0, "1,234 times as much"),
    ],
)
def test_a_change_in_words(ratio: float, said: str) -> None:
    assert change_in_words(ratio) == said


def test_too_early_says_when(
    client: Client, database: Database, history: Callable[..., None], agreed_at: datetime
) -> None:
    history(before=6, after=6)
    _agree(client, database, now() - timedelta(days=3))
    found = client.get(f"{PATH}/impact").json()
    assert found["verdict"] == "not_enough_data"
    assert found["enough_on"] > now().date().isoformat()
    assert found["enough_on"] in found["says"]
    assert "a week said so" in found["says"]
    assert "More feedback of this stage makes it sooner" in found["says"]
    assert found["before"] is None


def test_a_start_told_later_moves_the_windows_and_a_roll_back_ends_them(
    client: Client, database: Database, history: Callable[..., None], agreed_at: datetime
) -> None:
    history(before=6, after=1)
    _agree(client, database, agreed_at)
    start = agreed_at + timedelta(weeks=2)
    body = {"decision": "start", "effective_at": start.isoformat()}
    assert client.post(f"{PATH}/decision", json=body).status_code == 200
    found = client.get(f"{PATH}/impact").json()
    assert (found["start_told"], found["plan"]["weeks_done"], found["final"]) == (True, AFTER - 2, False)
    assert found["baseline"]["to"] < found["baseline"]["excluded_to"]
    assert "An early look after 6 weeks" in found["says"]
    assert client.post(f"{PATH}/decision", json={"decision": "roll_back"}).status_code == 200
    assert client.get(f"{PATH}/impact").json()["ended_at"] is not None


def test_labels_of_different_models_are_not_compared(
    client: Client, database: Database, history: Callable[..., None], agreed_at: datetime
) -> None:
    history(before=6, after=1)
    _agree(client, database, agreed_at)
    with database.write() as session:
        late = [row for row in session.execute(select(FeedbackItem)).scalars() if row.at >= agreed_at]
        ids = [row.id for row in late]
        for start in range(0, len(ids), 100):
            some = ids[start : start + 100]
            before = rollups.snapshot(session, late[0].workspace_id, some)
            session.execute(update(FeedbackItem).where(FeedbackItem.id.in_(some)).values(model="m2"))  # type: ignore[union-attr]
            rollups.apply(
                session,
                late[0].workspace_id,
                before=before,
                after=rollups.snapshot(session, late[0].workspace_id, some),
            )
    found = client.get(f"{PATH}/impact").json()
    assert (found["verdict"], found["after"]) == ("not_enough_data", None)
    assert "different models" in found["says"]


def test_unknown_ones_and_other_workspaces(client: Client, client_of: Callable[..., Client]) -> None:
    assert client.get("/v1/suggestions/purchase.nothing/impact").status_code == 404
    assert client.get("/v1/suggestions/odd/impact").status_code == 404
    assert client_of(workspace="another").get(f"{PATH}/impact").status_code == 404
    assert client_of(scopes=["ingest"]).get(f"{PATH}/impact").status_code == 403
