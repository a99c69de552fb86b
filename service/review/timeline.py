"""What one respondent said, in order: their contacts, switches of channel, and ways between stages."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlmodel import Session, col

from service.auth import Caller, Vault
from service.dependencies import ReadDb, Reader, VaultOf
from service.errors import NotFound
from service.review.feedback_models import ITEM_EXAMPLE, FeedbackView
from service.review.feedback_view import views
from service.store.schema import FeedbackItem

router = APIRouter(tags=["feedback"])

MOST: Final = 500  # newest contacts; a person with more is a program
PSEUDONYM: Final = re.compile("[0-9a-f]{32}")

STEP_EXAMPLE: dict[str, Any] = {
    "days": 4,
    "from_stage": "purchase",
    "from_channel": "review",
    "stage_changed": True,
    "channel_changed": False,
    "returned": False,
}


class Step(BaseModel):
    """How a contact follows the one before."""

    days: int = Field(description="Since the contact before, rounded down.")
    from_stage: str | None
    from_channel: str
    stage_changed: bool = Field(description="Both contacts have a stage, and not the same.")
    channel_changed: bool
    returned: bool = Field(description="Back at a stage where they were before, after another one.")


class Contact(BaseModel):
    """One item of theirs, and how it follows the one before; null for the first."""

    item: FeedbackView
    step: Step | None


class TimelineAnswer(BaseModel):
    """A respondent's contacts, the oldest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "respondent": ITEM_EXAMPLE["respondent"],
                "items": 2,
                "channels": ["review", "ticket"],
                "stages": ["purchase", "delivery"],
                "channel_switches": 1,
                "returns": 0,
                "first_at": "2026-10-29T10:15:00Z",
                "last_at": "2026-11-02T10:15:00Z",
                "data": [{"item": ITEM_EXAMPLE, "step": STEP_EXAMPLE}],
            }
        }
    )

    respondent: str = Field(description="The pseudonym.")
    items: int
    channels: list[str] = Field(description="In the order of first use.")
    stages: list[str] = Field(description="In the order of first sight.")
    channel_switches: int
    returns: int = Field(description="How often they came back to a stage after another one.")
    first_at: datetime
    last_at: datetime
    data: list[Contact] = Field(description=f"At most the newest {MOST}.")


@router.get(
    "/v1/respondents/{key:path}/timeline",
    response_model=TimelineAnswer,
    summary="What one respondent said, in order",
)
def read_timeline(key: str, caller: Reader, session: ReadDb, vault: VaultOf) -> TimelineAnswer:
    """`key` is what the sender calls them, or `respondent` as items show it. 404 for somebody unknown or erased.

    Callers who may not read verbatims get labels without words.
    """
    return timeline(session, vault, caller, key)


def timeline(session: Session, vault: Vault, caller: Caller, key: str) -> TimelineAnswer:
    """The timeline of somebody by pseudonym or by the sender's key; NotFound where nothing of theirs is held."""
    names = [vault.pseudonym(caller.workspace_id, key)]
    if PSEUDONYM.fullmatch(key):
        names.append(key)
    # somebody who was merged into another one is found by their old key, with what was told of them
    either = col(FeedbackItem.respondent).in_(names) | col(FeedbackItem.respondent_told).in_(names)
    theirs = col(FeedbackItem.workspace_id) == caller.workspace_id, either
    items = list(
        session.execute(
            select(FeedbackItem)
            .where(*theirs)
            .order_by(col(FeedbackItem.at).desc(), col(FeedbackItem.id).desc())
            .limit(MOST)
        ).scalars()
    )[::-1]
    if not items:
        raise NotFound("Nothing of this respondent is held here.")
    shown = views(session, items, verbatims=caller.may("verbatims"))
    count = session.execute(select(func.count()).select_from(FeedbackItem).where(*theirs)).scalar_one()
    data: list[Contact] = []
    seen: list[str] = []
    for row, item in zip(items, shown, strict=True):
        step = _step(items[len(data) - 1], row, seen) if data else None
        if row.stage is not None:
            seen.append(row.stage)
        data.append(Contact(item=item, step=step))
    steps = [one.step for one in data if one.step is not None]
    return TimelineAnswer(
        respondent=items[0].respondent or "",
        items=count,
        channels=list(dict.fromkeys(row.channel for row in items)),
        stages=list(dict.fromkeys(seen)),
        channel_switches=sum(step.channel_changed for step in steps),
        returns=sum(step.returned for step in steps),
        first_at=items[0].at,
        last_at=items[-1].at,
        data=data,
    )


def _step(before: FeedbackItem, after: FeedbackItem, seen: list[str]) -> Step:
    """`seen`: their stages so far, in order."""
    changed = bool(seen) and after.stage is not None and after.stage != seen[-1]
    return Step(
        days=(after.at - before.at).days,
        from_stage=before.stage,
        from_channel=before.channel,
        stage_changed=before.stage is not None and after.stage is not None and before.stage != after.stage,
        channel_changed=before.channel != after.channel,
        returned=changed and after.stage in seen,
    )
