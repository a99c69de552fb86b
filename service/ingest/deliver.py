"""A delivery becomes items: stored raw first, then parsed, in one transaction, and again on replay."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, StatementError
from sqlmodel import Session, col, select

from service.auth import Vault
from service.errors import BadInput, TooLarge
from service.ingest.endpoints import options_of
from service.ingest.erasure import erase_told
from service.ingest.incoming import Call, CannotParse, IncomingItem, Parsed, read_item
from service.ingest.merges import merge_told
from service.ingest.receive import Outcome, receive
from service.ingest.senders import SENDERS
from service.ingest.senders.contract import Sender
from service.ingest.senders.signatures import TOKEN_HEADERS
from service.ingest.unpacking import body_limit, unpacked
from service.ingest.wanted import ask_for
from service.settings import Settings
from service.store.columns import now
from service.store.queue import Priority
from service.store.schema import Delivery, Endpoint

log = logging.getLogger(__name__)

MAX_DELIVERY_ID_CHARS = 512
# what content of an unexpected shape raises in an adapter
NOT_UNDERSTOOD = (
    StatementError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
# our own marks on stored calls; never taken from outside
OUR_HEADERS = "journeymap-"
FETCHED = "journeymap-fetched"  # what of the sender's API the stored body is the answer to
# credentials that came with the call are not kept with it
NOT_STORED_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", *TOKEN_HEADERS})


def deliver(
    session: Session,
    vault: Vault,
    settings: Settings,
    *,
    endpoint: Endpoint,
    call: Call,
    received_at: datetime | None = None,
    count_repeats: bool = True,
) -> Delivery | None:
    """Store a verified call and its items; None if this delivery came before, which is only counted.

    `received_at` is when it came, where that is not now; without `count_repeats` one that came before changes
    nothing at all.
    """
    sender = SENDERS[endpoint.sender]
    external_id = delivery_id_of(sender, call, body_limit(sender, settings))
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    delivery_id = session.execute(
        dialect.insert(Delivery)
        .values(new_delivery(endpoint, call, external_id, received_at or now()))
        .on_conflict_do_nothing()
        .returning(col(Delivery.id))
    ).scalar_one_or_none()
    if delivery_id is None:
        if not count_repeats:
            return None
        session.execute(
            update(Delivery)
            .where(col(Delivery.endpoint_id) == endpoint.id, col(Delivery.external_id) == external_id)
            .values(repeats=col(Delivery.repeats) + 1)
            .execution_options(synchronize_session=False)
        )
        if call.fetched:
            # an answer like one before, maybe after another one: what it tells holds again
            known = select(Delivery).where(
                Delivery.endpoint_id == endpoint.id, Delivery.external_id == external_id
            )
            found = session.exec(known.execution_options(populate_existing=True)).one()
            take(session, vault, settings, endpoint=endpoint, delivery=found, call=call, asking=False)
        return None
    delivery = session.get_one(Delivery, delivery_id)
    take(session, vault, settings, endpoint=endpoint, delivery=delivery, call=call)
    return delivery


def new_delivery(endpoint: Endpoint, call: Call, external_id: str, received_at: datetime) -> dict[str, Any]:
    """The columns of a delivery of which nothing is understood yet; the only place where they are made."""
    return {
        "workspace_id": endpoint.workspace_id,
        "endpoint_id": endpoint.id,
        "external_id": external_id,
        "received_at": received_at,
        "headers": _kept_headers(call),
        "content_type": call.headers.get("content-type", ""),
        "body": call.body,
        "state": "unparsed",
        "detail": "",
        "results": [],
        "repeats": 0,
    }


def _kept_headers(call: Call) -> dict[str, str]:
    kept = {name: value for name, value in call.headers.items() if name not in NOT_STORED_HEADERS}
    return kept | {FETCHED: call.fetched} if call.fetched else kept


def delivery_id_of(sender: Sender, call: Call, limit_bytes: int) -> str:
    """What repetitions of the call have in common: the sender's id, else the hash of the body."""
    if call.fetched:
        return "fetched:" + hashlib.sha256(call.fetched.encode() + b"\n" + call.body).hexdigest()
    with suppress(CannotParse, TooLarge):
        call = unpacked(call, limit_bytes)  # packed anew, the same body has other bytes
    try:
        told = sender.delivery_id(call)
    except (CannotParse, *NOT_UNDERSTOOD):
        told = None
    name = str(told or "").replace("\x00", "").encode("utf-8", "replace").decode()
    if name and len(name) <= MAX_DELIVERY_ID_CHARS:
        return name
    return "sha256:" + hashlib.sha256(name.encode() or call.body).hexdigest()


def stored_call(delivery: Delivery) -> Call:
    """The call of a stored delivery, to be taken again."""
    return Call(headers=delivery.headers, body=delivery.body, fetched=delivery.headers.get(FETCHED, ""))


def take(
    session: Session,
    vault: Vault,
    settings: Settings,
    *,
    endpoint: Endpoint,
    delivery: Delivery,
    call: Call,
    replayed: bool = False,
    asking: bool = True,
) -> None:
    """Parse a stored delivery, receive its items and note on it what became of them.

    What it only names is asked of the sender's API, unless not `asking`.

    Whatever the content is, this does not fail: a delivery that can't be parsed is kept and shown, because a
    sender that is answered 5xx for it would send it again and again and hold back all others.
    """
    delivery.state, delivery.detail, delivery.results = "unparsed", "", []
    try:
        with session.begin_nested():
            _parse_and_receive(
                session,
                vault,
                settings,
                endpoint=endpoint,
                delivery=delivery,
                call=call,
                replayed=replayed,
                asking=asking,
            )
    except CannotParse as error:
        delivery.detail = str(error)
    except TooLarge as error:
        delivery.detail = error.detail
    except DBAPIError as error:
        if not isinstance(error, DataError):
            raise  # the database is away or full: nothing of this call is stored, the sender tries again
        delivery.detail = _not_understood(endpoint, error)
    except NOT_UNDERSTOOD as error:
        delivery.detail = _not_understood(endpoint, error)
    session.add(delivery)
    session.flush()


def _not_understood(endpoint: Endpoint, error: Exception) -> str:
    # only the kind of error: its text may hold customers' words
    log.error("a delivery of %s can't be parsed: %s", endpoint.sender, type(error).__name__)
    return f"it does not look like what {SENDERS[endpoint.sender].title} sends"


def _parse_and_receive(
    session: Session,
    vault: Vault,
    settings: Settings,
    *,
    endpoint: Endpoint,
    delivery: Delivery,
    call: Call,
    replayed: bool,
    asking: bool,
) -> None:
    sender = SENDERS[endpoint.sender]
    reading = read(settings, endpoint=endpoint, call=call)
    # first: what the same delivery tells of somebody who is gone must not come in
    erased = erase_told(session, vault, endpoint=endpoint, delivery=delivery, told=reading.parsed.erased)
    merged = merge_told(session, vault, endpoint=endpoint, delivery=delivery, told=reading.parsed.merged)
    outcomes = receive(
        session,
        vault,
        workspace_id=endpoint.workspace_id,
        source_default=endpoint.source,
        items=reading.items,
        priority=Priority.SINGLE,
        default_channel=sender.default_channel,
        delivery_id=delivery.id,
        received_at=delivery.received_at,
        row_numbers=reading.places,
        replayed=replayed,
        redact=settings.redact_stored,
        whole=reading.parsed.whole,
    )
    waits = ""
    if reading.parsed.wanted and sender.fetcher is None:
        raise CannotParse("it only names what happened, and the API of this sender is not asked")
    if asking and (reading.parsed.wanted or replayed):
        waits = ask_for(session, endpoint=endpoint, delivery=delivery, wanted=reading.parsed.wanted)
    note(
        delivery,
        reading,
        outcomes,
        erased=bool(erased),
        merged=bool(merged),
        waits=waits,
        redact=settings.redact_stored,
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """What is in a delivery, before anything of it is stored."""

    parsed: Parsed
    items: list[IncomingItem]  # those that can be used
    places: list[int]  # where in the delivery each of them stands
    results: list[dict[str, Any]]  # one for each entry, in its order


def read(settings: Settings, *, endpoint: Endpoint, call: Call) -> Reading:
    """Unpack, parse and check; raises CannotParse, TooLarge, and what an adapter does on what is unexpected."""
    sender = SENDERS[endpoint.sender]
    readable = unpacked(call, body_limit(sender, settings))
    parsed = sender.parse(readable, options_of(sender, endpoint.options))
    found = Reading(parsed, [], [], [])
    for index, entry in enumerate(parsed.items):
        result: dict[str, Any] = {"index": index, "status": "rejected"}
        found.results.append(result)
        try:
            if isinstance(entry, dict):
                # the endpoint marks every item; two endpoints can't overwrite each other's
                entry = {**entry, "source": endpoint.source}
            found.items.append(read_item(entry, max_text_chars=settings.max_text_chars))
            found.places.append(index)
        except BadInput as error:
            result["errors"] = [
                {"pointer": one.pointer, "code": one.code, "detail": one.detail} for one in error.errors
            ]
    return found


@dataclass(slots=True)
class Note:
    """What `note` writes, where the delivery is no object of a session."""

    body: bytes
    headers: dict[str, Any]
    state: str = "unparsed"
    detail: str = ""
    results: list[dict[str, Any]] = field(default_factory=list)


def note(
    delivery: Delivery | Note,
    reading: Reading,
    outcomes: Sequence[Outcome],
    *,
    erased: bool = False,
    merged: bool = False,
    waits: str = "",
    redact: bool = False,
) -> None:
    """Write on the delivery what became of it, and keep of it no more than that allows."""
    results, items, parsed = reading.results, reading.items, reading.parsed
    for item, place, outcome in zip(items, reading.places, outcomes, strict=True):
        results[place].update(status=outcome.status, external_id=item.external_id)
        if outcome.item_id is not None:
            results[place]["id"] = str(outcome.item_id)
    delivery.results = results
    if any(outcome.item_id is None and not outcome.late for outcome in outcomes):
        # somebody in it was erased: what brings them back must not stay here as raw content either
        delivery.body = b""
        delivery.state, delivery.detail = "parsed", "somebody in it was erased here, so its content is not kept"
    elif len(items) < len(results):
        delivery.detail = f"{len(results) - len(items)} of {len(results)} items can't be used"
    elif erased and not results:
        # the sender may name what was said once more in it
        delivery.body = b""
        delivery.state, delivery.detail = "parsed", "what it says is gone was erased here"
    elif results:
        delivery.state = "parsed"
    elif merged:
        delivery.state, delivery.detail = "parsed", "whom it says to be one person are one here"
    else:
        delivery.state, delivery.detail = "ignored", parsed.ignored or "there is no item in it"
    if merged:
        delivery.body = b""  # an erasure that comes later could not find whom it names
    if any(one.kind == "respondent" for one in parsed.erased):
        delivery.body, delivery.headers = b"", {}
    if waits and delivery.state != "unparsed":
        delivery.state, delivery.detail = "waiting", waits
    if redact and delivery.state in ("parsed", "ignored"):
        # all that is wanted of it is stored without what is personal; others wait to be taken again
        delivery.body = b""
