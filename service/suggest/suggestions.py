"""The table *stage | what customers say | what to change*, for the routes, the pages, the map and the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import Session

from nlp.codebook import JourneyModel
from service.errors import BadInput, FieldError, NotFound
from service.moments import rfc3339
from service.paging import encode_cursor
from service.selection import Selection
from service.store.columns import now
from service.store.engine import Database
from service.store.journey_models import journey_model
from service.store.metric_rates import Exposure, exposures, rate, stage_series
from service.store.rollup_codes import codebook
from service.suggest import decisions, delights
from service.suggest.evidence import evidence_of
from service.suggest.impact import outcomes_for, plan_for
from service.suggest.impact_plan import AGREED, Segment
from service.suggest.measures import OutcomeBody
from service.suggest.pains import Pain
from service.suggest.proposals import Proposal, key_of, proposals
from service.suggest.selected import Kind, pains_of
from service.suggest.wording import arithmetic, public, size, told, trend

OPEN = ("suggested",)
NOBODY = "-"
# what stands on the map: what is proposed and what was agreed, not what was put aside
ON_THE_MAP = ("suggested", "accepted", "edited", "planned", "testing", "live", "kept")


@dataclass(frozen=True, slots=True)
class SuggestionQuery:
    """Which suggestions are asked for; no status means all of them."""

    selection: Selection = field(default_factory=Selection)
    model: str = "7-stage"
    status: tuple[str, ...] = ()
    kind: Kind = "pain"
    stage: tuple[str, ...] = ()
    topic: tuple[str, ...] = ()
    effort: tuple[str, ...] = ()
    owner: tuple[str, ...] = ()  # «-»: nobody
    ids: tuple[str, ...] = ()

    def fits(self, one: Proposal) -> bool:
        """Whether a proposal of the selection is asked for."""
        owner = (one.row.owner if one.row is not None else None) or NOBODY
        asked = (
            (self.status, one.status),
            (self.stage, one.stage),
            (self.topic, one.topic),
            (self.effort, one.entry.effort),
            (self.owner, owner),
            (self.ids, one.id),
        )
        return all(not wanted or value in wanted for wanted, value in asked)


def suggestions(
    session: Session,
    *,
    workspace_id: int,
    timezone: str,
    query: SuggestionQuery,
    limit: int = 50,
    after: Any = None,
    verbatims: bool = True,
) -> dict[str, Any]:
    """A page of the table: {"data", "next", "as_of"}, best first; the number of queries is the same for any page.

    `after` is what the cursor of the page before held. Numbers are of this moment, so a page may begin elsewhere
    than the last one ended when feedback arrived in between; no suggestion is lost to it but one that rose past.
    """
    model = journey_model(session, workspace_id=workspace_id, model_id=query.model, codebook=codebook())
    moment = now()
    listed = proposals if query.kind == "pain" else delights.delights
    found = listed(session, workspace_id=workspace_id, timezone=timezone, selection=query.selection)
    same = same_changes(found)
    found = [one for one in found if query.fits(one)]
    total = len(found)
    if after is not None:
        place = _place(after)
        found = [one for one in found if one.order() > place]
    shown = found[:limit]
    if query.kind == "pain":
        data = _written(session, workspace_id, timezone, shown, model, verbatims, query.selection)
    else:
        data = delights.written(
            session,
            workspace_id=workspace_id,
            timezone=timezone,
            chosen=shown,
            model=model,
            verbatims=verbatims,
        )
    data = [row | {"same_change_as": same.get(row["id"])} for row in data]
    return {
        "data": data,
        "next": encode_cursor(list(shown[-1].order())) if len(found) > limit else None,
        "total": total,
        "as_of": rfc3339(moment),
    }


def same_changes(found: Sequence[Proposal]) -> dict[str, str]:
    """By id of an open suggestion another of its stage that proposes the very same change: one that was agreed on,
    else the best of the open ones, where it is not itself.

    `found`: the best first. What is proposed where nothing fits (find out why) asks each topic something else, so
    it is never the same.
    """
    first: dict[tuple[str, str], str] = {}
    for one in found:
        if one.status in AGREED and one.exact:
            first.setdefault((one.stage, one.entry.id), one.id)
    same = {}
    for one in found:
        if one.status in OPEN and one.exact:
            best = first.setdefault((one.stage, one.entry.id), one.id)
            if best != one.id:
                same[one.id] = best
    return same


def suggestion(
    session: Session,
    *,
    workspace_id: int,
    timezone: str,
    public_id: str,
    model: str = "7-stage",
    verbatims: bool = True,
) -> dict[str, Any]:
    """One suggestion over all time with `rank` and `decisions`; NotFound where there is none of this id."""
    chosen_model = journey_model(session, workspace_id=workspace_id, model_id=model, codebook=codebook())
    if public_id.startswith(delights.PREFIX):
        praised = delights.one_delight(session, workspace_id=workspace_id, timezone=timezone, public_id=public_id)
        [written] = delights.written(
            session,
            workspace_id=workspace_id,
            timezone=timezone,
            chosen=[praised],
            model=chosen_model,
            verbatims=verbatims,
        )
        return written | {"rank": arithmetic(praised), "decisions": []}
    every = proposals(session, workspace_id=workspace_id, timezone=timezone)
    one = _named(every, public_id)
    [written] = _written(session, workspace_id, timezone, [one], chosen_model, verbatims, Selection())
    past = decisions.history(session, workspace_id=workspace_id, stage=one.stage, topic=one.topic)
    same = {"same_change_as": same_changes(every).get(one.id)}
    return written | same | {"rank": arithmetic(one), "decisions": past}


def decide_on(
    session: Session,
    *,
    database: Database,
    workspace_id: int,
    timezone: str,
    actor: str,
    public_id: str,
    body: decisions.DecisionBody,
    verbatims: bool = True,
    batch: str | None = None,
) -> dict[str, Any]:
    """Take a decision and answer the suggestion as it stands after it.

    The numbers are read before the write begins, on a session of their own, so that counting never holds up those
    who store feedback.
    """
    with database.read() as reading:
        one = _one(reading, workspace_id, timezone, public_id)
        model = journey_model(reading, workspace_id=workspace_id, model_id="7-stage", codebook=codebook())
        [written] = _written(reading, workspace_id, timezone, [one], model, verbatims, Selection())
        numbers = numbers_of(
            reading,
            workspace_id=workspace_id,
            timezone=timezone,
            one=one,
            decision=body.decision,
            segment=body.segment,
            named=body.outcomes or (),
        )
    row = decisions.decide(
        session,
        workspace_id=workspace_id,
        stage=one.stage,
        topic=one.topic,
        entry=one.entry,
        actor=actor,
        body=body,
        reopened=one.reopened is not None,
        evidence=[
            {name: found[name] for name in ("feedback_id", "start", "end")} for found in written["evidence"]
        ],
        numbers=numbers,
        batch=batch,
    )
    # a note on a reopened one leaves it reopened
    reopened = one.reopened is not None and body.decision == "note"
    status = decisions.shown_status(row, now(), reopened=reopened)
    return written | {
        "status": status,
        "adaptation": row.adaptation,
        "owner": row.owner,
        "snoozed_until": rfc3339(row.snoozed_until) if status == "snoozed" else None,
        "possible": decisions.possible(status),
        "due": row.due.isoformat() if row.due else None,
        "ticket": row.ticket,
        "reopened": one.reopened.public() if one.reopened is not None and reopened else None,
        "updated_at": rfc3339(row.updated_at),
        "rank": arithmetic(one),
        "decisions": decisions.history(session, workspace_id=workspace_id, stage=one.stage, topic=one.topic),
    }


def numbers_of(
    session: Session,
    *,
    workspace_id: int,
    timezone: str,
    one: Proposal,
    decision: str,
    segment: Segment | None = None,
    named: Sequence[OutcomeBody] = (),
) -> dict[str, Any]:
    """What a decision keeps of the moment: size, trend, value; of an agreement also how it will be measured, by
    which metrics from elsewhere, and the segment in which it starts.
    """
    found = {"size": size(one), "trend": trend(one), "priority": round(one.rank.priority, 3)}
    if decision in ("accept", "edit") or segment is not None:
        found["plan"] = plan_for(
            session,
            workspace_id=workspace_id,
            timezone=timezone,
            stage=one.stage,
            topic=one.topic,
            segment=segment,
        )
    told = [body.model_dump(exclude_none=True) for body in named]
    if decision in ("accept", "edit") and one.status not in AGREED:
        found["outcomes"] = outcomes_for(
            session, workspace_id=workspace_id, timezone=timezone, stage=one.stage, segment=segment, named=told
        )
    elif told:
        found["outcomes"] = told
    if segment is not None:
        found["segment"] = {kind: list(values) for kind, values in segment.items()}
    return found


def suggestions_by_stage(
    session: Session,
    *,
    workspace_id: int,
    timezone: str,
    selection: Selection | None = None,
    per_stage: int = 9,
) -> dict[str, list[dict[str, Any]]]:
    """The best suggestions of each codebook stage for the map's columns, without verbatims.

    Each with `touchpoint`, so that a model that splits a stage by touchpoint knows the column; more than a column
    shows, so that each side of a split has its own.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for one in proposals(session, workspace_id=workspace_id, timezone=timezone, selection=selection):
        of_stage = found.setdefault(one.stage, [])
        if one.status not in ON_THE_MAP or len(of_stage) == per_stage:
            continue
        of_stage.append(
            {
                "id": one.id,
                "status": one.status,
                "stage": one.stage,
                "topic": one.topic,
                "touchpoint": one.pain.touchpoint if one.pain else None,
                "pain": one.says,
                "adaptation": one.adaptation,
                "priority": round(one.rank.priority, 3),
                "size": size(one),
            }
        )
    return found


def pain_trends(
    session: Session, *, workspace_id: int, timezone: str, selection: Selection
) -> dict[tuple[str, str], dict[str, Any]]:
    """By stage and topic of the codebook, the change of the pain's share as its suggestion tells it."""
    found = pains_of(session, workspace_id=workspace_id, timezone=timezone, selection=selection)
    return {key: told(pain.trend) for key, pain in found.pains.items()}


def _one(session: Session, workspace_id: int, timezone: str, public_id: str) -> Proposal:
    return _named(proposals(session, workspace_id=workspace_id, timezone=timezone), public_id)


def _named(found: Sequence[Proposal], public_id: str) -> Proposal:
    stage, topic = key_of(public_id)
    for one in found:
        if (one.stage, one.topic) == (stage, topic):
            return one
    raise NotFound("This suggestion does not exist.")


def _written(
    session: Session,
    workspace_id: int,
    timezone: str,
    chosen: Sequence[Proposal],
    model: JourneyModel,
    verbatims: bool,
    selection: Selection,
) -> list[dict[str, Any]]:
    """In the contract's shape; one query for series, two for all evidence, these only with `verbatims`."""
    evidence: Mapping[tuple[str, str], Any] = {}
    if verbatims:
        pains = [one.pain for one in chosen if one.pain is not None]
        evidence = evidence_of(session, workspace_id=workspace_id, pains=pains, codebook=codebook())
    first, end = selection.days(timezone)
    series = stage_series(
        session, workspace_id=workspace_id, first=first, end=end, attributes=selection.attributes
    )
    per = exposures(series)
    return [
        public(one, evidence.get((one.stage, one.topic), []), model, timezone)
        | {"rate": _rate(one.pain, per.get(one.stage))}
        for one in chosen
    ]


def _rate(pain: Pain | None, exposure: Exposure | None) -> dict[str, Any] | None:
    """Contacts with a pain per 1,000 of what its stage is counted per; None without such a series."""
    if pain is None or exposure is None:
        return None
    return rate(exposure, day=pain.item_days[pain.item_dated], respondent=pain.item_people[pain.item_dated])


def _place(after: Any) -> tuple[float, int, str]:
    match after:
        case [int() | float() as priority, int() as effort, str() as key]:
            return (float(priority), effort, key)
    detail = "this cursor did not come from here; start without one"
    raise BadInput(f"cursor: {detail}", errors=[FieldError("/cursor", "bad_cursor", detail)])
