"""The sources pages: connecting a tool, the first delivery raw beside parsed, what could not be understood."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.ingest.senders import SENDERS
from tests.conftest import Client
from tests.ingest.test_hooks import signed
from tests.review.test_pages import MARKUP, browser

__all__ = ["browser"]  # the fixture

Browser = Callable[..., TestClient]


def _csrf(client: TestClient) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get("/sources").text)
    assert found is not None
    return found[1]


def _connect(admin: TestClient, sender: str = "standard-webhooks", **fields: str) -> Any:
    return admin.post(f"/sources/connect/{sender}", data={"csrf": _csrf(admin), "name": "Shop", **fields})


def _text(page: str, element: str) -> str:
    found = re.search(rf'id="{element}">([^<]+)<', page)
    assert found is not None, page
    return html.unescape(found[1])


def test_a_tool_is_connected_and_its_first_delivery_appears(browser: Browser) -> None:
    admin = browser("admin")
    assert "No source yet" in admin.get("/sources").text
    assert "Standard Webhooks" in admin.get("/sources/connect").text
    assert "Make the address" in admin.get("/sources/connect/standard-webhooks").text
    made = _connect(admin, source="shop")
    assert made.status_code == 201
    address, secret = _text(made.text, "url"), _text(made.text, "secret1")
    assert "Waiting for the first delivery" in made.text
    again = admin.get(f"/sources/hooks/{address.rpartition('/')[2]}")
    assert again.status_code == 200
    assert secret not in again.text, "a secret is shown once"
    path = address.removeprefix("http://localhost:8000")
    payload = {"data": {"id": "f1", "rating": 2, "text": f"Too slow {MARKUP}", "plan": "pro"}}
    assert admin.post(path, **signed(payload, secret=secret)).status_code == 200
    live = admin.get(f"/sources/hooks/{address.rpartition('/')[2]}/live").text
    assert "understood" in live
    assert "<script>alert" not in live
    assert live.count("&lt;script&gt;") == 2, "raw beside parsed"
    for part in ("Stars 2 on 1 to 5", "<small>plan</small> pro"):
        assert part in live
    listed = admin.get("/sources").text
    assert "Shop" in listed
    assert "nothing in 30 days" not in listed


def test_a_secret_is_renewed_and_an_address_removed(browser: Browser) -> None:
    admin = browser("admin")
    made = _connect(admin)
    old, url = _text(made.text, "secret1"), _text(made.text, "url")
    path, page = url.removeprefix("http://localhost:8000"), f"/sources/hooks/{url.rpartition('/')[2]}"
    renewed = admin.post(f"{page}/secret", data={"csrf": _csrf(admin)})
    new = _text(renewed.text, "secret1")
    assert new != old
    for number, secret in enumerate((old, new)):
        call = signed({"data": {"id": "f", "text": "Good"}}, secret=secret, message_id=f"m{number}")
        assert admin.post(path, **call).status_code == 200
    assert admin.post(f"{page}/remove", data={"csrf": _csrf(admin)}).url.path == "/sources"
    assert "Shop" not in admin.get("/sources").text
    assert admin.post(path, **signed({"data": {"text": "Good"}}, secret=new, message_id="m9")).status_code == 410
    assert "was removed" in admin.get(page).text


def test_what_cannot_be_used_is_said_at_its_field(browser: Browser) -> None:
    admin = browser("admin")
    answer = _connect(admin, secret="whsec_!!", **{"options.replay_window_seconds": "-4"})
    assert answer.status_code == 422
    assert 'class="wrong"' in answer.text
    assert "greater than 0" in answer.text
    mended = _connect(admin, **{"options.replay_window_seconds": "600"})
    assert mended.status_code == 201


def test_what_was_not_understood_waits_and_is_taken_again(browser: Browser) -> None:
    admin = browser("admin")
    assert "Everything was understood" in admin.get("/deliveries").text
    made = _connect(admin)
    path = _text(made.text, "url").removeprefix("http://localhost:8000")
    assert admin.post(path, **signed(b"{not json", secret=_text(made.text, "secret1"))).status_code == 200
    listed = admin.get("/deliveries?state=unparsed").text
    (number,) = re.findall(r'href="/deliveries/(\d+)"', listed)
    assert "the body is not JSON" in listed
    shown = html.unescape(admin.get(f"/deliveries/{number}").text)
    assert "{not json" in shown
    assert "once that is mended where it comes from" in shown, "this sender has no mapping"
    replayed = admin.post(f"/deliveries/{number}/replay", data={"csrf": _csrf(admin)}, follow_redirects=True)
    assert "Taken again." in replayed.text
    assert admin.post(f"/deliveries/{number}/replay", data={"csrf": "wrong"}).status_code == 403
    other = browser("admin", "another")
    assert other.get(f"/deliveries/{number}").status_code == 404
    assert other.get(f"/sources/hooks/{path.rpartition('/')[2]}").status_code == 404


def test_roles_see_what_is_theirs(browser: Browser, client: Client) -> None:
    for role in ("viewer", "analyst", "lead"):
        person = browser(role)
        assert person.get("/sources").status_code == 200
        assert "/sources/connect" not in person.get("/sources").text
        assert person.get("/sources/connect").status_code == 403
        assert _connect(person).status_code == 403
    assert browser("viewer").get("/deliveries/1").status_code == 403
    assert TestClient(client.app).get("/sources", headers={"Accept": "text/html"}).url.path == "/sign-in"


@pytest.mark.parametrize("sender", sorted(SENDERS))
def test_every_sender_has_its_set_up_page(browser: Browser, sender: str) -> None:
    page = browser("admin").get(f"/sources/connect/{sender}")
    assert page.status_code == 200
    assert html.escape(SENDERS[sender].title, quote=True).replace("&#x27;", "&#39;") in page.text
    assert "style=" not in page.text


def test_unknown_places_are_pages_not_traces(browser: Browser) -> None:
    admin = browser("admin")
    for path in ("/sources/connect/nobody", "/sources/hooks/none", "/deliveries/99", "/deliveries?state=odd"):
        assert admin.get(path).status_code == 404, path
