"""Qualtrics: thin events as forms (plain, or signed in `HMAC` over `MSG`), and the API that tells the response.

The API gives values by the ids of questions (`QID1`, `QID2_TEXT`); words, types and scales are in the survey's
definition, so that both are asked for and kept together. Previews, tests and what Qualtrics takes for spam are no
feedback.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_plus

from pydantic import Field

from service.ingest.incoming import Call, CannotParse, Parsed, Wanted
from service.ingest.senders.answers import SurveyOptions, part
from service.ingest.senders.bodies import answer_object, form_fields, json_object, media_type
from service.ingest.senders.contract import Credentials, Fetched, Fetcher, Http, Sender
from service.ingest.senders.qualtrics_response import is_not_feedback, items_of
from service.ingest.senders.signatures import TOKEN_HEADERS, BadSignature, check_hmac, check_token
from service.ingest.senders.values import identifier

WHAT = "response"
COMPLETED = frozenset({"completedresponse", "partialresponse"})
NOT_FEEDBACK = re.compile(r"preview|test|spam", re.IGNORECASE)
_SURVEY = re.compile(r"SV_\w+")


class Options(SurveyOptions):
    """Where the API is."""

    api_url: str = Field(
        default="https://iad1.qualtrics.com",
        pattern=r"^https?://\S+$",
        description="Base address of the API with your data center: https://<data center>.qualtrics.com.",
    )


class ApiToken(Credentials):
    """The API token of a Qualtrics user who may read the survey."""

    api_token: str = Field(min_length=1, description="API token: Account Settings, Qualtrics IDs.")


def verify(call: Call, secrets: Sequence[str], _options: Options, _now: datetime) -> None:
    """BadSignature unless `MSG` was signed with one of the shared keys, or a header carries one.

    Without keys the address is all. Only the web service task of a workflow can send a header.
    """
    if not secrets or any(call.headers.get(name) for name in TOKEN_HEADERS):
        check_token(call, secrets)
        return
    try:
        fields = _fields(call)
    except CannotParse as error:
        raise BadSignature("The signature is missing.") from error
    message, signature = fields.get("MSG"), fields.get("HMAC")
    if not isinstance(message, str) or not isinstance(signature, str):
        raise BadSignature("The signature is missing.")
    try:
        check_hmac(signature, secrets, message.encode("utf-8", "replace"), algorithm="sha512", encoding="hex")
    except BadSignature:
        # which form of MSG is signed is told nowhere: as it stands in the body is the other one
        raw = re.search(rb"(?:^|&)MSG=([^&]*)", call.body)
        if raw is None or unquote_plus(raw[1].decode("utf-8", "replace")) != message:
            raise  # what would be read is not what may have been signed
        check_hmac(signature, secrets, raw[1], algorithm="sha512", encoding="hex")


def delivery_id(call: Call) -> str | None:
    """The response and what happened to it: events have no id of their own."""
    if call.fetched:
        return None
    try:
        event = _event(_fields(call))
    except CannotParse:
        return None
    response_id = identifier(event.get("ResponseID"))
    return f"{response_id}:{identifier(event.get('Topic')) or ''}" if response_id else None


def _fields(call: Call) -> dict[str, Any]:
    """The fields of an event; the web service task of a workflow sends the same ones as JSON."""
    if media_type(call) == "multipart/form-data":
        return dict(form_fields(call))
    if call.body.lstrip()[:1] == b"{":
        return json_object(call)
    fields = form_fields(call)
    # the first of a name holds; a body that is no form at all has no fields
    if not fields and call.body.strip() and not parse_qsl(call.body.decode("utf-8", "replace")):
        raise CannotParse("the body is not a form")
    return dict(fields)


def _event(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What happened, from plain fields or from `MSG`; CannotParse where that is encrypted."""
    message = fields.get("MSG")
    if message is None:
        return dict(fields)
    if isinstance(message, str):
        if not message.lstrip().startswith("{"):
            raise CannotParse("MSG is encrypted: make the subscription with encrypt set to false")
        message = json_object(Call({}, message.encode("utf-8", "replace")))
    if not isinstance(message, dict):
        raise CannotParse("MSG is not a JSON object")
    return {**{name: value for name, value in fields.items() if name not in ("MSG", "HMAC")}, **message}


def parse(call: Call, options: Options) -> Parsed:
    """What an event wants fetched, or the items of a fetched response."""
    if call.fetched:
        payload = json_object(call)
        sent = part(part(payload.get("response")).get("result"))
        return items_of(sent, part(part(payload.get("survey")).get("result")), options)
    event = _event(_fields(call))
    topic = identifier(event.get("Topic")) or ""
    response_id = identifier(event.get("ResponseID")) or identifier(event.get("ResponseId"))
    if topic and not COMPLETED & set(topic.lower().split(".")):
        return Parsed(ignored="an event that is no response to a survey")
    if response_id is None:
        raise CannotParse("the event names no response")
    if NOT_FEEDBACK.search(str(event.get("Status") or "")):
        return Parsed(ignored="a preview or test of the survey")
    named = _SURVEY.search(topic)
    survey_id = identifier(event.get("SurveyID")) or identifier(event.get("SurveyId")) or (named and named[0])
    if not survey_id:
        raise CannotParse("the event names no survey")
    return Parsed(wanted=[Wanted(WHAT, {"survey_id": survey_id, "response_id": response_id})])


def fetch(http: Http, credentials: ApiToken, options: Options, wanted: Wanted) -> list[Fetched]:
    """The response together with the survey's definition, as one answer."""
    api = f"{options.api_url.rstrip('/')}/API/v3"
    survey_id, response_id = (quote(wanted.ids[name], safe="") for name in ("survey_id", "response_id"))
    headers = {"x-api-token": credentials.api_token, "accept": "application/json"}
    response = answer_object(
        http.request("GET", f"{api}/surveys/{survey_id}/responses/{response_id}", headers=headers)
    )
    result = part(response.get("result"))
    answers: dict[str, Any] = {"response": response}
    if is_not_feedback(part(result.get("values"))) is None:
        answers["survey"] = answer_object(
            http.request("GET", f"{api}/survey-definitions/{survey_id}", headers=headers)
        )
    return [Fetched(WHAT, json.dumps(answers).encode())]


SENDER = Sender(
    name="qualtrics",
    title="Qualtrics",
    kind="survey",
    default_channel="survey",
    verify=verify,
    parse=parse,
    options=Options,
    delivery_id=delivery_id,
    secret_needed=False,
    fetcher=Fetcher(credentials=ApiToken, fetch=fetch, requests_per_minute=60),
)
