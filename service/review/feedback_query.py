"""Which feedback items a list or export holds: the filters, checked, as conditions on rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import Depends, Query, Request
from sqlalchemy import ColumnElement, and_, exists, func, not_, or_, select
from sqlmodel import col

from nlp.codebook import Codebook, load_codebook
from service.dependencies import Reader
from service.errors import BadInput, FieldError, Forbidden
from service.store.schema import FeedbackItem, Segment

ATTRIBUTE_PREFIX = "attr."
NOBODY = "-"  # as an owner
LABEL_FILTERS = ("stage", "emotion", "sentiment", "topic", "touchpoint")
UNSEARCHABLE = frozenset('"\\')
UNPLACED = ("none", "unsure", "unsupported_language", "meaningless", "no_text", "untagged")
OTHER_PARAMETERS = frozenset({"limit", "cursor", "format"})


@cache
def codebook() -> Codebook:
    """The labels, read once."""
    return load_codebook()


@dataclass(frozen=True, slots=True)
class Place:
    """A stage, or only some touchpoints of it: those named, or with `but` all others.

    Written `consideration`, `consideration:website,email` or `consideration:!website,email`: columns of a journey
    model may split a stage.
    """

    stage: str
    touchpoints: tuple[str, ...] = ()
    but: bool = False

    def __str__(self) -> str:
        named = ",".join(self.touchpoints)
        return f"{self.stage}:{'!' if self.but else ''}{named}" if named else self.stage


@dataclass(frozen=True, slots=True)
class FeedbackFilters:
    """Values of one filter widen, different filters narrow. None and empty: not asked for."""

    stage: Sequence[str] = ()
    emotion: Sequence[str] = ()
    sentiment: Sequence[str] = ()
    topic: Sequence[str] = ()
    touchpoint: Sequence[str] = ()
    channel: Sequence[str] = ()
    source: Sequence[str] = ()
    language: Sequence[str] = ()
    begins: datetime | None = None  # the first moment of the period
    ends: datetime | None = None  # the first moment behind it
    q: str | None = None
    meaning: str | None = None  # orders by likeness: see meaning.py; no condition on rows
    unsure: bool | None = None
    corrected: bool | None = None
    state: str | None = None
    unsure_reason: str | None = None
    import_id: int | None = None
    conversation: str | None = None
    follow_up: Sequence[str] = ()
    owner: str | None = None
    pain: Sequence[str] = ()  # topics of which the item complains where it stands on the map
    delight: Sequence[str] = ()
    place: Sequence[Place] = ()
    theme: Sequence[str] = ()  # ids
    unplaced: Sequence[str] = ()  # why an item stands in no column, whatever the journey model: UNPLACED
    attributes: dict[str, list[str]] = field(default_factory=dict)

    def conditions(self, workspace_id: int) -> list[ColumnElement[bool]]:
        """The filters as conditions on `feedback_item`, the workspace's among them."""
        return [col(FeedbackItem.workspace_id) == workspace_id, *self.asked(workspace_id)]

    def asked(self, workspace_id: int) -> list[ColumnElement[bool]]:
        """The filters as conditions on `feedback_item`, for a caller who sees to the workspace."""
        item: Any = FeedbackItem
        found: list[ColumnElement[bool]] = []
        for name in (*LABEL_FILTERS, "channel", "source"):
            values = getattr(self, name)
            found += [_one_of(col(getattr(item, name)), values)] if values else []
        if self.language:
            # as the map counts it: what was detected, else what the sender declared
            declared = and_(
                col(FeedbackItem.language).is_(None), _one_of(col(FeedbackItem.declared_language), self.language)
            )
            found.append(or_(_one_of(col(FeedbackItem.language), self.language), declared))
        if self.begins is not None:
            found.append(col(FeedbackItem.at) >= self.begins)
        if self.ends is not None:
            found.append(col(FeedbackItem.at) < self.ends)
        if self.q:
            found.append(col(FeedbackItem.text).icontains(self.q, autoescape=True))
        if self.unsure is not None:
            reason = col(FeedbackItem.unsure_reason)
            found.append(reason.is_not(None) if self.unsure else reason.is_(None))
        if self.corrected is not None:
            found.append(col(FeedbackItem.corrected).is_(self.corrected))
        if self.state is not None:
            found.append(col(FeedbackItem.state) == self.state)
        if self.unsure_reason is not None:
            found.append(col(FeedbackItem.unsure_reason) == self.unsure_reason)
        if self.import_id is not None:
            found.append(col(FeedbackItem.import_id) == self.import_id)
        if self.conversation is not None:
            found.append(col(FeedbackItem.conversation_id) == self.conversation)
        if self.follow_up:
            found.append(_one_of(col(FeedbackItem.follow_up), self.follow_up))
        if self.owner is not None:
            owner = col(FeedbackItem.follow_up_owner)
            found.append(or_(owner.is_(None), owner == "") if self.owner == NOBODY else owner == self.owner)
        if self.place:
            found.append(or_(*(_at(one) for one in self.place)))
        for topics, sentiment in ((self.pain, "negative"), (self.delight, "positive")):
            found += [_says_of(topics, sentiment)] if topics else []
        if self.theme:
            numbers = [_import_id(one) for one in self.theme]
            said = select(col(Segment.item_id)).where(
                col(Segment.workspace_id) == workspace_id, col(Segment.theme).in_([n for n in numbers if n > 0])
            )
            found.append(col(FeedbackItem.id).in_(said))
        if self.unplaced:
            found.append(or_(*(_unplaced(reason) for reason in self.unplaced)))
        attributes: Any = col(FeedbackItem.attributes)
        for name, values in self.attributes.items():
            found.append(_one_of(attributes[name].as_string(), values))
        return found


def _unplaced(reason: str) -> ColumnElement[bool]:
    """The rule of rollup_records.reason_of as a condition."""
    stage, unsure, state = col(FeedbackItem.stage), col(FeedbackItem.unsure_reason), col(FeedbackItem.state)
    worded = and_(func.length(func.coalesce(col(FeedbackItem.text), "")) > 0, state != "no_text")
    by_person = and_(col(FeedbackItem.corrected).is_(True), stage.is_not(None))
    by_model = and_(worded, not_(by_person), state == "tagged")
    conditions: dict[str, ColumnElement[bool]] = {
        "no_text": not_(worded),
        "untagged": and_(worded, not_(by_person), state != "tagged"),
        "unsupported_language": and_(by_model, unsure == "unsupported_language"),
        "meaningless": and_(by_model, unsure.in_(("meaningless", "empty"))),
        "unsure": and_(by_model, unsure == "low_confidence"),
        "none": or_(
            and_(worded, by_person, stage == "none"),
            and_(by_model, unsure.is_(None), or_(stage.is_(None), stage == "none")),
        ),
    }
    return conditions[reason]


def _at(place: Place) -> ColumnElement[bool]:
    stage, touchpoint = col(FeedbackItem.stage) == place.stage, col(FeedbackItem.touchpoint)
    if not place.touchpoints:
        return stage
    if place.but:
        return and_(stage, or_(touchpoint.is_(None), touchpoint.not_in(place.touchpoints)))
    return and_(stage, touchpoint.in_(place.touchpoints))


def places(values: Sequence[str]) -> list[Place]:
    """The filter `place` of an address; BadInput for labels that the codebook does not have."""
    found = []
    for value in values:
        stage, _, rest = value.partition(":")
        touchpoints = tuple(one for one in rest.removeprefix("!").split(",") if one)
        check_labels("stage", [stage], named="place")
        check_labels("touchpoint", touchpoints, named="place")
        found.append(Place(stage, touchpoints, but=rest.startswith("!")))
    return found


def _says_of(topics: Sequence[str], sentiment: str) -> ColumnElement[bool]:
    # as the map counts pain points and delights: in a segment of the stage that the item stands in
    said = exists().where(
        col(Segment.item_id) == col(FeedbackItem.id),
        col(Segment.stage) == col(FeedbackItem.stage),
        col(Segment.sentiment) == sentiment,
        _one_of(col(Segment.topic), topics),
    )
    return and_(col(FeedbackItem.unsure_reason).is_(None), said)


def _one_of(column: Any, values: Sequence[str]) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = column == values[0] if len(values) == 1 else column.in_(list(values))
    return condition


def check_labels(field_name: str, values: Sequence[str], *, named: str | None = None) -> None:
    """BadInput listing the codebook's labels of a field where a value is none of them; `named`: the filter."""
    allowed = codebook().labels(field_name)
    name = named or field_name
    for value in values:
        if value not in allowed:
            detail = f"«{name}» is one of {', '.join(allowed)}"
            raise BadInput(f"{detail}.", errors=[FieldError(f"/{name}", "unknown_label", detail)])


def moment_of(text: str, *, timezone: str, name: str) -> datetime:
    """A bound of a period: an RFC 3339 time, or a date, which means the start of that day in the workspace."""
    try:
        if len(text) == len("2026-01-31"):
            return datetime.combine(date.fromisoformat(text), time(), tzinfo=ZoneInfo(timezone)).astimezone(UTC)
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        detail = "a date such as 2026-01-31, or a time such as 2026-01-31T10:00:00Z"
        raise BadInput(f"«{name}» is {detail}.", errors=[FieldError(f"/{name}", "no_time", detail)]) from error


def _import_id(text: str) -> int:
    # an id that can't be one finds nothing, as a filter should
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else -1


def feedback_filters(
    request: Request,
    caller: Reader,
    stage: Annotated[list[str], Query(description="Labels of the codebook; several widen.")] = [],  # noqa: B006
    emotion: Annotated[list[str], Query()] = [],  # noqa: B006
    sentiment: Annotated[list[str], Query()] = [],  # noqa: B006
    topic: Annotated[list[str], Query()] = [],  # noqa: B006
    touchpoint: Annotated[list[str], Query()] = [],  # noqa: B006
    channel: Annotated[list[str], Query()] = [],  # noqa: B006
    source: Annotated[list[str], Query()] = [],  # noqa: B006
    language: Annotated[list[str], Query(description="ISO 639-1 codes.")] = [],  # noqa: B006
    from_: Annotated[
        str | None, Query(alias="from", description="First moment, or first day in the workspace's time zone.")
    ] = None,
    to: Annotated[str | None, Query(description="First moment or day that is left out.")] = None,
    q: Annotated[
        str | None, Query(max_length=200, description="Part of the text, upper or lower case alike.")
    ] = None,
    meaning: Annotated[
        str | None,
        Query(
            max_length=200,
            description="What it should mean, in any words: the likest first, instead of the newest.",
        ),
    ] = None,
    unsure: Annotated[bool | None, Query(description="Whether the model abstains.")] = None,
    corrected: Annotated[bool | None, Query(description="Whether a person's word stands on a label.")] = None,
    state: Annotated[Literal["pending", "tagged", "no_text"] | None, Query()] = None,
    import_id: Annotated[str | None, Query()] = None,
    conversation: Annotated[str | None, Query(description="`conversation_id` as the sender gave it.")] = None,
    theme: Annotated[list[str], Query(description="Ids of themes.")] = [],  # noqa: B006
    follow_up: Annotated[
        list[Literal["needs_answer", "answered", "dismissed"]], Query(description="State of the follow-up.")
    ] = [],  # noqa: B006
    owner: Annotated[str | None, Query(description="Who follows up; «-»: nobody yet.")] = None,
    pain: Annotated[list[str], Query(description="Topics: items that count as this pain point on the map.")] = [],  # noqa: B006
    delight: Annotated[list[str], Query(description="Topics: items that count as this delight on the map.")] = [],  # noqa: B006
    unplaced: Annotated[
        list[Literal["none", "unsure", "unsupported_language", "meaningless", "no_text", "untagged"]],
        Query(description="Items in no column of the map, for these of its reasons."),
    ] = [],  # noqa: B006
    place: Annotated[
        list[str],
        Query(
            description="A stage, or a part: `consideration:website,email`, `consideration:!website` (all but)."
        ),
    ] = [],  # noqa: B006
) -> FeedbackFilters:
    """The filters of a request; `attr.<name>=` filters by an attribute."""
    filters = FeedbackFilters(
        stage=stage,
        emotion=emotion,
        sentiment=sentiment,
        topic=topic,
        touchpoint=touchpoint,
        channel=channel,
        source=source,
        language=language,
        begins=moment_of(from_, timezone=caller.timezone, name="from") if from_ else None,
        ends=moment_of(to, timezone=caller.timezone, name="to") if to else None,
        q=q,
        meaning=meaning,
        unsure=unsure,
        corrected=corrected,
        state=state,
        import_id=_import_id(import_id) if import_id is not None else None,
        conversation=conversation,
        theme=theme,
        unplaced=unplaced,
        follow_up=follow_up,
        owner=owner,
        pain=pain,
        delight=delight,
        place=places(place),
    )
    for name in LABEL_FILTERS:
        check_labels(name, getattr(filters, name))
    check_labels("topic", pain, named="pain")
    check_labels("topic", delight, named="delight")
    if (q or meaning) and not caller.may("verbatims"):
        raise Forbidden("Searching the texts needs the right to read them.")
    return replace(filters, attributes=_attributes(request))


# everything that `feedback_filters` declares, by its name in the address
KNOWN = frozenset(
    {*LABEL_FILTERS, "channel", "source", "language", "from", "to", "q", "meaning", "unsure", "corrected"}
    | {"state", "import_id", "conversation", "theme", "follow_up", "owner", "pain", "delight", "place", "unplaced"}
)


def _attributes(request: Request) -> dict[str, list[str]]:
    """The `attr.<name>` filters; BadInput for a parameter that is no filter, for it would not narrow anything."""
    found: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        attribute = name.removeprefix(ATTRIBUTE_PREFIX)
        if attribute != name and attribute:
            if set(attribute) & UNSEARCHABLE:
                # the two databases read such a path differently
                detail = "attributes whose name has a quotation mark or backslash can't be filtered by"
                raise BadInput(f"{detail}.", errors=[FieldError(f"/{name}", "unsearchable", detail)])
            found.setdefault(attribute.replace("\x00", ""), []).append(value.replace("\x00", ""))
        elif name not in KNOWN and name not in OTHER_PARAMETERS:
            detail = f"filters are {', '.join(sorted(KNOWN))} and attr.<name>"
            raise BadInput(
                f"There is no such filter; {detail}.", errors=[FieldError("/", "unknown_filter", detail)]
            )
    return found


Filters = Annotated[FeedbackFilters, Depends(feedback_filters)]
