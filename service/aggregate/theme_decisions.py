"""What people decide on themes: rename, dismiss, merge, split.

A decision pins its themes: grouping anew leaves them and their members alone.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import select, update
from sqlmodel import Session, col

from service.errors import BadInput, Conflict, FieldError, NotFound
from service.paging import row_id
from service.store.columns import now
from service.store.schema import AuditEvent, Segment, Theme
from service.store.theme_upkeep import ask_themes, tell

MISSING = "This theme"


def _said_reason(value: str | None) -> str | None:
    return (value or "").replace("\x00", "").strip() or None


Reason = Annotated[
    str | None,
    Field(max_length=1000, description="Why; it stands in the theme's history."),
    AfterValidator(_said_reason),
]


class ThemeBody(BaseModel):
    """What can be changed of a theme; what is not given stays."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(
        default=None, max_length=120, description="In your words.", examples=["Refunds take weeks"]
    )
    state: Literal["active", "dismissed"] | None = Field(
        default=None,
        description="A dismissed theme keeps its members and is shown no more; `active` brings it back.",
    )

    own_name: Literal[False] | None = Field(
        default=None, description="`false`: the name that was made of the customers' words stands again."
    )
    reason: Reason = None

    @field_validator("name")
    @classmethod
    def _said(cls, value: str | None) -> str | None:
        if value is not None and not value.replace("\x00", "").strip():
            raise ValueError("a name needs at least one letter")
        return value.replace("\x00", "").strip() if value is not None else None


class MergeBody(BaseModel):
    """Which themes go into this one."""

    model_config = ConfigDict(extra="forbid")

    themes: list[str] = Field(
        min_length=1, max_length=50, description="Ids of themes of the same stage and topic."
    )
    reason: Reason = None


class SplitBody(BaseModel):
    """Into how many themes."""

    model_config = ConfigDict(extra="forbid")

    parts: int = Field(default=2, ge=2, le=6)
    reason: Reason = None


def change_theme(session: Session, *, workspace_id: int, actor: str, theme_id: str, body: ThemeBody) -> int:
    """Rename, take a name back, dismiss, bring back; the theme's id. NotFound, or BadInput for nothing asked."""
    theme = _theme(session, workspace_id, theme_id)
    if body.name is None and body.state is None and body.own_name is None:
        detail = "give a name, a state, or both"
        raise BadInput(f"{detail}.", errors=[FieldError("", "empty", detail)])
    why = {"why": body.reason} if body.reason else {}
    if body.name is not None:
        tell(theme, "renamed", by=actor, old=theme.name if theme.named_by else None, **why)
        if theme.named_by is None:
            theme.words_name = theme.name
        theme.name, theme.named_by = body.name, actor
    elif body.own_name is False and theme.named_by is not None:
        tell(theme, "name_taken_back", by=actor, old=theme.name, **why)
        # where the words that named it are gone meanwhile, the job makes a name of those that are left
        theme.name, theme.words_name, theme.named_by = theme.words_name, "", None
        if not theme.name:
            theme.stale = True
            ask_themes(session, workspace_id, delay_seconds=0.0)
    if body.state is not None and body.state != theme.state:
        tell(theme, "dismissed" if body.state == "dismissed" else "brought_back", by=actor, **why)
        theme.state = body.state
    return _keep(session, theme, actor, "theme.change")


def merge_themes(session: Session, *, workspace_id: int, actor: str, theme_id: str, body: MergeBody) -> int:
    """Put other themes into this one; what they stood for belongs to it from then on. The theme's id.

    BadInput for a theme of another stage, topic or side, or for itself.
    """
    theme = _theme(session, workspace_id, theme_id)
    why = {"why": body.reason} if body.reason else {}
    for public in dict.fromkeys(body.themes):
        other = _theme(session, workspace_id, public)
        if other.id == theme.id or (other.stage, other.topic, other.side) != (
            theme.stage,
            theme.topic,
            theme.side,
        ):
            detail = "themes that are merged are different ones of one stage and topic, all praise or all not"
            raise BadInput(f"{detail}.", errors=[FieldError("/themes", "not_alike", detail)])
        session.execute(
            update(Segment)
            .where(col(Segment.workspace_id) == workspace_id, col(Segment.theme) == other.id)
            .values(theme=theme.id)
            .execution_options(synchronize_session=False)
        )
        tell(other, "merged", by=actor, into=str(theme.id), **why)
        # its centre stays: it goes on attracting, for the theme that it went into
        other.state, other.merged_into, other.pinned, other.updated_at = "merged", theme.id, True, now()
        session.add(other)
        tell(theme, "took_in", by=actor, other=str(other.id), **why)
    return _keep(session, theme, actor, "theme.merge")


def split_theme(session: Session, *, workspace_id: int, actor: str, theme_id: str, body: SplitBody) -> int:
    """Ask for a theme to be split; the job does it within seconds. The theme's id; Conflict while one waits."""
    theme = _theme(session, workspace_id, theme_id)
    if theme.parts_wanted is not None:
        raise Conflict("This theme is being split; try again in a moment.")
    theme.parts_wanted = body.parts
    why = {"why": body.reason} if body.reason else {}
    tell(theme, "to_be_split", by=actor, parts=body.parts, **why)
    ask_themes(session, workspace_id, delay_seconds=0.0)
    return _keep(session, theme, actor, "theme.split")


def _theme(session: Session, workspace_id: int, public_id: str) -> Theme:
    found: Theme | None = session.execute(
        select(Theme)
        .where(
            col(Theme.id) == row_id(public_id, MISSING),
            col(Theme.workspace_id) == workspace_id,
            col(Theme.state).in_(("active", "dismissed")),
        )
        .with_for_update()
    ).scalar_one_or_none()
    if found is None:
        raise NotFound(f"{MISSING} does not exist.")
    return found


def _keep(session: Session, theme: Theme, actor: str, action: str) -> int:
    theme.pinned, theme.updated_at = True, now()
    session.add(theme)
    detail: dict[str, Any] = {"stage": theme.stage, "topic": theme.topic, "state": theme.state}
    session.add(
        AuditEvent(
            workspace_id=theme.workspace_id, actor=actor, action=action, target=f"theme:{theme.id}", detail=detail
        )
    )
    session.flush()
    assert theme.id is not None
    return theme.id
