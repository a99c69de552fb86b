"""The recorded calls of real senders under `tests/ingest/fixtures`, and what every adapter is held to."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from service.auth import Vault
from service.ingest.deliver import deliver
from service.ingest.incoming import Call, Parsed, read_item
from service.ingest.senders import SENDERS
from service.ingest.senders.signatures import BadSignature
from service.settings import Settings
from service.store.engine import Database
from service.store.schema import Delivery, Endpoint, FeedbackItem, Workspace

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
ORDERS = 12  # random orders tried per property test, each with repetitions
ITEM_FACTS = (
    "channel",
    "text",
    "question",
    "translation",
    "declared_language",
    "occurred_at",
    "respondent",
    "response_id",
    "conversation_id",
    "url",
    "value",
    "score_kind",
    "score_value",
    "score_min",
    "score_max",
    "attributes",
    "state",
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded call with its secret and the clock at which its signature holds."""

    call: Call
    secret: str | None
    clock: datetime
    meta: dict[str, Any]


def recorded(sender: str, name: str) -> Recorded:
    """`fixtures/<sender>/<name>.meta.json` with its body; header names in lower case as the receiver has them."""
    meta = json.loads((FIXTURES / sender / f"{name}.meta.json").read_text(encoding="utf-8"))
    signature = meta.get("signature") or {}
    call = Call(
        headers={key.lower(): str(value) for key, value in (meta.get("headers") or {}).items()},
        body=(FIXTURES / sender / meta["body_file"]).read_bytes(),
        method=meta.get("method") or "POST",
        url=meta.get("url") or f"https://feedback.example.com/hooks/{sender}/t1",
    )
    return Recorded(call, signature.get("secret"), datetime.fromtimestamp(meta["test_clock"]["unix"], UTC), meta)


def options(sender: str, **given: Any) -> Any:
    """The sender's options with their defaults."""
    return SENDERS[sender].options(**given)


def accepted(sender: str, call: Call, secrets: Sequence[str], clock: datetime, **given: Any) -> bool:
    """Whether the call's signature holds at that time; anything but BadSignature is a failure of the adapter."""
    try:
        SENDERS[sender].verify(call, secrets, options(sender, **given), clock)
    except BadSignature:
        return False
    return True


def parsed(sender: str, call: Call, **given: Any) -> Parsed:
    """What the adapter makes of the call; every item must be a valid one of the public contract."""
    found = SENDERS[sender].parse(call, options(sender, **given))
    for item in found.items:
        read_item(item, max_text_chars=20_000)
        assert item.get("external_id"), "without an id of its own a repeated or changed item would be a second one"
        assert "source" not in item, "the endpoint's source marks every item"
    return found


def json_call(sender: str, payload: Any, **headers: str) -> Call:
    """An unsigned call with a JSON body, for `parsed` and `order_free`; "x_event" in `headers` is "x-event"."""
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return Call(
        {"content-type": "application/json", **named},
        json.dumps(payload).encode(),
        url=f"https://feedback.example.com/hooks/{sender}/t1",
    )


def order_free(
    database: Database, settings: Settings, sender: str, calls: Sequence[Call], **given: Any
) -> dict[str, dict[str, Any]]:
    """What the calls end in, by external id; fails unless random orders, with repetitions, end in the same.

    Repetitions come with another delivery id as well: the same content under a new one must change nothing.
    """
    vault = Vault(settings)
    wanted = _state_after(database, settings, vault, sender, calls, given)
    assert wanted or any(parsed(sender, call, **given).erased for call in calls), "nothing came of these calls"
    chance = random.Random(7)
    for _ in range(ORDERS):
        order = [*calls, *chance.choices(calls, k=len(calls))]
        chance.shuffle(order)
        assert _state_after(database, settings, vault, sender, order, given) == wanted
    return wanted


def _state_after(
    database: Database,
    settings: Settings,
    vault: Vault,
    sender: str,
    calls: Sequence[Call],
    given: dict[str, Any],
) -> dict[str, dict[str, Any]]:
    """What is stored after the calls, each in a transaction of its own, by external id."""
    name = f"w{random.getrandbits(64):x}"
    with database.write() as session:
        workspace = Workspace(name=name)
        session.add(workspace)
        session.flush()
        endpoint = Endpoint(
            workspace_id=workspace.id,
            public_id=name,
            sender=sender,
            name="test",
            source="test",
            secrets=vault.encrypt("[]"),
            options=options(sender, **given).model_dump(),
        )
        session.add(endpoint)
        session.flush()
        endpoint_id = endpoint.id
        assert workspace.id is not None
        workspace_id = workspace.id
    for number, call in enumerate(calls):
        with database.write() as session:
            _deliver(session, settings, vault, session.get_one(Endpoint, endpoint_id), call, number)
    with database.read() as session:
        rows = session.execute(
            select(FeedbackItem).where(col(FeedbackItem.workspace_id) == workspace_id)
        ).scalars()
        # pseudonyms hold the workspace: who is the same person is told by equal ones
        people: dict[str | None, str | None] = {None: None}
        found = {}
        for row in sorted(rows, key=lambda one: one.external_id or ""):
            facts = {fact: getattr(row, fact) for fact in ITEM_FACTS}
            facts["respondent"] = people.setdefault(row.respondent, f"person {len(people)}")
            found[row.external_id or ""] = facts
    return found


def _deliver(
    session: Session, settings: Settings, vault: Vault, endpoint: Endpoint, call: Call, number: int
) -> None:
    before = session.execute(select(col(Delivery.id)).where(col(Delivery.endpoint_id) == endpoint.id)).all()
    deliver(session, vault, settings, endpoint=endpoint, call=call)
    after = session.execute(select(col(Delivery.id)).where(col(Delivery.endpoint_id) == endpoint.id)).all()
    if len(after) == len(before) and number % 2:
        # the same content as a delivery of its own, as senders without an id of the call send it
        deliver(session, vault, settings, endpoint=endpoint, call=replace(call, body=call.body + b" "))
