"""What callers say about webhook addresses, and what they are told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.ingest.endpoint_secrets import MAX_SECRETS, Secret
from service.ingest.incoming import OptionalId


class NewEndpoint(BaseModel):
    """A webhook address to make."""

    model_config = ConfigDict(extra="forbid")

    sender: str
    name: Annotated[str, Field(min_length=1, max_length=200)]
    source: OptionalId = None
    secrets: Annotated[list[str | Secret], Field(max_length=MAX_SECRETS)] | None = None
    options: dict[str, Any] | None = None
    credentials: Annotated[
        dict[str, Any] | None,
        Field(description="What the sender's API wants to see, where it has to be asked; never shown again."),
    ] = None


class ChangedEndpoint(BaseModel):
    """What of a webhook address is otherwise from now on; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    options: Annotated[
        dict[str, Any] | None,
        Field(description="All of them: those that are left out take their defaults again."),
    ] = None


class NewCredentials(BaseModel):
    """What the sender's API wants to see from now on."""

    model_config = ConfigDict(extra="forbid")

    credentials: dict[str, Any]


class NewSecret(BaseModel):
    """A secret that follows the ones before."""

    model_config = ConfigDict(extra="forbid")

    value: str | Secret | None = None
    keep_old_hours: Annotated[float, Field(ge=0, le=24 * 90)] = 24.0


EXAMPLE: dict[str, Any] = {
    "id": "Jh2xq0cPMpyWQd7jZcT9yA",
    "url": "http://localhost:8000/hooks/standard-webhooks/Jh2xq0cPMpyWQd7jZcT9yA",
    "secrets": ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="],
}


VIEW_EXAMPLE: dict[str, Any] = {
    "id": EXAMPLE["id"],
    "url": EXAMPLE["url"],
    "sender": "standard-webhooks",
    "name": "App feedback",
    "source": "app",
    "options": {"replay_window_seconds": 300},
    "secrets": 1,
    "credentials": False,
    "trouble": None,
    "created_at": "2026-11-02T10:15:00Z",
    "removed_at": None,
}


class CreatedEndpoint(BaseModel):
    """The address and its secrets, which are shown this once (null when the answer is replayed)."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: str
    url: str
    secrets: list[str] | None


class EndpointView(BaseModel):
    """A webhook address without its secrets."""

    model_config = ConfigDict(json_schema_extra={"example": VIEW_EXAMPLE})

    id: str
    url: str
    sender: str
    name: str
    source: str
    options: dict[str, Any]
    secrets: Annotated[int, Field(description="How many secrets hold now.")]
    credentials: Annotated[bool, Field(description="Whether there are credentials for the sender's API.")]
    trouble: Annotated[str | None, Field(description="Why the sender's API can't be asked now.")]
    created_at: datetime
    removed_at: datetime | None


class EndpointPage(BaseModel):
    """One page of addresses, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"data": [VIEW_EXAMPLE], "next": "MTc"}})

    data: list[EndpointView]
    next: str | None
