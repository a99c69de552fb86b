"""A support admin's and an analyst's first minutes with their own sources, in a real browser."""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.ingest.senders.fake_api import Answer, Asked, fake_api
from tests.review.test_browser import browser
from tests.site import Site, running

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.browser

FIXTURES = Path(__file__).resolve().parents[1] / "ingest" / "fixtures"
PUBLIC = "http://localhost:8000"  # the address that HubSpot signs; the service listens elsewhere
WAIT_MS = 30_000
# what to look at where a page runs out of the screen
WIDER = """() => [...document.querySelectorAll("main *")]
    .filter(one => one.getBoundingClientRect().right > innerWidth && !one.closest(".board"))
    .map(one => one.outerHTML.slice(0, 80))"""
CLIENT_SECRET = "the app's client secret"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The service without any feedback, once for all tests of this file."""
    with running(tmp_path_factory.mktemp("sources")) as found:
        yield found


@pytest.fixture
def signed_in(site: Site, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A signed-in person's page; what the browser complains of fails the test."""
    context = browser.new_context(viewport={"width": 1360, "height": 900})
    page = site.watch(context.new_page())
    page.goto(site.link(request.param, workspace="shop"))
    page.wait_for_url("**/map")
    yield page
    context.close()
    # a refused form is an answer like any other; browsers note it all the same
    assert [one for one in site.console if "422" not in one] == []
    assert site.elsewhere == []
    site.console.clear()


as_admin = pytest.mark.parametrize("signed_in", ["admin"], indirect=True)
as_analyst = pytest.mark.parametrize("signed_in", ["analyst"], indirect=True)


def _connect(page: Page, site: Site, title: str) -> None:
    """From the list of sources to the form of a tool, as a person clicks."""
    page.goto(f"{site.address}/sources")
    page.get_by_role("link", name="Connect a tool").first.click()
    page.get_by_role("link", name=title, exact=True).click()
    expect(page.get_by_role("heading", name=f"Connect {title}")).to_be_visible()


def _address(page: Page, site: Site) -> str:
    return (page.locator("#url").text_content() or "").replace(PUBLIC, site.address)


def _deliver(address: str, body: bytes, headers: dict[str, str]) -> None:
    answer = httpx2.post(address, content=body, headers={"Content-Type": "application/json", **headers})
    assert answer.status_code == 200, answer.text


def _drop(page: Page, site: Site, name: str, text: str) -> None:
    """From the list of sources to what the service made of a file, as a person drops it."""
    page.goto(f"{site.address}/sources")
    page.get_by_role("link", name="Upload a file").first.click()
    page.wait_for_url("**/sources/import")  # loaded: a drop before the page's script stands is lost
    data = page.evaluate_handle(
        """([name, text]) => {
            const dropped = new DataTransfer();
            dropped.items.add(new File([text], name, {type: "text/csv"}));
            return dropped;
        }""",
        [name, text],
    )
    page.dispatch_event("[data-drop]", "drop", {"dataTransfer": data})
    page.get_by_role("button", name="Look at the file").click()
    page.wait_for_url("**/sources/imports/*")


def _mac(secret: str, signed: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


@as_admin
def test_a_signed_tool_is_connected(signed_in: Page, site: Site) -> None:
    _connect(signed_in, site, "Zendesk")
    signed_in.get_by_role("button", name="Make the address").click()
    # Zendesk shows the secret only once it knows the address
    expect(signed_in.get_by_text("every delivery is refused")).to_be_visible()
    signed_in.get_by_label("The secret of Zendesk").fill("zendesk-signing-secret")
    signed_in.get_by_role("button", name="Use this secret").click()
    expect(signed_in.get_by_text("every delivery is refused")).to_have_count(0)
    expect(signed_in.get_by_text("Waiting for the first delivery")).to_be_visible()
    body = (FIXTURES / "zendesk" / "ticket.created.json").read_bytes()
    sent = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = {
        "x-zendesk-webhook-signature-timestamp": sent,
        "x-zendesk-webhook-signature": _mac("zendesk-signing-secret", sent.encode() + body),
        "x-zendesk-webhook-invocation-id": "1",
    }
    _deliver(_address(signed_in, site), body, headers)
    arrived = signed_in.get_by_role("article")
    expect(arrived).to_contain_text("understood", timeout=WAIT_MS)
    expect(arrived.get_by_text("Customer's words")).to_be_visible()
    expect(arrived.get_by_role("region", name="As received")).to_contain_text("zen:event-type:ticket.created")


@as_admin
def test_an_unsigned_tool_is_connected(signed_in: Page, site: Site) -> None:
    _connect(signed_in, site, "Freshdesk")
    assert signed_in.get_by_label("Make a secret for me").is_checked()
    signed_in.get_by_role("button", name="Make the address").click()
    token = signed_in.locator("#secret1").text_content() or ""
    expect(signed_in.get_by_role("list").first).to_contain_text(f"X-Journeymap-Token: {token}")
    body = (FIXTURES / "freshdesk" / "note_added.advanced.json").read_bytes()
    assert httpx2.post(_address(signed_in, site), content=body).status_code == 401
    address = _address(signed_in, site)
    _deliver(address, body, {"X-Journeymap-Token": token})
    arrived = signed_in.get_by_role("article")
    expect(arrived).to_contain_text("Still nothing, please refund me.", timeout=WAIT_MS)
    signed_in.reload()  # shows this address again and does not make a second one
    assert _address(signed_in, site) == address
    expect(signed_in.locator("#secret1")).to_have_count(0)  # shown once


def _hubspot(asked: Asked) -> Answer:
    if asked.headers.get("authorization") != "Bearer pat-right":
        return 401, {"message": "expired"}
    properties = {"content": "It keeps logging me out", "subject": "Login", "createdate": "2026-11-20T09:14:03Z"}
    return 200, {"id": "60", "properties": properties, "updatedAt": "2026-11-20T09:14:03Z", "archived": False}


@as_admin
def test_a_thin_tool_is_connected_and_its_credentials_renewed(signed_in: Page, site: Site) -> None:
    with fake_api(_hubspot) as api:
        _connect(signed_in, site, "HubSpot")
        signed_in.get_by_label("Secret", exact=False).first.fill(CLIENT_SECRET)
        signed_in.get_by_label("Access token").fill("pat-wrong")
        signed_in.get_by_text("Options", exact=True).click()
        signed_in.get_by_label("API base URL").fill(api.url)
        signed_in.get_by_role("button", name="Make the address").click()
        told = signed_in.locator("#url").text_content() or ""
        event = {"eventId": 1, "subscriptionId": 2, "subscriptionType": "ticket.creation", "objectId": 60}
        body = json.dumps([{**event, "occurredAt": int(time.time() * 1000), "portalId": 20}]).encode()
        sent = str(int(time.time() * 1000))
        signature = _mac(CLIENT_SECRET, f"POST{told}".encode() + body + sent.encode())
        headers = {"X-HubSpot-Request-Timestamp": sent, "X-HubSpot-Signature-v3": signature}
        _deliver(_address(signed_in, site), body, headers)
        arrived = signed_in.get_by_role("article").first
        expect(arrived).to_contain_text("being fetched", timeout=WAIT_MS)
        page = f"{site.address}/sources/hooks/{told.rpartition('/')[2]}"
        trouble = signed_in.get_by_text("HubSpot can't be asked")
        _until(lambda: signed_in.goto(page) and trouble.count(), "the refused credentials are told")
        signed_in.get_by_label("Access token").fill("pat-right")
        signed_in.get_by_role("button", name="Use these").click()
        expect(signed_in.get_by_text("It keeps logging me out").first).to_be_visible(timeout=WAIT_MS)
        signed_in.goto(page)
        expect(trouble).to_have_count(0)


def _until(condition: Any, what: str) -> None:
    end = time.monotonic() + WAIT_MS / 1000
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.3)


@as_admin
def test_any_other_tool_is_mapped_on_what_it_sent(signed_in: Page, site: Site) -> None:
    _connect(signed_in, site, "Any other tool")
    signed_in.get_by_label("Name, for you and your colleagues").fill("Our chat")
    signed_in.get_by_label("Make a secret for me").uncheck()
    signed_in.get_by_role("button", name="Make the address").click()
    body = {"message": {"id": 5, "words": "The export never ends", "at": "2026-11-20T09:14:03Z"}, "team": "b2b"}
    _deliver(_address(signed_in, site), json.dumps(body).encode(), {})
    expect(signed_in.get_by_role("article")).to_contain_text("not understood", timeout=WAIT_MS)
    signed_in.get_by_role("link", name="Say what stands where").click()
    signed_in.get_by_label("What the customer says").fill("message.text")
    signed_in.get_by_label("Id of the message or answer").fill("message.id")
    signed_in.keyboard.press("Enter")  # tries; nothing is saved by accident
    expect(signed_in.get_by_text("there is no «text» in «message»")).to_be_visible()
    signed_in.get_by_label("What the customer says").fill("message.words")
    signed_in.get_by_label("Path of attribute 1").fill("team")
    signed_in.get_by_role("button", name="Try it").click()
    expect(signed_in.get_by_role("status")).to_contain_text("One item of 1 would be taken")
    signed_in.get_by_role("button", name="Save the mapping").click()
    expect(signed_in.get_by_role("status")).to_contain_text("Saved.")
    signed_in.get_by_role("button", name="Take those not understood again").click()
    expect(signed_in.get_by_role("status")).to_contain_text("One delivery was taken again.")
    signed_in.get_by_role("link", name="Our chat").click()
    expect(signed_in.get_by_role("article")).to_contain_text("The export never ends")


# «comment» is the shop's own remark, the customer's words stand under a name that nobody knows
FILE = """id,date,comment,xq1
1,2026-11-01,Filiale Mitte eins,Nobody answered my three messages about the broken lamp.
2,2026-11-02,Filiale Nord zwei,The parcel came a day early and well packed. Thank you!
3,2026-11-03,Filiale Nord zwei,I was charged twice and had to call four times.
4,not a date,Filiale Mitte eins,The colour is not what the picture shows.
"""


@as_analyst
def test_an_analyst_mends_a_wrong_guess(signed_in: Page, site: Site) -> None:
    _drop(signed_in, site, "lamps.csv", FILE)
    wrong = signed_in.get_by_label("What «comment» holds")
    assert wrong.input_value() == "text", "guessed by its name"
    assert "Filiale Mitte eins" in signed_in.get_by_role("row", name="comment").inner_text()
    wrong.select_option(label="Attribute to filter by")
    signed_in.get_by_label("What «xq1» holds").select_option(label="Customer's words")
    signed_in.get_by_role("button", name="Look again").click()
    expect(signed_in.locator(".firsts")).to_contain_text("Nobody answered my three messages")
    expect(signed_in.get_by_text("1 of the 4 rows would be refused")).to_be_visible()
    signed_in.get_by_role("button", name="Import it").click()
    expect(signed_in.get_by_text("done, some rows refused")).to_be_visible(timeout=WAIT_MS)  # by itself
    expect(signed_in.get_by_role("table")).to_contain_text("not a date")
    with signed_in.expect_download() as download:
        signed_in.get_by_role("link", name="Download rejected.csv").click()
    assert "The colour is not" in download.value.path().read_text(encoding="utf-8-sig")
    signed_in.get_by_role("link", name="See it on the map").click()
    expect(signed_in.get_by_role("heading", name="Journey map")).to_be_visible()


@as_analyst
def test_a_qualtrics_export_with_a_wrong_column_is_mended(signed_in: Page, site: Site) -> None:
    """What the interviewer wrote is taken for the customer's words, until the analyst says what it is."""
    export = (FIXTURES / "qualtrics" / "export.csv-3headers.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.reader(io.StringIO(export)))
    note = "Asked twice, then left the line."
    for row, cell in zip(rows, ("Q9", "Anything else?", '{"ImportId":"QID9_TEXT"}', note), strict=False):
        row.append(cell)
    told = io.StringIO()
    csv.writer(told).writerows(row + [""] * (len(rows[0]) - len(row)) for row in rows)
    _drop(signed_in, site, "qualtrics.csv", told.getvalue())
    expect(signed_in.get_by_text("Qualtrics").first).to_be_visible()
    wrong = signed_in.get_by_label("What «Q9» holds")
    assert wrong.input_value() == "text"
    expect(signed_in.locator(".firsts")).to_contain_text(note)
    wrong.select_option(label="Attribute to filter by")
    signed_in.get_by_role("button", name="Look again").click()
    expect(signed_in.get_by_label("What «Q9» holds")).not_to_have_value("text")
    expect(signed_in.locator(".firsts")).to_contain_text("Support answered fast")
    signed_in.get_by_role("button", name="Import it").click()
    expect(signed_in.get_by_role("link", name="See it on the map")).to_be_visible(timeout=WAIT_MS)
    signed_in.goto(f"{site.address}/feedback?q=Support+answered+fast")
    expect(signed_in.locator("main")).to_contain_text("Third ticket this month")
    signed_in.goto(f"{site.address}/feedback?q=Asked+twice")
    expect(signed_in.locator("main")).not_to_contain_text(note)


@as_analyst
def test_a_file_that_is_none_is_told_where_one_stands(signed_in: Page, site: Site) -> None:
    signed_in.goto(f"{site.address}/sources/import")
    signed_in.set_input_files("#file", {"name": "blank.csv", "mimeType": "text/csv", "buffer": b"  \n"})
    signed_in.get_by_role("button", name="Look at the file").click()
    expect(signed_in.get_by_role("alert")).to_contain_text("nothing but white space")
    # the form works again
    signed_in.set_input_files("#file", {"name": "a.csv", "mimeType": "text/csv", "buffer": b"id,text\n1,Fine\n"})
    signed_in.get_by_role("button", name="Look at the file").click()
    signed_in.wait_for_url("**/sources/imports/*")
    signed_in.get_by_role("button", name="Discard the file").click()
    expect(signed_in.get_by_text("stopped")).to_be_visible()


def test_a_file_is_brought_without_script(site: Site, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.link("analyst", workspace="plain"))
    page.get_by_role("button", name="Open the map").click()
    page.goto(f"{site.address}/sources/import")
    page.set_input_files("#file", {"name": "a.csv", "mimeType": "text/csv", "buffer": b"id,text\n1,Fine\n"})
    page.get_by_role("button", name="Look at the file").click()
    page.get_by_role("button", name="Import it").click()
    _until(lambda: page.reload() and page.get_by_text("done", exact=True).count(), "the file is read")
    context.close()


@as_admin
@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_runs_out_of_the_page(signed_in: Page, site: Site, width: int) -> None:
    signed_in.set_viewport_size({"width": width, "height": 800})
    _connect(signed_in, site, "Any other tool")
    signed_in.get_by_role("button", name="Make the address").click()
    hook = f"/sources/hooks/{_address(signed_in, site).rpartition('/')[2]}"
    signed_in.goto(f"{site.address}/sources/import")
    content = b"id,what was it,when,note\n1,A whole sentence of somebody,03/04/2026,8\n2,Another,05/06/2026,9\n"
    signed_in.set_input_files("#file", {"name": f"{width}.csv", "mimeType": "text/csv", "buffer": content})
    signed_in.get_by_role("button", name="Look at the file").click()
    signed_in.wait_for_url("**/sources/imports/*")
    paths = (
        "/sources",
        "/sources/import",
        "/deliveries",
        hook,
        f"{hook}/mapping",
        signed_in.url.replace(site.address, ""),
    )
    for path in paths:
        signed_in.goto(f"{site.address}{path}")
        for summary in signed_in.locator("summary").all():
            summary.click()
        wide: Any = signed_in.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, (path, width, signed_in.evaluate(WIDER))


@as_admin
def test_every_field_has_a_name(signed_in: Page, site: Site) -> None:
    _connect(signed_in, site, "Any other tool")
    forms = [signed_in.url]
    signed_in.get_by_role("button", name="Make the address").click()
    hook = f"{site.address}/sources/hooks/{_address(signed_in, site).rpartition('/')[2]}"
    for url in (*forms, hook, f"{hook}/mapping", f"{site.address}/sources/import"):
        signed_in.goto(url)
        nameless: Any = signed_in.evaluate(
            """() => [...document.querySelectorAll("input:not([type=hidden]), select, textarea")]
                .filter(field => !field.labels.length && !field.getAttribute("aria-label"))
                .map(field => field.name)"""
        )
        assert nameless == [], url
