"""What a workspace makes its own: journey models and personas, as forms that work without script."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.desk.journey_model_form import changed, check, draft_of, draft_of_form
from service.work import Work
from tests.review.test_pages import BAD, MARKUP, _csrf, _fill, browser, words_pipeline

__all__ = ["browser", "words_pipeline"]
Browser = Callable[..., TestClient]

THREE: dict[str, Any] = {
    "name": "Our three",
    "stages": [
        {"name": "Before", "codebook_stages": [{"stage": "awareness", "touchpoints": None}]},
        {
            "name": "Bringing it",
            "codebook_stages": [
                {"stage": "delivery", "touchpoints": None},
                {"stage": "purchase", "touchpoints": ["store", "checkout"]},
            ],
        },
    ],
}


def _fields(text: str) -> dict[str, str]:
    """What a browser would send of the page's last form."""
    form = text[text.rindex('<form method="post" action="/settings/') :]
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name = re.search(r'name="([^"]*)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        if name is not None and not ("checkbox" in tag and " checked" not in tag):
            found[html.unescape(name[1])] = html.unescape(value[1]) if value else ""
    for name, inside in re.findall(r'<select name="([^"]*)"[^>]*>(.*?)</select>', form, re.S):
        options = re.findall(r'<option value="([^"]*)"([^>]*)>', inside)
        found[name] = next((value for value, more in options if "selected" in more), options[0][0])
    for name, inside in re.findall(r'<textarea name="([^"]*)"[^>]*>(.*?)</textarea>', form, re.S):
        found[html.unescape(name)] = html.unescape(inside)
    return found


def test_a_model_survives_its_form() -> None:
    found = check(draft_of(THREE))
    assert found.body is not None, found.errors
    assert found.body.model_dump() == THREE


def test_buttons_move_add_and_remove() -> None:
    draft = draft_of(THREE)
    assert [name for _, name in changed(draft, "down:c1").columns] == ["Bringing it", "Before"]
    assert changed(draft, "up:c1") == draft
    assert changed(draft, "add").columns[-1] == ("c3", "")
    gone = changed(draft, "remove:c2")
    assert gone.places["delivery"] == ""
    assert gone.exceptions[0].column == ""
    assert changed(draft, "remove:e1").exceptions == ()
    assert changed(draft, "except").exceptions[-1].key == "e2"
    assert changed(draft, "dance:c9") == draft


@pytest.mark.parametrize(
    ("change", "row", "says"),
    [
        ({"name": ""}, "name", "Name of the model"),
        ({"name.c1": ""}, "c1", "Column 1: give it a name."),
        ({"name.c1": "bringing IT"}, "c2", "Column 2 «Bringing it»: another stage has this name."),
        ({"stage.awareness": ""}, "c1", "Column 1 «Before»: nothing stands in it yet"),
        ({"e1.at.store": "", "e1.at.checkout": ""}, "e1", "Exception 1: tick at least one touchpoint."),
        ({"e1.column": "c7"}, "e1", "Exception 1 has no column yet"),
        ({"columns": ""}, "name", "needs a column"),
    ],
)
def test_what_is_wrong_names_its_row(change: dict[str, str], row: str, says: str) -> None:
    form = {
        "name": "Our three", "columns": "c1,c2", "name.c1": "Before", "name.c2": "Bringing it",
        "stage.awareness": "c1", "stage.delivery": "c2", "exceptions": "e1", "e1.stage": "purchase",
        "e1.column": "c2", "e1.at.store": "yes", "e1.at.checkout": "yes",
    }  # fmt: skip
    assert check(draft_of_form(form)).errors == {}
    found = check(draft_of_form(form | change))
    assert found.body is None
    assert says in found.errors[row]


def test_two_exceptions_that_say_the_same() -> None:
    form = {
        "name": "Our three", "columns": "c1,c2", "name.c1": "Before", "name.c2": "Bringing it",
        "stage.awareness": "c1", "stage.delivery": "c2", "exceptions": "e1,e2", "e1.stage": "purchase",
        "e1.column": "c2", "e1.at.store": "yes", "e2.stage": "purchase", "e2.column": "c1", "e2.at.store": "yes",
    }  # fmt: skip
    (said,) = check(draft_of_form(form)).errors.values()
    assert said.startswith("Exception ")
    assert "another exception says the same" in said


def test_a_model_is_made_changed_chosen_and_removed(browser: Browser, work: Work, workspace_id: int) -> None:
    _fill(work, workspace_id, [f"{BAD} number {n}" for n in range(4)])
    lead = browser()
    page = lead.get("/settings/journeys/new?like=7-stage").text
    fields = _fields(page)
    assert fields["name"] == "7 stages, ours"
    assert fields["stage.delivery"] == "c5"
    wrong = lead.post("/settings/journeys", data=fields | {"name.c1": "", "do": "save"})
    assert wrong.status_code == 422
    assert "Column 1: give it a name." in wrong.text
    assert _fields(wrong.text)["name.c2"] == fields["name.c2"]
    moved = lead.post("/settings/journeys", data=fields | {"name": MARKUP, "do": "down:c1"})
    assert moved.status_code == 200
    assert MARKUP not in moved.text
    assert _fields(moved.text)["columns"].startswith("c2,c1,c3")
    made = lead.post("/settings/journeys", data=_fields(moved.text) | {"name": "Our journey", "do": "save"})
    assert made.url.path == "/settings/journeys/our-journey"
    assert "Saved." in made.text
    (delivered,) = re.findall(r'Adoption</th>.*?<td class="num">(\d+)<', made.text, re.S)
    assert delivered == "4", "the preview counts as the map does"
    [mine] = [one for one in lead.get("/v1/journey-models").json()["data"] if not one["built_in"]]
    assert [one["name"] for one in mine["stages"]][:2] == ["Acquisition", "Awareness"]
    again = lead.post("/settings/journeys", data=fields | {"name": "Our journey", "do": "save"})
    assert again.status_code == 409
    assert "already a journey model" in again.text
    token = _csrf(page)
    assert (
        "shown in this model from now on"
        in lead.post("/settings/journeys/our-journey/default", data={"csrf": token}).text
    )
    assert lead.get("/v1/journey-map").json()["model"] == "our-journey"
    assert lead.get("/v1/workspace").json()["journey_model"] == "our-journey"
    assert lead.get("/v1/journey-map?model=7-stage").json()["model"] == "7-stage"
    assert '<option value="our-journey" selected>' in lead.get("/map").text
    kept = lead.post("/settings/journeys/our-journey/remove", data={"csrf": token})
    assert kept.status_code == 409
    lead.post("/settings/journeys/7-stage/default", data={"csrf": token})
    assert "Removed." in lead.post("/settings/journeys/our-journey/remove", data={"csrf": token}).text
    assert lead.get("/settings/journeys/our-journey").status_code == 404
    assert lead.post("/settings/journeys/7-stage/remove", data={"csrf": token}).status_code == 409
    assert "journey_model.remove" in json.dumps(browser(role="admin").get("/v1/audit").json())


def test_who_may_only_read_sees_models_without_forms(browser: Browser) -> None:
    viewer = browser(role="viewer")
    for path in ("journeys", "journeys/7-stage", "personas"):
        answer = viewer.get(f"/settings/{path}")
        assert answer.status_code == 200, path
        assert 'action="/settings' not in answer.text, path
        assert "style=" not in answer.text
    token = _csrf(viewer.get("/settings/journeys").text)
    for path in ("journeys/new", "personas/new"):
        assert viewer.get(f"/settings/{path}").status_code == 403, path
    for path in ("journeys", "journeys/7-stage", "journeys/7-stage/default", "personas"):
        assert viewer.post(f"/settings/{path}", data={"csrf": token}).status_code == 403, path
    lead = browser()
    for path in ("journeys", "personas"):
        assert lead.post(f"/settings/{path}", data={"csrf": "wrong", "do": "save"}).status_code == 403, path
    assert 'href="/settings/people"' not in lead.get("/settings/journeys").text


def test_another_workspaces_models_and_personas_are_not_there(browser: Browser) -> None:
    lead, other = browser(), browser(workspace="other")
    lead.post("/v1/journey-models", json=THREE, headers={"X-CSRF-Token": _csrf(lead.get("/map").text)})
    person = {"name": "Buyers", "attributes": {"plan": ["pro"]}}
    assert (
        lead.post("/v1/personas", json=person, headers={"X-CSRF-Token": _csrf(lead.get("/map").text)}).status_code
        == 201
    )
    assert lead.get("/settings/journeys/our-three").status_code == 200
    assert lead.get("/settings/personas/buyers").status_code == 200
    token = _csrf(other.get("/map").text)
    for path in ("journeys/our-three", "personas/buyers"):
        assert other.get(f"/settings/{path}").status_code == 404
        for more in ("", "/remove"):
            assert other.post(f"/settings/{path}{more}", data={"csrf": token, "do": "save"}).status_code == 404
    assert other.post("/settings/journeys/our-three/default", data={"csrf": token}).status_code == 404


def test_a_persona_with_its_customers(browser: Browser, client: Any) -> None:
    for n in range(5):
        item = {
            "text": "Late again.", "external_id": f"p{n}", "respondent": f"c{n % 3}", "source": "shop",
            "channel": "review", "attributes": {"plan": "pro" if n < 4 else "free", "note": MARKUP},
        }  # fmt: skip
        assert client.post("/v1/feedback", json=item).status_code == 202
    lead = browser()
    assert "No persona yet" in lead.get("/settings/personas").text
    page = lead.get("/settings/personas/new").text
    assert MARKUP not in page
    fields = _fields(page) | {"name": "Pro buyers"}
    nothing = lead.post("/settings/personas", data=fields | {"do": "save"})
    assert nothing.status_code == 422
    assert "Tick at least one value" in nothing.text
    fields['has:["plan", "pro"]'] = "yes"
    counted = lead.post("/settings/personas", data=fields | {"do": "look"})
    assert re.search(r"<b>3</b> customers", counted.text)
    assert "4 pieces of feedback" in counted.text
    saved = lead.post("/settings/personas", data=_fields(counted.text) | {"do": "save"})
    assert saved.url.path == "/settings/personas"
    assert re.search(r"<b>3</b> customers", saved.text)
    [made] = lead.get("/v1/personas").json()["data"]
    assert made["attributes"] == {"plan": ["pro"]}
    assert made["matches"] == {"items": 4, "customers": 3}
    fields = _fields(lead.get("/settings/personas/pro-buyers").text)
    fields |= {"other.name": "country", "other.values": "DE\n\nAT", "name": "Pro buyers here", "do": "save"}
    assert lead.post("/settings/personas/pro-buyers", data=fields).status_code == 200
    [made] = lead.get("/v1/personas").json()["data"]
    assert made["name"] == "Pro buyers here"
    assert made["attributes"] == {"plan": ["pro"], "country": ["DE", "AT"]}
    assert made["matches"]["customers"] == 0
    gone = lead.post("/settings/personas/pro-buyers/remove", data={"csrf": fields["csrf"]})
    assert "Removed" in gone.text
    assert lead.get("/v1/personas").json()["data"] == []
