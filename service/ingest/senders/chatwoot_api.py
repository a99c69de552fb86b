"""Chatwoot's API, asked regularly: its webhooks are sent once, and what got lost there is found here.

One round walks the conversations from the newest activity back to where the last round began, reads the messages
of each, then the satisfaction answers. The cursor says how far a round came:

`since`     activity (unix seconds) that the last whole round had seen
`newest`    activity that this round saw first; it becomes `since` at the end
`page`      page of conversations to ask for next; absent between rounds
`listed`    conversations on the page before
`todo`      conversations of the last page that are still to be read
`inboxes`   names of inboxes by id, as of the beginning of the round
`csat_page`, `csat_newest`   the same for satisfaction answers
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pydantic import Field

from service.ingest.incoming import Call, CannotParse
from service.ingest.senders.bodies import json_value
from service.ingest.senders.contract import (
    Credentials,
    Fetched,
    Http,
    HttpAnswer,
    NotThere,
    Polled,
    Poller,
    Refused,
    TryLater,
)
from service.ingest.senders.signatures import SenderOptions
from service.ingest.senders.values import identifier, inner, number

CONVERSATION, CSAT = "conversation", "csat"
DAY_SECONDS = 86_400
CSAT_PAGE_ROWS = 25
CSAT_PAGES = 2000  # at most, of one round
# a comment is added to a rating that was listed before; Chatwoot takes answers for 14 days
CSAT_LOOK_BACK_SECONDS = 14 * DAY_SECONDS
MESSAGE_PAGE_ROWS = 20
MESSAGE_PAGES = 50  # older messages of one conversation are not read


class Options(SenderOptions):
    """Where this Chatwoot is: for links, and for asking its API."""

    base_url: str = Field(
        default="https://app.chatwoot.com", description="Address of your Chatwoot, without a path."
    )
    account_id: str = Field(
        default="", description="The number after /accounts/ in the address bar; needed for links and the API."
    )
    history_days: int = Field(
        default=30, ge=0, le=3650, description="How far back conversations are read at first, in days."
    )


class ApiToken(Credentials):
    """The access token of an agent or administrator, from the profile settings."""

    api_access_token: str = Field(min_length=1, description="Access token, at the end of your profile settings.")


def poll(http: Http, credentials: ApiToken, options: Options, cursor: Mapping[str, Any]) -> Polled:
    """One step of a round: a page of conversations, one conversation's messages, or a page of answers."""
    if not options.account_id:
        raise Refused("the account's number is not set")
    api = _Api(http, credentials, options)
    state = dict(cursor)
    if state.get("todo"):
        return _conversation(api, state)
    if "csat_page" in state:
        return _answers(api, state)
    return _list(api, state, options)


class _Api:
    def __init__(self, http: Http, credentials: ApiToken, options: Options) -> None:
        self._http = http
        self._headers = {"api_access_token": credentials.api_access_token, "accept": "application/json"}
        self._root = f"{options.base_url.rstrip('/')}/api/v1/accounts/{quote(options.account_id, safe='')}"

    def get(self, path: str, **params: str) -> tuple[HttpAnswer, Any]:
        answer = self._http.request("GET", self._root + path, headers=self._headers, params=params)
        try:
            return answer, json_value(Call({}, answer.body))
        except CannotParse as error:
            raise TryLater("the API did not answer with JSON") from error


def _list(api: _Api, state: dict[str, Any], options: Options) -> Polled:
    page = int(state.get("page") or 1)
    _, found = api.get(
        "/conversations",
        status="all",
        assignee_type="all",
        sort_by="last_activity_at_desc",
        page=str(page),
    )
    rows = [one for one in _list_of(inner(found, "data", "payload")) if isinstance(one, dict)]
    active = [number(row.get("last_activity_at")) or number(row.get("timestamp")) or 0.0 for row in rows]
    if page == 1:
        state["inboxes"] = _inboxes(api)
        state["newest"] = max([*active, float(state.get("since") or 0)])
        if state.get("since") is None:
            state["since"] = state["newest"] - options.history_days * DAY_SECONDS
    # the last one seen is read again: more may have been written within its second
    wanted = [identifier(row.get("id")) for row, at in zip(rows, active, strict=True) if at >= state["since"]]
    listed = [identifier(row.get("id")) for row in rows]
    repeated = page > 1 and listed == state.get("listed")  # an API that does not page
    state["todo"] = [one for one in wanted if one and not repeated]
    if rows and len(wanted) == len(rows) and not repeated:
        state.update(page=page + 1, listed=listed)
    else:
        for name in ("page", "listed"):
            state.pop(name, None)
        state["csat_page"] = 1
    return Polled(None, state, more=True)


def _inboxes(api: _Api) -> dict[str, str]:
    """Names of the inboxes by id; none where the token may not list them."""
    try:
        _, found = api.get("/inboxes")
    except (NotThere, Refused):
        return {}
    rows = [one for one in _list_of(inner(found, "payload")) if isinstance(one, dict)]
    return {key: str(row.get("name") or "")[:255] for row in rows if (key := identifier(row.get("id")))}


def _conversation(api: _Api, state: dict[str, Any]) -> Polled:
    """The messages of one conversation, newest pages first, as far back as this round goes."""
    conversation_id, *state["todo"] = state["todo"]
    path = f"/conversations/{quote(str(conversation_id), safe='')}"
    messages: list[Any] = []
    try:
        _, conversation = api.get(path)
        before: dict[str, str] = {}
        for _ in range(MESSAGE_PAGES):
            _, found = api.get(f"{path}/messages", **before)
            page = [one for one in _list_of(inner(found, "payload")) if isinstance(one, dict)]
            messages += page
            ids = [known for one in page if (known := number(one.get("id"))) is not None]
            times = [number(one.get("created_at")) or 0 for one in page]
            oldest = str(int(min(ids))) if ids else None
            if len(page) < MESSAGE_PAGE_ROWS or oldest in (None, before.get("before")):
                break
            if min(times) < float(state.get("since") or 0):
                break
            before = {"before": str(oldest)}
    except NotThere:
        return Polled(None, state, more=True)  # deleted since the list was read
    inbox = (state.get("inboxes") or {}).get(identifier(inner(conversation, "inbox_id")) or "")
    body = json.dumps({"conversation": conversation, "messages": messages, "inbox": {"name": inbox}}).encode()
    return Polled(Fetched(CONVERSATION, body) if messages else None, state, more=True)


def _answers(api: _Api, state: dict[str, Any]) -> Polled:
    page = int(state["csat_page"])
    answer, found = api.get("/csat_survey_responses", sort="-created_at", page=str(page))
    rows = [one for one in _list_of(found) if isinstance(one, dict)]
    times = [number(row.get("created_at")) or 0.0 for row in rows]
    if page == 1:
        # found in this round; the one of the last round holds until this one is through
        state["csat_first"] = max([*times, float(state.get("csat_newest") or 0)])
    known = float(state["csat_newest"] or 0) if "csat_newest" in state else None
    reached = known is not None and (not times or min(times) < known - CSAT_LOOK_BACK_SECONDS)
    if known is None:
        reached = not times or min(times) < float(state.get("since") or 0)
    more = len(rows) >= CSAT_PAGE_ROWS and not reached and page < CSAT_PAGES
    if more:
        state["csat_page"] = page + 1
    else:
        state["csat_newest"] = state.pop("csat_first", known or 0)
        state["since"] = state.pop("newest", state.get("since"))
        state.pop("csat_page")
        for name in ("todo", "inboxes"):
            state.pop(name, None)
    return Polled(Fetched(CSAT, answer.body) if rows else None, state, more)


def _list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


POLLER = Poller(credentials=ApiToken, poll=poll, requests_per_minute=60, every_seconds=900)
