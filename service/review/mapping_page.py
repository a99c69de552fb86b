"""Any other tool: say where everything stands, try it on what was delivered, save it, take the rest again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import func, select
from sqlmodel import Session, col

from service.auth import Caller
from service.dependencies import Admin, Db, ReadDb, SettingsOf, VaultOf
from service.errors import BadInput, FieldError, NotFound
from service.ingest import endpoints
from service.ingest.deliver import stored_call
from service.ingest.endpoint_answers import ChangedEndpoint
from service.ingest.endpoints import options_of
from service.ingest.replays import may_be_retaken
from service.ingest.senders import SENDERS
from service.ingest.senders.mapped import Trial, places, try_mapping
from service.ingest.senders.mapped_options import MappedOptions
from service.review.delivery_pages import Count, raw, taken_again
from service.review.forms import SignedInForm
from service.review.hook_pages import endpoint_of, latest
from service.review.import_form import ITEM_WORDS
from service.review.mapping_form import (
    CONDITIONS,
    FIELD_WORDS,
    MORE_WORDS,
    OF_MAPPING,
    form_of,
    options_from,
    rows_of,
)
from service.review.render import page
from service.store.schema import Delivery, Endpoint

router = APIRouter(include_in_schema=False)

LATEST = 20  # deliveries to try it on
MAX_PLACES = 200
SHOWN_CHARS = 120


@router.get("/sources/hooks/{endpoint_id}/mapping")
def mapping_page(
    endpoint_id: str,
    caller: Admin,
    session: ReadDb,
    delivery: str = "",
    saved: bool = False,
    again: Count = None,
    queued: bool = False,
) -> HTMLResponse:
    """The mapping as it is, tried on one of the latest deliveries."""
    endpoint = _mapped(session, caller, endpoint_id)
    notice = taken_again(again, queued) or ("Saved. What comes from now on is read like this." if saved else None)
    return _page(session, caller, endpoint, endpoint.options, chosen=delivery, notice=notice)


@router.post("/sources/hooks/{endpoint_id}/mapping", response_model=None)
def try_or_save(
    endpoint_id: str, form: SignedInForm, caller: Admin, session: Db, settings: SettingsOf, vault: VaultOf
) -> HTMLResponse | RedirectResponse:
    """Try what the form says on the chosen delivery, or keep it."""
    endpoint = _mapped(session, caller, endpoint_id)
    chosen, as_json = form.get("delivery", ""), form.get("json")
    chosen = chosen if chosen.isdecimal() else ""
    try:
        if as_json is not None:
            asked = _from_json(as_json)
        else:
            kept = {name: value for name, value in endpoint.options.items() if name not in OF_MAPPING}
            asked = {**kept, **options_from(form)}
        options = options_of(SENDERS[endpoint.sender], asked).model_dump(mode="json")
        if form.get("do") == "save":
            endpoints.change_endpoint(
                session,
                vault,
                settings,
                caller=caller,
                endpoint_id=endpoint_id,
                asked=ChangedEndpoint(options=options),
            )
            address = f"/sources/hooks/{endpoint_id}/mapping?saved=true&delivery={chosen}"
            return RedirectResponse(address, status_code=303)
    except BadInput as error:
        errors = list(error.errors) or [FieldError("", "bad", error.detail)]
        return _page(session, caller, endpoint, endpoint.options, chosen=chosen, form=form, errors=errors)
    return _page(session, caller, endpoint, options, chosen=chosen, tried=True)


def _from_json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadInput("", errors=[FieldError("/json", "not_json", f"this is not JSON{place}")]) from error
    if not isinstance(found, dict):
        raise BadInput("", errors=[FieldError("/json", "not_json", "this has to be one JSON object")])
    return found


def _mapped(session: Session, caller: Caller, endpoint_id: str) -> Endpoint:
    endpoint = endpoint_of(session, caller, endpoint_id)
    if not issubclass(SENDERS[endpoint.sender].options, MappedOptions):
        raise NotFound("This tool needs no mapping: we know what it sends.")
    return endpoint


def _page(
    session: Session,
    caller: Caller,
    endpoint: Endpoint,
    options: Mapping[str, Any],
    *,
    chosen: str,
    form: Mapping[str, str] | None = None,
    errors: Sequence[FieldError] = (),
    notice: str | None = None,
    tried: bool = False,
) -> HTMLResponse:
    """`form` is what was sent where it has `errors`; else the form shows the options."""
    found = [one for one in latest(session, endpoint, LATEST) if may_be_retaken(one)]
    delivery = next((one for one in found if str(one.id) == chosen), found[0] if found else None)
    # of a form with errors in the JSON the rows are what is stored
    rows = form if form is not None and "json" not in form else form_of(options)
    trial: Trial | None = None
    there: list[tuple[str, Any]] = []
    if delivery is not None:
        call = stored_call(delivery)
        there = places(call, rows.get("items", ""), limit=MAX_PLACES)
        if not errors:
            trial = try_mapping(call, MappedOptions.model_validate(options))
    return page(
        "mapping.html",
        {
            "caller": caller,
            "page": "sources",
            "endpoint": endpoint,
            "form": rows,
            "json": form["json"] if form is not None and "json" in form else _as_json(options),
            "json_open": form is not None and "json" in form,
            "attributes": rows_of(rows, "attribute"),
            "filters": rows_of(rows, "filter"),
            "fields": FIELD_WORDS,
            "more": MORE_WORDS,
            "more_open": any(rows.get(f"fields.{name}") for name in MORE_WORDS),
            "conditions": CONDITIONS,
            "choices": MappedOptions.model_json_schema()["properties"],
            "deliveries": found,
            "delivery": delivery,
            "raw": raw(delivery) if delivery is not None else "",
            "there": [(path, _said(value)) for path, value in there],
            "trial": trial,
            "tried": tried,
            "line_of": {one.name: one for one in trial.lines} if trial is not None else {},
            "said": _said,
            "place_words": _place_words,
            "field_words": ITEM_WORDS,
            "errors": errors,
            "error_of": _by_row(errors),
            "notice": notice,
            "waiting": _counts(session, endpoint),
        },
        status=422 if errors else 200,
    )


def _by_row(errors: Sequence[FieldError]) -> dict[str, str]:
    """The errors by the row of the form that they belong to."""
    found: dict[str, str] = {}
    for one in errors:
        parts = one.pointer.removeprefix("/options").strip("/").split("/")
        # "attributes/plan" and "filters/0/path" name their row; what is behind that is inside of it
        found.setdefault(
            ".".join(parts[: 2 if parts[0] in ("fields", "attributes", "filters") else 1]), one.detail
        )
    return found


def _place_words(pointer: str) -> str:
    """A place in the options as the form calls it."""
    parts = pointer.removeprefix("/options").strip("/").split("/")
    if parts[0] == "fields" and len(parts) > 1:
        return {**FIELD_WORDS, **MORE_WORDS}.get(parts[1], (parts[1], ""))[0]
    if parts[0] in ("filters", "erase_when") and len(parts) > 1 and parts[1].isdecimal():
        return f"Condition {int(parts[1]) + 1}"
    names = {"attributes": "Attribute", "json": "The JSON", "": "The mapping", "items": "List of items"}
    return " ".join([names.get(parts[0], parts[0].replace("_", " ").capitalize()), *parts[1:2]])


def _said(value: Any) -> str:
    """What was found, short."""
    if isinstance(value, dict) and "kind" in value:
        return f"{value['value']:g} on {value['scale_min']:g} to {value['scale_max']:g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"


def _as_json(options: Mapping[str, Any]) -> str:
    return json.dumps(options, indent=2, ensure_ascii=False)


def _counts(session: Session, endpoint: Endpoint) -> dict[str, int]:
    """How many deliveries could be taken again, by their state."""
    rows = session.execute(
        select(col(Delivery.state), func.count())
        .where(
            col(Delivery.workspace_id) == endpoint.workspace_id,
            col(Delivery.endpoint_id) == endpoint.id,
            col(Delivery.state).in_(("unparsed", "ignored", "parsed")),
        )
        .group_by(col(Delivery.state))
    ).all()
    return {row[0]: row[1] for row in rows}
