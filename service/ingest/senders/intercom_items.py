"""What contacts said in Intercom's conversations, tickets, ratings and surveys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from service.ingest.incoming import Channel, Erased
from service.ingest.senders.answers import Answer, SurveyOptions, score_of
from service.ingest.senders.questions import asked_score
from service.ingest.senders.quotes import own_words
from service.ingest.senders.values import (
    attributes,
    identifier,
    inner,
    moment,
    moment_after,
    number,
    said,
    text_of_html,
    titled,
)
from service.ingest.senders.written_fields import web_address

CONTACTS = frozenset(("user", "lead", "contact", "visitor", "anonymous"))
# by what Intercom calls the way in which a conversation was opened
CHANNELS: dict[str, Channel] = {
    "email": "ticket",
    "facebook": "social",
    "instagram": "social",
    "twitter": "social",
    "phone_call": "call",
    "phone_switch": "call",
}
TITLES = ("_default_title_", "title", "subject")
DESCRIPTIONS = ("_default_description_", "description")
BACK_OFFICE = frozenset(("back-office", "back_office", "back office", "task", "tracker"))
RATINGS = ("conversation_rating", "ticket_rating", "rating")


def _by_contact(author: Any) -> bool | None:
    """Whether a contact wrote it; None where the payload does not say."""
    kind = inner(author, "type")
    return kind.strip().lower() in CONTACTS if isinstance(kind, str) and kind.strip() else None


def _person(*people: Any) -> str | None:
    return next((key for one in people for name in ("id", "email") if (key := identifier(inner(one, name)))), None)


def latest(*times: Any) -> str | None:
    """The newest of the times that are some; all are written alike, so text order is time order."""
    return max((found for one in times if (found := moment(one))), default=None)


def _listed(value: Any, name: str) -> list[Any]:
    """Intercom's lists: `{"type": "tag.list", "tags": […]}`, and bare ones of old versions."""
    found = value.get(name) if isinstance(value, Mapping) else value
    return found if isinstance(found, list) else []


def _parts(item: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The newest parts that the notification carries, of conversations and tickets alike."""
    for name in ("conversation_parts", "ticket_parts"):
        for holder in (item, item.get("ticket"), item.get("conversation")):
            for part in _listed(inner(holder, name), name):
                if isinstance(part, Mapping):
                    yield part
    for name in ("conversation_part", "ticket_part"):
        part = item.get(name)
        if isinstance(part, Mapping):
            yield part


def _names(value: Any, name: str) -> list[Any]:
    return [inner(one, "name") or inner(one, "title") for one in _listed(value, name)]


def _about(item: Mapping[str, Any], conversation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that all items of a conversation or ticket have, as they are at the notification's time."""
    source = item.get("source") or item.get("conversation_message")
    kind = inner(source, "type")
    custom = item.get("custom_attributes")
    state = item.get("ticket_state")
    return said(
        {
            "conversation_id": conversation,
            "updated_at": latest(payload.get("created_at"), item.get("updated_at")),
            "channel": CHANNELS.get(kind) if isinstance(kind, str) else None,
            "url": web_address(inner(item, "links", "conversation_web")),
            "attributes": attributes(
                {
                    "tags": _names(item.get("tags"), "tags"),
                    "priority": item.get("priority"),
                    "topics": _names(item.get("topics"), "topics"),
                    "team": identifier(item.get("team_assignee_id")),
                    "ticket type": inner(item, "ticket_type", "name"),
                    "status": state if isinstance(state, str) else inner(state, "internal_label"),
                    "via": kind if isinstance(kind, str) else None,
                    **(custom if isinstance(custom, dict) else {}),
                }
            ),
        }
    )


def opening_id(conversation: str) -> str:
    """The message that opened a conversation has an id of another kind than the parts that follow."""
    return f"conversation:{conversation}"


def conversation_items(
    item: Mapping[str, Any], payload: Mapping[str, Any], *, opening: bool
) -> list[dict[str, Any]]:
    """The contacts' messages: the opening one where `opening`, and the newest parts."""
    conversation = identifier(item.get("id") or item.get("conversation_id"))
    if conversation is None:
        return []
    about = _about(item, conversation, payload)
    found = []
    source = item.get("source") or item.get("conversation_message")
    if opening and isinstance(source, Mapping) and source.get("redacted") is not True:
        text = titled(text_of_html(source.get("subject")), own_words(source.get("body")))
        # the topic says that a contact opened it, where the author's kind is missing
        if text is not None and _by_contact(source.get("author")) is not False:
            person = _person(source.get("author"), item.get("user"), *_listed(item.get("contacts"), "contacts"))
            at = moment(source.get("created_at")) or moment(item.get("created_at"))
            found.append(
                {
                    **about,
                    "external_id": opening_id(conversation),
                    "text": text,
                    **said({"respondent": person, "occurred_at": at}),
                }
            )
    return [*found, *_part_items(item, about)]


def _part_items(item: Mapping[str, Any], about: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = {}
    for part in _parts(item):
        part_id, kind = identifier(part.get("id")), part.get("part_type")
        if part_id is None or part.get("redacted") is True or (isinstance(kind, str) and "note" in kind):
            continue
        by_contact = _by_contact(part.get("author"))
        # the topic says that a contact replied, where the author's kind is missing
        if by_contact is False or (by_contact is None and kind != "comment"):
            continue
        text = own_words(part.get("body"))
        if text is None:
            continue  # a file, a button, or a change of state
        found[part_id] = {
            **about,
            "external_id": part_id,
            "text": text,
            **said(
                {
                    "respondent": _person(part.get("author"), item.get("user")),
                    "occurred_at": moment(part.get("created_at")),
                    "updated_at": latest(about.get("updated_at"), part.get("updated_at")),
                }
            ),
        }
    return list(found.values())


def erased_parts(item: Mapping[str, Any], *, all_of_them: bool) -> list[Erased]:
    """The messages that are redacted; `all_of_them`: every part it holds, unless it says which."""
    parts = list(_parts(item))
    if item.get("type") == "conversation_part":
        parts.append(item)
    conversation = identifier(item.get("id")) if item.get("type") != "conversation_part" else None
    keys = [identifier(part.get("id")) for part in parts if part.get("redacted") is True]
    source = item.get("source") or item.get("conversation_message")
    if inner(source, "redacted") is True and conversation is not None:
        keys.append(opening_id(conversation))
    if all_of_them and not keys:
        keys = [identifier(part.get("id")) for part in parts]
    return [Erased("item", key) for key in dict.fromkeys(keys) if key]


def _ticket(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The ticket itself: some notifications wrap it once more."""
    wrapped = item.get("ticket")
    return wrapped if isinstance(wrapped, Mapping) else item


def ticket_id(item: Mapping[str, Any]) -> str | None:
    """A ticket's id, which is that of its conversation; `ticket_id` is the number that people see."""
    ticket = _ticket(item)
    return identifier(ticket.get("id") or ticket.get("ticket_id"))


def ticket_items(
    item: Mapping[str, Any], payload: Mapping[str, Any], *, opening: bool, later_by: int = 0
) -> list[dict[str, Any]]:
    """A contact's ticket (title and description, where `opening`) and the contacts' newest parts.

    `later_by`: microseconds that order notifications of one second.
    """
    ticket, key = _ticket(item), ticket_id(item)
    category = ticket.get("category") or inner(ticket, "ticket_type", "category")
    if key is None or (isinstance(category, str) and category.strip().lower() in BACK_OFFICE):
        return []
    about = _about(ticket, key, payload)
    if at := moment_after(about.get("updated_at"), later_by):
        about["updated_at"] = at
    parts = _part_items(item, about)
    if not opening or _opened_by_team(item):
        return parts
    told = ticket.get("ticket_attributes")
    text = titled(_attribute(told, TITLES), _attribute(told, DESCRIPTIONS))
    if text is None:
        return parts
    contacts = _listed(ticket.get("contacts"), "contacts")
    opened = {
        **about,
        "external_id": f"ticket:{key}",
        "text": text,
        **said({"respondent": _person(*contacts), "occurred_at": moment(ticket.get("created_at"))}),
    }
    return [opened, *parts]


def _attribute(told: Any, names: tuple[str, ...]) -> str | None:
    return next((text for name in names if (text := text_of_html(inner(told, name)))), None)


def _opened_by_team(item: Mapping[str, Any]) -> bool:
    """Whether a part of the notification says that somebody else than a contact made the ticket."""
    return any(
        isinstance(part.get("part_type"), str)
        and "creat" in part["part_type"]
        and _by_contact(part.get("author")) is False
        for part in _parts(item)
    )


def rating_items(item: Mapping[str, Any], payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rating of a conversation or ticket, 1 to 5, with its remark; a remark that comes later joins it."""
    about_what = _ticket(item)
    key = identifier(about_what.get("id") or about_what.get("conversation_id") or about_what.get("ticket_id"))
    holders = [inner(holder, name) for holder in (about_what, item) for name in RATINGS]
    rating = next((one for one in holders if isinstance(one, Mapping) and one), None)
    if rating is None:
        remarks = (inner(holder, name) for holder in (about_what, item) for name in ("rating_remark", "remark"))
        rating = {
            "rating": next((one for one in holders if number(one) is not None), None),
            "remark": next((one for one in remarks if one), None),
        }
    rated, remark = number(rating.get("rating")), text_of_html(rating.get("remark") or rating.get("comment"))
    score = None
    if rated is not None and 1 <= rated <= 5:
        score = {"kind": "csat", "value": rated, "scale_min": 1, "scale_max": 5}
    if key is None or (score is None and remark is None):
        return []
    about = _about(about_what, key, payload)
    contacts = _listed(about_what.get("contacts"), "contacts")
    person = _person(rating.get("contact"), rating.get("customer"), *contacts, about_what.get("user"))
    return [
        {
            **about,
            "external_id": f"rating:{key}",
            "response_id": f"rating:{key}",
            **said(
                {
                    "score": score,
                    "text": remark,
                    "respondent": person,
                    "occurred_at": moment(rating.get("created_at")) or moment(payload.get("created_at")),
                    "updated_at": latest(about.get("updated_at"), rating.get("updated_at")),
                }
            ),
        }
    ]


def _survey_score(key: str, question: str | None, response: Any, options: SurveyOptions) -> dict[str, Any] | None:
    """NPS by its words; of other ratings Intercom does not tell the scale, so that the options have to."""
    if options.scales.keys() & {key, question}:
        return score_of(Answer(key, question, "rating", response), options)
    points = number(response)
    if points is None or not 0 <= points <= 10 or asked_score(question) != "nps":
        return None
    return {"kind": "nps", "value": points, "scale_min": 0, "scale_max": 10}


def survey_items(
    item: Mapping[str, Any], payload: Mapping[str, Any], options: SurveyOptions
) -> list[dict[str, Any]]:
    """The written answers of an in-app survey and its score; other numbers and choices become attributes."""
    stat = item.get("content_stat")
    stat = stat if isinstance(stat, Mapping) else item
    person = _person(item.get("contact"), stat.get("contact"))
    run = identifier(stat.get("receipt_id")) or "-".join(
        part for part in (identifier(stat.get("content_id")), person) if part
    )
    answers = [
        answer
        for holder in ((item,) if stat is item else (stat, item))
        for answer in (*_listed(holder.get("answers"), "answers"), holder.get("answer"), holder)
        if isinstance(answer, Mapping) and answer.get("response") is not None
    ]
    if not run:
        return []
    at = latest(payload.get("created_at"), item.get("created_at"))
    beside = {"survey": stat.get("content_title")}
    told: list[tuple[str, dict[str, Any], Mapping[str, Any]]] = []
    rated = False
    for answer in answers:
        response, question = answer.get("response"), text_of_html(answer.get("question_text"))
        text, points = text_of_html(response), number(response)
        key = identifier(answer.get("question_id")) or question or "0"
        score = None if rated else _survey_score(key, question, response, options)
        if score is not None:
            rated = True
            told.append((key, {"score": score}, answer))
        elif text is None or points is not None:
            if question:
                beside[question] = response
        else:
            told.append((key, {"text": text, "question": question}, answer))
    return [
        {
            "external_id": f"survey:{run}:{question_id}",
            "response_id": f"survey:{run}",
            "channel": "survey",
            **said(
                {
                    **said_here,
                    "respondent": person,
                    "occurred_at": moment(answer.get("answered_at")) or at,
                    "updated_at": at,
                    "attributes": attributes(beside),
                }
            ),
        }
        for question_id, said_here, answer in told
    ]
