"""What HubSpot's API has to be asked for, and what its answers hold: tickets, messages, survey responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field

from service.ingest.incoming import Call, CannotParse, Channel, Parsed, Wanted
from service.ingest.senders.bodies import answer_object, json_object
from service.ingest.senders.contract import Credentials, Fetched, Http, NotThere
from service.ingest.senders.quotes import opening_subject, plain_reply
from service.ingest.senders.signatures import SenderOptions
from service.ingest.senders.values import (
    attributes,
    identifier,
    inner,
    moment,
    moment_after,
    number,
    said,
    text_of_either,
    text_of_html,
    titled,
)

API = "https://api.hubapi.com"
TICKET, FEEDBACK, MESSAGE = "ticket", "feedback", "message"  # what is fetched; also the prefix of its items' ids
PATHS = {TICKET: "tickets", FEEDBACK: "feedback_submissions"}
TICKET_ATTRIBUTES = {
    "status": "hs_pipeline_stage",
    "pipeline": "hs_pipeline",
    "priority": "hs_ticket_priority",
    "category": "hs_ticket_category",
    "source": "source_type",
    "language": "hs_detected_language",
}
FEEDBACK_ATTRIBUTES = {
    "survey": "hs_survey_name",
    "survey_type": "hs_survey_type",
    "channel": "hs_survey_channel",
    "sentiment": "hs_response_group",
}
PROPERTIES = {
    TICKET: ("subject", "content", "createdate", "hs_lastmodifieddate", *TICKET_ATTRIBUTES.values()),
    FEEDBACK: (
        "hs_content",
        "hs_value",
        "hs_submission_timestamp",
        "hs_createdate",
        "hs_lastmodifieddate",
        *FEEDBACK_ATTRIBUTES.values(),
    ),
}
TICKET_CHANNELS: dict[str, Channel] = {"CHAT": "chat", "PHONE": "call"}
MESSAGE_CHANNELS: dict[str, tuple[Channel, str]] = {
    "1000": ("chat", "live chat"),
    "1001": ("social", "Messenger"),
    "1002": ("ticket", "email"),
    "1003": ("ticket", "form"),
    "1007": ("chat", "WhatsApp"),
}
MAIL = "1002"  # of those: what quotes earlier mails
# An answer tells all of a ticket: of equal times it is the newer one, whatever an event told of its parts.
WHOLE_AFTER = 500


class Options(SenderOptions):
    """The version of HubSpot's signature, what to fetch beside the words, and where its API is."""

    scheme: Literal["v3", "v2", "v1"] = Field(
        default="v3", description="Which version of HubSpot's signature this address takes."
    )
    api_base_url: str = Field(default=API, pattern="^https?://", description="Where HubSpot's API is.")
    properties: list[str] = Field(
        default_factory=list,
        max_length=14,
        description="Further properties of tickets and survey responses that become attributes.",
    )
    csat_scale: Literal["0-2", "1-5"] = Field(
        default="0-2", description="The scale of satisfaction surveys; HubSpot's own has three faces, 0 to 2."
    )


class AccessToken(Credentials):
    """A private app's access token; scopes tickets, conversations.read, crm.objects.feedback_submissions.read."""

    access_token: str = Field(min_length=1, max_length=4000)


def fetch(http: Http, credentials: AccessToken, options: Options, wanted: Wanted) -> list[Fetched]:
    """The ticket, survey response or message; NotThere where it is gone."""
    key = quote(wanted.ids["id"], safe="")
    if wanted.what == MESSAGE:
        return [_fetch_message(http, credentials, options, wanted)]
    if wanted.what not in PATHS:
        raise NotThere("HubSpot has nothing of this kind")
    params = {
        "properties": ",".join(dict.fromkeys((*PROPERTIES[wanted.what], *options.properties))),
        "associations": "contacts" if wanted.what == TICKET else "contacts,tickets",
    }
    found = _get(http, credentials, options, f"crm/v3/objects/{PATHS[wanted.what]}/{key}", params)
    return [Fetched(wanted.what, json.dumps(found).encode())]


def _fetch_message(http: Http, credentials: AccessToken, options: Options, wanted: Wanted) -> Fetched:
    thread = wanted.ids.get("thread", "")
    path = f"conversations/v3/conversations/threads/{quote(thread, safe='')}/messages/"
    path += quote(wanted.ids["id"], safe="")
    found = _get(http, credentials, options, path)
    if found.get("truncationStatus") == "TRUNCATED":
        whole = _get(http, credentials, options, f"{path}/original-content")
        found.update({name: whole[name] for name in ("text", "richText") if name in whole})
    found.setdefault("conversationsThreadId", thread)
    return Fetched(MESSAGE, json.dumps(found).encode())


def _get(
    http: Http, credentials: AccessToken, options: Options, path: str, params: Mapping[str, str] | None = None
) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {credentials.access_token}", "accept": "application/json"}
    address = f"{options.api_base_url.rstrip('/')}/{path}"
    return answer_object(http.request("GET", address, headers=headers, params=params))


def fetched_items(call: Call, options: Options) -> Parsed:
    """The item of one answer of the API."""
    answer = json_object(call)
    key = identifier(answer.get("id"))
    if key is None:
        raise CannotParse("an answer of HubSpot's API without an id")
    if call.fetched == MESSAGE:
        return _message(answer, key)
    if call.fetched not in PATHS:
        raise CannotParse("an answer of HubSpot's API of an unknown kind")
    properties = answer.get("properties")
    if not isinstance(properties, dict):
        raise CannotParse("an answer of HubSpot's API without properties")
    item = (
        _ticket(answer, key, properties) if call.fetched == TICKET else _feedback(answer, key, properties, options)
    )
    names = TICKET_ATTRIBUTES if call.fetched == TICKET else FEEDBACK_ATTRIBUTES
    pairs = {shown: properties.get(name) for shown, name in names.items()}
    own = {name: properties.get(name) for name in options.properties}
    if call.fetched == FEEDBACK and item.get("score") is None:
        pairs["rating"] = properties.get("hs_value")  # of a kind or scale that we do not know
    item["attributes"] = attributes({**pairs, **own})
    if item.get("text") is None and item.get("score") is None:
        return Parsed(ignored="nothing was said or rated in it")
    return Parsed([said(item)])


def _times(answer: Mapping[str, Any], properties: Mapping[str, Any], *created: str) -> dict[str, Any]:
    written = [properties.get(name) for name in created] + [answer.get("createdAt")]
    changed = moment(properties.get("hs_lastmodifieddate")) or moment(answer.get("updatedAt"))
    occurred_at = next(filter(None, map(moment, written)), None)
    return {"occurred_at": occurred_at, "updated_at": moment_after(changed or occurred_at, WHOLE_AFTER)}


def _associated(answer: Mapping[str, Any], kind: str) -> str | None:
    """The id of the first associated record of a kind."""
    results = inner(answer, "associations", kind, "results")
    found = [identifier(inner(one, "id")) for one in results] if isinstance(results, list) else []
    return next(filter(None, found), None)


def _ticket(answer: Mapping[str, Any], key: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    source = properties.get("source_type")
    return {
        "external_id": f"{TICKET}:{key}",
        "conversation_id": key,
        "text": titled(properties.get("subject"), text_of_either(properties.get("content"))),
        "channel": TICKET_CHANNELS.get(source, "ticket") if isinstance(source, str) else None,
        "respondent": _associated(answer, "contacts"),
        **_times(answer, properties, "createdate"),
    }


def _feedback(
    answer: Mapping[str, Any], key: str, properties: Mapping[str, Any], options: Options
) -> dict[str, Any]:
    return {
        "external_id": f"{FEEDBACK}:{key}",
        "response_id": key,
        "conversation_id": _associated(answer, "tickets"),
        "text": text_of_either(properties.get("hs_content")),
        "score": _score(properties, options),
        "channel": "survey",
        "respondent": _associated(answer, "contacts"),
        **_times(answer, properties, "hs_submission_timestamp", "hs_createdate"),
    }


def _score(properties: Mapping[str, Any], options: Options) -> dict[str, Any] | None:
    csat = (0.0, 2.0) if options.csat_scale == "0-2" else (1.0, 5.0)
    scales = {"NPS": ("nps", 0.0, 10.0), "CES": ("ces", 1.0, 7.0), "CSAT": ("csat", *csat)}
    kind, low, high = scales.get(str(properties.get("hs_survey_type")).upper(), ("", 0.0, 0.0))
    value = number(properties.get("hs_value"))
    if not kind or value is None or not low <= value <= high:
        return None
    return {"kind": kind, "value": value, "scale_min": low, "scale_max": high}


def _message(answer: Mapping[str, Any], key: str) -> Parsed:
    if answer.get("type", "MESSAGE") != "MESSAGE":
        return Parsed(ignored="an internal comment or a note of HubSpot's own")
    sender = _customer(answer)
    if answer.get("direction") == "OUTGOING" or sender is None:
        return Parsed(ignored="an agent or a bot wrote it, or it is not said who did")
    text = answer.get("text")
    text = (text.strip() if isinstance(text, str) else "") or text_of_html(answer.get("richText"))
    if identifier(answer.get("channelId")) == MAIL:
        text = plain_reply(text) or ""
    if not text:
        return Parsed(ignored="a message without words")
    channel_id = identifier(answer.get("channelId")) or ""
    channel, channel_name = MESSAGE_CHANNELS.get(channel_id, (None, channel_id or None))
    written_at = moment(answer.get("createdAt"))
    item = {
        "external_id": key,
        "conversation_id": identifier(answer.get("conversationsThreadId")),
        "text": titled(opening_subject(answer.get("subject")), text),
        "channel": channel,
        "occurred_at": written_at,
        "updated_at": moment(answer.get("updatedAt")) or written_at,
        "respondent": sender or None,
        "attributes": attributes({"channel": channel_name}),
    }
    return Parsed([said(item)])


def _customer(answer: Mapping[str, Any]) -> str | None:
    """Who wrote, if a customer did: their contact's id, else their mail address, "" where unnamed; else None.

    Actors are a letter and an id: visitors (V, the contact's id) and mail addresses (E) are customers, agents (A),
    bots (B), integrations (I) and HubSpot itself (S) are not.
    """
    senders = answer.get("senders")
    one = senders[0] if isinstance(senders, list) and senders and isinstance(senders[0], dict) else {}
    kind, _, key = (identifier(one.get("actorId")) or identifier(answer.get("createdBy")) or "").partition("-")
    address = inner(one, "deliveryIdentifier", "value")
    address = address if isinstance(address, str) and "@" in address else ""
    if kind == "V" and key:
        return key
    if kind == "E":
        return address or key
    return address if not kind and answer.get("direction") == "INCOMING" else None
