"""The whole way once, on the real service with its real worker: files and webhooks in, map and adaptations out."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from service import auth, demo
from service.settings import Settings
from service.store import rollups
from service.store.columns import now
from service.store.engine import Database
from service.suggest import table
from tests.running import Server, serving

LABELS = Path(__file__).resolve().parents[1] / "data" / "sample" / "labels.csv"


@pytest.fixture
def loaded(settings: Settings, database: Database, tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """A running service that has been sent the sample, and a key of its workspace."""
    shipped = settings.model_copy(update={"models_dir": None})
    with serving(shipped, log=tmp_path / "serve.log") as server:
        demo.load_sample(database, f"http://127.0.0.1:{server.port}", Console(file=io.StringIO()))
        with database.write() as session:
            workspace = auth.workspace_named(session, demo.WORKSPACE)
            key = auth.create_key(session, workspace=workspace, scopes=["read", "review"], name="test")
        yield server, key


def _get(server: Server, key: str, path: str) -> Any:
    status, body = server.request("GET", path, key=key)
    assert status == 200, (path, body)
    return body


def test_from_delivery_to_decision(loaded: tuple[Server, str], database: Database, settings: Settings) -> None:
    server, key = loaded
    sent = len(list(csv.DictReader(io.StringIO(LABELS.read_text(encoding="utf-8")))))  # items with a text
    found = _get(server, key, "/v1/journey-map")
    total = found["totals"]["items"]
    assert total == 786
    # every item stands in exactly one column, or unassigned with its reason
    assert sum(stage["items"] for stage in found["stages"]) + found["unassigned"]["items"] == total
    assert sum(found["unassigned"]["reasons"].values()) == found["unassigned"]["items"]
    assert found["unassigned"]["reasons"]["untagged"] == 0
    assert found["unassigned"]["reasons"]["unsupported_language"] > 0
    # blank answers of the survey count in scores only
    assert found["unassigned"]["reasons"]["no_text"] == total - sent
    nps = found["totals"]["scores"]["nps"]
    assert nps["everyone"]["n"] > nps["with_text"]["n"] > 100
    assert nps["everyone"]["low"] <= nps["everyone"]["value"] <= nps["everyone"]["high"]

    listed = _get(server, key, "/v1/suggestions")["data"]
    assert listed
    best = listed[0]
    assert best["size"]["low"] <= best["size"]["share"] <= best["size"]["high"]
    evidence = best["evidence"][0]
    item = _get(server, key, f"/v1/feedback/{evidence['feedback_id']}")
    assert evidence["verbatim"] in item["text"]
    assert item["provenance"]

    status, decided = server.request(
        "POST", f"/v1/suggestions/{best['id']}/decision", key=key, body={"decision": "accept", "reason": "test"}
    )
    assert (status, decided["status"]) == (200, "accepted")
    assert _get(server, key, "/v1/map-versions")["data"][0]["reason"] == "test"

    with database.read() as session:
        workspace_id = auth.workspace_named(session, demo.WORKSPACE).id
        assert workspace_id is not None
        assert rollups.verify(session, workspace_id) == []

    out = io.StringIO()
    table.render(database, workspace=demo.WORKSPACE, limit=3, console=Console(file=out, width=120))
    assert listed[1]["adaptation"][:30] in out.getvalue().replace("\n", " ")
    # sent again, nothing doubles
    demo.load_sample(database, f"http://127.0.0.1:{server.port}", Console(file=io.StringIO()))
    assert _get(server, key, "/v1/journey-map")["totals"]["items"] == total
    assert demo.remove(settings) >= total
    with database.read() as session:
        assert demo.workspace_to_show(database) is None


def test_the_planted_stories_show(loaded: tuple[Server, str]) -> None:
    """Checkout became worse after eight weeks, support better after six: the map says so by itself."""
    server, key = loaded
    stages = _get(server, key, "/v1/trends?by=stage")["data"]
    series = {one["label"]: one["series"] for one in stages}
    yesterday = now().date() - timedelta(days=1)

    def change(stage: str, *, since_days: int) -> float:
        """Net sentiment from so many days before the newest item on, against before; by items."""
        turn = str(yesterday - timedelta(days=since_days))

        def mean(weeks: list[Any]) -> float:
            told = [(week["items"], week["net_sentiment"]["value"]) for week in weeks if week["items"]]
            return sum(n * value for n, value in told) / sum(n for n, _ in told)

        weeks = series[stage]
        return mean([week for week in weeks if week["week"] >= turn]) - mean(
            [week for week in weeks if week["week"] < turn]
        )

    assert change("purchase", since_days=55) < -20
    assert change("support", since_days=69) > 20
    top = [(one["stage"], one["topic"]) for one in _get(server, key, "/v1/suggestions?limit=8")["data"]]
    assert any(stage == "purchase" and topic in ("payment", "ease_of_use") for stage, topic in top)
