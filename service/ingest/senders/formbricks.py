"""Formbricks: `responseCreated`, `responseUpdated` and `responseFinished`, each with all answers so far.

Answers come by the ids of their questions, without words or types: a number is a score where its id, or the
endpoint's options, say so; a text is an open answer unless the options call it a choice. `ttc` has the seconds
spent on each question: what is not in it was known before (hidden fields). Secrets came to Formbricks in 2026; an
endpoint without one takes what older versions send unsigned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from service.ingest.incoming import Call, CannotParse, Parsed
from service.ingest.senders import standard_webhooks
from service.ingest.senders.answers import (
    Answer,
    Response,
    UntypedOptions,
    given,
    part,
    response_items,
    whole_response,
    word,
)
from service.ingest.senders.bodies import json_object
from service.ingest.senders.contract import Sender
from service.ingest.senders.questions import asks_contact, is_e_mail, is_link, reads_as_open
from service.ingest.senders.values import identifier, moment, moment_after

RANKS = {"responseCreated": 0, "responseUpdated": 1, "responseFinished": 2}
# what stands for a click on a button, and not for something said
CLICKS = frozenset({"clicked", "dismissed", "accepted", "booked", "skipped"})
MADE_ID_CHARS = 20
RANK_MICROSECONDS = 100


def verify(call: Call, secrets: Sequence[str], options: UntypedOptions, now: datetime) -> None:
    """BadSignature unless the call is signed with one of the secrets; without secrets all are good."""
    if secrets:
        standard_webhooks.verify(call, secrets, options, now)


def delivery_id(call: Call) -> str | None:
    """The message's id, the same over all retries."""
    return call.headers.get(standard_webhooks.ID)


def parse(call: Call, options: UntypedOptions) -> Parsed:
    """The items of one response, so far or finished."""
    payload = json_object(call)
    event = word(payload.get("event"))
    if event == "testEndpoint":
        return Parsed(ignored="a test of the connection")
    if event not in RANKS:
        return Parsed(ignored="an event that is no response to a survey")
    sent = payload.get("data")
    if not isinstance(sent, dict):
        raise CannotParse("data is missing")
    response_id = identifier(sent.get("id"))
    if response_id is None:
        raise CannotParse("the response has no id")
    # versions before 2025 call a contact a person
    contact = part(sent.get("contact")) or part(sent.get("person"))
    known = (
        part(sent.get("contactAttributes"))
        or part(sent.get("personAttributes"))
        or part(part(sent.get("person")).get("attributes"))
    )
    times = part(sent.get("ttc"))
    answered = part(sent.get("data"))
    before = {
        name: value
        for name, value in answered.items()
        if not times.keys().isdisjoint(answered)
        and name not in {**times, **options.questions}
        and not isinstance(value, dict)
        and not (isinstance(value, str) and reads_as_open(name, value))
    }
    answers = list(_answers({name: answered[name] for name in answered if name not in before}, options))
    created = moment(sent.get("createdAt"))
    updated = moment(sent.get("updatedAt")) or created
    meta, survey = part(sent.get("meta")), part(sent.get("survey"))
    language = sent.get("language")
    response = Response(
        id=response_id,
        answers=answers,
        occurred_at=created,
        # of one moment: the fuller response, then the later event
        updated_at=moment_after(updated, given(answers) + RANKS[event] * RANK_MICROSECONDS),
        respondent=identifier(contact.get("userId"))
        or identifier(part(contact.get("attributes")).get("userId"))
        or identifier(contact.get("id")),
        language=language if language != "default" else None,
        hidden={**before, **known},
        attributes={
            "form": survey.get("title") or survey.get("name") or identifier(sent.get("surveyId")),
            "country": meta.get("country"),
            "device": part(meta.get("userAgent")).get("device"),
            "source": meta.get("source"),
            "tags": _tags(sent.get("tags")),
        },
    )
    return whole_response(response, response_items(response, options))


def _answers(answered: Mapping[str, Any], options: UntypedOptions) -> Iterable[Answer]:
    # by their ids: the order in which they come is that of the database's keys, and differs from event to event
    for question_id in sorted(answered, key=_asked_early(options)):
        value = answered[question_id]
        words = options.questions.get(question_id) or _readable(question_id)
        if isinstance(value, dict):
            for row, chosen in value.items():
                yield Answer(f"{question_id}-{row}", f"{words or question_id} – {row}", "choice", chosen)
        elif isinstance(value, list):
            # names and addresses come as bare lists of their parts
            is_person = asks_contact(words) or any(is_e_mail(one) for one in value)
            mail = next((one for one in value if is_e_mail(one)), None)
            plain = [one for one in value if not is_link(one)]
            yield Answer(question_id, words, "contact" if is_person else "choice", mail if is_person else plain)
        elif isinstance(value, str) and value in CLICKS:
            yield Answer(question_id, words, "fact", value)
        elif question_id in options.choices:
            yield Answer(question_id, words, "choice", value)
        else:
            # a number is one also where it comes as a text
            is_text = isinstance(value, str) and not value.strip().isdecimal()
            yield Answer(question_id, words, "open" if is_text else "unknown", value)


def _asked_early(options: UntypedOptions) -> Any:
    """Questions in the order in which the options name them, then by their ids."""
    places = {name: place for place, name in enumerate(options.questions)}
    return lambda name: (places.get(name, len(places)), name)


def _readable(question_id: str) -> str | None:
    """The id where somebody gave it a name; ids that Formbricks makes say nothing."""
    made = len(question_id) >= MADE_ID_CHARS and question_id.isalnum() and any(c.isdigit() for c in question_id)
    return None if made else question_id


def _tags(tags: Any) -> list[str]:
    found = []
    for one in tags if isinstance(tags, list) else []:
        name = one.get("name") or part(one.get("tag")).get("name") if isinstance(one, dict) else one
        if isinstance(name, str):
            found.append(name)
    return found


SENDER = Sender(
    name="formbricks",
    title="Formbricks",
    kind="survey",
    default_channel="survey",
    verify=verify,
    parse=parse,
    options=UntypedOptions,
    delivery_id=delivery_id,
    check_secret=standard_webhooks.check_secret,
    secret_needed=False,
)
