"""One decision on all suggestions that fit a filter, however many pages they fill; and taking it back."""

from __future__ import annotations

import secrets
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session, col, select

from service.errors import BadInput, Conflict, FieldError, NotFound
from service.store.engine import Database
from service.store.rollup_codes import codebook
from service.store.schema import AuditEvent, Suggestion, SuggestionDecision
from service.suggest import decisions
from service.suggest.evidence import evidence_of
from service.suggest.proposals import Proposal, proposals
from service.suggest.suggestions import SuggestionQuery, numbers_of

MOST: Final = 500
"""Suggestions that are decided on at once."""


class BulkBody(decisions.DecisionBody):
    """A decision on all that fit: `accept`, `reject`, `snooze`, or `note` (an owner, a due day, a reason).

    `expected` is how many the caller has seen; where it is another number by now, nothing is decided.
    """

    model_config = ConfigDict(extra="forbid")

    decision: Literal["accept", "reject", "snooze", "note"]
    expected: int | None = Field(default=None, ge=0)
    dry_run: bool = False


class UndoBody(BaseModel):
    """Which decisions are taken back."""

    model_config = ConfigDict(extra="forbid")

    batch: str = Field(max_length=40)


def decide_on_all(
    session: Session,
    *,
    database: Database,
    workspace_id: int,
    timezone: str,
    actor: str,
    query: SuggestionQuery,
    body: BulkBody,
) -> dict[str, Any]:
    """Take the decision on each that fits, with its own history and its own line in the audit log.

    Raises Conflict where another number fits than `expected`, BadInput for what the decision lacks and for more
    than MOST. What is counted is read before the write begins, on a session of its own.
    """
    if query.kind != "pain":
        detail = "what customers praise is not decided on"
        raise BadInput(f"{detail}.", errors=[FieldError("/kind", "not_used", detail)])
    body_of_one = decisions.DecisionBody.model_validate(body.model_dump(exclude={"expected", "dry_run"}))
    decisions.check(body_of_one)
    with database.read() as reading:
        found = [
            one
            for one in proposals(reading, workspace_id=workspace_id, timezone=timezone, selection=query.selection)
            if query.fits(one)
        ]
        able = [one for one in found if body.decision == "note" or body.decision in decisions.possible(one.status)]
        if len(able) > MOST:
            raise BadInput(f"{len(able)} fit; {MOST} can be decided on at once. Narrow the filter.")
        if body.expected is not None and body.expected != len(able):
            raise Conflict(f"{len(able)} fit by now, not {body.expected}; look again before deciding.")
        numbers = {
            one.id: numbers_of(
                reading,
                workspace_id=workspace_id,
                timezone=timezone,
                one=one,
                decision=body.decision,
                segment=body.segment,
                named=body.outcomes or (),
            )
            for one in able
            if not body.dry_run
        }
        evidence = {}
        if body.decision in decisions.MAP_CHANGES and not body.dry_run:
            pains = [one.pain for one in able if one.pain is not None]
            evidence = evidence_of(reading, workspace_id=workspace_id, pains=pains, codebook=codebook())
    batch = None if body.dry_run or not able else f"b-{secrets.token_hex(8)}"
    # in one order, so that two people who decide at once do not wait for each other in a circle
    for one in sorted(able, key=lambda one: one.id):
        if batch is None:
            break
        decisions.decide(
            session,
            workspace_id=workspace_id,
            stage=one.stage,
            topic=one.topic,
            entry=one.entry,
            actor=actor,
            body=body_of_one,
            numbers=numbers[one.id],
            reopened=one.reopened is not None,
            evidence=[
                {"feedback_id": said["feedback_id"], "start": said["start"], "end": said["end"]}
                for said in (found_said.public() for found_said in evidence.get((one.stage, one.topic), ()))
            ],
            batch=batch,
        )
        _audit(session, workspace_id, actor, f"suggestion.{body.decision}", one.id, batch)
    chosen = {one.id for one in able}
    return {
        "batch": batch,
        "decision": body.decision,
        "decided": [one.id for one in able],
        "left": [{"id": one.id, "why": _why(one, body.decision)} for one in found if one.id not in chosen],
    }


def undo_all(session: Session, *, workspace_id: int, actor: str, batch: str) -> dict[str, Any]:
    """Take back what was decided at once, but where somebody has decided since; NotFound for no such batch."""
    rows = session.exec(
        select(SuggestionDecision, Suggestion)
        .join(Suggestion, col(Suggestion.id) == col(SuggestionDecision.suggestion_id))
        .where(
            SuggestionDecision.workspace_id == workspace_id,
            Suggestion.workspace_id == workspace_id,
            SuggestionDecision.batch == batch,
        )
        .order_by(col(Suggestion.stage), col(Suggestion.topic))
    ).all()
    if not rows:
        raise NotFound("These decisions do not exist.")
    done: list[str] = []
    left: list[str] = []
    for decision, suggestion in rows:
        public_id = decisions.public_id(suggestion.stage, suggestion.topic)
        if decisions.take_back(session, workspace_id=workspace_id, decision=decision, actor=actor):
            _audit(session, workspace_id, actor, "suggestion.undo", public_id, batch)
            done.append(public_id)
        else:
            left.append(public_id)
    return {"taken_back": done, "left": left}


def _why(one: Proposal, decision: str) -> str:
    return f"«{decision}» is not possible while it is {one.status}"


def _audit(session: Session, workspace_id: int, actor: str, action: str, public_id: str, batch: str) -> None:
    session.add(
        AuditEvent(
            workspace_id=workspace_id,
            actor=actor,
            action=action,
            target=f"suggestion:{public_id}",
            detail={"batch": batch},
        )
    )
