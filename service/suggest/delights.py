"""Delights: what customers praise, so that it is kept and spread. The same numbers as for pains, from praise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session

from nlp.codebook import JourneyModel
from service.errors import NotFound
from service.selection import Selection
from service.store.rollup_codes import codebook
from service.store.score_effects import effects_of
from service.suggest.evidence import evidence_of
from service.suggest.playbook import FALLBACK_TOPIC
from service.suggest.playbook_own import playbook_of
from service.suggest.priority import MIN_RESPONDENTS
from service.suggest.proposals import Proposal, rank_of
from service.suggest.selected import SAID, pains_of
from service.suggest.weights import weights_of
from service.suggest.wording import public

PREFIX = "delight."


def delights(
    session: Session, *, workspace_id: int, timezone: str, selection: Selection | None = None
) -> list[Proposal]:
    """Every delight of a selection, the best first; fewer than MIN_RESPONDENTS people are an anecdote."""
    chosen = selection or Selection()
    selected = pains_of(session, workspace_id=workspace_id, timezone=timezone, selection=chosen, kind="delight")
    effects = effects_of(session, workspace_id=workspace_id, timezone=timezone, selection=Selection())
    playbook, weights = playbook_of(session, workspace_id), weights_of(session, workspace_id)
    found = []
    for (stage, topic), praise in sorted(selected.pains.items()):
        entry = playbook.keep(stage, topic)
        if entry is None or praise.respondents < MIN_RESPONDENTS:
            continue
        named = topic != FALLBACK_TOPIC
        found.append(
            Proposal(
                stage=stage,
                topic=topic,
                pain=praise,
                entry=entry,
                exact=True,
                rank=rank_of(
                    praise,
                    known=named,
                    effort=entry.effort,
                    selected=selected,
                    weights=weights,
                    effect=effects.get(topic),
                    kind="delight",
                ),
                row=None,
                status="suggested",
                n=selected.items.get(stage, 0),
                kind="delight",
            )
        )
    return sorted(found, key=Proposal.order)


def one_delight(session: Session, *, workspace_id: int, timezone: str, public_id: str) -> Proposal:
    """The delight of an id; NotFound where there is none."""
    for one in delights(session, workspace_id=workspace_id, timezone=timezone):
        if one.id == public_id:
            return one
    raise NotFound("This suggestion does not exist.")


def written(
    session: Session,
    *,
    workspace_id: int,
    timezone: str,
    chosen: list[Proposal],
    model: JourneyModel,
    verbatims: bool,
) -> list[dict[str, Any]]:
    """In the shape of suggestions; two queries for all evidence, none without `verbatims`."""
    evidence: Mapping[tuple[str, str], Any] = {}
    if verbatims:
        sentiment, _ = SAID["delight"]
        evidence = evidence_of(
            session,
            workspace_id=workspace_id,
            pains=[one.pain for one in chosen if one.pain is not None],
            codebook=codebook(),
            sentiment=sentiment,
        )
    return [
        public(one, evidence.get((one.stage, one.topic), []), model, timezone) | {"rate": None} for one in chosen
    ]
