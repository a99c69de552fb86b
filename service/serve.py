"""`journeymap serve`: migrate, listen, bring the worker along."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Protocol

import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from service.app import create_app
from service.embedded import EmbeddedWorker
from service.errors import database_away
from service.monitor import logs
from service.process import look_for_rubbish_less
from service.settings import Settings, SettingsError
from service.store.migrate import migrate

log = logging.getLogger(__name__)

MIGRATION_RETRY_SECONDS = 2.0
GRACEFUL_SECONDS = 10  # for requests that run when we are asked to stop
HEALTHCHECK_SECONDS = 60  # a web process that loads its libraries on a busy machine is not hung


class ParentProcess(Protocol):
    """What a web process sees of `serve`."""

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""


def serve(settings: Settings, *, host: str, port: int, workers: int = 1) -> int:
    """Serve until asked to stop, and return the exit code.

    Raises SettingsError when the address can't be listened on. `settings` must be those of the environment:
    the processes that are started here read them again from there.
    """
    listener = _listen(host, port)
    _migrate_now_or_later(settings)
    config = uvicorn.Config(
        "service.serve:web_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        access_log=False,  # its lines carry paths, and a hook's path is a credential
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        timeout_worker_healthcheck=HEALTHCHECK_SECONDS,
    )
    with ExitStack() as running:
        running.callback(listener.close)
        if settings.embedded_worker:
            running.enter_context(EmbeddedWorker())
        if workers > 1:
            running.enter_context(_shared_metrics())
            supervisor = Multiprocess(config, sockets=[listener])
            supervisor.run()
            return int(any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes))
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn raises the signal again when it has shut down; the worker is still to be stopped then
            signal.signal(number, _already_stopping)
        server = uvicorn.Server(config)
        server.run(sockets=[listener])
        return 0 if server.started else 1


def _migrate_now_or_later(settings: Settings) -> None:
    """Migrate; where the database is away and deliveries can be verified all the same, as soon as it is back.

    Until then they are spooled, and everything else is answered 503.
    """
    try:
        migrate(settings.sqlalchemy_url)
    except SQLAlchemyError as error:
        if not database_away(error) or not settings.endpoints_copy.exists():
            raise
        log.warning("the database is away: until it is back, deliveries are spooled and nothing else is done")
        threading.Thread(target=_migrate_when_back, args=(settings,), name="migration", daemon=True).start()


def _migrate_when_back(settings: Settings) -> None:
    while True:
        time.sleep(MIGRATION_RETRY_SECONDS)
        try:
            migrate(settings.sqlalchemy_url)
            return
        except Exception as error:
            if not (isinstance(error, SQLAlchemyError) and database_away(error)):
                log.exception("the database can't be migrated; stopping")
                os.kill(os.getpid(), signal.SIGTERM)
                return


def web_app() -> FastAPI:
    """The app of one web process, set up from the environment."""
    settings = Settings.from_environment()
    logs.configure(settings)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), name="parent-watch", daemon=True).start()
    app = create_app(settings)
    look_for_rubbish_less()
    return app


def _end_with(parent: ParentProcess) -> None:
    """Stop this web process when `serve` is gone, by SIGKILL too."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _already_stopping(_signal: int, _frame: FrameType | None) -> None:
    pass


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with the protocol's number: asyncio turns Nagle's algorithm off only where it sees it, and with that on every
    # answer over a kept connection would come 40 ms later
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, UnicodeError) as error:  # no host's name is that long, or has an empty part
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"can't listen on {host} port {port}: {reason}") from error
    listener.set_inheritable(True)
    return listener


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder where the web processes' counters meet, so that `/metrics` of one answers for all."""
    folder = tempfile.mkdtemp(prefix="journeymap-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
