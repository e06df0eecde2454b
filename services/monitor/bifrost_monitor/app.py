"""Wires the monitor: the one place that puts its parts together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from psycopg2.extensions import connection as Connection

from . import (
    __version__,
    routes_backtests,
    routes_control,
    routes_figures,
    routes_logs,
    routes_notifications,
    routes_page,
    routes_read,
    routes_shadows,
    routes_simulator,
    routes_stream,
    routes_trail,
)
from .contract import document
from .errors import install_handlers
from .keeper import ViewKeeper
from .metrics import Metrics
from .middleware import Perimeter
from .notify.channels import channels_of
from .notify.notifier import Notifier
from .pool import ConnectionPool
from .security import Guard
from .services import Services
from .settings import MonitorSettings
from .simulator import SimulatorClient
from .status import build_desk
from .streams import Streams

TITLE = "Bifrost monitor"
DESCRIPTION = "State of the desk and its controls. POSTs and /logs need `Authorization: Bearer <token>`."
ROUTES = (
    routes_read,
    routes_shadows,
    routes_trail,
    routes_control,
    routes_stream,
    routes_logs,
    routes_figures,
    routes_backtests,
    routes_simulator,
    routes_notifications,
    routes_page,
)


def contract_app() -> FastAPI:
    """The routes alone, for the OpenAPI document: nothing is opened and nothing started."""
    app = FastAPI(title=TITLE, version=__version__, description=DESCRIPTION, docs_url=None, redoc_url=None)
    for part in ROUTES:
        app.include_router(part.router)
    return app


def create_app(settings: MonitorSettings, connect: Callable[[], Connection]) -> FastAPI:
    """The application.

    Parameters
    ----------
    connect
        Opens a database connection as the monitor's role, or raises `bifrost.db.DatabaseError`.
    """
    metrics = Metrics()
    keeper, pool = ViewKeeper(connect), ConnectionPool(connect)
    info = {"version": __version__, "read_only": settings.read_only}
    services = Services(
        settings=settings,
        keeper=keeper,
        pool=pool,
        guard=Guard(settings),
        metrics=metrics,
        status_cache=routes_read.StatusCache(),
        streams=Streams(
            keeper,
            pool.connection,
            lambda view: {**build_desk(view, settings.ib_address), "monitor": info},
            metrics.streams,
        ),
        simulator=SimulatorClient(settings.simulator_url),
        notifier=Notifier(
            channels_of(settings.notify),
            lambda: keeper.view,
            connect,
            min_severity=settings.notify.min_severity,
            repeat_s=settings.notify.repeat_s,
        ),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        services.streams.start()
        keeper.start()
        services.notifier.start()
        yield
        services.notifier.stop()
        await services.streams.stop()
        keeper.stop()
        services.simulator.close()
        pool.close()

    app = FastAPI(
        title=TITLE,
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    install_handlers(app)
    for part in ROUTES:
        app.include_router(part.router)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    app.mount("/static", StaticFiles(directory=routes_page.STATIC), name="static")
    app.add_middleware(Perimeter, settings=settings, guard=services.guard, metrics=services.metrics)
    return app
