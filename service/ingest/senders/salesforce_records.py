"""Salesforce's records out of what it sends: outbound messages (SOAP), or the JSON of a Flow's HTTP callout."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from service.ingest.incoming import Call, CannotParse
from service.ingest.senders.bodies import json_value, local_name, media_type, xml_root
from service.ingest.senders.values import identifier

MAX_RECORDS = 1000  # an outbound message has up to 100
TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
# a managed package's prefix and the ending of custom names: "acme__Rating__c"
NAMESPACE = re.compile(r"^[A-Za-z0-9]+?__(?=[A-Za-z0-9_]+__[a-z]+$)")
CUSTOM = re.compile(r"__p?[ce]$")
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# of a record's names in JSON: Salesforce's own, and those of our template
OBJECT_KEYS = ("object", "sobject", "sobjecttype", "objecttype")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record."""

    name: str  # as people read it, without package and ending: "Customer_Rating"
    value: str
    custom: bool  # made by the org, not one of Salesforce's own


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its object, and its fields by a name without form."""

    object: str  # its name without package and ending: "CSAT_Survey"; empty where the record does not say
    fields: Mapping[str, Field]  # by name in lower case without underscores: "createddate"
    site: str = ""  # the address of the org's pages, if it is told

    @property
    def kind(self) -> str:
        """The object's name without form: "casecomment", "csatsurvey"."""
        return field_key(self.object)

    def get(self, *names: str) -> str | None:
        """The first of these fields that says something."""
        found = (self.fields[name].value for name in names if name in self.fields)
        return next((value for value in found if value.strip()), None)

    def flag(self, name: str) -> bool | None:
        """A checkbox; None where it is not told."""
        return {"true": True, "1": True, "false": False, "0": False}.get((self.get(name) or "").strip().lower())

    def key(self, *names: str) -> str | None:
        """The first of these ids, always in its long form."""
        return long_id(self.get(*names))


def is_json(call: Call) -> bool:
    """Whether a Flow sent it; outbound messages are XML whatever they call themselves."""
    start = call.body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return start in (b"{", b"[") or (media_type(call).endswith("json") and start != b"<")


def long_id(value: Any) -> str | None:
    """An id in its form of eighteen characters: that of fifteen differs by upper and lower case only."""
    found = identifier(value)
    if found is None or not re.fullmatch("[A-Za-z0-9]{15}", found):
        return found
    ending = ""
    for start in (0, 5, 10):
        upper = sum(1 << place for place, letter in enumerate(found[start : start + 5]) if letter.isupper())
        ending += "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[upper]
    return found + ending


def name_words(name: str) -> list[str]:
    """The words of a name, in lower case: "CSATScore" is ["csat", "score"]."""
    return [one.lower() for one in WORD.findall(name)]


def field_key(name: str) -> str:
    """A field's name without package, ending, case and underscores."""
    return _bare(name).replace("_", "").lower()


def _bare(name: str) -> str:
    return CUSTOM.sub("", NAMESPACE.sub("", name))


def organization_ids(call: Call) -> list[str]:
    """The orgs that the call says it is from, in their long form; CannotParse where it can't be read."""
    if is_json(call):
        found = [
            value
            for entry in _entries(json_value(call))
            for name, value in entry.items()
            if field_key(name) == "organizationid"
        ]
    else:
        found = [one.text for message in _messages(call) for one in message if local_name(one) == "OrganizationId"]
    return [one for one in map(long_id, found) if one is not None]


def records(call: Call) -> list[Record]:
    """The records of a call; CannotParse where it is neither of the two forms."""
    found = _of_json(call) if is_json(call) else _of_soap(call)
    if len(found) > MAX_RECORDS:
        raise CannotParse(f"more than {MAX_RECORDS} records")
    return found


def _messages(call: Call) -> list[Element]:
    found = [one for one in xml_root(call).iter() if local_name(one) == "notifications"]
    if not found:
        raise CannotParse("the body is not an outbound message")
    return found


def _of_soap(call: Call) -> list[Record]:
    found = []
    for message in _messages(call):
        site = next(filter(None, (_site(one.text) for one in message if local_name(one).endswith("Url"))), "")
        for notification in message:
            found += [_of_element(one, site) for one in notification if local_name(one) == "sObject"]
    return found


def _site(address: Any) -> str:
    try:
        parts = urlsplit((identifier(address) or "")[:1000])
    except ValueError:
        return ""
    return f"https://{parts.netloc}" if parts.scheme == "https" and parts.netloc else ""


def _of_element(element: Element, site: str) -> Record:
    kind = element.get(TYPE, "").rpartition(":")[2]
    values = {local_name(one): one.text or "" for one in element if not len(one)}
    return Record(_bare(kind), _fields(values), site)


def _fields(values: Mapping[str, Any]) -> dict[str, Field]:
    """Fields by their name without form. Names that begin in lower case are no names of Salesforce's own."""
    found = {}
    for name, value in values.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        found[field_key(name)] = Field(_bare(name), text, custom=bool(CUSTOM.search(name)) or name[:1].islower())
    return found


def _entries(payload: Any) -> list[dict[str, Any]]:
    """The objects of a JSON body: one, a list of them, or a list under "records"."""
    if isinstance(payload, dict) and isinstance(payload.get("records"), list):
        shared = {name: value for name, value in payload.items() if name != "records"}
        payload = [shared | one for one in payload["records"] if isinstance(one, dict)]
    entries = payload if isinstance(payload, list) else [payload]
    found = [one for one in entries if isinstance(one, dict)]
    if entries and not found:
        raise CannotParse("the body is not a JSON object")
    return found


def _of_json(call: Call) -> list[Record]:
    found = []
    for entry in _entries(json_value(call)):
        kind = next((value for name, value in entry.items() if field_key(name) in OBJECT_KEYS), None)
        declared = entry.get("attributes")  # how Salesforce itself writes a record as JSON
        if kind is None and isinstance(declared, dict):
            kind = declared.get("type")
        kind = kind.strip() if isinstance(kind, str) else ""
        values = {name: value for name, value in entry.items() if isinstance(value, str | int | float)}
        found.append(Record(_bare(kind), _fields(values), _site(entry.get("site"))))
    if found and not any(one.object for one in found):
        raise CannotParse("a record that does not name its object")
    return found
