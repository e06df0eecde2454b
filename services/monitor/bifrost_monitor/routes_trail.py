"""Routes that read what happened: operations, history, decisions, receipts, alerts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse

from . import queries, queries_trail, receipts
from .errors import ApiError
from .history import step_of
from .json_text import plain
from .models.base import answers
from .models.trail import (
    AlertsPage,
    DecisionReceipt,
    DecisionsPage,
    HistoryAnswer,
    OperationsPage,
    OperationType,
    OrderReceipt,
    Severity,
)
from .params import LARGEST_ID, Cursor, Limit, SinceTs, Text, Wired, decode_cursor, page, text_filter, times

router = APIRouter()
OrderRef = Annotated[str, Path(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_.:-]+$")]


@router.get(
    "/operations",
    summary="Intents, orders, fills, rejects and cancels, newest first",
    responses=answers(OperationsPage, 422, 503),
)
def get_operations(
    services: Wired,
    since_ts: SinceTs = None,
    until_ts: SinceTs = None,
    type: OperationType | None = None,
    order_ref: Text = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> JSONResponse:
    """``next_cursor`` is null on the last page."""
    filters = {
        **times(since_ts, until_ts),
        "type": None if type is None else str(type),
        "order_ref": text_filter(order_ref, "order_ref"),
    }
    at = decode_cursor(cursor)
    with services.pool.connection() as conn:
        rows = queries.read_operations(conn, filters, limit + 1, at)
    return page("operations", rows, limit)


@router.get(
    "/history",
    summary="status_history, downsampled here: the last row of each step and its extremes",
    responses=answers(HistoryAnswer, 422, 503),
)
def get_history(
    services: Wired,
    from_: Annotated[str | None, Query(alias="from", description="market time, RFC 3339, inclusive")] = None,
    to: Annotated[str | None, Query(description="market time, RFC 3339, inclusive")] = None,
    step: Annotated[float | None, Query(ge=1, le=31_536_000, description="seconds of market time per point")] = None,
    limit: Annotated[int, Query(ge=1, le=5000, description="points at most; the step grows to keep it")] = 1000,
) -> JSONResponse:
    """Without ``from`` the trading day of the newest row; without ``step`` the smallest that keeps ``limit``."""
    span = times(from_, to, ("from", "to"))
    with services.pool.connection() as conn:
        bounds = queries_trail.history_bounds(conn, span["since_ts"], span["until_ts"])
        if bounds is None:
            return JSONResponse({"from_ts": None, "until_ts": None, "step_s": step or 1.0, "points": []})
        step_s = step_of(bounds, step, limit)
        rows = queries_trail.read_history(conn, bounds, step_s)
    answer = {"from_ts": bounds[0], "until_ts": bounds[1], "step_s": step_s, "points": rows}
    return JSONResponse(plain(answer))


@router.get(
    "/decisions",
    summary="Why a hedge went out and why it did not, newest first",
    responses=answers(DecisionsPage, 422, 503),
)
def get_decisions(
    services: Wired,
    since_ts: SinceTs = None,
    until_ts: SinceTs = None,
    outcome: Text = None,
    block_reason: Text = None,
    order_ref: Text = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> JSONResponse:
    """Each with the gates, what they observed and their limits."""
    filters = {
        **times(since_ts, until_ts),
        "outcome": text_filter(outcome, "outcome"),
        "block_reason": text_filter(block_reason, "block_reason"),
        "order_ref": text_filter(order_ref, "order_ref"),
    }
    at = decode_cursor(cursor)
    with services.pool.connection() as conn:
        rows = queries.read_decisions(conn, filters, limit + 1, at)
    return page("decisions", [receipts.decision(row) for row in rows], limit)


@router.get(
    "/decisions/{decision_id}",
    summary="The receipt of a decision: of a hedge that was sent, and of one that was not",
    responses=answers(DecisionReceipt, 404, 422, 503),
)
def get_decision(services: Wired, decision_id: Annotated[int, Path(ge=1, le=LARGEST_ID)]) -> JSONResponse:
    """404 when there is none with this id (or retention has removed it)."""
    with services.pool.connection() as conn:
        rows = queries_trail.read_decision(conn, decision_id)
        if rows is None:
            raise ApiError(404, "not_found", f"there is no decision {decision_id}")
        order_ref = rows.decision["order_ref"]
        order = queries_trail.read_order(conn, order_ref) if order_ref else None
    return JSONResponse(plain(receipts.decision_receipt(rows, order)))


@router.get(
    "/orders/{order_ref}",
    summary="The receipt of an order: gates, greeks, quotes, latency, the broker's words, fills, commission",
    responses=answers(OrderReceipt, 404, 422, 503),
)
def get_order(services: Wired, order_ref: OrderRef) -> JSONResponse:
    """404 when no table knows the reference."""
    with services.pool.connection() as conn:
        rows = queries_trail.read_order(conn, order_ref)
    if rows is None:
        raise ApiError(404, "not_found", f"there is no order {order_ref!r}")
    return JSONResponse(plain(receipts.order_receipt(rows)))


@router.get("/alerts", summary="What the engine called out, newest first", responses=answers(AlertsPage, 422, 503))
def get_alerts(
    services: Wired,
    since_ts: SinceTs = None,
    until_ts: SinceTs = None,
    severity: Severity | None = None,
    code: Text = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> JSONResponse:
    """Append-only, as the engine wrote them."""
    filters = {
        **times(since_ts, until_ts),
        "severity": None if severity is None else str(severity),
        "code": text_filter(code, "code"),
    }
    at = decode_cursor(cursor)
    with services.pool.connection() as conn:
        rows = queries_trail.read_alerts(conn, filters, limit + 1, at)
    return page("alerts", rows, limit)
