"""Who is told of what is new: addresses, what they hear and how often, and how telling them went."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from service.auth import Caller
from service.dependencies import Admin, Db, ReadDb, SettingsOf, VaultOf
from service.desk.settings_frame import checked, settings_page
from service.desk.told_says import what_to_do
from service.errors import BadInput, JourneymapError
from service.notify import api as telling
from service.notify import quiet_api as quiet
from service.paging import PageQuery
from service.review.forms import SignedInForm
from service.store.columns import now

router = APIRouter(include_in_schema=False)

AT: Final = "/settings/told"
LATEST: Final = 5  # messages shown of an address
LOGGED: Final = 50
NAPS: Final = ((1, "a day"), (7, "a week"), (28, "four weeks"))
RESTS: Final = ((0, "as it happens"), (1, "once an hour"), (24, "once a day"), (168, "once a week"))
EVENTS: Final = {
    "suggestion.created": "New suggestions",
    "change.significant": "Changes that are more than chance",
    "import.finished": "Finished imports",
    "digest.weekly": "The weekly digest",
}
DONE: Final = {
    "ended": "The subscription ended.",
    "tested": "A test is on its way; load the page again to see how it went.",
    "changed": "Saved.",
    "snoozed": "Quiet until then. What still holds afterwards is told then.",
    "stopped": "Nothing is sent there any more.",
    "resumed": "It is told again.",
    "seen": "Noted. A change that goes on is not told there again.",
}


@router.get("/settings/told")
def told_page(caller: Admin, session: ReadDb, vault: VaultOf, done: str | None = None) -> HTMLResponse:
    """Addresses that hear of what is new, and how telling them went."""
    return _told(caller, session, vault, {"notice": DONE.get(done or "")})


def _told(
    caller: Caller, session: ReadDb, vault: VaultOf, context: Mapping[str, Any], *, status: int = 200
) -> HTMLResponse:
    found = telling.get_subscriptions(caller, vault, session).data
    latest = telling.latest_notices(session, caller, each=LATEST)
    known = {
        "rows": [{"one": one, "notices": latest.get(one.id, [])} for one in found],
        "events": EVENTS,
        "now": now(),
        "naps": NAPS,
        "rests": RESTS,
        "what_to_do": what_to_do,
        "secret": None,
        "form": {},
    }
    return settings_page("settings_told.html", caller, AT, {**known, **context}, status=status)


@router.post("/settings/told")
def subscribe(
    form: SignedInForm, caller: Admin, session: Db, settings: SettingsOf, vault: VaultOf
) -> HTMLResponse:
    """Tell an address; the secret that signs stands on this answer only."""
    url = form.get("url", "").strip()
    ticked = [event for event in EVENTS if form.get(f"event.{event}")]
    by_mail = url.startswith("mailto:")  # then the digest is sent, whatever is ticked
    given = {
        "url": url,
        "format": form.get("format", "standard"),
        "events": None if by_mail else ticked,
        **({"name": form["name"].strip()} if form.get("name", "").strip() else {}),
    }
    try:
        asked = checked(telling.NewSubscription, given)
        _, secret = telling.subscribe(session, vault, settings, caller=caller, asked=asked)
    except JourneymapError as error:
        problem = error.detail if ticked or by_mail else "Tick what is to be told."
        return _told(caller, session, vault, {"problem": problem, "form": form}, status=error.status)
    return _told(caller, session, vault, {"secret": secret}, status=201)


@router.post("/settings/told/{subscription_id}/test")
def send_test(
    subscription_id: str, form: SignedInForm, caller: Admin, session: Db, vault: VaultOf
) -> RedirectResponse:
    """Send a test."""
    telling.test_subscription(subscription_id, caller, vault, session)
    return RedirectResponse(f"{AT}?done=tested", status_code=303)


@router.post("/settings/told/{subscription_id}/end")
def end_subscription(subscription_id: str, form: SignedInForm, caller: Admin, session: Db) -> RedirectResponse:
    """End a subscription."""
    telling.delete_subscription(subscription_id, caller, session)
    return RedirectResponse(f"{AT}?done=ended", status_code=303)


@router.get("/settings/told/{subscription_id}")
def log_page(
    subscription_id: str, caller: Admin, session: ReadDb, vault: VaultOf, cursor: str | None = None
) -> HTMLResponse:
    """Everything that was told to one address, and how it went."""
    one = telling.view_of(telling.subscription_of(session, caller, subscription_id), vault)
    found = telling.get_notices(subscription_id, caller, PageQuery(limit=LOGGED, cursor=cursor), session)
    shown = {"one": one, "notices": found.data, "next": found.next, "events": EVENTS}
    return settings_page("settings_told_log.html", caller, AT, shown)


@router.post("/settings/told/{subscription_id}/change")
def change(subscription_id: str, form: SignedInForm, caller: Admin, session: Db, vault: VaultOf) -> Response:
    """Name, events, how often at most."""
    given = {
        "name": form.get("name", "").strip(),
        "events": [event for event in EVENTS if form.get(f"event.{event}")],
        "cooldown_hours": form.get("cooldown_hours", "0"),
    }
    try:
        asked = checked(quiet.ChangedSubscription, given)
        quiet.change_subscription(session, vault, caller=caller, subscription_id=subscription_id, asked=asked)
    except BadInput as error:
        problem = error.detail if given["events"] else "Tick what is to be told, or stop it."
        return _told(caller, session, vault, {"problem": problem}, status=error.status)
    return RedirectResponse(f"{AT}?done=changed", status_code=303)


@router.post("/settings/told/{subscription_id}/quiet")
def make_quiet(
    subscription_id: str, form: SignedInForm, caller: Admin, session: Db, vault: VaultOf
) -> RedirectResponse:
    """Quiet for some days, stopped, or told again."""
    do = form.get("do", "")
    days = next((days for days, _ in NAPS if do == f"snooze:{days}"), None)
    if days is not None:
        asked = quiet.ChangedSubscription(snoozed_until=now() + timedelta(days=days))
    else:
        asked = quiet.ChangedSubscription(enabled=do != "stop", snoozed_until=None)
    quiet.change_subscription(session, vault, caller=caller, subscription_id=subscription_id, asked=asked)
    done = "snoozed" if days is not None else "stopped" if do == "stop" else "resumed"
    return RedirectResponse(f"{AT}?done={done}", status_code=303)


@router.post("/settings/told/{subscription_id}/notices/{notice_id}/seen")
def seen(subscription_id: str, notice_id: str, form: SignedInForm, caller: Admin, session: Db) -> RedirectResponse:
    """Somebody has seen it."""
    quiet.acknowledge(subscription_id, notice_id, caller, session)
    return RedirectResponse(f"{AT}?done=seen", status_code=303)
