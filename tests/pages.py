"""All pages, for whoever walks through them: the pictures, the accessibility tests, the count of queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from tests.site import Site

# what a GET answers that is no page: for programs, files, and parts of pages that scripts fetch
FOR_PROGRAMS = ("/v1/", "/hooks/", "/static/")
NO_PAGES = {
    "/openapi.json",
    "/healthz",
    "/readyz",
    "/metrics",
    "/sources/hooks/{endpoint_id}/live",
    "/sources/imports/{import_id}/live",
    "/sample/live",
}


@dataclass(frozen=True)
class PageOf:
    """One page: the route as the app declares it, for whom, and with which question."""

    name: str
    route: str
    query: str = ""
    role: str = "admin"
    measured: bool = False  # it looks different where changes have run long enough to be measured

    @property
    def needs_rows(self) -> bool:
        """Whether it is a page of something that an empty workspace has not."""
        return "{" in (self.route + self.query).replace("{sender}", "")


PAGES = (
    PageOf("today", "/", measured=True),
    PageOf("map", "/map"),
    PageOf("map-viewer", "/map", role="viewer"),
    PageOf("map-filtered", "/map", "?model=5-stage-decision&channel=ticket"),
    PageOf("map-written", "/map", "?edit=goal"),
    PageOf("map-rows", "/map", "?arrange=1"),
    PageOf("map-compared", "/map/compare"),
    PageOf("map-versions", "/map/versions"),
    PageOf("map-version", "/map/versions/compare", "?older={older}&newer={newer}"),
    PageOf("reconcile", "/reconcile"),
    PageOf("suggestions", "/suggestions"),
    PageOf("decide-all", "/decide-all", "?decision=reject&reason=known"),
    PageOf("suggestions-aside", "/suggestions", "?status=rejected"),
    PageOf("suggestion", "/suggestions/{suggestion_id}", "?words=true", measured=True),
    PageOf("changes", "/changes", measured=True),
    PageOf("themes", "/themes"),
    PageOf("themes-viewer", "/themes", role="viewer"),
    PageOf("theme", "/themes/{theme_id}"),
    PageOf("drivers", "/themes/drivers"),
    PageOf("drivers-by-theme", "/themes/drivers", "?by=theme"),
    PageOf("blind-spots", "/themes/blind-spots"),
    PageOf("transitions", "/transitions"),
    PageOf("feedback", "/feedback"),
    PageOf("feedback-queue", "/feedback", "?follow_up=needs_answer"),
    PageOf("feedback-viewer", "/feedback", role="viewer"),
    PageOf("item", "/feedback/{feedback_id}"),
    PageOf("respondent", "/respondents/{key}"),
    PageOf("review", "/review"),
    PageOf("review-sample", "/review", "?queue=audit"),
    PageOf("sources", "/sources"),
    PageOf("sources-viewer", "/sources", role="viewer"),
    PageOf("connect", "/sources/connect"),
    PageOf("connect-one", "/sources/connect/{sender}"),
    PageOf("hook", "/sources/hooks/{endpoint_id}"),
    PageOf("mapping", "/sources/hooks/{endpoint_id}/mapping"),
    PageOf("upload", "/sources/import"),
    PageOf("import", "/sources/imports/{import_id}"),
    PageOf("deliveries", "/deliveries"),
    PageOf("delivery", "/deliveries/{delivery_id}"),
    PageOf("settings", "/settings"),
    PageOf("settings-model", "/settings/model"),
    PageOf("settings-people", "/settings/people"),
    PageOf("settings-keys", "/settings/keys"),
    PageOf("settings-told", "/settings/told"),
    PageOf("settings-told-log", "/settings/told/{subscription_id}"),
    PageOf("settings-workspace", "/settings/workspace"),
    PageOf("settings-audit", "/settings/audit"),
    PageOf("settings-journeys", "/settings/journeys"),
    PageOf("settings-journey-new", "/settings/journeys/new", "?like=7-stage"),
    PageOf("settings-journey", "/settings/journeys/{model_id}"),
    PageOf("settings-journey-shipped", "/settings/journeys/7-stage"),
    PageOf("settings-playbook", "/settings/playbook"),
    PageOf("settings-playbook-new", "/settings/playbook/new"),
    PageOf("settings-playbook-entry", "/settings/playbook/{entry_id}"),
    PageOf("settings-rank", "/settings/rank"),
    PageOf("settings-personas", "/settings/personas"),
    PageOf("settings-persona-new", "/settings/personas/new"),
    PageOf("settings-persona", "/settings/personas/{persona_id}"),
    PageOf("digest", "/digest", measured=True),
    PageOf("sample", "/sample"),
    PageOf("labels", "/labels", role="viewer"),
    PageOf("reference", "/docs"),
    PageOf("sign-in", "/sign-in", role=""),
)


def routes_of(app: FastAPI) -> set[str]:
    """The app's routes that answer a GET with a page."""
    gets = {context.path for context in iter_route_contexts(app.routes) if "GET" in (context.methods or ())}
    pages = {path for path in gets if path and not path.startswith(FOR_PROGRAMS)} - NO_PAGES
    return {path.replace(":path}", "}") for path in pages}


def addresses(site: Site, workspace: str) -> dict[str, str]:
    """What to put into the routes' braces in a workspace; what it has none of is missing."""
    key = site.key(workspace)

    def rows(path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = site.server.request("GET", path, key=key)[1]["data"]
        return found

    def first(path: str, **like: Any) -> str | None:
        return next((str(row["id"]) for row in rows(path) if all(row[name] == like[name] for name in like)), None)

    delivery = first("/v1/deliveries?state=unparsed") or first("/v1/deliveries")
    found = {
        "sender": "zendesk",
        "suggestion_id": next(
            filter(None, (first(f"/v1/suggestions{query}") for query in ("?status=accepted", "?status=live", ""))),
            None,
        ),
        "theme_id": first("/v1/themes"),
        "feedback_id": first("/v1/feedback?corrected=true") or first("/v1/feedback"),
        "key": next((row["respondent"] for row in rows("/v1/feedback?limit=50") if row["respondent"]), None),
        "endpoint_id": first("/v1/endpoints", sender="mapped") or first("/v1/endpoints"),
        "import_id": first("/v1/imports", state="needs_input") or first("/v1/imports"),
        "delivery_id": delivery,
        "model_id": first("/v1/journey-models", built_in=False),
        "persona_id": first("/v1/personas"),
        "entry_id": first("/v1/playbook"),
        "subscription_id": first("/v1/subscriptions"),
    }
    versions = [str(row["id"]) for row in rows("/v1/map-versions")]
    if len(versions) > 1:
        found |= {"newer": versions[0], "older": versions[1]}
    return {name: value for name, value in found.items() if value is not None}


def address_of(page: PageOf, found: dict[str, str]) -> str:
    """The path of a page, with what `addresses` found."""
    return (page.route + page.query).format(**found)
