"""Where people go next, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from service.aggregate.transitions import By, transitions
from service.dependencies import ReadDb, Reader
from service.selection import SelectionQuery
from service.store.personas import of_persona

router = APIRouter(tags=["map"])

EXAMPLE: dict[str, Any] = {
    "by": "stage",
    "items": {"all": 2100, "followed": 1480},
    "respondents": {"known": 980, "followed": 310},
    "data": [
        {
            "label": "purchase",
            "contacts": 420,
            "respondents": 390,
            "steps": 150,
            "n": 141,
            "few": False,
            "next": [
                {
                    "label": "support",
                    "count": 63,
                    "respondents": 60,
                    "share": 0.42,
                    "low": 0.342,
                    "high": 0.502,
                    "days": 4.0,
                }
            ],
            "returns": {"count": 22, "n": 118, "share": 0.1864, "low": 0.1265, "high": 0.2661},
        }
    ],
    "labels": {"models": [{"model": "2026.1", "items": 2100}]},
    "says": "310 of 980 known people can be followed from one contact to the next.",
}


class Followed(BaseModel):
    """Items of the selection, and those of known people with a time and a label."""

    all: int
    followed: int


class People(BaseModel):
    """Known respondents, and those with more than one contact."""

    known: int
    followed: int


class NextStep(BaseModel):
    """A label that comes next; the interval's unit is the respondent."""

    label: str
    count: int = Field(description="Steps.")
    respondents: int
    share: float = Field(description="Of the steps that leave the label.")
    low: float
    high: float
    days: float = Field(description="Median days between the two contacts.")


class Returns(BaseModel):
    """Of the people who left a label for another, those who came back to it."""

    count: int
    n: int
    share: float
    low: float
    high: float


class StepsFrom(BaseModel):
    """What follows a label."""

    label: str
    contacts: int
    respondents: int
    steps: int = Field(description="Contacts that another one follows.")
    n: int = Field(description="Respondents with such a contact.")
    few: bool
    next: list[NextStep]
    returns: Returns | None


class TransitionsAnswer(BaseModel):
    """Steps from label to label of people who can be followed."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    by: str
    items: Followed
    respondents: People
    data: list[StepsFrom]
    labels: dict[str, Any] | None = Field(description="Whose labels they are; null for channels.")
    says: str


@router.get("/v1/transitions", response_model=TransitionsAnswer, summary="Where people go next")
def read_transitions(
    caller: Reader,
    session: ReadDb,
    selection: SelectionQuery,
    by: Annotated[By, Query(description="Stages of the codebook, or channels.")] = "stage",
    persona: Annotated[
        str | None, Query(max_length=200, description="Only what a persona says.", examples=["buyer"])
    ] = None,
) -> dict[str, Any]:
    """Steps between stages or switches of channel, loops too, where senders tell who people are.

    A label that follows itself is the same matter again, or the next one there. Filters are those of the map; a
    step counts where both its contacts pass them.
    """
    selection = of_persona(session, workspace_id=caller.workspace_id, selection=selection, persona=persona)
    return transitions(
        session, workspace_id=caller.workspace_id, timezone=caller.timezone, selection=selection, by=by
    )
