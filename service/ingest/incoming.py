"""The one shape that everything a sender delivers becomes: a feedback item as in the public contract."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from service.errors import BadInput, FieldError, field_errors

Channel = Literal["survey", "review", "ticket", "chat", "call", "social", "other"]
ScoreKind = Literal["nps", "csat", "ces", "stars"]

MAX_ID_CHARS = 512
MAX_ATTRIBUTES = 20
MAX_ATTRIBUTE_CHARS = 256
MAX_TEXT_CHARS = 1_000_000  # a shorter limit is a setting
SCALES: dict[str, tuple[float, float]] = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7), "stars": (1, 5)}


def _without_nul(value: str) -> str:
    """PostgreSQL can't store NUL, JSON can't carry lone surrogates; both come from broken exports."""
    if "\x00" in value:
        value = value.replace("\x00", "")
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def _storable(value: Any) -> Any:
    # before validation: pydantic refuses lone surrogates, and with them a whole item for half an emoji
    return _without_nul(value) if isinstance(value, str) else value


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers")
    return value


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _id_or_none(value: Any) -> Any:
    # in one step: every item has several of them
    if isinstance(value, str):
        return _without_nul(value) if value.strip() else None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _utc(value: datetime) -> datetime:
    """A moment in UTC; without an offset it is taken as UTC, as the contract says RFC 3339 in UTC."""
    if not 1990 <= value.year <= 2200:  # before the zone: at the calendar's ends it can't be applied
        raise ValueError("the year must lie between 1990 and 2200")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


OptionalId = Annotated[Annotated[str, Field(max_length=MAX_ID_CHARS)] | None, BeforeValidator(_id_or_none)]
Moment = Annotated[datetime | None, BeforeValidator(_blank_is_none), AfterValidator(lambda v: v and _utc(v))]
LongText = Annotated[str, BeforeValidator(_storable), Field(max_length=MAX_TEXT_CHARS)]


class Score(BaseModel):
    """A number the customer gave, with its scale."""

    model_config = ConfigDict(extra="forbid")

    kind: ScoreKind
    value: Annotated[float, BeforeValidator(_no_truth)]
    scale_min: float | None = None
    scale_max: float | None = None

    @model_validator(mode="after")
    def _on_its_scale(self) -> Score:
        low, high = SCALES[self.kind]
        low = low if self.scale_min is None else self.scale_min
        high = high if self.scale_max is None else self.scale_max
        if not (math.isfinite(self.value) and math.isfinite(low) and math.isfinite(high)):
            raise ValueError("score and scale must be finite numbers")
        if low >= high:
            raise ValueError("scale_min must be below scale_max")
        if not low <= self.value <= high:
            raise ValueError(f"value must lie on its scale, {low:g} to {high:g}")
        # past pydantic's own way of setting a field, which takes longer than all the rest of a score
        object.__setattr__(self, "scale_min", low)
        object.__setattr__(self, "scale_max", high)
        return self


class IncomingItem(BaseModel):
    """A feedback item as callers send it. `text` or `score` is required."""

    model_config = ConfigDict(extra="forbid")

    text: LongText | None = None
    channel: Annotated[Channel, BeforeValidator(lambda value: "other" if value is None else value)] = "other"
    external_id: OptionalId = None
    source: OptionalId = None
    occurred_at: Moment = None
    score: Score | None = None
    respondent: OptionalId = None
    touchpoint: OptionalId = None
    stage: OptionalId = None
    language: OptionalId = None
    response_id: OptionalId = None
    conversation_id: OptionalId = None
    question: LongText | None = None
    translation: LongText | None = None
    updated_at: Moment = None
    url: Annotated[Annotated[str, Field(max_length=2048)] | None, BeforeValidator(_storable)] = None
    value: Annotated[float | None, Field(allow_inf_nan=False)] = None
    attributes: dict[str, str] = Field(default_factory=dict)

    @field_validator("score", mode="before")
    @classmethod
    def _bare_rating(cls, value: Any) -> Any:
        # a bare number is stars 1 to 5 unless the sender says otherwise
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"kind": "stars", "value": value}
        return value

    @field_validator("attributes", mode="before")
    @classmethod
    def _string_pairs(cls, value: Any) -> Any:
        if value is None:
            return {}
        if not isinstance(value, dict):
            return value  # pydantic says what is wrong
        if len(value) > MAX_ATTRIBUTES:
            raise ValueError(f"at most {MAX_ATTRIBUTES} attributes")
        pairs = {}
        for name, content in value.items():
            if content is None:
                continue
            if isinstance(content, dict | list):
                raise ValueError("attributes are pairs of strings, without nesting")
            text = content if isinstance(content, str) else str(content)
            if isinstance(content, bool):
                text = text.lower()
            name, text = _without_nul(str(name)).strip(), _without_nul(text).strip()
            if not name or len(name) > MAX_ATTRIBUTE_CHARS or len(text) > MAX_ATTRIBUTE_CHARS:
                raise ValueError(f"attribute names and values have 1 to {MAX_ATTRIBUTE_CHARS} characters")
            pairs[name] = text
        return pairs

    @model_validator(mode="after")
    def _says_something(self) -> IncomingItem:
        if self.text is not None and not self.text.strip():
            self.text = None
        if self.text is None and self.score is None:
            raise ValueError("text or score is required")
        return self


def read_item(value: Any, *, max_text_chars: int) -> IncomingItem:
    """The item that a caller, sender or file row gives as a dict; BadInput with a pointer per field that is wrong.

    The one check of every way in. Messages never repeat the value.
    """
    if not isinstance(value, dict):
        detail = "an item is a JSON object"
        raise BadInput(detail, errors=[FieldError("", "not_an_object", detail)])
    try:
        item = IncomingItem.model_validate(value)
    except ValidationError as error:
        raise _bad_item(field_errors(error)) from error
    longest = max(len(item.text or ""), len(item.question or ""), len(item.translation or ""))
    if longest > max_text_chars:
        raise _bad_item(
            [
                FieldError(f"/{name}", "string_too_long", f"a text has at most {max_text_chars} characters")
                for name in ("text", "question", "translation")
                if len(getattr(item, name) or "") > max_text_chars
            ]
        )
    return item


def _bad_item(found: list[FieldError]) -> BadInput:
    return BadInput("; ".join(f"{one.pointer or 'item'}: {one.detail}" for one in found[:5]), errors=found)


@dataclass(frozen=True, slots=True)
class Call:
    """One inbound call of a sender, as bytes: all that an adapter sees."""

    headers: Mapping[str, str]  # names in lower case
    body: bytes
    method: str = "POST"
    url: str = ""  # the public address, for schemes that sign it
    fetched: str = ""  # what of the sender's API this is the answer to; empty for what it sent by itself


@dataclass(frozen=True, slots=True)
class Erased:
    """What the sender says is gone; it stays gone whatever arrives later.

    With `up_to` it is withdrawn, and may come back: gone is what was told up to then by the sender's clock, and
    what the sender tells of it later is taken. Persons are never withdrawn.
    """

    kind: Literal["item", "conversation", "respondent"]
    key: str  # an item's external_id, a conversation_id, a respondent as the sender calls them
    up_to: str | None = None  # RFC 3339


@dataclass(frozen=True, slots=True)
class Merged:
    """Two entries of the sender's that are one person from now on, and were before."""

    gone: str  # as the sender calls them
    survivor: str


@dataclass(frozen=True, slots=True)
class Whole:
    """A survey response of which the delivery tells everything: what an older one told besides was taken back."""

    response_id: str
    updated_at: str | None  # RFC 3339
    external_ids: frozenset[str]  # of all its items, also of those that can't be used


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a thin delivery names and the sender's API has to be asked for."""

    what: str  # in the fetcher's words: "ticket", "response"
    ids: dict[str, str]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a delivery holds: items as dicts of the public contract, not yet checked."""

    items: list[Any] = field(default_factory=list)
    erased: list[Erased] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)
    whole: list[Whole] = field(default_factory=list)
    ignored: str = ""  # why there is nothing of a customer in it
    merged: list[Merged] = field(default_factory=list)


class CannotParse(ValueError):
    """The delivery is not what this sender sends; the message says why, without customers' words."""
