"""What the routes share, wired once in `create_app`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from fastapi import Request

from . import __version__
from .keeper import ViewKeeper
from .metrics import Metrics
from .notify.notifier import Notifier
from .pool import ConnectionPool
from .security import Guard
from .settings import MonitorSettings
from .simulator import SimulatorClient
from .streams import Streams

if TYPE_CHECKING:
    from .routes_read import StatusCache


@dataclass(frozen=True, slots=True)
class Services:
    """One monitor's parts."""

    settings: MonitorSettings
    keeper: ViewKeeper
    pool: ConnectionPool
    guard: Guard
    metrics: Metrics
    status_cache: StatusCache
    streams: Streams
    simulator: SimulatorClient
    notifier: Notifier
    version: str = __version__


def services_of(request: Request) -> Services:
    """The parts of the monitor that answers ``request``."""
    return cast(Services, request.app.state.services)
