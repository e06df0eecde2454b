"""SQL of what happened: history, decisions with their surroundings, orders with everything about them, alerts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import connection as Connection
from psycopg2.extras import RealDictCursor

from .queries import DECISION_COLUMNS, OPERATION_COLUMNS, fetched, page_clauses, snapshot

Found = dict[str, Any]

# Steps count from the epoch. The last row of a step stands for it; extremes keep the spikes that a chart must show.
_HISTORY = """
WITH stepped AS (
    SELECT floor(extract(epoch FROM ts) / %(step)s) AS step, ts, id, spot, net_delta, daily_pnl, data_lag_ms
    FROM status_history WHERE ts BETWEEN %(from)s AND %(to)s
), steps AS (
    SELECT step, count(*)::integer AS rows, (array_agg(id ORDER BY ts DESC, id DESC))[1] AS last_id,
        min(spot) AS spot_low, max(spot) AS spot_high, min(net_delta) AS net_delta_low,
        max(net_delta) AS net_delta_high, min(daily_pnl) AS daily_pnl_low, max(daily_pnl) AS daily_pnl_high,
        max(data_lag_ms) AS data_lag_ms_high
    FROM stepped GROUP BY step
)
SELECT h.ts, h.spot, s.spot_low, s.spot_high, h.bid, h.ask, h.net_delta, s.net_delta_low, s.net_delta_high,
    h.stock_position, h.option_legs_count, h.daily_hedge_count, h.daily_pnl, s.daily_pnl_low, s.daily_pnl_high,
    s.data_lag_ms_high, h.daemon_state, h.trading_state, s.rows
FROM steps s JOIN status_history h ON h.id = s.last_id ORDER BY s.step
"""
_NEW_YORK_DAY = "(date_trunc('day', %s AT TIME ZONE 'America/New_York') AT TIME ZONE 'America/New_York')"
_COUNTS = """
SELECT reason, sum(count)::bigint AS count FROM decision_counts
WHERE account = %s AND mode = %s AND minute = date_trunc('minute', %s::timestamptz)
GROUP BY reason ORDER BY count DESC, reason
"""
_FILLS = """
SELECT e.exec_id, e.side, e.quantity, e.price, e.multiplier, e.exec_time, e.exchange, e.origin, e.mid_at_decision,
    e.replaces_exec_id, e.note, c.commission, c.currency AS commission_currency, c.realized_pnl,
    NOT EXISTS (SELECT FROM executions later WHERE later.replaces_exec_id = e.exec_id) AS counts, e.written_at
FROM executions e LEFT JOIN execution_costs c USING (exec_id)
WHERE e.order_ref = %s ORDER BY e.exec_time, e.exec_id
"""
_INTENT = """
SELECT order_ref, decision_seq, account, mode, contract_key, side, quantity, order_type, limit_price, purpose, reason,
    gates, context, config_hash, epoch, ts, created_at, state, state_reason, updated_at
FROM order_intents WHERE order_ref = %s
"""
_BROKER = """
SELECT perm_id, order_id, client_id, account, mode, contract_key, side, quantity, order_type, limit_price, status,
    filled, remaining, avg_fill_price, why_held, last_error, status_history, updated_at
FROM orders WHERE order_ref = %s
"""
_ALERT_COLUMNS = "id, ts, severity, code, message, details, written_at"


@dataclass(frozen=True, slots=True)
class DecisionRows:
    """A decision and what surrounds it."""

    decision: Found
    next: Found | None
    previous_id: int | None
    counts: list[Found]


@dataclass(frozen=True, slots=True)
class OrderRows:
    """Everything the tables know about one order."""

    order_ref: str
    intent: Found | None
    broker: Found | None
    fills: list[Found]
    operations: list[Found]
    decision_id: int | None


def history_bounds(
    conn: Connection, since: datetime | None, until: datetime | None
) -> tuple[datetime, datetime] | None:
    """The span that is asked for, its open ends closed by the rows there are; None where there are none.

    Without ``since`` the New York day of the newest row: what somebody wants who names nothing.
    """
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        if until is None:
            until = fetched(reader, "SELECT max(ts) AS newest FROM status_history")[0]["newest"]
            if until is None:
                return None
        if since is None:
            since = fetched(reader, f"SELECT {_NEW_YORK_DAY} AS midnight", [until])[0]["midnight"]
    return (since, until) if since <= until else None


def read_history(conn: Connection, bounds: tuple[datetime, datetime], step_s: float) -> list[Found]:
    """One row per step that holds any, oldest first."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return fetched(reader, _HISTORY, {"from": bounds[0], "to": bounds[1], "step": step_s})


def read_decision(conn: Connection, decision_id: int) -> DecisionRows | None:
    """One decision with its neighbours of the same account and mode, None when there is none with this id."""
    with snapshot(conn) as reader:
        rows = fetched(reader, f"SELECT {DECISION_COLUMNS} FROM decisions WHERE id = %s", [decision_id])
        if not rows:
            return None
        row = rows[0]
        whose = [decision_id, row["account"], row["mode"]]
        same = "account IS NOT DISTINCT FROM %s AND mode IS NOT DISTINCT FROM %s"
        later = fetched(reader, f"SELECT id, ts FROM decisions WHERE id > %s AND {same} ORDER BY id LIMIT 1", whose)
        before = fetched(reader, f"SELECT id FROM decisions WHERE id < %s AND {same} ORDER BY id DESC LIMIT 1", whose)
        counts = fetched(reader, _COUNTS, [row["account"], row["mode"], row["ts"]]) if row["ts"] else []
    return DecisionRows(row, later[0] if later else None, before[0]["id"] if before else None, counts)


def read_order(conn: Connection, order_ref: str) -> OrderRows | None:
    """One order, None when no table knows its reference."""
    with snapshot(conn) as reader:
        intents = fetched(reader, _INTENT, [order_ref])
        orders = fetched(reader, _BROKER, [order_ref])
        fills = fetched(reader, _FILLS, [order_ref])
        operations = fetched(
            reader,
            f"SELECT {OPERATION_COLUMNS} FROM operations o "
            "LEFT JOIN execution_costs c ON c.exec_id = o.exec_id AND o.type = 'fill' "
            "WHERE o.order_ref = %s ORDER BY o.id",
            [order_ref],
        )
        decisions = fetched(
            reader, "SELECT id FROM decisions WHERE order_ref = %s ORDER BY id DESC LIMIT 1", [order_ref]
        )
    if not (intents or orders or fills or operations):
        return None
    return OrderRows(
        order_ref,
        intents[0] if intents else None,
        orders[0] if orders else None,
        fills,
        operations,
        decisions[0]["id"] if decisions else None,
    )


_MISSED = """
    SELECT code, severity, count(*)::integer AS count, max(written_at) AS newest_at,
           (array_agg(message ORDER BY id DESC))[1] AS message
    FROM alerts WHERE id > %(after)s AND id <= %(until)s GROUP BY code, severity
    ORDER BY array_position(ARRAY['critical', 'warning', 'info'], severity::text), max(id) DESC"""


def read_alerts(
    conn: Connection, filters: Mapping[str, object], limit: int, cursor: tuple[datetime | None, int] | None
) -> list[Found]:
    """Alerts newest first."""
    clauses, values = page_clauses(filters, "", cursor)
    where = f"WHERE {' AND '.join(clauses)} " if clauses else ""
    sql = f"SELECT {_ALERT_COLUMNS} FROM alerts {where}ORDER BY ts DESC NULLS FIRST, id DESC LIMIT %s"
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return fetched(reader, sql, [*values, limit])


def alerts_after(conn: Connection, after_id: int, limit: int) -> list[Found]:
    """Alerts with a larger id, oldest first."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return fetched(
            reader, f"SELECT {_ALERT_COLUMNS} FROM alerts WHERE id > %s ORDER BY id LIMIT %s", [after_id, limit]
        )


def newest_alert_id(conn: Connection) -> int:
    """Where "from now on" begins; 0 before the first alert."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return int(fetched(reader, "SELECT coalesce(max(id), 0) AS newest FROM alerts")[0]["newest"])


def missed_alerts(conn: Connection, after_id: int, until_id: int) -> list[Found]:
    """Alerts with ids in (after_id, until_id] by code: severity, how many, the newest message; the worst first."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return fetched(reader, _MISSED, {"after": after_id, "until": until_id})


def told_until(conn: Connection) -> int | None:
    """The alert up to which somebody has been told; None when nobody ever was."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        rows = fetched(reader, "SELECT alert_id FROM notified_until")
    return int(rows[0]["alert_id"]) if rows else None


def remember_told(conn: Connection, alert_id: int) -> None:
    """Up to here somebody has been told; it never goes back."""
    with conn.cursor() as writer:
        writer.execute(
            "INSERT INTO notified_until (id, alert_id) VALUES (1, %s) ON CONFLICT (id) DO UPDATE "
            "SET alert_id = greatest(notified_until.alert_id, excluded.alert_id), told_at = clock_timestamp()",
            [alert_id],
        )


def take_turn(conn: Connection, lock_id: int) -> bool:
    """Whether this connection holds the advisory lock, taken now where it was free; it ends with the connection."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return bool(fetched(reader, "SELECT pg_try_advisory_lock(%s) AS mine", [lock_id])[0]["mine"])
