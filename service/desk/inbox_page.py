"""The review inbox: one item at a time, by keyboard or by form, until there is enough to learn from."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlmodel import Session

from nlp.analysis import FIELDS
from service.auth import Caller
from service.dependencies import Db, ReadDb, Reader, Reviewer, SettingsOf, VaultOf
from service.errors import BadInput, CannotStore, FieldError, NotFound
from service.learn.api import LiveModelOut, model
from service.paging import row_id
from service.review import audit, corrections, inbox
from service.review.agreement import agreement
from service.review.feedback_page import score_said
from service.review.feedback_view import detail
from service.review.forms import SignedInForm
from service.review.label_form import fields_of, pieces
from service.review.render import page
from service.settings import Settings
from service.store import rollup_frame

router = APIRouter(include_in_schema=False)

QUEUES = (
    ("unsure", "Unsure", "The model is not sure enough to place these on the map. Say what they are."),
    ("disputed", "Disputed", "People said different things of these. The label that more people stand by holds."),
    ("changed", "Text changed", "Somebody labelled these before their text was replaced. Look again."),
    ("audit", "Random sample", "Chosen by chance to measure the model. Its labels stay hidden until you decided."),
)
DONE = {"decided": "Stored.", "undone": "Taken back.", "drawn": "Drawn. They wait here until somebody decided."}


@router.get("/review")
def review_page(
    caller: Reader,
    session: ReadDb,
    settings: SettingsOf,
    queue: str = "unsure",
    after: str | None = None,
    show: str | None = None,
    done: str | None = None,
    item: str | None = None,
    correction: str | None = None,
) -> HTMLResponse:
    """The first item of a queue behind `after`, or the one that `show` names, with its choices."""
    if queue not in {name for name, _, _ in QUEUES}:
        raise NotFound("There is no such queue.")
    context: dict[str, Any] = {"caller": caller, "page": "review", "withheld": True}
    if not (caller.may("review") and caller.may("verbatims")):
        return page("review.html", context)
    waiting = {
        "disputed": inbox.disputed(session, caller.workspace_id),
        "changed": inbox.changed(session, caller.workspace_id),
        "audit": audit.undecided(session, caller.workspace_id, actor=caller.actor),
    }
    counts = {name: len(ids) for name, ids in waiting.items()}
    counts["unsure"] = inbox.unsure_count(session, caller.workspace_id)
    if queue == "unsure":
        item_id, skip = inbox.next_unsure(session, caller.workspace_id, after)
    else:
        item_id, skip = inbox.behind(waiting[queue], after)
    if show is not None and (queue != "audit" or row_id(show, "This feedback item") in waiting["audit"]):
        item_id, skip = row_id(show, "This feedback item"), after
    return page(
        "review.html",
        context
        | {
            "withheld": False,
            "nothing_yet": not rollup_frame.load(session, caller.workspace_id).live.any(),
            "queue": queue,
            "queues": QUEUES,
            "counts": counts,
            "shown": _shown(session, caller, item_id, blind=queue == "audit"),
            "after": after,
            "skip": urlencode({"queue": queue, "after": skip}) if skip else None,
            "learning": learning(session, caller, settings),
            "measured": audit.measured(session, caller.workspace_id),
            "agreement": agreement(session, caller.workspace_id),
            "twice_of": audit.TWICE_OF,
            "at_once": audit.DRAWN_AT_ONCE,
            "notice": DONE.get(done or ""),
            # of the decision before this one, to take it back
            "undo": {"item": item, "correction": correction}
            if done == "decided" and item and correction
            else None,
        },
    )


def _shown(session: Session, caller: Caller, item_id: int | None, *, blind: bool) -> dict[str, Any] | None:
    """What the page shows of an item; nothing of its labels where the answer must not be led."""
    if item_id is None:
        return None
    item = detail(session, caller, item_id).model_dump(by_alias=True)
    asks = [one for one in fields_of(item, of_segment=False) if not one["optional"]]
    if blind:
        asks = [one | {"now": None} for one in asks]
    segments = item["segments"] if not blind and len(item["segments"]) > 1 else []
    told = [
        {"author": one["author"].partition(":")[2] or one["author"], "labels": one["labels"]}
        for one in item["corrections"]
        if one["state"] in ("standing", "lapsed")
    ]
    return {
        "item": {
            name: item[name] for name in ("id", "text", "question", "translation", "channel", "source", "url")
        }
        | {"at": item["occurred_at"] or item["received_at"]},
        "score": score_said(item["score"]),
        "asks": asks,
        "confidence": {} if blind else {name: item[name]["confidence"] for name in FIELDS if item[name]},
        "told": [] if blind else told,
        "pieces": [
            one | {"tone": segments[one["segment"]]["sentiment"]["label"] if one["segment"] is not None else None}
            for one in pieces(item["text"] or "", segments)
        ],
        "blind": blind,
    }


def learning(session: Session, caller: Caller, settings: Settings) -> dict[str, Any] | None:
    """How far the next retrain is, and what the last one gained; None where no model can be read.

    `left`: decisions until the next; None where it only comes when asked. `gains`: what was adopted, with accuracy
    before and after on corrections that were held out.
    """
    try:
        live: LiveModelOut = model(caller, settings, session)
    except CannotStore:
        return None
    made = live.learning.corrections
    last = live.learning.attempts[0] if live.learning.attempts else None
    gains = [
        {"field": name, **found.corrections.model_dump(include={"n", "before", "after"})}
        for name, found in (last.fields.items() if last else ())
        if found.adopted
    ]
    return {
        "state": live.learning.state,
        "total": made.total,
        "since": made.since_last,
        "after": made.retrain_after,
        "left": max(0, made.retrain_after - made.since_last) if made.retrain_after else None,
        "last": last,
        "gains": gains,
    }


@router.post("/review/decide")
def decide(form: SignedInForm, caller: Reviewer, session: Db) -> RedirectResponse:
    """Store what a person said of the item that was shown, then show the next one."""
    queue = _queue(form)
    item_id = row_id(form.get("item", ""), "This feedback item")
    said: dict[str, str | None] = {name: form[name] for name in FIELDS if form.get(name)}
    if queue == "audit":
        made = audit.decide(session, caller, item_id, said)
    else:
        if "stage" not in said:
            detail_ = "choose a stage at least; «none» where the words tell of no stage"
            raise BadInput(f"{detail_}.", errors=[FieldError("/labels/stage", "required", detail_)])
        made = corrections.correct(session, caller, item_id, labels=said, span=None)
    asked = {"queue": queue, "done": "decided", "item": item_id, "correction": made}
    if form.get("after"):
        asked["after"] = form["after"]
    return RedirectResponse(f"/review?{urlencode(asked)}", status_code=303)


@router.post("/review/undo")
def undo(form: SignedInForm, caller: Reviewer, session: Db) -> RedirectResponse:
    """Take the last decision back and show its item again."""
    queue, item_id = _queue(form), row_id(form.get("item", ""), "This feedback item")
    corrections.undo(session, caller, item_id, row_id(form.get("correction", ""), "This correction"))
    asked = {"queue": queue, "show": item_id, "done": "undone"}
    if form.get("after"):
        asked["after"] = form["after"]
    return RedirectResponse(f"/review?{urlencode(asked)}", status_code=303)


@router.post("/review/draw")
def draw(form: SignedInForm, caller: Reviewer, session: Db, vault: VaultOf) -> RedirectResponse:
    """Draw more of the random sample."""
    audit.draw(session, vault, caller)
    return RedirectResponse("/review?queue=audit&done=drawn", status_code=303)


def _queue(form: dict[str, str]) -> str:
    queue = form.get("queue", "")
    if queue not in {name for name, _, _ in QUEUES}:
        raise NotFound("There is no such queue.")
    return queue
