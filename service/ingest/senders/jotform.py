"""Jotform: a multipart form whose field `rawRequest` holds the answers as JSON, unsigned.

Answers are keyed `q<number>_<name>`, where the name is the beginning of the question's words. `pretty` has the
whole questions in a text for people, which can't be split by its commas; but every answer is known, so that its
question is what stands before it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from service.ingest.incoming import Call, CannotParse, Parsed
from service.ingest.senders.answers import (
    Answer,
    Kind,
    Response,
    UntypedOptions,
    response_items,
    whole_response,
)
from service.ingest.senders.bodies import form_fields, json_object, media_type
from service.ingest.senders.contract import Sender
from service.ingest.senders.questions import asks_contact, is_e_mail, is_link, spelled
from service.ingest.senders.signatures import check_token
from service.ingest.senders.values import identifier, moment

NAME_PARTS = frozenset({"prefix", "first", "middle", "last", "suffix"})
PHONE_PARTS = frozenset({"country", "area", "phone", "full"})
ADDRESS_PARTS = frozenset({"addr_line1", "addr_line2", "city", "state", "postal", "country"})
DATE_PARTS = ("year", "month", "day")
TIME_PARTS = frozenset({"hour", "min", "ampm", "timeInput", "hourSelect", "minuteSelect"})
_QUESTION = re.compile(r"q(\d{1,9})_(.*)", re.DOTALL)
MAX_QUESTION_CHARS = 500
MAX_PRETTY_CHARS = 100_000


def verify(call: Call, secrets: Any, _options: UntypedOptions, _now: datetime) -> None:
    """BadSignature where tokens were set and the call carries none of them; Jotform itself can send none."""
    check_token(call, secrets)


def delivery_id(call: Call) -> str | None:
    """The submission's id with what is in it: an edited one comes under the same id."""
    try:
        fields = _fields(call)
    except CannotParse:
        return None
    submission, raw = identifier(fields.get("submissionID")), fields.get("rawRequest")
    if submission is None or not isinstance(raw, str):
        return None
    return f"{submission}:{hashlib.sha256(raw.encode('utf-8', 'replace')).hexdigest()[:32]}"


def _fields(call: Call) -> dict[str, Any]:
    """The form's fields; JSON is the content of `rawRequest`, or the fields themselves."""
    if media_type(call) != "multipart/form-data" and call.body.lstrip()[:1] == b"{":
        sent = json_object(call)
        return sent if "rawRequest" in sent else {"rawRequest": sent}
    return dict(form_fields(call))


def parse(call: Call, options: UntypedOptions) -> Parsed:
    """The items of one submission."""
    fields = _fields(call)
    raw = fields.get("rawRequest")
    if isinstance(raw, str):
        raw = json_object(Call({}, raw.encode("utf-8", "replace")))
    if not isinstance(raw, dict):
        raise CannotParse("rawRequest is missing")
    submission = next(
        (
            found
            for value in (fields.get("submissionID"), raw.get("submissionID"), raw.get("event_id"))
            if (found := identifier(value)) is not None
        ),
        None,
    )
    if submission is None:
        raise CannotParse("the submission has no id")
    submitted = moment(raw.get("submitDate")) or moment(fields.get("created_at"))
    response = Response(
        id=submission,
        answers=list(_answers(raw, fields.get("pretty"), options)),
        occurred_at=submitted,
        updated_at=submitted,
        attributes={"form": fields.get("formTitle") or identifier(fields.get("formID"))},
    )
    return whole_response(response, response_items(response, options))


def _answers(raw: Mapping[str, Any], pretty: Any, options: UntypedOptions) -> Iterable[Answer]:
    words = _Words(pretty if isinstance(pretty, str) else "")
    found = [(key, match) for key in raw if (match := _QUESTION.fullmatch(key)) is not None]
    for key, match in found:  # in the order of the form, as Jotform sends them
        value, name = raw[key], match[2]
        question_id = f"q{match[1]}"
        told = options.questions.get(key) or options.questions.get(question_id)
        question = told or words.before(value, name)
        asked = question or spelled(name) or None
        if isinstance(value, dict):
            yield from _composite(question_id, asked, value)
        elif isinstance(value, list):
            person = asks_contact(name) or asks_contact(asked)
            plain = [one for one in value if isinstance(one, str | int | float) and not is_link(one)]
            yield Answer(question_id, asked, "contact" if person else "choice", plain)
        elif _is_content(value) or "captcha" in name.lower():
            continue
        elif asks_contact(name):
            yield Answer(question_id, asked, "contact", value)
        else:
            chosen = key in options.choices or question_id in options.choices
            kind: Kind = "choice" if chosen else "unknown"
            yield Answer(question_id, asked, kind, value)


def _composite(question_id: str, asked: str | None, value: Mapping[str, Any]) -> Iterable[Answer]:
    """Names, telephones and addresses are the person's; dates and times are facts; others are rows of a table."""
    names = set(value)
    if names and any(names <= known for known in (NAME_PARTS, PHONE_PARTS, ADDRESS_PARTS)):
        yield Answer(question_id, asked, "contact", None)
    elif set(DATE_PARTS) <= names:
        date = "-".join(str(value[name]).zfill(2) for name in DATE_PARTS)
        yield Answer(question_id, asked, "fact", date if all(value[name] for name in DATE_PARTS) else None)
    elif names & TIME_PARTS:
        yield Answer(question_id, asked, "fact", value.get("timeInput"))
    elif names == {"other"} or (len(names) == 2 and "other" in names):
        rest = next((value[name] for name in value if name != "other"), None)
        other = value["other"]
        yield Answer(question_id, asked, "choice", rest, comment=other if isinstance(other, str) else None)
    else:
        for row, chosen in value.items():
            if is_e_mail(chosen) or isinstance(chosen, dict):
                continue
            yield Answer(f"{question_id}-{row}", f"{asked or question_id} – {row}", "choice", chosen)


def _is_content(value: Any) -> bool:
    """Whether a text is a drawn signature or what a widget keeps for itself, and nothing that was written."""
    return isinstance(value, str) and re.match(r"\s*(?:data:[\w.+-]+/|\{\s*\"|\[\s*\{)", value) is not None


class _Words:
    """The questions' whole words, read off `pretty` beside the answers that are known."""

    def __init__(self, pretty: str) -> None:
        self._pretty = pretty[:MAX_PRETTY_CHARS]
        self._at = 0

    def before(self, value: Any, name: str) -> str | None:
        """What stands before this answer; None where it can't be told for certain."""
        if isinstance(value, list) and value:
            value = value[0]  # the others stand behind it, in lines of their own
        if not isinstance(value, str | int | float) or not str(value).strip() or not name:
            return None
        place = self._pretty.find(f":{value}", self._at)
        if place < 0:
            return None
        between = self._pretty[max(self._at, place - MAX_QUESTION_CHARS) : place].lstrip(", \n")
        self._at = place + 1 + len(str(value))
        starts = [0, *(match.end() for match in re.finditer(r", |\n", between))]
        bare = _bare(name).rstrip("0123456789")
        for start in starts:
            question = between[start:].strip()
            if bare and _bare(question).startswith(bare) and len(question) <= MAX_QUESTION_CHARS:
                return question
        return None


def _bare(text: str) -> str:
    return "".join(sign for sign in text.lower() if sign.isalnum())


SENDER = Sender(
    name="jotform",
    title="Jotform",
    kind="survey",
    default_channel="survey",
    verify=verify,
    parse=parse,
    options=UntypedOptions,
    delivery_id=delivery_id,
    secret_needed=False,
    max_body_bytes=8 * 1024 * 1024,  # forms with many answers, and signatures drawn as pictures, come in one body
)
