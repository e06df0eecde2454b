"""Wires the monitor: the one place that puts its parts together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from psycopg2.extensions import connection as Connection

from . import __version__, routes_control, routes_page, routes_read
from .errors import install_handlers
from .keeper import ViewKeeper
from .metrics import Metrics
from .middleware import Perimeter
from .pool import ConnectionPool
from .security import Guard
from .services import Services
from .settings import MonitorSettings


def create_app(settings: MonitorSettings, connect: Callable[[], Connection]) -> FastAPI:
    """The application.

    Parameters
    ----------
    connect
        Opens a database connection as the monitor's role, or raises `bifrost.db.DatabaseError`.
    """
    services = Services(
        settings=settings,
        keeper=ViewKeeper(connect),
        pool=ConnectionPool(connect),
        guard=Guard(settings),
        metrics=Metrics(),
        status_cache=routes_read.StatusCache(),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        services.keeper.start()
        yield
        services.keeper.stop()
        services.pool.close()

    app = FastAPI(
        title="Bifrost monitor",
        version=__version__,
        description="State of the desk and its controls. POSTs and /logs need `Authorization: Bearer <token>`.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    install_handlers(app)
    app.include_router(routes_read.router)
    app.include_router(routes_control.router)
    app.include_router(routes_page.router)
    app.mount("/static", StaticFiles(directory=routes_page.STATIC), name="static")
    app.add_middleware(Perimeter, settings=settings, guard=services.guard, metrics=services.metrics)
    return app
