"""Routes that read: status, operations, decisions, logs, health, metrics."""

from __future__ import annotations

import base64
import threading
import time
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from . import queries
from .errors import ApiError
from .json_text import encode, plain
from .log_tail import log_files, tail
from .services import Services, services_of
from .settings import LOG_SERVICES
from .status import build_status
from .times import parse_rfc3339
from .verdict import VIEW_LIMIT_S

router = APIRouter()
Wired = Annotated[Services, Depends(services_of)]
Limit = Annotated[int, Query(ge=1, le=1000, description="rows at most")]


class OperationType(StrEnum):
    """Types of table ``operations``."""

    HEDGE_INTENT = "hedge_intent"
    ORDER_SENT = "order_sent"
    FILL = "fill"
    REJECT = "reject"
    CANCEL = "cancel"


LogService = StrEnum("LogService", [(name.upper(), name) for name in LOG_SERVICES])  # type: ignore[misc]


class LogLevel(StrEnum):
    """The lowest level that is shown."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


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


@router.get("/status", summary="The lamp, why it is that colour, and everything the page shows")
async def get_status(services: Wired) -> Response:
    """Answered from memory, with the database down too."""
    return Response(services.status_cache.body(services), media_type="application/json")


@router.get("/operations", summary="Intents, orders, fills, rejects and cancels, newest first")
def get_operations(
    services: Wired,
    since_ts: Annotated[str | None, Query(description="market time, RFC 3339, inclusive")] = None,
    until_ts: Annotated[str | None, Query(description="market time, RFC 3339, inclusive")] = None,
    type: OperationType | None = None,
    limit: Limit = 100,
    cursor: Annotated[str | None, Query(description="next_cursor of the page before")] = None,
) -> JSONResponse:
    """``next_cursor`` is null on the last page."""
    filters = {**_times(since_ts, until_ts), "type": None if type is None else str(type)}
    at = _decode_cursor(cursor)
    with services.pool.connection() as conn:
        rows = queries.read_operations(conn, filters, limit + 1, at)
    return _page("operations", rows, limit)


@router.get("/decisions", summary="Why a hedge went out and why it did not, newest first")
def get_decisions(
    services: Wired,
    since_ts: Annotated[str | None, Query(description="market time, RFC 3339, inclusive")] = None,
    until_ts: Annotated[str | None, Query(description="market time, RFC 3339, inclusive")] = None,
    outcome: str | None = None,
    block_reason: str | None = None,
    order_ref: str | None = None,
    limit: Limit = 100,
    cursor: str | None = None,
) -> JSONResponse:
    """Each with the gates, what they observed and their limits."""
    filters = {
        **_times(since_ts, until_ts),
        "outcome": outcome,
        "block_reason": block_reason,
        "order_ref": order_ref,
    }
    at = _decode_cursor(cursor)
    with services.pool.connection() as conn:
        rows = queries.read_decisions(conn, filters, limit + 1, at)
    return _page("decisions", rows, limit)


@router.get("/decisions/{decision_id}", summary="One decision")
def get_decision(services: Wired, decision_id: int) -> JSONResponse:
    """404 when there is none with this id (or retention has removed it)."""
    with services.pool.connection() as conn:
        row = queries.read_decision(conn, decision_id)
    if row is None:
        raise ApiError(404, "not_found", f"there is no decision {decision_id}")
    return JSONResponse(plain(row))


@router.get("/logs/{service}", summary="The newest log lines of a service; needs the token")
def get_logs(
    request: Request,
    services: Wired,
    service: LogService,
    level: LogLevel | None = None,
    since: Annotated[str | None, Query(description="wall time, RFC 3339, exclusive")] = None,
    limit: Limit = 200,
) -> JSONResponse:
    """Oldest first, as one reads them. ``exists`` is false when the service has written no log here."""
    services.guard.require_caller(request)
    name = str(service.value)
    after = _time(since, "since")
    folder = services.settings.log_dir
    try:
        lines = tail(folder, name, limit=limit, level=None if level is None else str(level), since=after)
    except OSError as error:
        reason = f"the log of {name} cannot be read: {error.strerror}"
        raise ApiError(503, "log_unreadable", reason) from error
    return JSONResponse({"service": name, "exists": bool(log_files(folder, name)), "lines": lines})


@router.head("/livez", include_in_schema=False)
@router.get("/livez", summary="200 while this process answers")
async def get_livez() -> dict[str, str]:
    """Says nothing about database or engine."""
    return {"live": "ok"}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", summary="200 while the database can be read")
async def get_readyz(services: Wired) -> JSONResponse:
    """503 with the reason while GET /status could only say that the database is down."""
    view = services.keeper.view
    if view.error is None and view.desk is not None and view.age_s() <= VIEW_LIMIT_S:
        return JSONResponse({"ready": "ok"})
    # The reason itself names host and user: it is for those who may read /status.
    return JSONResponse({"ready": "no", "reason": "the database cannot be read; GET /status says why"}, 503)


@router.get("/metrics", summary="Prometheus text")
async def get_metrics(services: Wired) -> Response:
    """Gauges as of the view in memory."""
    return Response(services.metrics.text(services.keeper.view), media_type="text/plain; version=0.0.4; charset=utf-8")


def _page(name: str, rows: list[dict[str, Any]], limit: int) -> JSONResponse:
    """One page; a row more than asked for had been read to know whether there is another."""
    page = rows[:limit]
    more = len(rows) > limit
    cursor = _encode_cursor(page[-1]["ts"], page[-1]["id"]) if more and page else None
    return JSONResponse({name: [plain(row) for row in page], "next_cursor": cursor})


def _encode_cursor(ts: datetime | None, row_id: int) -> str:
    text = f"{ts.isoformat() if ts else ''}|{row_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode_cursor(cursor: str | None) -> tuple[datetime | None, int] | None:
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        ts, row_id = text.split("|")
        return (datetime.fromisoformat(ts) if ts else None), int(row_id)
    except ValueError:
        reason = f"cursor = {cursor!r} is none of ours: use next_cursor of the page before"
        raise ApiError(422, "invalid", reason) from None


def _times(since_ts: str | None, until_ts: str | None) -> dict[str, datetime | None]:
    since, until = _time(since_ts, "since_ts"), _time(until_ts, "until_ts")
    if since is not None and until is not None and since > until:
        raise ApiError(422, "invalid", f"since_ts = {since_ts!r} is after until_ts = {until_ts!r}")
    return {"since_ts": since, "until_ts": until}


def _time(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_rfc3339(text, name)
    except ValueError as error:
        raise ApiError(422, "invalid", str(error)) from None
