"""Review platforms: Google Play's monthly file, App Store, Trustpilot."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from service.ingest.column_names import normalised_name
from service.ingest.column_values import ColumnUse, as_attribute, within_limit
from service.ingest.files.table import REJECT_COLUMNS
from service.ingest.presets.contract import ADDED, Derive, Found, Preset, Sheet

Meta = Mapping[str, str | None]
_REPLY = re.compile(r"reply|response|answer", re.IGNORECASE)


def _reader(meta: Meta, *, source: str | None = None) -> Callable[[Sheet], Found]:
    """A reader by a table of normalised names; None is left out, other columns are attributes."""

    def read(sheet: Sheet) -> Found:
        cells = sheet.below(0)
        order = {name: place for place, name in enumerate(meta)}
        uses: list[tuple[int, ColumnUse]] = []
        for column in sheet.columns:
            name = normalised_name(column)
            if column in REJECT_COLUMNS:
                uses.append((0, ColumnUse(column, None, 1.0, ADDED)))
            elif name in meta:
                found = meta[name]
                note = None if found else "not the customer's words" if _REPLY.search(column) else "told elsewhere"
                uses.append((order[name], ColumnUse(column, found, 0.99 if found else 1.0, note)))
            else:
                uses.append((len(order), as_attribute(column, cells)))
        ranked = within_limit(use for _, use in sorted(uses, key=lambda pair: pair[0]))
        named = sheet.names.get(source or "")
        told = {str(cell).strip() for cell in cells[named]} if named else set()
        return Found(
            ranked,
            channel="review",
            timezone="UTC",
            source=told.pop() if len(told) == 1 else None,
        )

    return read


_PLAY: Meta = {
    "package_name": None,
    "review_submit_date_and_time": "occurred_at",
    "review_submit_millis_since_epoch": "occurred_at",
    "review_last_update_date_and_time": "updated_at",
    "review_last_update_millis_since_epoch": "updated_at",
    "star_rating": "score_stars",
    "review_title": "title",
    "review_text": "text",
    "review_link": "url",
    "reviewer_language": "language",
    "developer_reply_date_and_time": None,
    "developer_reply_millis_since_epoch": None,
    "developer_reply_text": None,
}


def _play_id(values: Mapping[str, Any], _record: Mapping[str, Any] | None) -> dict[str, Any]:
    """The review's id in its link; without one what else tells reviews of a product apart."""
    named = {normalised_name(column): value for column, value in values.items()}
    link = str(named.get("review_link") or "")
    try:
        found = parse_qs(urlsplit(link).query).get("reviewId") or parse_qs(urlsplit(link).fragment).get("reviewId")
    except ValueError:
        found = None
    if found:
        return {"external_id": found[0]}
    parts = ("package_name", "review_submit_millis_since_epoch", "reviewer_language", "device")
    if not named.get("review_submit_millis_since_epoch"):
        return {}
    return {"external_id": ":".join(str(named.get(part) or "") for part in parts)}


_STORE: Meta = {
    "id": "external_id",
    "review_id": "external_id",
    "attributes_created_date": "occurred_at",
    "created_date": "occurred_at",
    "date": "occurred_at",
    "review_date": "occurred_at",
    "updated": "updated_at",
    "attributes_rating": "score_stars",
    "rating": "score_stars",
    "star_rating": "score_stars",
    "attributes_title": "title",
    "title": "title",
    "review_title": "title",
    "attributes_body": "text",
    "body": "text",
    "review": "text",
    "review_text": "text",
    "content": "text",
    "attributes_reviewer_nickname": "respondent",
    "reviewer_nickname": "respondent",
    "nickname": "respondent",
    "author": "respondent",
    "user_name": "respondent",
    "attributes_territory": "attributes.territory",
    "territory": "attributes.territory",
    "storefront": "attributes.territory",
    "type": None,
    "links_self": None,
    "relationships_response_links_self": None,
    "relationships_response_links_related": None,
    "relationships_response_data": None,
    "relationships_response_data_id": None,
    "relationships_response_data_type": None,
    "developer_response": None,
    "developer_response_date": None,
}


def _is_store(sheet: Sheet) -> bool:
    names = set(sheet.names)
    if {"attributes_rating", "attributes_body", "attributes_created_date"} <= names:
        return True
    written = {"title", "review_title"} & names and {"body", "review", "review_text", "content"} & names
    told = {"reviewer_nickname", "territory", "storefront"} & names
    return bool(written and told and {"rating", "star_rating"} & names)


_TRUSTPILOT: Meta = {
    "review_id": "external_id",
    "id": "external_id",
    "review_created_utc": "occurred_at",
    "review_created": "occurred_at",
    "review_created_date": "occurred_at",
    "created_at": "occurred_at",
    "review_updated_utc": "updated_at",
    "updated_at": "updated_at",
    "review_stars": "score_stars",
    "stars": "score_stars",
    "review_rating": "score_stars",
    "review_title": "title",
    "title": "title",
    "review_content": "text",
    "review_text": "text",
    "text": "text",
    "review_consumer_user_id": "respondent",
    "consumer_user_id": "respondent",
    "consumer_id": "respondent",
    "reviewer_email": "respondent",
    "consumer_email": "respondent",
    "review_language": "language",
    "language": "language",
    "review_url": "url",
    "link": "url",
    "review_consumer_name": None,
    "review_username": None,
    "reviewer_name": None,
    "consumer_name": None,
    "consumer_display_name": None,
    "company_reply_date_utc": None,
    "company_reply_date": None,
    "company_reply_content": None,
    "company_reply": None,
    "company_reply_text": None,
    "company_reply_created_at": None,
    "company_reply_updated_at": None,
}


def _is_trustpilot(sheet: Sheet) -> bool:
    names = set(sheet.names)
    if {"review_stars", "review_content"} <= names:
        return True
    return {"stars", "text", "title"} <= names and any(name.startswith("consumer_") for name in names)


def _preset(
    name: str,
    title: str,
    told_by: str,
    recognised: Callable[[Sheet], bool],
    meta: Meta,
    *,
    source: str | None = None,
    derive: Derive | None = None,
) -> Preset:
    return Preset(name, title, recognised, _reader(meta, source=source), derive, told_by)


PRESETS = (
    _preset(
        "google-play",
        "Google Play (CSV)",
        "`Package Name`, `Star Rating` and `Review Text`",
        lambda sheet: {"package_name", "star_rating", "review_text"} <= set(sheet.names),
        _PLAY,
        source="package_name",
        derive=_play_id,
    ),
    _preset(
        "app-store",
        "App Store (JSON of its API, CSV)",
        "`attributes.rating` and `attributes.body`, or a rating, title and review beside a territory or nickname",
        _is_store,
        _STORE,
    ),
    _preset(
        "trustpilot",
        "Trustpilot (CSV, JSON of its API)",
        "`Review Stars` and `Review Content`, or `stars`, `title` and `text` beside `consumer`",
        _is_trustpilot,
        _TRUSTPILOT,
        source=None,
    ),
)
