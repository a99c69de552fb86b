"""Settings: admins only, secrets shown once, every form does what its route does."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from service.classify.active_model import set_pipeline
from service.desk.model_figures import reports_of
from service.desk.settings_frame import ABOUT, TABS
from service.desk.told_says import what_to_do
from service.store.columns import now
from service.store.schema import Subscription
from service.work import Work
from tests.classify.tagging import WordPipeline
from tests.review.test_pages import BAD, _csrf, _fill, browser

__all__ = ["browser"]
Browser = Callable[..., TestClient]
PAGES = ("/model", "/people", "/keys", "/told", "/workspace", "/audit")


@pytest.fixture(autouse=True)
def words_pipeline() -> Iterator[None]:
    set_pipeline(WordPipeline())
    yield
    set_pipeline(None)


def _shown(text: str) -> str:
    """What a page shows: its tags hold random tokens, in which any two letters stand now and then."""
    return re.sub(r"<[^>]*>", " ", text)


def test_settings_are_for_admins(browser: Browser) -> None:
    admin, lead = browser(role="admin"), browser(role="lead")
    for path in PAGES:
        answer = admin.get(f"/settings{path}")
        assert answer.status_code == 200, path
        assert "style=" not in answer.text
        assert lead.get(f"/settings{path}").status_code == 403, path
    assert 'href="/settings"' in admin.get("/map").text
    assert 'href="/settings"' in lead.get("/map").text
    assert 'href="/settings"' not in browser(role="viewer").get("/map").text
    token = _csrf(lead.get("/map").text)
    for path in ("model/retrain", "people", "keys", "told", "workspace/zone", "workspace/erase"):
        assert lead.post(f"/settings/{path}", data={"csrf": token}).status_code == 403, path
        assert admin.post(f"/settings/{path}", data={"csrf": "wrong"}).status_code == 403, path


def test_settings_open_on_what_there_is(browser: Browser) -> None:
    every = {address for _, tabs in TABS for address, _, _ in tabs} - {"/settings"}
    assert set(ABOUT) == every, "each part says what it is for"
    for role, open_to in (("admin", every), ("lead", {one for one in every if browser().get(one).is_success})):
        person = browser(role=role)
        text = person.get("/settings").text
        main = text[text.index('<div class="settings">') :]
        assert set(re.findall(r'<a class="name" href="([^"]+)"', main)) == open_to, role
        for address in open_to:
            assert person.get(address).status_code == 200, (role, address)
            assert html.escape(ABOUT[address], quote=False) in main
        assert "F1" not in _shown(text), "scores stand on their own page"


def test_the_rank_says_what_its_parts_are_before_its_formula(browser: Browser) -> None:
    text = browser().get("/settings/rank").text
    formula = text.index('class="formula"')
    for part in ("Affected", "Rise", "Fit", "Score", "Money", "Effort"):
        assert text.index(f"<dt>{part}</dt>") < formula, part


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("the receiver says that it is gone (410)", "gone for good"),
        ("nothing taken in 5 days: answered 503", "fails itself"),
        ("nothing taken in 5 days: no answer: ConnectTimeout", "Nothing answers there"),
        ("answered 401", "does not let us in"),
        ("answered 404", "knows no such address"),
        ("answered 418", "refuses what is sent"),
        ("answered 302", "not followed"),
        ("answered 429", "fewer messages"),
        ("the mail server answered 550 (SMTPDataError)", None),
        ("this address is in a private network", None),
    ],
)
def test_a_status_code_is_said_in_words(trouble: str, said: str | None) -> None:
    told = what_to_do(trouble)
    assert told is None if said is None else said in (told or "")


def test_a_subscription_in_trouble_says_what_to_do(browser: Browser, work: Work) -> None:
    admin = browser(role="admin")
    data = {"csrf": _csrf(admin.get("/settings/told").text), "url": "https://1.1.1.1/x", "name": "Room"}
    made = admin.post("/settings/told", data=data | {"event.suggestion.created": "yes"})
    assert made.status_code == 201
    assert "Send a test» shows" not in admin.get("/settings/told").text
    with work.database.write() as session:
        session.execute(update(Subscription).values(trouble="answered 404", failing_since=now()))
    text = admin.get("/settings/told").text
    assert "Answered 404." in text
    assert "The receiver knows no such address." in text
    assert "«Send a test» shows whether it works again" in text


def test_the_model_page_shows_every_label(browser: Browser) -> None:
    admin = browser(role="admin")
    text = admin.get("/settings/model").text
    live = admin.get("/v1/model").json()
    assert live["model"] in text
    assert "How often a label is right" in text
    assert "How far its confidence is off" in text
    # what a customer may expect comes first: companies that the model has never seen
    order = sorted(live["evaluation"], key=lambda report: report["gold"] != "elsewhere.tsv")
    assert [order[0]["gold"], len(order)] == ["elsewhere.tsv", 3]
    runs = [report["with_question"] for report in order]
    bins = [field["bins"] for field in runs[0]["fields"].values()]
    assert [sum(one["n"] for one in run["fields"]["stage"]["bins"]) for run in runs] == [run["n"] for run in runs]
    assert text.count("<figcaption>") == len(bins) == 5, "a picture a field, of one set of texts"
    assert text.count('r="2.2"') == sum(map(len, bins))
    # the others are a link away; what is none of them shows the first
    last = admin.get(f"/settings/model?measured={len(runs)}").text
    assert f"on {runs[-1]['n']:,} texts" in last
    assert f"on {runs[0]['n']:,} texts" in admin.get("/settings/model?measured=nonsense").text
    for label in live["labels"]["emotion"]:
        assert label.replace("_", " ") in text
    token = _csrf(text)
    nothing = admin.post("/settings/model/retrain", data={"csrf": token})
    assert nothing.status_code == 409
    assert "no corrections" in nothing.text
    assert admin.post("/settings/model/rollback", data={"csrf": token}).status_code == 409


def test_a_key_is_shown_once(browser: Browser) -> None:
    admin = browser(role="admin")
    token = _csrf(admin.get("/settings/keys").text)
    made = admin.post(
        "/settings/keys", data={"csrf": token, "name": "<i>export</i>", "scope.read": "yes", "scope.review": "yes"}
    )
    assert made.status_code == 201
    key = re.search(r"jm_[\w-]{30,}", made.text)
    assert key is not None
    assert "<i>export" not in made.text
    listed = admin.get("/settings/keys").text
    assert key[0] not in listed
    assert "read, review" in listed
    nothing = admin.post("/settings/keys", data={"csrf": token, "name": "again"})
    assert nothing.status_code == 422
    assert "Tick what the key may do" in nothing.text
    assert 'value="again"' in nothing.text
    revoke = re.search(r'action="(/settings/keys/\d+/revoke)"', listed)
    assert revoke is not None
    assert "does not hold any more" in admin.post(revoke[1], data={"csrf": token}).text
    assert "API key: revoked" in admin.get("/settings/audit").text
    assert browser(role="admin", workspace="elsewhere").post(revoke[1], data={"csrf": token}).status_code in (
        403,
        404,
    )


def test_a_link_is_shown_once_and_access_ends(browser: Browser) -> None:
    admin = browser(role="admin")
    token = _csrf(admin.get("/settings/people").text)
    made = admin.post("/settings/people", data={"csrf": token, "name": "Maria", "role": "lead"})
    assert made.status_code == 201
    link = re.search(r"/sign-in\?token=([\w-]+)", made.text)
    assert link is not None
    listed = admin.get("/settings/people").text
    assert link[1] not in listed
    assert "Maria" in listed
    (mine,) = re.findall(
        r'action="(/settings/people/\d+/disable)"(?:(?!</form>).)*End access of a admin', listed, re.S
    )[-1:]
    wrong = admin.post("/settings/people", data={"csrf": token, "name": "Maria", "role": "queen"})
    assert wrong.status_code == 422
    hers = re.search(r'action="(/settings/people/\d+/disable)"(?:(?!</form>).)*End access of Maria', listed, re.S)
    assert hers is not None
    assert "Their access ended" in admin.post(hers[1], data={"csrf": token}).text
    last = admin.post(mine, data={"csrf": token})
    assert last.status_code == 409
    assert "last admin" in last.text


def test_an_address_is_told(browser: Browser) -> None:
    admin = browser(role="admin")
    token = _csrf(admin.get("/settings/told").text)
    data = {"csrf": token, "url": "https://1.1.1.1/hook", "name": "Room", "event.import.finished": "yes"}
    made = admin.post("/settings/told", data=data)
    assert made.status_code == 201, made.text
    secret = re.search(r"whsec_\S{20,}?(?=<)", made.text)
    assert secret is not None
    listed = admin.get("/settings/told").text
    assert secret[0] not in listed
    assert "Finished imports" in listed
    refused = admin.post("/settings/told", data=data | {"url": "http://127.0.0.1/x"})
    assert refused.status_code == 422
    assert 'role="alert"' in refused.text
    assert "Tick what is to be told" in admin.post("/settings/told", data={"csrf": token, "url": data["url"]}).text
    one = re.search(r'href="(/settings/told/sub_[^"]+)"', listed)
    assert one is not None
    assert "Nothing yet" in admin.get(one[1]).text
    wanted = {"csrf": token, "name": "<b>CX</b>", "cooldown_hours": "24", "event.change.significant": "yes"}
    changed = admin.post(f"{one[1]}/change", data=wanted).text
    assert "Saved." in changed
    assert "<b>CX" not in changed
    assert "at most once a day" in changed
    assert "Tick what is to be told" in admin.post(f"{one[1]}/change", data={"csrf": token, "name": "CX"}).text
    for do, said in (("snooze:7", "quiet until"), ("resume", ">told<"), ("stop", "stopped"), ("resume", ">told<")):
        assert said in admin.post(f"{one[1]}/quiet", data={"csrf": token, "do": do}).text, do
    admin.post(f"{one[1]}/test", data={"csrf": token})
    assert "Journeymap can reach you." in admin.get(one[1]).text
    notice = re.search(r'action="(/settings/told/[^"]+/seen)"', admin.get(one[1]).text)
    assert notice is None, "a test need not be seen"
    [test] = admin.get(f"/v1/subscriptions/{one[1].rpartition('/')[2]}/notices").json()["data"]
    noted = admin.post(f"{one[1]}/notices/{test['id']}/seen", data={"csrf": token})
    assert "Noted." in noted.text
    other = browser(role="admin", workspace="elsewhere")
    theirs = _csrf(other.get("/settings/told").text)
    assert other.get(one[1]).status_code == 404
    for step in ("change", "quiet", "test", "end", f"notices/{test['id']}/seen"):
        data = {"csrf": theirs, "name": "x", "event.change.significant": "yes", "do": "stop"}
        assert other.post(f"{one[1]}/{step}", data=data).status_code == 404, step
    for step, said in (("test", "on its way"), ("end", "ended")):
        action = re.search(rf'action="(/settings/told/[^"]+/{step})"', admin.get("/settings/told").text)
        assert action is not None
        assert said in admin.post(action[1], data={"csrf": token}).text
    assert "Nobody yet" in admin.get("/settings/told").text


def test_the_time_zone(browser: Browser) -> None:
    admin = browser(role="admin")
    token = _csrf(admin.get("/settings/workspace").text)
    done = admin.post("/settings/workspace/zone", data={"csrf": token, "timezone": "Europe/Berlin"})
    assert "counted anew" in done.text
    assert "<option selected>Europe/Berlin" in done.text
    wrong = admin.post("/settings/workspace/zone", data={"csrf": token, "timezone": "Mars/Base"})
    assert wrong.status_code == 422


def test_erasure_asks_once_more(browser: Browser, work: Work, workspace_id: int) -> None:
    _fill(work, workspace_id, [f"{BAD} number {n}" for n in range(4)])
    admin = browser(role="admin")
    token = _csrf(admin.get("/settings/workspace").text)
    asked = admin.post("/settings/workspace/erase", data={"csrf": token, "respondent": "r2"})
    assert "can&#39;t be undone" in asked.text or "can't be undone" in asked.text
    assert len(admin.get("/v1/feedback").json()["data"]) == 4
    gone = admin.post("/settings/workspace/erase", data={"csrf": token, "respondent": "r2", "sure": "yes"})
    assert "Erased, with 1 pieces" in gone.text
    assert len(admin.get("/v1/feedback").json()["data"]) == 3
    again = admin.post("/settings/workspace/erase", data={"csrf": token, "respondent": "r2", "sure": "yes"})
    assert "Nothing of this person" in again.text
    assert admin.post("/settings/workspace/erase", data={"csrf": token, "respondent": " "}).status_code == 422
    audit = _shown(admin.get("/settings/audit").text)
    assert "erase" in audit.lower()
    assert "r2" not in audit


def test_figures_say_where_there_is_too_little() -> None:
    label = {"label": "relief", "n": 0, "predicted": 3, "precision": 0.0, "recall": 0.0, "f1": 0.0}
    field = {
        "n": 40,
        "accuracy": 0.8,
        "accuracy_interval": [0.65, 0.9],
        "confident_accuracy": 0.9,
        "calibration_error": 0.06,
        "calibration_error_debiased": 0.0,
        "labels": [label],
    }
    report = {
        "gold": "own.tsv",
        "with_question": {"n": 40, "unsure": {"empty": 0.1}, "fields": {"emotion": field}},
    }
    (found,) = reports_of([report])
    assert found.name == "own.tsv"
    (one,) = found.fields[0].labels
    assert one.found is None
    assert one.right is not None
    assert one.few
    assert found.fields[0].off_width == 40.0
