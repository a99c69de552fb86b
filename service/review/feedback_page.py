"""The list of feedback: search, filters in the address, saved views, the queue of those who wait for an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlmodel import Session

from service.auth import Caller
from service.dependencies import Db, ReadDb, Reader, Reviewer, SettingsOf, VerbatimReader
from service.errors import BadInput, CannotStore, FieldError, field_errors
from service.paging import PageQuery, row_id
from service.review import charts, follow_up
from service.review.feedback_api import list_feedback
from service.review.feedback_query import (
    ATTRIBUTE_PREFIX,
    LABEL_FILTERS,
    NOBODY,
    UNPLACED,
    FeedbackFilters,
    codebook,
    feedback_filters,
)
from service.review.forms import SignedInForm
from service.review.last_day import last_of
from service.review.map_view import REASONS
from service.review.meaning import also_meant
from service.review.render import page
from service.review.saved_views import remove_view, save_view, saved_views, selection_pairs
from service.settings import Settings
from service.store import rollup_frame
from service.store.themes import mentioned

router = APIRouter(include_in_schema=False)

LISTED = 30
CHANNELS = ("survey", "review", "ticket", "chat", "call", "social", "other")
MOST_CHOICES = 200  # of sources and attributes that are offered
CHOSEN = (
    "source",
    "language",
    "channel",
    *LABEL_FILTERS,
    "pain",
    "delight",
    "place",
    "theme",
    "follow_up",
    "unplaced",
)
TABS = (
    ("", "All"),
    ("follow_up=needs_answer", "Needs an answer"),
    ("follow_up=answered", "Answered"),
    ("unsure=true", "Unsure"),
    ("corrected=true", "Corrected by people"),
)
STATES = {"needs_answer": "waits for an answer", "answered": "answered", "dismissed": "needs no answer"}
NAMES = {
    "q": "words",
    "meaning": "meaning",
    "from": "from",
    "to": "until",
    "unsure": "model unsure",
    "corrected": "corrected",
    "follow_up": "follow-up",
    "place": "of the column",
    "pain": "complaint about",
    "delight": "praise of",
    "import_id": "file",
    "unplaced": "not on the map:",
}


@router.get("/feedback")
def feedback_list_page(
    request: Request, caller: Reader, session: ReadDb, settings: SettingsOf, cursor: str | None = None
) -> Response:
    """What customers wrote, newest first, or the likest first of what is meant; the address is the selection."""
    given = request.query_params.multi_items()
    clean = _clean(given)
    if clean != given:  # a form sends its empty fields too: the address that people share has none of them
        return RedirectResponse(f"/feedback?{urlencode(clean)}" if clean else "/feedback", status_code=303)
    pairs = selection_pairs(given)
    context: dict[str, Any] = {"caller": caller, "page": "feedback"}
    if not caller.may("verbatims"):
        return page("feedback.html", context | {"withheld": True})
    filters = filters_of(request, caller)
    found = list_feedback(caller, session, settings, PageQuery(limit=LISTED, cursor=cursor), filters)
    searched_words = filters.q and not filters.meaning and cursor is None
    beside = _beside(session, settings, caller, filters, pairs) if searched_words else None
    query = urlencode(pairs)
    ids = [int(one) for one in filters.theme if one.isascii() and one.isdecimal() and len(one) <= 18]
    called = {str(number): one.name for number, one in mentioned(session, caller.workspace_id, ids).items()}
    counts = follow_up.closure(session, caller.workspace_id)
    return page(
        "feedback.html",
        context
        | {
            "withheld": False,
            "rows": [_row(one.model_dump(mode="json", by_alias=True), filters.q) for one in found.data],
            "searched": found.searched,
            "beside": beside,
            "filters": filters,
            "asked": request.query_params,
            "query": query,
            "chips": [
                {
                    "name": NAMES.get(name, name.removeprefix(ATTRIBUTE_PREFIX)).replace("_", " "),
                    "value": called.get(value) or _said(name, value) if name == "theme" else _said(name, value),
                    "plain": name in ("q", "meaning", "source", "owner", "conversation", "theme")
                    or name.startswith(ATTRIBUTE_PREFIX),
                    "without": urlencode([*pairs[:at], *pairs[at + 1 :]]),
                }
                for at, (name, value) in enumerate(pairs)
            ],
            "next": urlencode([*pairs, ("cursor", found.next)]) if found.next else None,
            "first": cursor is None,
            "tabs": TABS,
            "views": saved_views(session, caller.workspace_id),
            "closure": counts,
            "in_queue": filters.follow_up == ["needs_answer"],
            "states": STATES,
            "score_said": score_said,
            "choices": _choices(session, caller.workspace_id),
            "chosen": {name: getattr(filters, name) for name in CHOSEN},
            # what the form does not ask for itself is kept by hidden fields
            "kept": [
                (name, value)
                for name, value in pairs
                if name
                in ("state", "import_id", "conversation", "owner", "pain", "delight", "place", "theme", "unplaced")
                or name.startswith(ATTRIBUTE_PREFIX)
            ],
        },
    )


def _clean(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The address without empty fields; the form's fields "attribute" (`plan=pro`) and "by" as what they mean."""
    found = []
    by_meaning = ("by", "meaning") in pairs
    for name, value in pairs:
        if name == "by":
            continue
        if name == "q" and by_meaning:
            name = "meaning"
        if name == "attribute" and value:
            attribute, sign, wanted = value.partition("=")
            if not sign or not attribute.strip() or not wanted.strip():
                detail = "an attribute is written as name=value, such as plan=pro"
                raise BadInput(f"{detail}.", errors=[FieldError("/attribute", "no_pair", detail)])
            name, value = ATTRIBUTE_PREFIX + attribute.strip(), wanted.strip()
        if value:
            found.append((name, value))
    return list(dict.fromkeys(found))


def filters_of(request: Request, caller: Caller) -> FeedbackFilters:
    """The filters of an address as the API reads them."""
    asked = request.query_params
    switches: dict[str, Any] = {}
    for name in ("unsure", "corrected"):
        value = asked.get(name)
        if value not in (None, "true", "false"):
            raise BadInput(
                f"«{name}» is true or false.", errors=[FieldError(f"/{name}", "no_switch", value or "")]
            )
        switches[name] = None if value is None else value == "true"
    for name, allowed in (
        ("follow_up", STATES),
        ("state", ("pending", "tagged", "no_text")),
        ("unplaced", UNPLACED),
    ):
        for value in asked.getlist(name):
            if value not in allowed:
                detail = f"«{name}» is one of {', '.join(allowed)}"
                raise BadInput(f"{detail}.", errors=[FieldError(f"/{name}", "unknown", detail)])
    for name in ("q", "meaning"):
        if len(asked.get(name, "")) > 200:
            errors = [FieldError(f"/{name}", "too_long", "at most 200")]
            raise BadInput("Search for 200 characters at most.", errors=errors)
    many: Any = {name: asked.getlist(name) for name in CHOSEN}
    one: Any = {
        name: asked.get(name) for name in ("to", "q", "meaning", "import_id", "conversation", "owner", "state")
    }
    return feedback_filters(request, caller, from_=asked.get("from"), **many, **one, **switches)


def _choices(session: Session, workspace_id: int) -> dict[str, Sequence[str]]:
    """What can be chosen in the form: the codebook's labels, and what this workspace's feedback has."""
    words = rollup_frame.load(session, workspace_id).words
    attributes = sorted(pair.replace("\0", "=", 1) for pair in words.get("attribute", {}))
    return {
        **{name: codebook().labels(name) for name in LABEL_FILTERS},
        "channel": CHANNELS,
        "source": sorted(words.get("source", {}))[:MOST_CHOICES],
        "language": sorted(words.get("language", {}))[:MOST_CHOICES],
        "attribute": attributes[:MOST_CHOICES],
    }


def _said(name: str, value: str) -> str:
    """A filter's value in words."""
    if (name, value) == ("owner", NOBODY):
        return "nobody yet"
    if name == "unplaced":
        return REASONS[value]
    if name == "to":
        return last_of(value) or value
    if name == "place":
        stage, _, touchpoints = value.partition(":")
        but = touchpoints.startswith("!")
        named = charts.words(touchpoints.removeprefix("!")).replace(",", ", ")
        return f"{stage}{' but' if but else ' by' if named else ''} {named}".strip()
    return {"true": "yes", "false": "no"}.get(value, value)


def _beside(
    session: Session,
    settings: Settings,
    caller: Caller,
    filters: FeedbackFilters,
    pairs: Sequence[tuple[str, str]],
) -> dict[str, Any] | None:
    """What means the same as the searched words without having them; None where nothing can be said."""
    try:
        rows, many = also_meant(session, settings, caller, filters)
    except CannotStore:
        return None  # the hits stand for themselves
    if not many:
        return None
    return {
        "rows": [_row(one.model_dump(mode="json", by_alias=True), None) for one in rows],
        "many": many,
        "all": urlencode([("meaning" if name == "q" else name, value) for name, value in pairs]),
    }


def _row(item: dict[str, Any], words: str | None) -> dict[str, Any]:
    text, near = item["text"] or "", item["likeness"]
    if near is None:
        return item | {"parts": found_words(text, words)}
    start, end = near["start"], near["end"]
    pieces = [{"text": text[:start], "found": False}, {"text": text[start:end], "found": True}]
    if start == 0 and end >= len(text.rstrip()):  # the whole of it: nothing stands out
        pieces = [{"text": text, "found": False}]
    else:
        pieces.append({"text": text[end:], "found": False})
    return item | {"parts": pieces}


def found_words(text: str, words: str | None) -> list[dict[str, Any]]:
    """The text in pieces, with the searched words marked (`found`), upper or lower case alike."""
    if not words:
        return [{"text": text, "found": False}]
    pieces = re.split(f"({re.escape(words)})", text, flags=re.IGNORECASE)
    return [{"text": piece, "found": at % 2 == 1} for at, piece in enumerate(pieces) if piece]


@router.post("/feedback/views")
def save(form: SignedInForm, caller: VerbatimReader, session: Db) -> RedirectResponse:
    """Keep the selection that is shown under a name."""
    address = save_view(session, caller, name=form.get("name", ""), address=form.get("address", ""))
    return RedirectResponse(f"/feedback?{address}", status_code=303)


@router.post("/feedback/views/{view_id}/remove")
def remove(view_id: str, form: SignedInForm, caller: VerbatimReader, session: Db) -> RedirectResponse:
    """Forget a view."""
    remove_view(session, caller, row_id(view_id, "This saved view"))
    return RedirectResponse(back_to(form), status_code=303)


@router.post("/feedback/{feedback_id}/follow-up")
def follow_up_form(feedback_id: str, form: SignedInForm, caller: Reviewer, session: Db) -> RedirectResponse:
    """Say whether the customer was answered, from a row of the queue or the item's page."""
    item_id = row_id(feedback_id, "This feedback item")
    given: dict[str, str | None] = {"state": form.get("state", "")}
    for name in ("owner", "note"):
        if name in form:
            given[name] = form[name].strip() or None
    try:
        body = follow_up.FollowUpIn.model_validate(given)
    except ValidationError as error:
        raise BadInput("The follow-up can't be stored like this.", errors=field_errors(error)) from error
    follow_up.answer(session, caller, item_id, body)
    return RedirectResponse(back_to(form, f"/feedback/{item_id}"), status_code=303)


def back_to(form: dict[str, str], otherwise: str = "/feedback") -> str:
    """The list that a form was sent from (its field `back`, a query), else a page of ours: never another site."""
    if "back" not in form:
        return otherwise
    kept = urlencode(selection_pairs(parse_qsl(form["back"])))
    return f"/feedback?{kept}" if kept else "/feedback"


def score_said(score: dict[str, Any] | None) -> str | None:
    """A customer's own number in words, with the end of its scale where that is known."""
    if score is None:
        return None
    most = f" of {score['scale_max']:g}" if score["scale_max"] is not None else ""
    kind = score["kind"]
    return f"{charts.words(kind) if kind == 'stars' else kind.upper()} {score['value']:g}{most}"
