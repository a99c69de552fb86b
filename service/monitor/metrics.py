"""`/metrics` in Prometheus' text format: requests of this service, and the state of queue and deliveries.

With several web processes, `PROMETHEUS_MULTIPROC_DIR` (set by `serve --workers N`) makes every process answer for
all of them. Nothing here names a workspace, a person or a customer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from fastapi import APIRouter, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlmodel import Session, col

from service.dependencies import ReadDb
from service.store.columns import now
from service.store.schema import Delivery, FileImport, Job, ProcessBeat

router = APIRouter(tags=["running it"])

_registry = CollectorRegistry()
_seconds = Histogram(
    "journeymap_http_request_seconds",
    "Time to answer, by route",
    ["method", "route"],
    registry=_registry,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_requests = Counter(
    "journeymap_http_requests_total",
    "Answers, by route and status",
    ["method", "route", "status"],
    registry=_registry,
)


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request."""
    _seconds.labels(method, route).observe(seconds)
    _requests.labels(method, route, str(status)).inc()


class StoreState(Collector):
    """Gauges read from the database at the moment of the scrape."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Jobs by kind and state, age of the oldest waiting job, deliveries and imports by state, live workers."""
        run = self._session.execute
        jobs = GaugeMetricFamily("journeymap_jobs", "Jobs in the queue", labels=["kind", "state"])
        for kind, state, n in run(
            select(col(Job.kind), col(Job.state), func.count()).group_by(col(Job.kind), col(Job.state))
        ):
            jobs.add_metric([kind, state], n)
        yield jobs

        oldest = run(select(func.min(col(Job.run_after))).where(col(Job.state) == "queued")).scalar_one()
        age = max(0.0, (now() - oldest).total_seconds()) if oldest is not None else 0.0
        yield GaugeMetricFamily(
            "journeymap_oldest_waiting_job_seconds", "How long the oldest due job has waited", value=age
        )

        deliveries = GaugeMetricFamily("journeymap_deliveries", "Raw deliveries kept", labels=["state"])
        for state, n in run(select(col(Delivery.state), func.count()).group_by(col(Delivery.state))):
            deliveries.add_metric([state], n)
        yield deliveries

        imports = GaugeMetricFamily("journeymap_imports", "Imports", labels=["state"])
        for state, n in run(select(col(FileImport.state), func.count()).group_by(col(FileImport.state))):
            imports.add_metric([state], n)
        yield imports

        beats = run(select(col(ProcessBeat.beat_at)).where(col(ProcessBeat.kind) == "worker")).scalars()
        alive = sum((now() - beat).total_seconds() < 30 for beat in beats)
        yield GaugeMetricFamily("journeymap_workers", "Workers with a sign of life in the last 30 s", value=alive)


@router.get("/metrics", response_class=Response, summary="Figures for Prometheus")
def metrics(session: ReadDb) -> Response:
    """Requests by route, queue by kind and state, deliveries, imports, workers."""
    http = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.MultiProcessCollector(http)  # type: ignore[no-untyped-call]
    else:
        http = _registry
    store = CollectorRegistry()
    store.register(StoreState(session))
    return Response(generate_latest(http) + generate_latest(store), media_type=CONTENT_TYPE_LATEST)
