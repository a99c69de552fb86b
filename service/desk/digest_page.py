"""The page of the weekly digest: what was sent, with customers' words for those who may read them."""

from __future__ import annotations

from datetime import date
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from service.dependencies import ReadDb, Reader, SettingsOf
from service.errors import NotFound
from service.notify.digest_api import digest_of, read_schedule
from service.notify.digest_text import period, why
from service.review.render import page
from service.suggest import suggestions

router = APIRouter(include_in_schema=False)

RANKED = 100  # suggestions among which the words of a digest's are looked for


@router.get("/digest")
def digest_page(caller: Reader, session: ReadDb, settings: SettingsOf, week: str | None = None) -> HTMLResponse:
    """The last digest, an earlier one, or what the first one would say."""
    try:
        wanted = date.fromisoformat(week) if week else None
    except ValueError as error:
        raise NotFound("No digest was made in this week.") from error
    found = digest_of(session, caller=caller, week=wanted, public_url=settings.public_url)
    content: dict[str, Any] | None = found["content"]
    words: dict[str, dict[str, Any]] = {}
    if content and content["suggestions"] and caller.may("verbatims"):
        told = {one["id"] for one in content["suggestions"]}
        ranked = suggestions.suggestions(
            session,
            workspace_id=caller.workspace_id,
            timezone=caller.timezone,
            query=suggestions.SuggestionQuery(),
            limit=RANKED,
        )
        words = {row["id"]: row["evidence"][0] for row in ranked["data"] if row["id"] in told and row["evidence"]}
    return page(
        "digest.html",
        {
            "caller": caller,
            "page": "front",
            "found": found,
            "content": content,
            "period": period(content) if content else None,
            "words": words,
            "changes": [one | {"why": why(one)} for one in content["changes"]] if content else [],
            "schedule": read_schedule(caller, session),
        },
    )
