"""What people decide about a suggestion: which steps are possible, and the history that is only ever added to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from service.errors import BadInput, Conflict, FieldError
from service.moments import rfc3339
from service.said import Said, Short
from service.store.columns import now
from service.store.schema import Suggestion, SuggestionDecision
from service.suggest.impact_plan import AGREED, UNDO
from service.suggest.map_versions import record
from service.suggest.measures import MOST, OutcomeBody
from service.suggest.playbook import Entry

Status = Literal[
    "suggested",
    "accepted",
    "edited",
    "rejected",
    "snoozed",
    "planned",
    "testing",
    "live",
    "kept",
    "rolled_back",
]
STATUSES: tuple[Status, ...] = get_args(Status)
StepName = Literal["accept", "edit", "reject", "snooze", "plan", "test", "start", "complete", "roll_back"]
DecisionName = Literal[StepName, "note"]
# decision -> (status it leads to, statuses it is possible from)
STEPS: dict[StepName, tuple[Status, frozenset[Status]]] = {
    "accept": ("accepted", frozenset({"suggested", "snoozed", "rejected", "rolled_back"})),
    "edit": ("edited", frozenset({"suggested", "snoozed", "rejected", "rolled_back", "accepted", "edited"})),
    "reject": ("rejected", frozenset({"suggested", "snoozed", "accepted", "edited", "planned"})),
    "snooze": ("snoozed", frozenset({"suggested", "snoozed"})),
    "plan": ("planned", frozenset({"accepted", "edited"})),
    "test": ("testing", frozenset({"accepted", "edited", "planned"})),
    "start": ("live", frozenset({"accepted", "edited", "planned", "testing"})),
    "complete": ("kept", frozenset({"live"})),
    "roll_back": ("rolled_back", frozenset({"testing", "live", "kept"})),
}
# a change of the map: these decisions make up its history
MAP_CHANGES: tuple[DecisionName, ...] = ("accept", "edit", "roll_back")
SEGMENTS = ("channel", "source", "language")  # and attributes: what may make a segment
IN_SEGMENTS: tuple[DecisionName, ...] = ("accept", "edit", "test", "start")
DECISIONS_NEEDING: dict[StepName, str] = {"edit": "adaptation", "reject": "reason", "snooze": "until"}


def _utc(moment: datetime) -> datetime:
    if not 1990 <= moment.year <= 2200:  # before the zone: at the calendar's ends it can't be applied
        raise ValueError("the year must lie between 1990 and 2200")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _near(day: date) -> date:
    if not 1990 <= day.year <= 2200:
        raise ValueError("the year must lie between 1990 and 2200")
    return day


def _address(text: str) -> str:
    # it is shown as a link: nothing but an address of the web
    if not text.startswith(("https://", "http://")) or any(one.isspace() for one in text):
        raise ValueError("must be an address that begins with https:// or http://")
    return text


def _filters(segment: dict[str, list[str]]) -> dict[str, list[str]]:
    for kind, values in segment.items():
        if kind not in SEGMENTS and not (kind.startswith("attr.") and len(kind) > len("attr.")):
            raise ValueError(f"a segment is told by {', '.join(SEGMENTS)} or attr.<name>")
        if not values:
            raise ValueError(f"{kind} has no values")
    if not segment:
        raise ValueError("name what makes the segment")
    return segment


Moment = Annotated[datetime, AfterValidator(_utc)]


class DecisionBody(BaseModel):
    """A decision as it is sent. `edit` needs `adaptation`, `reject` needs `reason`, `snooze` needs `until`.

    `note` is possible at any time and leaves the status: it writes down `reason` or sets owner, due day or ticket,
    which any other decision may set as well.

    A change may start in one segment first: `segment` goes with `accept`, `edit`, `test` and `start`, such as
    `{"attr.country": ["DE"]}` or `{"channel": ["chat"]}`, and is compared with the others. `start` without it is
    a start everywhere.

    `outcomes` names metrics of `POST /v1/metrics` that the change is meant to move, when it is agreed on, so that
    its verdict rests on them too; which way is better can still be said later, with a `note`.
    """

    model_config = ConfigDict(extra="forbid")

    decision: DecisionName
    adaptation: Said | None = None  # our own words for what to change
    reason: Said | None = None
    owner: Short | None = None
    until: Moment | None = None  # snoozed until then
    effective_at: Moment | None = None  # when the change takes or took effect; `start` defaults to now
    due: Annotated[date, AfterValidator(_near)] | None = None
    ticket: Annotated[Said, AfterValidator(_address)] | None = None  # address of a ticket in another system
    segment: Annotated[dict[str, list[Short]], AfterValidator(_filters)] | None = None  # where it is changed first
    outcomes: Annotated[list[OutcomeBody], Field(max_length=MOST)] | None = None


def statuses_of(given: Sequence[str] | None) -> tuple[str, ...]:
    """Statuses as repeated parameters or with commas; BadInput for an unknown one."""
    asked = tuple(one.strip() for part in given or () for one in part.split(",") if one.strip())
    unknown = sorted(set(asked) - set(STATUSES))
    if unknown:
        detail = f"statuses are {', '.join(STATUSES)}"
        raise BadInput(f"status: {detail}", errors=[FieldError("/status", "unknown_status", detail)])
    return asked


def shown_status(suggestion: Suggestion, moment: datetime, *, reopened: bool = False) -> str:
    """The status now: a snooze ends by itself, a rejection when the evidence has grown (evidence_growth.py)."""
    if reopened and suggestion.status == "rejected":
        return "suggested"
    if suggestion.status == "snoozed" and (suggestion.snoozed_until is None or suggestion.snoozed_until <= moment):
        return "suggested"
    return suggestion.status


def possible(status: str) -> list[str]:
    """The decisions that can follow a status; `note` always can."""
    return [name for name, (_, sources) in STEPS.items() if status in sources]


def decide(
    session: Session,
    *,
    workspace_id: int,
    stage: str,
    topic: str,
    entry: Entry,
    actor: str,
    body: DecisionBody,
    numbers: Mapping[str, Any],
    reopened: bool = False,
    evidence: Sequence[Mapping[str, Any]] = (),
    batch: str | None = None,
) -> Suggestion:
    """Take the decision and write it into the history, with `numbers` as they stood.

    Decisions of one `batch` were taken at once: see bulk.py.

    A decision that changes the map makes a version of it, with `evidence` (ids and spans of feedback).
    `reopened`: it was rejected, and evidence has grown since as much as to be suggested again.
    The suggestion's row is made by its first decision. Raises BadInput where the decision lacks what it needs or
    carries what it has no use for, Conflict where the status does not allow it.
    """
    check(body)
    moment = now()
    found = _locked(session, workspace_id, stage, topic, entry, moment)
    status = shown_status(found, moment, reopened=reopened)
    target, sources = STEPS[body.decision] if body.decision != "note" else (status, frozenset({status}))
    if status not in sources:
        raise Conflict(
            f"«{body.decision}» is not possible while the suggestion is {status}; "
            f"possible: {', '.join(possible(status)) or 'nothing'}."
        )
    _check_outcomes(body, status)
    if status == "suggested" and body.decision != "note":
        # what is agreed to is the wording that was shown; a later playbook does not change it
        found.adaptation, found.playbook_entry = entry.adaptation, entry.id
    before = _state(found, status)
    found.owner, found.due = body.owner or found.owner, body.due or found.due
    found.ticket = body.ticket or found.ticket
    if body.decision != "note":  # a note leaves also what is behind a status: a rejection, a snooze
        found.status = target
        found.adaptation = body.adaptation or found.adaptation
        found.snoozed_until = body.until
    found.updated_at = moment
    session.add(found)
    assert found.id is not None
    made = SuggestionDecision(
        workspace_id=workspace_id,
        suggestion_id=found.id,
        at=moment,
        actor=actor,
        decision=body.decision,
        old=before,
        new=_state(found, target),
        reason=body.reason,
        effective_at=body.effective_at or (moment if body.decision == "start" else None),
        numbers=dict(numbers),
        batch=batch,
    )
    session.add(made)
    session.flush()
    if body.decision in MAP_CHANGES:
        record(session, decision=made, evidence=[dict(one) for one in evidence])
    return found


def take_back(session: Session, *, workspace_id: int, decision: SuggestionDecision, actor: str) -> bool:
    """Undo a decision where it is the newest of its suggestion, as a decision of its own; whether it was.

    What stood before it stands again; of a map that it has changed there is a new version.
    """
    found = session.exec(
        select(Suggestion)
        .where(Suggestion.workspace_id == workspace_id, Suggestion.id == decision.suggestion_id)
        .with_for_update()
    ).one()
    newest = session.exec(
        select(SuggestionDecision.id)
        .where(
            SuggestionDecision.workspace_id == workspace_id,
            SuggestionDecision.suggestion_id == decision.suggestion_id,
        )
        .order_by(col(SuggestionDecision.id).desc())
        .limit(1)
    ).one()
    if newest != decision.id:
        return False
    old, moment = decision.old, now()
    before = _state(found, found.status)
    found.status, found.adaptation, found.owner = old["status"], old["adaptation"], old["owner"]
    found.snoozed_until = _utc(datetime.fromisoformat(old["until"])) if old["until"] else None
    found.due = date.fromisoformat(old["due"]) if old.get("due") else None
    found.ticket, found.updated_at = old.get("ticket"), moment
    session.add(found)
    made = SuggestionDecision(
        workspace_id=workspace_id,
        suggestion_id=decision.suggestion_id,
        at=moment,
        actor=actor,
        decision=UNDO,
        old=before,
        new=_state(found, found.status),
        numbers={
            name: decision.numbers[name] for name in ("size", "trend", "priority") if name in decision.numbers
        },
    )
    session.add(made)
    session.flush()
    if decision.decision in MAP_CHANGES:
        record(session, decision=made, evidence=[])
    return True


def _locked(
    session: Session, workspace_id: int, stage: str, topic: str, entry: Entry, moment: datetime
) -> Suggestion:
    """The suggestion's row, made if new, locked: of two people who decide at once the second sees the first."""
    key = f"{stage}/{topic}"
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.execute(
        dialect.insert(Suggestion)
        .values(
            workspace_id=workspace_id,
            key=key,
            stage=stage,
            topic=topic,
            playbook_entry=entry.id,
            adaptation=entry.adaptation,
            status="suggested",
            created_at=moment,
            updated_at=moment,
        )
        .on_conflict_do_nothing()
    )
    return session.exec(
        select(Suggestion).where(Suggestion.workspace_id == workspace_id, Suggestion.key == key).with_for_update()
    ).one()


def _state(suggestion: Suggestion, status: str) -> dict[str, Any]:
    until = suggestion.snoozed_until if status == "snoozed" else None
    return {
        "status": status,
        "adaptation": suggestion.adaptation,
        "owner": suggestion.owner,
        "until": rfc3339(until),
        "due": suggestion.due.isoformat() if suggestion.due else None,
        "ticket": suggestion.ticket,
    }


def check(body: DecisionBody) -> None:
    """BadInput where a decision lacks what it needs or carries what it has no use for."""
    needed = DECISIONS_NEEDING.get(body.decision) if body.decision != "note" else None
    if needed is not None and getattr(body, needed) is None:
        detail = f"«{body.decision}» needs «{needed}»."
        raise BadInput(detail, errors=[FieldError(f"/{needed}", "missing", detail)])
    if body.decision == "note" and not any((body.reason, body.owner, body.due, body.ticket, body.outcomes)):
        detail = "«note» needs «reason», «owner», «due», «ticket» or «outcomes»."
        raise BadInput(detail, errors=[FieldError("/reason", "missing", detail)])
    for field, decision in (("adaptation", "edit"), ("until", "snooze")):
        if getattr(body, field) is not None and body.decision != decision:
            detail = f"«{field}» goes with the decision «{decision}» only."
            raise BadInput(detail, errors=[FieldError(f"/{field}", "not_used", detail)])
    if body.segment is not None and body.decision not in IN_SEGMENTS:
        detail = f"«segment» goes with the decisions {', '.join(IN_SEGMENTS)} only."
        raise BadInput(detail, errors=[FieldError("/segment", "not_used", detail)])
    if body.until is not None and body.until <= now():
        detail = "«until» must lie in the future."
        raise BadInput(detail, errors=[FieldError("/until", "past", detail)])


def _check_outcomes(body: DecisionBody, status: str) -> None:
    """BadInput for metrics named without an agreement, or for what is worth having told after it."""
    if not body.outcomes:
        return
    anew = body.decision in ("accept", "edit") and status not in AGREED
    if not anew and status not in (*AGREED, "rolled_back"):
        detail = "«outcomes» go with a change that is agreed on."
        raise BadInput(detail, errors=[FieldError("/outcomes", "not_used", detail)])
    if not anew and any(one.smallest_effect is not None for one in body.outcomes):
        detail = "What is worth having is frozen when a change is agreed on; it can't be told afterwards."
        raise BadInput(detail, errors=[FieldError("/outcomes", "frozen", detail)])


def public_id(stage: str, topic: str) -> str:
    """What callers call a suggestion: its stage and topic, the same for ever."""
    return f"{stage}.{topic}"


def history(session: Session, *, workspace_id: int, stage: str, topic: str) -> list[dict[str, Any]]:
    """All decisions on a suggestion, the oldest first."""
    return histories(session, workspace_id=workspace_id, of=[(stage, topic)])[stage, topic]


def histories(
    session: Session, *, workspace_id: int, of: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """All decisions on each of these (stage, topic), the oldest first, in one question to the database."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {pair: [] for pair in of}
    rows = session.exec(
        select(SuggestionDecision, Suggestion.stage, Suggestion.topic)
        .join(Suggestion, col(Suggestion.id) == col(SuggestionDecision.suggestion_id))
        .where(
            Suggestion.workspace_id == workspace_id,
            col(Suggestion.key).in_([f"{stage}/{topic}" for stage, topic in found]),
            SuggestionDecision.workspace_id == workspace_id,
        )
        .order_by(col(SuggestionDecision.id))
    ).all()
    for row, stage, topic in rows:
        found[stage, topic].append(
            {
                "id": str(row.id),
                "at": row.at,
                "actor": row.actor,
                "decision": row.decision,
                "old": row.old,
                "new": row.new,
                "reason": row.reason,
                "effective_at": row.effective_at,
                "numbers": row.numbers,
            }
        )
    return found
