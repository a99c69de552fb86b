"""A sender that tells in plain words what an adapter could find: items, what is gone, who was merged."""

from __future__ import annotations

import itertools
import json
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from service.ingest.deliver import deliver
from service.ingest.incoming import Call, CannotParse, Erased, Merged, Parsed
from service.ingest.senders.contract import Sender
from service.ingest.senders.signatures import check_token
from service.stop import Stop
from service.store.rollups import verify
from service.store.schema import Endpoint, Job
from service.work import Work
from service.worker import KINDS, Worker


def _parse(call: Call, _options: Any) -> Parsed:
    payload = json.loads(call.body)
    if payload.get("unknown"):
        raise CannotParse("not known")
    return Parsed(
        items=payload.get("items", []),
        erased=[Erased(*parts) for parts in payload.get("gone", [])],
        merged=[Merged(*pair) for pair in payload.get("merged", [])],
    )


TOLD = Sender(
    name="told",
    title="Told",
    kind="support",
    default_channel="ticket",
    verify=lambda call, secrets, _options, _now: check_token(call, secrets),
    parse=_parse,
    secret_needed=False,
)


class Desk:
    """One endpoint of the sender, and the calls it makes."""

    def __init__(self, work: Work, workspace_id: int, source: str) -> None:
        self._work = work
        self._numbers = itertools.count()
        with work.database.write() as session:
            self.endpoint = Endpoint(
                workspace_id=workspace_id,
                public_id=f"told-{source}",
                sender="told",
                name=source,
                source=source,
                secrets=work.vault.encrypt("[]"),
                options={},
            )
            session.add(self.endpoint)

    def tells(self, **payload: Any) -> int:
        """Deliver it; the delivery's id."""
        body = json.dumps(payload | {"number": next(self._numbers)}).encode()
        with self._work.database.write() as session:
            endpoint = session.get_one(Endpoint, self.endpoint.id)
            call = Call({}, body)
            found = deliver(session, self._work.vault, self._work.settings, endpoint=endpoint, call=call)
            assert found is not None
            assert found.id is not None
            return found.id


def run_jobs(work: Work) -> None:
    """Run what follows from erasures and merges, and see that nothing of it failed."""
    kinds = ("erase", "merge")
    Worker(work, Stop(), kinds={kind: KINDS[kind] for kind in kinds}).run_until_idle()
    with work.database.read() as session:
        assert session.execute(select(Job.error).where(col(Job.kind).in_(kinds))).all() == []


def check_rollups(work: Work, workspace_id: int) -> None:
    """Fails where the counts differ from a recount."""
    with work.database.write() as session:
        assert verify(session, workspace_id) == []
