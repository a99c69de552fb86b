"""Workspaces to look at pages with: a full one, and a crowded one whose every word tries to break the page.

Everything goes in by the routes that callers use, so that a page never shows what could not be there.
"""

from __future__ import annotations

import io
import json
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from rich.console import Console
from sqlalchemy import update
from sqlmodel import col, select

from service import auth, demo
from service.auth import Vault
from service.store.columns import now
from service.store.schema import Job, Subscription, SuggestionDecision
from tests.site import Site

CROWDED = "a-workspace-with-quite-a-long-name-in-northern-europe"
MEASURED = "measured"
TAGGED_SECONDS = 120
# each would do something if it were not shown as text; braces are what templates look for
SCRIPT = "<script>window.ran = 1; alert(1)</script>"
IMAGE = "<img src=x onerror=\"window.ran = 2; alert(2)\"><svg onload='window.ran = 3'></svg>"
STYLE = "</td></tr></table></div><style>body { display: none !important }</style>"
ATTRIBUTE = '" onfocus="window.ran = 4" autofocus x=\'\' href="javascript:window.ran = 5"'
BRACES = "{{ 7 * 191 }} {% raw %} ${7 * 191} #{7 * 191} <%= 7 * 191 %>"
COMMENT = "<!-- <textarea> ]]> </title></head> &lt;b&gt; &amp;nbsp;"
TURNED = "the price \u202eis good\u202c, \u2066isolated\u2069, zero\u200bwidth\ufeff, joined\u200d"
LONG = "Donaudampfschifffahrtsgesellschaftskapitaen" * 6
STACKED = "Z" + "\u0338\u0337\u0334\u0330" * 30 + "algo"
HOSTILE = (SCRIPT, IMAGE, STYLE, ATTRIBUTE, BRACES, COMMENT, TURNED, LONG, STACKED)
OPINIONS = (
    "The parcel came three weeks late and nobody told me why.",
    "I was charged twice for one order and the refund takes forever.",
    "Support answered within minutes and solved it, thank you so much!",
    "The app crashes each time I open my orders, very frustrating.",
    "Setting it up was easy, I love how clear the first steps are.",
    "Too expensive for what it does, we are thinking of cancelling.",
    "I would recommend this shop to all my friends, great quality.",
    "Could not find the size guide on the website at all.",
)

# what is said week by week where changes are measured: complaints of one kind, other words of the same stage, and
# about how many of each a week: before the changes, since them, and the others
WEEKS_TOLD, WEEKS_SINCE = 29, 9
OVER_WEEKS: dict[str, tuple[tuple[str, ...], tuple[str, ...], int, int, int]] = {
    "checkout": (
        (
            "Checkout asked for my address three times, the form is far too complicated.",
            "The checkout has too many steps, I nearly gave up buying the lamp.",
        ),
        (
            "Ordered and paid by card, no problem at all.",
            "Paying with PayPal worked well when I bought the chair.",
        ),
        7,
        2,
        5,
    ),
    "app": (
        ("The app crashes every time I open my orders.", "I use the app every day and it keeps freezing."),
        ("The app is great and easy to use every day.", "The tablet app works fine for what I do."),
        3,
        7,
        5,
    ),
    "parcel": (
        ("The delivery of my parcel came two weeks late.", "My parcel came late and it arrived damaged."),
        ("My parcel was delivered on time, thank you.", "Delivery was quick and the courier was friendly."),
        4,
        4,
        4,
    ),
    # nobody changes anything about these: what the changes are measured against
    "waits": (
        ("Support did not answer my emails for two weeks.", "I waited forty minutes on the phone for support."),
        ("Support answered quickly and solved my problem.",),
        3,
        3,
        3,
    ),
    "agents": (("The support agent was rude and did not solve my problem.",), (), 2, 2, 0),
    "price": (
        ("I cancelled my subscription because it became too expensive.",),
        ("Cancelling my account was easy.",),
        3,
        3,
        2,
    ),
    "guide": (("Setting up the account was confusing, the guide is missing steps.",), (), 3, 3, 0),
    "setup": (
        ("The first setup took hours because the instructions are unclear.",),
        ("Setting it up took two minutes.",),
        2,
        2,
        2,
    ),
}
# which changes were agreed on, and how many weeks ago
AGREED_ON = (
    ("purchase.ease_of_use", WEEKS_SINCE),
    ("usage.reliability", WEEKS_SINCE),
    ("delivery.delivery", 4),
)


class Caller:
    """Somebody with a key, who insists on being understood."""

    def __init__(self, site: Site, workspace: str) -> None:
        self.workspace = workspace
        self.address, self.headers = site.address, {"Authorization": f"Bearer {site.key(workspace)}"}

    def __call__(self, method: str, path: str, body: Any = None, *, content: str | None = None) -> Any:
        given: dict[str, Any] = {"json": body} if body is not None else {}
        if content is not None:
            given = {"content": content.encode()}
        answer = httpx2.request(method, self.address + path, headers=self.headers, timeout=60, **given)
        assert answer.status_code < 300, (path, answer.text)
        return answer.json() if answer.content else None

    def all_tagged(self) -> None:
        """Wait until the worker has read everything."""
        deadline = time.monotonic() + TAGGED_SECONDS
        while self("GET", "/v1/feedback?state=pending&limit=1")["data"]:
            assert time.monotonic() < deadline, "feedback is still untagged"
            time.sleep(0.2)

    def settled(self, import_id: str) -> None:
        """Wait until an import has ended or asks something."""
        deadline = time.monotonic() + TAGGED_SECONDS
        while self("GET", f"/v1/imports/{import_id}")["state"] in ("queued", "running"):
            assert time.monotonic() < deadline, "the import is still read"
            time.sleep(0.2)


def full(site: Site, *, worked_with: bool = True) -> str:
    """The sample, as a team has it after some weeks (else as it comes); returns the workspace's name."""
    demo.load_sample(site.database, site.address, Console(file=io.StringIO()))
    if worked_with:
        _worked_with(site, Caller(site, demo.WORKSPACE), lambda words: words)
    return demo.WORKSPACE


def crowded(site: Site) -> str:
    """Much of everything, long and hostile: feedback, names, files, deliveries, notes; returns the name."""
    call = Caller(site, CROWDED)
    items = []
    for number in range(240):
        hostile = HOSTILE[number % len(HOSTILE)]
        items.append(
            {
                "text": f"{OPINIONS[number % len(OPINIONS)]} {hostile}",
                "external_id": f"{hostile[:60]}-{number}",
                "source": f"{HOSTILE[number % 4][:50]} {number % 12}",
                "channel": ("survey", "review", "ticket", "chat", "call", "social", "other")[number % 7],
                "occurred_at": (datetime.now(UTC) - timedelta(days=number % 70, hours=2)).isoformat(),
                "respondent": f"{hostile[:40]}{number}",
                "question": f"What would you change? {hostile}" if number % 3 == 0 else None,
                "score": {"kind": "nps", "value": number % 11} if number % 2 else None,
                "url": "https://shop.example/reviews/" + "r" * 300,
                "attributes": {f"plan {HOSTILE[number % 5][:30]}": hostile[:80], "country": "DE"},
            }
        )
    for start in range(0, len(items), 80):
        told = call("POST", "/v1/feedback/batch", items[start : start + 80])
        assert told["rejected"] == 0, [one for one in told["results"] if one["status"] == "rejected"][:2]
    for number in range(25):
        call("POST", "/v1/keys", {"name": f"{HOSTILE[number % 9][:90]} {number}", "scopes": ["read", "ingest"]})
        call("POST", "/v1/people", {"name": f"{HOSTILE[number % 9][:90]} {number}", "role": "viewer"})
    call.all_tagged()
    _worked_with(site, call, lambda words: f"{words} {LONG[:60]} {SCRIPT}{IMAGE}")
    return CROWDED


def measured(site: Site) -> str:
    """A team whose changes have run for some weeks, so that their effects are measured; returns the name.

    Decisions are taken by the route and then dated back, which no route can.
    """
    call = Caller(site, MEASURED)
    today, chance = now() - timedelta(hours=1), random.Random(20)
    items = []
    for week in range(WEEKS_TOLD, 0, -1):
        for about, (complaints, others, before, since, usual) in OVER_WEEKS.items():
            hurt = (before if week > WEEKS_SINCE else since) + chance.choice((-1, 0, 0, 1))
            for number in range(hurt + usual):
                words = complaints if number < hurt else others
                moment = today - timedelta(weeks=week) + timedelta(hours=11 * number)
                items.append(
                    {
                        "text": f"{words[(number + week) % len(words)]} ({about} {week}.{number})",
                        "external_id": f"{about}-{week}-{number}",
                        "source": "shop",
                        "channel": "survey",
                        "occurred_at": moment.isoformat(),
                    }
                )
    for start in range(0, len(items), 100):
        assert call("POST", "/v1/feedback/batch", items[start : start + 100])["rejected"] == 0
    assert call("POST", "/v1/metrics", _series(today))["rejected"] == 0
    call.all_tagged()
    _worker_rests(site, call)
    for suggestion, weeks in AGREED_ON:
        path = f"/v1/suggestions/{suggestion}/decision"
        made = call("POST", path, {"decision": "accept", "owner": "Maria"})["decisions"][-1]
        with site.database.write() as session:
            one = col(SuggestionDecision.id) == int(made["id"])
            session.execute(update(SuggestionDecision).where(one).values(at=today - timedelta(weeks=weeks)))
        call("POST", path, {"decision": "start", "effective_at": (today - timedelta(weeks=weeks)).isoformat()})
    return MEASURED


def _series(today: datetime) -> list[dict[str, Any]]:
    """Weekly values of a team's own metrics over years: one that rose with the change, one whose better way is not
    known from its name, and orders.
    """
    rows = []
    for week in range(104, 0, -1):
        swing, late = 1 + 0.02 * (-1) ** (week * week // 3), week < WEEKS_SINCE
        for name, value, of in (
            ("conversion", 30 * swing * (1.25 if late else 1), 1000),
            ("session depth", 9 * swing + 5 * late, None),
            ("orders", 1000 * swing, None),
        ):
            date = (today - timedelta(weeks=week)).date().isoformat()
            row = {"name": name, "stage": "purchase", "date": date, "value": round(value, 2)}
            rows.append(row | ({"denominator": of} if of else {}))
    return rows


def _worked_with(site: Site, call: Caller, said: Any) -> None:
    """What people and tools leave behind: decisions, corrections, deliveries, files; words go through `said`."""
    found = call("GET", "/v1/suggestions?limit=10")["data"]
    for one, decision in zip(found, ("accept", "reject", "snooze"), strict=False):
        body = {"decision": decision, "reason": said("Known since spring."), "owner": said("Maria")}
        if decision == "snooze":
            body["until"] = (now() + timedelta(days=30)).isoformat()
        call("POST", f"/v1/suggestions/{one['id']}/decision", body)
    items = call("GET", "/v1/feedback?limit=50&unsure=false&state=tagged")["data"]
    for one in items[:3]:
        call("PUT", f"/v1/feedback/{one['id']}/labels", {"labels": {"stage": "delivery", "topic": "delivery"}})
        wanted = {"state": "needs_answer", "owner": said("Ada"), "note": said("Call her back")}
        call("POST", f"/v1/feedback/{one['id']}/follow-up", wanted)
    persona = {"name": said("Returning shopper")[:80], "attributes": {"country": ["DE"]}, "description": said("x")}
    call("POST", "/v1/personas", persona)
    stages = [
        {"name": said("Before buying")[:60], "codebook_stages": ["awareness", "consideration", "decision"]},
        {"name": said("Buying")[:60], "codebook_stages": ["purchase", "delivery", "onboarding"]},
        {
            "name": said("Living with it")[:60],
            "codebook_stages": ["usage", "support", "loyalty", "churn", "advocacy"],
        },
    ]
    call("POST", "/v1/journey-models", {"name": said("Our three steps")[:60], "stages": stages})
    columns = call("GET", "/v1/journey-map")["stages"]
    written = [
        {"stage": one["stage"], "goal": said("Done within two minutes"), "notes": said("Workshop"), "owner": "Ada"}
        for one in columns
    ]
    document = {"model": "7-stage", "goal": said("Shopping without detours"), "stages": written}
    call("PUT", "/v1/map-document", {"document": document, "reason": said("October workshop")})
    hook = call("POST", "/v1/endpoints", {"sender": "mapped", "name": said("Our chat")[:100], "source": "chat"})
    path = hook["url"].partition("/hooks/")[2]
    for body in (json.dumps({"message": {"words": said("The export never ends"), "id": 5}}), said("{not json")):
        httpx2.post(f"{site.address}/hooks/{path}", content=body.encode()).raise_for_status()
    words = said("Nobody answered my messages about the broken lamp.").replace('"', '""')
    table = f'id,date,opinion\n1,2026-11-01,"{words}"\n2,2026-11-02,"Very quick, thank you!"\n'
    for name, content in (
        (f"{said('lamps')[:60].replace('/', '')}.csv", table + '3,no date at all,"Colour is off"\n'),
        (f"{said('which column')[:60].replace('/', '')}.csv", "a,b\n" + "x1,y1\n" * 3),
    ):
        made = call(
            "POST", "/v1/imports?" + str(httpx2.QueryParams(filename=name, channel="survey")), content=content
        )
        call.settled(made["id"])
    call.all_tagged()
    _worker_rests(site, call)
    vault = Vault(site.settings)
    with site.database.write() as session:
        # not by the route: a subscription that lives would be told things by the worker, on another machine
        workspace = auth.workspace_named(session, call.workspace)
        assert workspace.id is not None
        session.add(
            Subscription(
                workspace_id=workspace.id,
                public_id=f"sub_{workspace.id}",
                name=said("CX room"),
                url=vault.encrypt("https://chat.example.com/hooks/cx"),
                secret=vault.encrypt("whsec_c2VjcmV0"),
                form="standard",
                events=["suggestion.created"],
                disabled_at=now(),
                trouble="answered 410 five times",
            )
        )


def _worker_rests(site: Site, call: Caller) -> None:
    """Wait until nothing is left to do: themes are looked for once everything is tagged."""
    deadline = time.monotonic() + TAGGED_SECONDS
    while _at_work(site, call):
        assert time.monotonic() < deadline, "the worker is still at work"
        time.sleep(0.2)


def _at_work(site: Site, call: Caller) -> bool:
    """Whether a job of the workspace waits or runs."""
    with site.database.read() as session:
        workspace = auth.workspace_named(session, call.workspace)
        jobs = select(Job.id).where(Job.workspace_id == workspace.id, Job.state != "dead")
        return session.exec(jobs).first() is not None
