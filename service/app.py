"""The web app, put together: settings, database, routers, error answers."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio import to_thread
from fastapi import FastAPI

from service import errors
from service.access import router as access
from service.aggregate.api import router as aggregate
from service.aggregate.drivers_api import router as drivers
from service.aggregate.reconcile_api import router as reconcile
from service.aggregate.score_effects import score_effects
from service.aggregate.themes_api import router as themes
from service.aggregate.transitions_api import router as transitions
from service.auth import Vault
from service.classify.api import router as classify
from service.desk.digest_page import router as digest_page
from service.desk.driver_pages import router as driver_pages
from service.desk.front_page import router as front_page
from service.desk.inbox_page import router as inbox_page
from service.desk.journey_model_pages import router as journey_model_pages
from service.desk.persona_pages import router as persona_pages
from service.desk.playbook_pages import router as playbook_pages
from service.desk.rank_page import router as rank_page
from service.desk.sample_pages import router as sample_pages
from service.desk.settings_pages import router as settings_pages
from service.desk.theme_pages import router as theme_pages
from service.desk.told_pages import router as told_pages
from service.in_flight import InFlight
from service.ingest.api import router as ingest
from service.ingest.hooks import router as hooks
from service.ingest.imports_api import router as imports
from service.ingest.intake import Intake
from service.ingest.metric_series import router as metric_series
from service.ingest.sample_api import router as sample
from service.learn.api import router as learn
from service.monitor.health import router as health
from service.monitor.logs import RequestLog
from service.monitor.metrics import router as metrics
from service.notify.api import router as notify
from service.notify.digest_api import router as digest
from service.notify.quiet_api import router as quiet
from service.review import pages
from service.review.agreement import router as agreement
from service.review.explanation import router as explanation
from service.review.feedback_api import router as feedback
from service.review.feedback_page import router as feedback_page
from service.review.item_page import router as item_page
from service.review.map_export import router as map_export
from service.review.reference import router as reference
from service.review.suggestions_export import router as suggestions_export
from service.review.timeline import router as timeline
from service.review.transition_pages import router as transition_pages
from service.settings import Settings
from service.store.engine import Database
from service.store.score_effects import counted_by
from service.suggest.api import router as suggest
from service.suggest.map_api import router as map_document
from service.suggest.playbook_api import router as playbook
from service.suggest.suggestions import suggestions_by_stage

# of one web process, at once, deliveries apart; more are answered 503
MAX_REQUESTS = 500
# A route's answer is checked in a thread while its transaction is still open. Were all threads taken by requests
# that wait for the write lock (or a connection), its holder would wait for a thread, and nobody would get on.
THREADS = 2 * MAX_REQUESTS


def create_app(settings: Settings | None = None) -> FastAPI:
    """The app for these settings (default: from the environment). Nothing is built at import."""
    settings = settings or Settings.from_environment()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        # what is loaded by now stays: a walk of the garbage collector through it would hold up a request for 0.1 s
        gc.freeze()
        with app.state.intake:
            yield
        gc.unfreeze()
        app.state.database.dispose()

    app = FastAPI(
        title="Journeymap",
        version="1",
        summary="Customer feedback in, a living journey map and its adaptations out.",
        lifespan=lifespan,
        responses=errors.DOCUMENTED,
        docs_url=None,  # our own reference: the usual one loads scripts from elsewhere
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.vault = Vault(settings)
    app.state.database = Database(settings.sqlalchemy_url)
    # tests change the settings of a running app
    app.state.intake = Intake(lambda: app.state.settings, app.state.vault)
    counted_by(score_effects)  # for the rank of suggestions
    app.state.suggestions_by_stage = suggestions_by_stage  # for the map: stages do not know each other
    errors.install(app)
    pages.install(app)
    app.add_middleware(InFlight, requests=MAX_REQUESTS, deliveries=settings.max_waiting_deliveries)
    app.add_middleware(RequestLog)
    for router in (
        hooks,  # first: routes are tried in their order, and senders call most
        ingest,
        imports,
        sample,
        metric_series,
        classify,
        learn,
        timeline,
        feedback,
        explanation,
        agreement,
        aggregate,
        themes,
        drivers,
        reconcile,
        transitions,
        map_export,
        suggestions_export,
        suggest,
        notify,
        quiet,
        digest,
        access,
        health,
        metrics,
        pages.router,
        front_page,
        digest_page,
        settings_pages,
        driver_pages,  # before the themes: its addresses look like a theme's
        theme_pages,
        told_pages,
        journey_model_pages,
        persona_pages,
        playbook_pages,
        rank_page,
        sample_pages,
        feedback_page,
        item_page,
        transition_pages,
        inbox_page,
        reference,
        playbook,
        map_document,
    ):
        app.include_router(router)
    framework_document = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = errors.describe(framework_document())
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way of extending the document
    return app
