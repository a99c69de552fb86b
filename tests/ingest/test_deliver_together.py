"""Deliveries stored together end in the state that they would have reached one by one."""

from __future__ import annotations

import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service import auth
from service.ingest.deliver_together import Arrival, deliver_together
from service.ingest.identity import respondent_mark
from service.ingest.incoming import Call
from service.settings import Settings
from service.store import rollups
from service.store.engine import Database
from service.store.schema import Delivery, Endpoint, ErasureMark, FeedbackItem, Job
from tests.ingest.delivering import make_endpoint, signed

WORDS = "the words of somebody"
START = datetime(2026, 11, 20, 9, tzinfo=UTC)
KINDS = ("new", "same item again", "sent again", "no item", "unparsable", "half of it", "no id", "erased", "two")


def _arrival(endpoint: Endpoint, number: int, kind: str, earlier: int) -> Arrival:
    moment = START + timedelta(seconds=number)
    item: dict[str, Any] = {"id": f"i{number}", "text": f"{WORDS} {number}", "rating": 1 + number % 5}
    payload: Any = {"type": "feedback.created", "data": item}
    name = f"m{number}"
    if kind == "same item again":
        item["id"] = f"i{earlier}"
    elif kind == "sent again":
        item |= {"id": f"i{earlier}", "text": f"{WORDS} {earlier}", "rating": 1 + earlier % 5}
        name = f"m{earlier}"
    elif kind == "no item":
        payload["type"] = "feedback.test"
    elif kind == "unparsable":
        payload = ["?"]
    elif kind == "half of it":
        payload["data"] = {"items": [item, {"id": "x"}, 7]}
    elif kind == "no id":
        payload["data"] = {"text": WORDS, "user_id": "c-1", "created_at": "2026-05-05T10:00:00Z"}
    elif kind == "erased":
        item["respondent"] = "c-gone"
    elif kind == "two":
        payload["data"] = {"items": [item, item | {"id": f"i{earlier}", "text": "other words"}]}
    body, headers = signed(name, payload)
    return Arrival(endpoint, Call(headers, body), moment)


def _stored_state(database: Database) -> Any:
    with database.read() as session:
        items = session.execute(
            select(FeedbackItem).order_by(FeedbackItem.source, FeedbackItem.identity)
        ).scalars()
        names: dict[int | None, str] = {}
        told = []
        for item in items:
            key = item.identity if not item.identity.startswith("once:") else "once"
            names[item.id] = key
            told.append((item.source, key, item.text, item.text_version, item.score_value, item.received_at))
        to_tag = {
            names[one]
            for payload in session.execute(select(Job.payload).where(Job.kind == "classify")).scalars()
            for one in payload["items"]
        }
        deliveries = [
            (
                one.endpoint_id,
                one.external_id,
                one.received_at,
                one.body,
                one.state,
                one.detail,
                one.repeats,
                [
                    result | {"id": names.get(int(result["id"]))} if "id" in result else result
                    for result in one.results
                ],
            )
            for one in session.execute(
                select(Delivery).order_by(Delivery.endpoint_id, Delivery.external_id)
            ).scalars()
        ]
        for workspace in session.execute(select(auth.Workspace.id)).scalars():
            assert rollups.verify(session, workspace) == []
    return sorted(told, key=str), to_tag, deliveries


@pytest.mark.parametrize("seed", range(4))
def test_together_is_as_one_by_one(settings: Settings, tmp_path: Path, sqlite_template: Path, seed: int) -> None:
    rng, states = random.Random(seed), []
    kinds = [(rng.choice(KINDS), rng.randrange(12), rng.randrange(3)) for _ in range(60)]
    vault = auth.Vault(settings)
    for size in (1, 7, 60):
        url = f"sqlite:///{shutil.copyfile(sqlite_template, tmp_path / f'{size}.db')}"
        database = Database(url)
        for number in range(3):
            make_endpoint(database, settings, f"endpoint-{number}")
        with database.write() as session:
            other = auth.workspace_named(session, "other", create=True)
            endpoints = list(session.execute(select(Endpoint).order_by(Endpoint.id)).scalars())
            endpoints[2].workspace_id = other.id or 0
            mark = respondent_mark(vault, endpoints[0].workspace_id, "c-gone")
            session.add(
                ErasureMark(
                    workspace_id=endpoints[0].workspace_id, kind="respondent", key_hash=mark, created_at=START
                )
            )
        arrivals = [
            _arrival(endpoints[which], number, kind, earlier)
            for number, (kind, earlier, which) in enumerate(kinds)
        ]
        for start in range(0, len(arrivals), size):
            with database.write() as session:
                assert not deliver_together(session, vault, settings, arrivals[start : start + size])
        states.append(_stored_state(database))
        database.dispose()
    assert states[0] == states[1] == states[2]
