"""A page asks the database as often with 600 pieces of feedback as with 30, and with much of everything else."""

from __future__ import annotations

import json
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from fastapi import FastAPI
from sqlalchemy import Engine, event, update
from sqlmodel import col

from service import auth
from service.classify.batch import classify
from service.dependencies import COOKIE
from service.store import queue, rollups
from service.store.columns import now
from service.store.engine import Database
from service.store.schema import Segment, Theme
from service.work import Work
from tests.classify.tagging import WordPipeline
from tests.conftest import Client
from tests.pages import PAGES, PageOf, routes_of

FEW, MANY = (30, 2), (600, 12)  # items, and of everything else
MOST = 60  # of a page; one that needs more asks for rows one by one
TOPICS = ("delivery", "quality")
STAGES = (
    "delivery", "usage", "support", "awareness", "consideration", "decision", "purchase", "onboarding", "loyalty",
    "churn", "advocacy",
)  # fmt: skip


@contextmanager
def statements() -> Iterator[Counter[str]]:
    """Every statement that is sent meanwhile, with how often."""
    seen: Counter[str] = Counter()

    def noted(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if threading.current_thread().name == "endpoint-watch":
            return  # the app looks for changed addresses now and then, whatever page is asked for
        # how many values are asked for at once is another number of question marks, not another question
        seen[re.sub(r"IN \([^()]*\)", "IN (…)", statement)] += 1

    event.listen(Engine, "before_cursor_execute", noted)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", noted)


def _ok(answer: Any) -> Any:
    assert answer.status_code < 300, answer.text
    return answer.json() if answer.content else None


def _fill(work: Work, client: Client, items: int, others: int) -> dict[str, str]:
    """All by the routes, tagged as its words say; returns what stands in the pages' braces."""
    rng = random.Random(7)
    texts = [
        {
            # many speak of more places than few do, so that they have more suggestions too
            "text": f"stage={rng.choice(STAGES[: items // 10])} topic={rng.choice(TOPICS)} sentiment=negative.",
            "occurred_at": (now() - timedelta(days=number % 90)).isoformat(),
            "external_id": f"i{number}",
            "respondent": f"r{number}",
            "attributes": {"plan": rng.choice(["free", "pro"])},
        }
        for number in range(items)
    ]
    told = _ok(client.post("/v1/feedback/batch", json=texts))["results"]
    ids = [one["id"] for one in told]
    while True:
        with work.database.write() as session:
            jobs = queue.claim(session, worker="t", lease_seconds=60, limit=50, kinds=["classify"])
        if not jobs:
            break
        for _ in classify(work, jobs):
            pass
    made = {"sender": "zendesk", "feedback_id": ids[0], "key": "r0"}
    for number in range(others):
        _ok(client.post("/v1/keys", json={"name": f"key {number}", "scopes": ["read"]}))
        _ok(client.post("/v1/people", json={"name": f"person {number}", "role": "viewer"}))
        hook = _ok(client.post("/v1/endpoints", json={"sender": "mapped", "name": f"hook {number}"}))
        made["endpoint_id"] = hook["id"]
        _ok(client.post("/hooks/" + hook["url"].partition("/hooks/")[2], json={"message": {"words": "Slow"}}))
        file = f"id,text\n1,Row {number} was fine\n".encode()
        made["import_id"] = str(_ok(client.post(f"/v1/imports?filename=f{number}.csv", content=file))["id"])
        told = _ok(client.post("/v1/subscriptions", json={"url": f"https://1.1.1.1/{number}"}))
        made["subscription_id"] = told["id"]
        _ok(client.post(f"/v1/subscriptions/{told['id']}/test"))
        persona = {"name": f"persona {number}", "attributes": {"plan": ["pro"]}}
        made["persona_id"] = str(_ok(client.post("/v1/personas", json=persona))["id"])
        stages = [{"name": f"All {number}", "codebook_stages": list(STAGES)}]
        model = _ok(client.post("/v1/journey-models", json={"name": f"model {number}", "stages": stages}))
        made["model_id"] = str(model["id"])
        labels = {"labels": {"stage": "delivery", "topic": "delivery"}}
        _ok(client.put(f"/v1/feedback/{ids[number]}/labels", json=labels))
        waits = {"state": "needs_answer", "owner": f"owner {number}"}
        _ok(client.post(f"/v1/feedback/{ids[number]}/follow-up", json=waits))
    made["entry_id"] = str(_ok(client.get("/v1/playbook?limit=1"))["data"][0]["id"])
    made["delivery_id"] = str(_ok(client.get("/v1/deliveries"))["data"][0]["id"])
    suggested = _ok(client.get("/v1/suggestions"))["data"]
    for one in suggested[:others]:
        _ok(client.post(f"/v1/suggestions/{one['id']}/decision", json={"decision": "accept"}))
    with work.database.write() as session:
        for number in range(others):
            stage, topic = suggested[number % len(suggested)]["id"].split(".")
            name = f"theme {number}"
            theme = Theme(workspace_id=client.workspace_id, stage=stage, topic=topic, side="trouble", name=name)
            session.add(theme)
            session.flush()
            said = [int(ids[n]) for n, one in enumerate(texts) if f"={stage} topic={topic} " in one["text"]]
            before = rollups.snapshot(session, client.workspace_id, said[:3])
            session.exec(update(Segment).where(col(Segment.item_id).in_(said[:3])).values(theme=theme.id))
            after = rollups.snapshot(session, client.workspace_id, said[:3])
            rollups.apply(session, client.workspace_id, before=before, after=after)
            made.setdefault("theme_id", str(theme.id))
    made["suggestion_id"] = suggested[0]["id"]
    for goal in ("First", "Second"):
        document = {"model": "7-stage", "goal": goal, "stages": []}
        _ok(client.put("/v1/map-document", json={"document": document, "reason": "workshop"}))
    made["newer"], made["older"] = (str(one["id"]) for one in _ok(client.get("/v1/map-versions"))["data"][:2])
    return made


def test_every_page_of_the_app_is_walked(app: FastAPI) -> None:
    walked = {one.route.replace("/7-stage", "/{model_id}") for one in PAGES}
    assert routes_of(app) - walked == set(), "a new page goes into PAGES of tests/pages.py"


def test_the_number_of_queries_is_constant(
    app: FastAPI, work: Work, words: WordPipeline, client_of: Callable[..., Client]
) -> None:
    asked: dict[str, list[Counter[str]]] = {}
    for workspace, (items, others) in (("few", FEW), ("many", MANY)):
        client = client_of(workspace)
        found = _fill(work, client, items, others)
        for one in PAGES:
            if one.role:
                asked.setdefault(one.name, []).append(_queries(client, work.database, workspace, one, found))
    grown = {
        name: {statement[:200]: more for statement, more in (many - few).items()}
        for name, (few, many) in asked.items()
        if sum(many.values()) > sum(few.values())
    }
    assert grown == {}, json.dumps(grown, indent=1)
    most = {name: sum(many.values()) for name, (_, many) in asked.items()}
    assert max(most.values()) <= MOST, most


def _queries(
    client: Client, database: Database, workspace: str, one: PageOf, found: dict[str, str]
) -> Counter[str]:
    """What a page asks the second time, when what is kept in memory is there."""
    with database.write() as session:
        place = auth.workspace_named(session, workspace)
        token = auth.invite(session, workspace=place, name=f"a {one.role}", role=one.role, hours=1)
    with database.write() as session:
        cookie = auth.sign_in(session, token, hours=1)
    headers = {"Accept": "text/html", "Cookie": f"{COOKIE}={cookie}", "Authorization": ""}
    # the words that weighed are worked out verbatim by verbatim, of the few that are shown
    query = one.query.replace("?words=true", "")
    tries = []
    for _ in range(3):
        with statements() as seen:
            answer = client.get((one.route + query).format(**found), headers=headers)
        assert answer.status_code == 200, (one.name, answer.text[:400])
        tries.append(seen)
    return min(tries[1:], key=lambda each: sum(each.values()))
