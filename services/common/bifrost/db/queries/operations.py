"""The audit trail: operations by filter and page, history, fills with their costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..connect import Connection
from .status import fetch_all

MAX_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of ``operations``; ``ts`` is market time."""

    id: int
    ts: datetime | None
    type: str
    side: str | None
    quantity: int | None
    price: float | None
    state_reason: str | None
    account: str | None
    mode: str | None
    symbol: str | None
    contract_key: str | None
    order_ref: str | None
    exec_id: str | None
    config_hash: str | None
    written_at: datetime
    commission: float | None
    realized_pnl: float | None


def operations(
    conn: Connection,
    *,
    since_ts: datetime | None = None,
    until_ts: datetime | None = None,
    type: str | None = None,
    limit: int = 100,
    before_id: int | None = None,
) -> list[Operation]:
    """Newest first.

    Parameters
    ----------
    since_ts, until_ts : datetime, optional
        Market time, both ends included.
    type : str, optional
        ``hedge_intent``, ``order_sent``, ``fill``, ``reject`` or ``cancel``.
    limit : int
        1 to 1000 rows.
    before_id : int, optional
        Only rows with a smaller id: the next page.
    """
    where: list[str] = []
    args: list[object] = []
    for condition, value in (
        ("o.ts >= %s", since_ts),
        ("o.ts <= %s", until_ts),
        ("o.type = %s", type),
        ("o.id < %s", before_id),
    ):
        if value is not None:
            where.append(condition)
            args.append(value)
    rows = fetch_all(
        conn,
        "SELECT o.id, o.ts, o.type, o.side, o.quantity, o.price, o.state_reason, o.account, o.mode, o.symbol, "
        "o.contract_key, o.order_ref, o.exec_id, o.config_hash, o.written_at, c.commission, c.realized_pnl "
        "FROM operations o LEFT JOIN execution_costs c ON c.exec_id = o.exec_id AND o.type = 'fill'"
        + (" WHERE " + " AND ".join(where) if where else "")
        + " ORDER BY o.id DESC LIMIT %s",
        *args,
        max(1, min(MAX_LIMIT, limit)),
    )
    return [Operation(**row) for row in rows]


def history(
    conn: Connection, *, since_ts: datetime | None = None, until_ts: datetime | None = None, limit: int = MAX_LIMIT
) -> list[dict[str, Any]]:
    """The newest ``limit`` rows of ``status_history`` in the span of market time, oldest first."""
    return fetch_all(
        conn,
        "SELECT * FROM (SELECT * FROM status_history WHERE (%s::timestamptz IS NULL OR ts >= %s) "
        "AND (%s::timestamptz IS NULL OR ts <= %s) ORDER BY id DESC LIMIT %s) newest ORDER BY id",
        since_ts,
        since_ts,
        until_ts,
        until_ts,
        max(1, limit),
    )
