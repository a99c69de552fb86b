"""An address's own page: its options, credentials and secret, and the mapping of any other tool."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from service.ingest.senders.guide import read_guide
from service.ingest.senders.mapped_options import MappedOptions
from service.review.mapping_form import form_of, options_from
from service.store.engine import Database
from service.store.schema import Endpoint, FeedbackItem
from tests.review.test_pages import MARKUP, browser
from tests.review.test_sources import _connect, _csrf, _text

__all__ = ["browser"]  # the fixture

Browser = Callable[..., TestClient]
BODY = {
    "event": "comment.created",
    "data": {"id": 7, "said": f"Too slow {MARKUP}", "by": {"role": "customer"}, "plan": "pro", "rating": "bad"},
}
MAPPING = {
    "fields.text": "data.said",
    "fields.external_id": "data.id",
    "fields.score": "data.rating",
    "score_kind": "csat",
    "score_words": "good = 5\nbad = 1",
    "attribute.0.path": "data.plan",
    "filter.0.path": "data.by.role",
    "filter.0.condition": "in",
    "filter.0.value": 'customer, "end, user"',
}


def _page_of(made: Any) -> str:
    return f"/sources/hooks/{_text(made.text, 'url').rpartition('/')[2]}"


def _hook_of(made: Any) -> str:
    return _text(made.text, "url").removeprefix("http://localhost:8000")


def _post(admin: TestClient, address: str, **fields: str) -> Any:
    return admin.post(address, data={"csrf": _csrf(admin), **fields})


def test_the_steps_speak_as_the_pages_do(browser: Browser) -> None:
    admin = browser("admin")
    page = _page_of(_connect(admin, sender="mapped", name="Any"))
    shown = html.unescape(admin.get(page).text + admin.get(f"{page}/mapping").text)
    steps = " ".join(read_guide("mapped").steps)
    named = re.findall("«(.+?)»", steps)
    assert {"What arrives", "What the customer says", "Take it only if"} <= set(named)
    for words in named:
        assert re.search(rf">{re.escape(words)}\s*<", shown), f"no page has «{words}»"
    for name in ("fields.", "filters", "`items`", "external_id", "erase_when"):
        assert name not in steps, "a name of the API, which no page shows"


def test_name_and_options_are_changed_on_the_page(browser: Browser, database: Database) -> None:
    admin = browser("admin")
    page = _page_of(_connect(admin))
    saved = _post(admin, f"{page}/options", name="Shop 2", **{"options.replay_window_seconds": "900"})
    assert saved.status_code == 200
    assert "Saved." in saved.text
    assert 'name="options.replay_window_seconds" value="900"' in saved.text
    wrong = _post(admin, f"{page}/options", name="x", **{"options.replay_window_seconds": "-1"})
    assert wrong.status_code == 422
    assert "greater than 0" in wrong.text
    assert _post(admin, f"{page}/options", name=" ").status_code == 422
    with database.read() as session:
        row = session.execute(select(Endpoint)).scalar_one()
    assert (row.name, row.options) == ("Shop 2", {"replay_window_seconds": 900})
    assert _post(browser("lead"), f"{page}/options", name="x").status_code == 403
    assert _post(browser("admin", "another"), f"{page}/options", name="x").status_code == 404
    assert admin.post(f"{page}/options", data={"csrf": "wrong", "name": "x"}).status_code == 403


def test_credentials_and_a_brought_secret_are_renewed_on_the_page(browser: Browser, client: Any) -> None:
    admin = browser("admin")
    made = _connect(admin, "hubspot", secret="first", **{"options.properties": "plan\nregion"})
    page = _page_of(made)
    assert "Give the credentials" not in admin.get("/sources/connect/hubspot").text
    assert "Give the credentials for its API below" in made.text
    refused = _post(admin, f"{page}/credentials", **{"credentials.access_token": ""})
    assert refused.status_code == 422
    kept = _post(admin, f"{page}/credentials", **{"credentials.access_token": "pat-secret"})
    assert "Saved." in kept.text
    assert "Renew the credentials" in kept.text
    assert "pat-secret" not in kept.text
    view = client.get(f"/v1/endpoints/{page.rpartition('/')[2]}").json()
    assert (view["credentials"], view["options"]["properties"], view["secrets"]) == (True, ["plan", "region"], 1)
    assert _post(admin, f"{page}/secret", secret="second").status_code == 201
    assert _post(admin, f"{page}/secret").status_code == 422, "HubSpot makes its secrets itself"
    assert client.get(f"/v1/endpoints/{page.rpartition('/')[2]}").json()["secrets"] == 2


def test_an_unsigned_tool_gets_a_token_where_that_is_wanted(browser: Browser) -> None:
    admin = browser("admin")
    assert 'name="token" value="make" checked' in admin.get("/sources/connect/freshdesk").text
    made = _connect(admin, "freshdesk", token="make")
    token = _text(made.text, "secret1")
    assert f"X-Journeymap-Token: {token}" in html.unescape(made.text)
    assert admin.post(_hook_of(made), json={"x": 1}).status_code == 401
    assert admin.post(_hook_of(made), json={"x": 1}, headers={"X-Journeymap-Token": token}).status_code == 200
    without = _connect(admin, "freshdesk")
    assert "the address is the credential" in admin.get(_page_of(without)).text
    assert admin.post(_hook_of(without), json={"x": 1}).status_code == 200


def test_a_mapping_is_tried_saved_and_what_came_before_taken_again(browser: Browser, database: Database) -> None:
    admin = browser("admin")
    made = _connect(admin, "mapped")
    page = f"{_page_of(made)}/mapping"
    assert "Nothing was delivered yet" in admin.get(page).text
    assert admin.post(_hook_of(made), json=BODY).status_code == 200
    shown = admin.get(page)
    assert '<option value="data.by.role">customer</option>' in shown.text, "paths are offered"
    assert "<script>alert" not in shown.text
    assert "style=" not in shown.text
    tried = _post(admin, page, **{**MAPPING, "do": "try", "fields.occurred_at": "data.when"})
    assert tried.status_code == 200
    assert "One item of 1 would be taken" in tried.text
    assert "there is no «when» in «data»" in tried.text
    assert '<span class="value">1 on 1 to 5</span>' in tried.text
    assert 'value="customer,&#34;end, user&#34;"' in tried.text, "what was typed stands there again"
    with database.read() as session:
        assert session.execute(select(FeedbackItem)).all() == [], "trying stores nothing"
    saved = _post(admin, page, **{**MAPPING, "do": "save"})
    assert saved.url.path == page
    assert "Saved." in saved.text
    again = _post(admin, "/deliveries/replay", endpoint=page.split("/")[3], state="unparsed", back="mapping")
    assert "One delivery was taken again." in again.text
    with database.read() as session:
        item = session.execute(select(FeedbackItem)).scalar_one()
    assert (item.external_id, item.score_kind, item.score_value) == ("7", "csat", 1)
    assert item.attributes == {"plan": "pro"}


def test_what_is_wrong_with_a_mapping_is_said_at_its_row(browser: Browser, database: Database) -> None:
    admin = browser("admin")
    made = _connect(admin, "mapped")
    page = f"{_page_of(made)}/mapping"
    admin.post(_hook_of(made), json=BODY)
    for fields, words in (
        ({"fields.text": "data..said"}, "What the customer says</b>: at character 6: a name is missing"),
        ({"attribute.0.path": "[x"}, "Attribute [x"),
        ({"attribute.0.path": "a.x", "attribute.1.path": "b.x"}, "there are two attributes «x»"),
        ({"filter.0.path": "a"}, "say what it has to be"),
        ({"filter.2.value": "customer"}, "say where the value stands"),
        ({"score_words": "good"}, "good = 5"),
        ({"score_min": "7", "score_max": "1"}, "score_min must be below score_max"),
        ({"json": "{"}, "this is not JSON at line 1"),
        ({"json": "[]"}, "one JSON object"),
        ({"json": '{"colour": 1}'}, "colour"),
    ):
        answer = _post(admin, page, **{"do": "save", **fields})
        assert answer.status_code == 422, fields
        assert words in html.unescape(answer.text), fields
        if "json" not in fields:
            name, value = next(iter(fields.items()))
            assert f'value="{value}"' in html.unescape(answer.text) or value in html.unescape(answer.text), name
    with database.read() as session:
        assert not any(session.execute(select(Endpoint)).scalar_one().options["fields"].values())
    erase = {
        "erase_when": [{"path": "event", "is": "gone", "id": "data.id", "kind": "item"}],
        "fields": {"text": "data.said"},
    }
    assert _post(admin, page, do="save", json=json.dumps(erase)).status_code == 200
    _post(admin, page, do="save", **{"fields.text": "data.other"})
    with database.read() as session:
        options = session.execute(select(Endpoint)).scalar_one().options
    assert options["erase_when"] == erase["erase_when"], "what the rows do not show stays"
    assert options["fields"]["text"] == "data.other"


def test_only_any_other_tool_has_a_mapping(browser: Browser) -> None:
    admin = browser("admin")
    page = _page_of(_connect(admin))
    assert admin.get(f"{page}/mapping").status_code == 404
    mapped = _page_of(_connect(admin, "mapped"))
    assert browser("lead").get(f"{mapped}/mapping").status_code == 403
    assert browser("admin", "another").get(f"{mapped}/mapping").status_code == 404
    assert admin.get(f"{mapped}/mapping?delivery=99999999999999999999").status_code == 200


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fields": {"text": "a", "url": "b.c"}, "attributes": {"plan": "x", "a b": '["q w"]'}, "html": True},
        {"items": "list", "score_kind": "nps", "score_min": -1, "score_max": 2.5, "score_words": {"a = b": 1.5}},
        {
            "filters": [
                {"path": "a", "is": "x"},
                {"path": "b", "is": 5},
                {"path": "c", "is": True},
                {"path": "d", "is_not": "y"},
                {"path": "e", "in": ["a, b", 'c "d"', "7"]},
                {"path": "f", "contains": "z"},
                {"path": "g", "exists": True},
                {"path": "h", "exists": False},
            ]
        },
    ],
)
def test_a_mapping_goes_into_the_form_and_out_again(options: dict[str, Any]) -> None:
    def as_compared(given: dict[str, Any]) -> Any:
        # filters compare as text, so a number may come back as its text
        return json.loads(re.sub(r'"is": (5|true)', r'"is": "\1"', json.dumps(given)))

    before = MappedOptions.model_validate(options).model_dump(mode="json")
    after = MappedOptions.model_validate(options_from(form_of(options))).model_dump(mode="json")
    assert as_compared(after) == as_compared(before)


def test_all_of_an_address_are_taken_again_from_the_deliveries(browser: Browser) -> None:
    admin = browser("admin")
    made = _connect(admin, "mapped")
    for number in range(3):
        admin.post(_hook_of(made), json={**BODY, "n": number})
    page = admin.get("/deliveries").text
    assert "3 deliveries not understood" in page
    endpoint = _page_of(made).rpartition("/")[2]
    number = re.findall(r'href="/deliveries/(\d+)"', page)[0]
    mapping = f'<a href="{_page_of(made)}/mapping">mend the mapping</a>'
    for address, times in ((f"/deliveries/{number}", 1), (_page_of(made), 3), (f"{_page_of(made)}/live", 3)):
        assert admin.get(address).text.count(mapping) == times, address
    theirs = browser("lead").get(f"/deliveries/{number}").text
    assert mapping not in theirs
    assert "somebody who may set up sources can mend the mapping" in theirs
    again = _post(admin, "/deliveries/replay", endpoint=endpoint, state="unparsed")
    assert "3 deliveries were taken again." in again.text
    assert _post(admin, "/deliveries/replay", endpoint=endpoint, state="odd").status_code == 404
    assert _post(admin, "/deliveries/replay", endpoint="none").status_code == 404
    assert "Take all again" not in browser("lead").get("/deliveries").text
    assert _post(browser("lead"), "/deliveries/replay", endpoint=endpoint).status_code == 403
    assert _post(browser("admin", "another"), "/deliveries/replay", endpoint=endpoint).status_code == 404
