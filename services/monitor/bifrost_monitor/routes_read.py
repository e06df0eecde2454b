"""Routes that read what is in memory: status, health, metrics."""

from __future__ import annotations

import threading
import time

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from .json_text import encode
from .models.base import answers, errors
from .models.control import Alive, Ready
from .models.status import StatusAnswer
from .params import Wired
from .services import Services
from .status import build_status
from .verdict import VIEW_LIMIT_S

router = APIRouter()


class StatusCache:
    """The encoded answer of GET /status, kept for a moment: many pages cost one encoding."""

    KEEP_S = 0.2

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: tuple[int, int] | None = None
        self._body = b""

    def body(self, services: Services) -> bytes:
        """The answer for the present view."""
        view = services.keeper.view
        key = (view.version, int(time.monotonic() / self.KEEP_S))
        with self._lock:
            if key != self._key:
                answer = build_status(view, services.settings.ib_address)
                answer["monitor"] = {"version": services.version, "read_only": services.settings.read_only}
                self._body = encode(answer)
                self._key = key
            return self._body


@router.get(
    "/status",
    summary="The lamp, why it is that colour, and everything the page shows",
    responses=answers(StatusAnswer),
)
async def get_status(services: Wired) -> Response:
    """Answered from memory, with the database down too."""
    return Response(services.status_cache.body(services), media_type="application/json")


@router.head("/livez", include_in_schema=False)
@router.get("/livez", summary="200 while this process answers", responses=answers(Alive))
async def get_livez() -> JSONResponse:
    """Says nothing about database or engine."""
    return JSONResponse({"live": "ok"})


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    summary="200 while the database can be read",
    responses={**answers(Ready), 503: {"model": Ready, "description": "it cannot"}},
)
async def get_readyz(services: Wired) -> JSONResponse:
    """503 with the reason while GET /status could only say that the database is down."""
    view = services.keeper.view
    if view.error is None and view.desk is not None and view.age_s() <= VIEW_LIMIT_S:
        return JSONResponse({"ready": "ok"})
    # The reason itself names host and user: it is for those who may read /status.
    return JSONResponse({"ready": "no", "reason": "the database cannot be read; GET /status says why"}, 503)


@router.get(
    "/metrics", summary="Prometheus text", response_class=PlainTextResponse, responses=errors(), response_model=None
)
async def get_metrics(services: Wired) -> Response:
    """Gauges as of the view in memory."""
    return Response(services.metrics.text(services.keeper.view), media_type="text/plain; version=0.0.4; charset=utf-8")
