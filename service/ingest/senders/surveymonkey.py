"""SurveyMonkey: thin events that name a response, and the API that tells what is in it.

The response's details hold ids of questions, choices and rows; their words are in the survey's details, so that
both are asked for and kept together. A deleted response is erased with all its answers: they carry its id as their
conversation's too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pydantic import Field

from service.ingest.incoming import Call, CannotParse, Erased, Parsed, Wanted
from service.ingest.senders.answers import (
    Answer,
    Response,
    SurveyOptions,
    first_id,
    numbered_scale,
    part,
    parts,
    response_items,
    whole_response,
    word,
)
from service.ingest.senders.bodies import answer_object, json_object
from service.ingest.senders.contract import Credentials, Fetched, Fetcher, Http, Sender
from service.ingest.senders.signatures import check_hmac
from service.ingest.senders.values import identifier, moment, text_of_html

API = "https://api.surveymonkey.com"
WHAT = "response"
WANTED_EVENTS = frozenset({"response_completed", "response_created", "response_updated"})
NOT_FEEDBACK = {
    "disqualified": "the respondent was disqualified",
    "overquota": "the survey's quota was full",
}
PREVIEWS = frozenset({"preview", "survey_preview"})
NO_ID = frozenset({"", "0"})


class Options(SurveyOptions):
    """Where the API is."""

    api_url: str = Field(
        default=API,
        pattern=r"^https?://\S+$",
        description="Base address of the API: https://api.eu.surveymonkey.com for accounts in the EU data center.",
    )


class AccessToken(Credentials):
    """The access token of the private app that made the webhook."""

    access_token: str = Field(
        min_length=1, description="Access token with the scopes View Surveys and View Response Details."
    )


def verify(call: Call, secrets: Sequence[str], _options: Options, _now: datetime) -> None:
    """BadSignature unless the body was signed with `<client id>&<secret>` of one of the apps."""
    check_hmac(call.headers.get("sm-signature"), secrets, call.body, algorithm="sha1", encoding="base64")


def check_secret(secret: str) -> None:
    """ValueError unless it is client id and secret with an ampersand between."""
    client, _, key = secret.partition("&")
    if not client or not key:
        raise ValueError("the secret is <client id>&<secret>")


def delivery_id(call: Call) -> str | None:
    """The event's id; none for what was fetched."""
    return None if call.fetched else first_id(call, "event_id")


def parse(call: Call, options: Options) -> Parsed:
    """What an event wants fetched or erased, or the items of a fetched response."""
    payload = json_object(call)
    if call.fetched:
        return _fetched(payload, options)
    event = word(payload.get("event_type"))
    why = NOT_FEEDBACK.get(event.removeprefix("response_"))
    if why is not None:
        return Parsed(ignored=why)
    if event not in WANTED_EVENTS and event != "response_deleted":
        return Parsed(ignored="an event that is no response to a survey")
    resources = part(payload.get("resources"))
    response_id = identifier(payload.get("object_id")) or identifier(resources.get("respondent_id"))
    if response_id is None:
        raise CannotParse("the event names no response")
    if event == "response_deleted":
        return Parsed(erased=[Erased("item", response_id), Erased("conversation", response_id)])
    survey_id = identifier(resources.get("survey_id"))
    if survey_id is None and payload.get("filter_type") == "survey":
        survey_id = identifier(payload.get("filter_id"))
    if survey_id is None:
        raise CannotParse("the event names no survey")
    return Parsed(wanted=[Wanted(WHAT, {"survey_id": survey_id, "response_id": response_id})])


def fetch(http: Http, credentials: AccessToken, options: Options, wanted: Wanted) -> list[Fetched]:
    """The response's details together with the survey's, as one answer."""
    survey = f"{options.api_url.rstrip('/')}/v3/surveys/{quote(wanted.ids['survey_id'], safe='')}"
    headers = {"authorization": f"Bearer {credentials.access_token}", "accept": "application/json"}
    response_id = quote(wanted.ids["response_id"], safe="")
    response = answer_object(http.request("GET", f"{survey}/responses/{response_id}/details", headers=headers))
    definition = answer_object(http.request("GET", f"{survey}/details", headers=headers))
    return [Fetched(WHAT, json.dumps({"response": response, "survey": definition}).encode())]


def _fetched(payload: Mapping[str, Any], options: Options) -> Parsed:
    sent, survey = part(payload.get("response")), part(payload.get("survey"))
    response_id = identifier(sent.get("id"))
    if response_id is None:
        raise CannotParse("the fetched response has no id")
    why = NOT_FEEDBACK.get(word(sent.get("response_status")))
    if why is not None:
        return Parsed(ignored=why)
    if word(sent.get("collection_mode")) in PREVIEWS:
        return Parsed(ignored="a preview of the survey")
    metadata = part(sent.get("metadata"))
    contact = {name: part(one).get("value") for name, one in part(metadata.get("contact")).items()}
    respondent = part(metadata.get("respondent"))
    recipient = identifier(sent.get("recipient_id")) or ""
    mail = identifier(contact.get("email")) or identifier(sent.get("email_address"))
    response = Response(
        id=response_id,
        answers=list(_answers(sent, survey)),
        occurred_at=moment(sent.get("date_created")) or moment(sent.get("date_modified")),
        updated_at=moment(sent.get("date_modified")) or moment(sent.get("date_created")),
        respondent=recipient if recipient not in NO_ID else mail,
        language=part(respondent.get("language")).get("value") or survey.get("language"),
        url=sent.get("analyze_url"),
        hidden=part(sent.get("custom_variables")),
        attributes={
            "form": survey.get("title") or survey.get("nickname") or identifier(sent.get("survey_id")),
            "collector": identifier(sent.get("collector_id")),
            "custom value": sent.get("custom_value"),
        },
    )
    items = [{**item, "conversation_id": response_id} for item in response_items(response, options)]
    return whole_response(response, items)


def _answers(sent: Mapping[str, Any], survey: Mapping[str, Any]) -> Iterable[Answer]:
    answered = {
        identifier(question.get("id")): parts(question.get("answers"))
        for page in parts(sent.get("pages"))
        for question in parts(page.get("questions"))
    }
    for page in parts(survey.get("pages")):
        for question in parts(page.get("questions")):
            question_id = identifier(question.get("id"))
            if question_id is not None and question_id in answered:
                yield from _of_question(question_id, question, answered.pop(question_id))
    for question_id, answers in answered.items():  # the survey was changed since
        if question_id is not None:
            yield from _of_question(question_id, {}, answers)


def _of_question(
    question_id: str, question: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]
) -> Iterable[Answer]:
    family, subtype = word(question.get("family")), word(question.get("subtype"))
    words = next((text_of_html(one.get("heading")) for one in parts(question.get("headings"))), None)
    if family == "presentation":
        return
    if family == "demographic":
        yield from (Answer(question_id, words, "contact", one.get("text")) for one in answers)
        return
    possible = part(question.get("answers"))
    rows = _texts(possible.get("rows"))
    chosen = [one for one in answers if identifier(one.get("choice_id")) is not None]
    texts = [one for one in answers if isinstance(one.get("text"), str | int | float)]
    beside = [one for one in texts if one.get("other_id") is not None]
    written = [one for one in texts if one.get("other_id") is None and one not in chosen]
    if chosen or beside:
        yield from _choices(question_id, question, words, rows, chosen, beside)
    kind: Any = "fact" if family == "datetime" or subtype in ("numerical", "slider", "date_only") else "open"
    for one in written:
        row = identifier(one.get("row_id"))
        asked = " – ".join(text for text in (words, rows.get(row or "")) if text)
        yield Answer(f"{question_id}-{row}" if row else question_id, asked or None, kind, one["text"])


def _choices(
    question_id: str,
    question: Mapping[str, Any],
    words: str | None,
    rows: Mapping[str, str],
    chosen: Sequence[Mapping[str, Any]],
    beside: Sequence[Mapping[str, Any]],
) -> Iterable[Answer]:
    possible = part(question.get("answers"))
    # without "is_answer_choice" it is a field for a comment, not one more choice
    comment_asked = part(possible.get("other")).get("is_answer_choice") is False
    comment = "\n".join(str(one["text"]) for one in beside) or None
    family, subtype = word(question.get("family")), word(question.get("subtype"))
    choices = _texts(possible.get("choices"))
    row_ids = list(dict.fromkeys(identifier(one.get("row_id")) for one in chosen))
    if len(row_ids) <= 1 and len(rows) <= 1:
        asked = " – ".join(text for text in (words, *(rows.get(row or "") for row in row_ids)) if text) or None
        values = [choices.get(identifier(one.get("choice_id")) or "") for one in chosen]
        rated = _rating(parts(possible.get("choices")), chosen[0]) if len(chosen) == 1 else None
        if rated is not None and (family == "matrix" or family == "single_choice"):
            value, scale = rated
            is_rating = family == "matrix" and subtype == "rating"
            # stars, hearts and faces
            shown_as_signs = part(question.get("display_options")).get("display_type") == "emoji"
            yield Answer(
                question_id,
                asked,
                "rating" if is_rating else "choice",
                value,
                scale=scale,
                else_score="stars" if is_rating and shown_as_signs else None,
                comment=comment,
                comment_asked=comment_asked,
            )
            return
        yield Answer(question_id, asked, "choice", values, comment=comment, comment_asked=comment_asked)
        return
    for row in row_ids:
        values = [
            choices.get(identifier(one.get("choice_id")) or "")
            or identifier(part(one.get("choice_metadata")).get("weight"))
            for one in chosen
            if identifier(one.get("row_id")) == row
        ]
        asked = " – ".join(text for text in (words, rows.get(row or "")) if text) or None
        yield Answer(f"{question_id}-{row}", asked, "choice", values)
    if comment:
        yield Answer(question_id, words, "choice", None, comment=comment, comment_asked=comment_asked)


def _texts(entries: Any) -> dict[str, str]:
    """The words of choices or rows by their ids."""
    found = {}
    for one in parts(entries):
        entry_id, text = identifier(one.get("id")), text_of_html(one.get("text"))
        if entry_id is not None and text is not None:
            found[entry_id] = text
    return found


def _rating(choices: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """(value, scale) of a choice among numbers: those that people saw, else the weights behind their words."""
    by_id = {identifier(one.get("id")): one for one in choices if one.get("is_na") is not True}
    own = by_id.get(identifier(chosen.get("choice_id")))
    if own is None:
        return None
    # NPS has weights too, but three of them for eleven choices
    for name in ("text", "weight"):
        scale = numbered_scale(one.get(name) for one in by_id.values())
        if scale is not None:
            return own.get(name), scale
    return None


SENDER = Sender(
    name="surveymonkey",
    title="SurveyMonkey",
    kind="survey",
    default_channel="survey",
    verify=verify,
    parse=parse,
    options=Options,
    delivery_id=delivery_id,
    check_secret=check_secret,
    # 120 a minute are allowed; two requests a response
    fetcher=Fetcher(credentials=AccessToken, fetch=fetch, requests_per_minute=100),
)
