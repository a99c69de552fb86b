"""What an administrator says about a tool that we do not know: where in its body everything stands."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from service.ingest.incoming import MAX_ATTRIBUTE_CHARS, MAX_ATTRIBUTES, SCALES, Channel, ScoreKind
from service.ingest.senders.paths import MAX_PATH_CHARS, read_path
from service.ingest.senders.signatures import SenderOptions

MAX_FILTERS = 20
MAX_VALUES = 100
BODY, TIMESTAMP = "{body}", "{timestamp}"


def _readable(text: str) -> str:
    text = text.strip()
    if text:
        read_path(text)
    return text


def _needed(text: str) -> str:
    read_path(text)
    return text.strip()


def _header_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", text.strip()):
        raise ValueError("this is not the name of a header")
    return text.strip().lower()


def _none_is_none(value: Any) -> Any:
    return None if value in ("", "none") else value


def _one_is_a_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else [] if value is None else value


OptionalPath = Annotated[str, Field(max_length=MAX_PATH_CHARS), AfterValidator(_readable)]  # empty: nowhere
NeededPath = Annotated[str, Field(max_length=MAX_PATH_CHARS), AfterValidator(_needed)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Plain = str | bool | int | Number


class Fields(BaseModel):
    """Where each field of an item stands; empty where the tool sends none."""

    model_config = ConfigDict(extra="forbid")

    text: OptionalPath = ""
    title: OptionalPath = Field(default="", description="Put in front of the text.")
    external_id: OptionalPath = ""
    occurred_at: OptionalPath = ""
    updated_at: OptionalPath = ""
    score: OptionalPath = ""
    respondent: OptionalPath = ""
    conversation_id: OptionalPath = ""
    response_id: OptionalPath = ""
    url: OptionalPath = ""
    language: OptionalPath = ""
    question: OptionalPath = ""
    translation: OptionalPath = ""
    channel: OptionalPath = ""
    touchpoint: OptionalPath = ""
    stage: OptionalPath = ""
    value: OptionalPath = ""


class Filter(BaseModel):
    """One condition on what stands at a path; of several values there it is enough that one fits.

    Texts, numbers and truth values are compared as text, without regard to capitals.
    """

    model_config = ConfigDict(extra="forbid", validate_by_name=True, validate_by_alias=True)

    path: NeededPath
    equals: Plain | None = Field(default=None, alias="is")
    is_not: Plain | None = Field(default=None, description="Also holds where there is nothing.")
    one_of: list[Plain] | None = Field(default=None, alias="in", min_length=1, max_length=MAX_VALUES)
    contains: Annotated[str, Field(min_length=1)] | None = None
    exists: bool | None = Field(default=None, description="Whether there is something that is not empty.")

    @model_validator(mode="after")
    def _one_condition(self) -> Filter:
        said = [self.equals, self.is_not, self.one_of, self.contains, self.exists]
        if sum(one is not None for one in said) != 1:
            raise ValueError("a filter has one condition: is, is_not, in, contains or exists")
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        names = {"equals": "is", "one_of": "in"}
        return {names.get(name, name): value for name, value in handler(self).items() if value is not None}


class EraseRule(Filter):
    """When a body says that something is gone, and where its id stands."""

    id: NeededPath
    kind: Literal["item", "conversation", "respondent"] = "item"


class Signature(BaseModel):
    """How the tool signs: an HMAC in a header."""

    model_config = ConfigDict(extra="forbid")

    header: HeaderName
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: Annotated[str, Field(max_length=100)] = Field(default="", description='In front of it: "sha256=".')
    signed: Annotated[str, Field(max_length=200)] = Field(
        default=BODY, description='What is signed: "{body}", or with a time, as in "{timestamp}.{body}".'
    )
    timestamp_header: Annotated[str, BeforeValidator(lambda text: text and _header_name(text))] = ""

    @field_validator("signed")
    @classmethod
    def _body_once(cls, text: str) -> str:
        text = BODY if text == "body" else text
        rest = text.replace(BODY, "", 1).replace(TIMESTAMP, "", 1)
        if BODY not in text or "{" in rest or "}" in rest:
            raise ValueError("this must hold {body} once, and may hold {timestamp} once")
        return text

    @model_validator(mode="after")
    def _time_is_told(self) -> Signature:
        if (TIMESTAMP in self.signed) != bool(self.timestamp_header):
            raise ValueError("a signed {timestamp} and its timestamp_header belong together")
        return self


class MappedOptions(SenderOptions):
    """The whole mapping. Without a text and a score nothing is taken, but every delivery is kept to try it on."""

    items: OptionalPath = Field(default="", description="Path of the list of items; empty: the body is the item.")
    fields: Fields = Field(default_factory=Fields, description="Path of each field; text or score is needed.")
    attributes: dict[Annotated[str, Field(min_length=1, max_length=MAX_ATTRIBUTE_CHARS)], NeededPath] = Field(
        default_factory=dict, max_length=MAX_ATTRIBUTES, description="Paths of what you filter by, by name."
    )
    filters: Annotated[list[Filter], BeforeValidator(_one_is_a_list)] = Field(
        default_factory=list, max_length=MAX_FILTERS, description="All must hold for an item to be taken."
    )
    erase_when: Annotated[list[EraseRule], BeforeValidator(_one_is_a_list)] = Field(
        default_factory=list, max_length=MAX_FILTERS, description="When an item, conversation or person is gone."
    )
    html: bool = Field(default=False, description="Texts are HTML.")
    channel: Channel = Field(default="other", description="Of items that name none of ours.")
    score_kind: ScoreKind = Field(default="stars", description="What the scores are.")
    score_min: Number | None = Field(default=None, description="Lowest score; empty: as usual for the kind.")
    score_max: Number | None = Field(default=None, description="Highest score; empty: as usual for the kind.")
    score_words: dict[str, Number] = Field(
        default_factory=dict, max_length=MAX_VALUES, description='Scores in words: {"good": 5, "bad": 1}.'
    )
    signature: Annotated[Signature | None, BeforeValidator(_none_is_none)] = Field(
        default=None, description="none: the address, and a token where one is set, are the credential."
    )

    @model_validator(mode="after")
    def _a_scale(self) -> MappedOptions:
        low, high = self.scale()
        if low >= high:
            raise ValueError("score_min must be below score_max")
        return self

    def scale(self) -> tuple[float, float]:
        """The ends of the scores' scale."""
        low, high = SCALES[self.score_kind]
        return (
            low if self.score_min is None else self.score_min,
            high if self.score_max is None else self.score_max,
        )

    def is_empty(self) -> bool:
        """Whether nothing could ever be taken."""
        return not (self.fields.text or self.fields.title or self.fields.score)
