"""Every SQL statement of the monitor, reading and writing, with column names as in db/init.sql."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from psycopg2.extensions import connection as Connection
from psycopg2.extras import RealDictCursor

from .view import AccountRows, DeskRows, Row

SNAPSHOT_SQL = """
SELECT daemon_state, trading_state, symbol, spot, bid, ask, net_delta, stock_position, option_legs_count,
       daily_hedge_count, daily_pnl, data_lag_ms, config_summary, ts, hedge_state, account, mode, self_check,
       status_lamp, block_reasons, checks, details, market_clock, epoch, written_at
FROM status_current WHERE id = 1
"""
HEARTBEAT_SQL = """
SELECT last_ts, hedge_running, ib_connected, ib_client_id, next_retry_ts, seconds_until_retry, graceful_shutdown_at,
       heartbeat_interval_sec, ib_connected_since, ib_address, last_error
FROM daemon_heartbeat WHERE id = 1
"""
RUN_STATUS_SQL = "SELECT suspended, updated_at, heartbeat_interval_sec FROM daemon_run_status WHERE id = 1"
LEASE_SQL = "SELECT owner, epoch, acquired_at, beat_at, stopped_at FROM engine_lease WHERE id = 1"
# Engines that died leave their row: an hour is enough to see what happened.
INSTANCES_SQL = """
SELECT instance_id, host, pid, state, epoch, started_at, beat_at FROM engine_instances
WHERE beat_at > now() - interval '1 hour' ORDER BY beat_at DESC LIMIT 20
"""
SETTINGS_SQL = "SELECT ib_host, ib_port_type, updated_at, updated_by FROM settings WHERE id = 1"
ACCOUNTS_SQL = """
SELECT account_id, updated_at, net_liquidation, total_cash, buying_power, summary_extra, fetched_at, reported
FROM accounts ORDER BY reported DESC, account_id
"""
POSITIONS_SQL = """
SELECT p.account_id, p.contract_key, p.symbol, p.sec_type, p.currency, p.position, p.avg_cost, p.expiry, p.strike,
       p.option_right, p.multiplier, p.trading_class, p.updated_at,
       i.last, i.bid, i.ask, i.mid, i.source, i.error, i.quote_ts, i.updated_at AS price_updated_at,
       i.iv, i.delta, i.gamma, i.theta, i.vega, i.und_price,
       m.contract_key IS NOT NULL AS managed
FROM account_positions p
LEFT JOIN instrument_prices i USING (contract_key)
LEFT JOIN managed_legs m
       ON m.account = p.account_id AND m.contract_key = p.contract_key AND m.released_at IS NULL
ORDER BY p.account_id, p.symbol, p.sec_type = 'STK' DESC, p.expiry, p.strike, p.option_right
"""
OPERATION_COLUMNS = """
o.id, o.ts, o.type, o.side, o.quantity, o.price, o.state_reason, o.account, o.mode, o.symbol, o.contract_key,
o.order_ref, o.exec_id, o.config_hash, o.written_at, c.commission, c.realized_pnl
"""
DECISION_COLUMNS = """
id, ts, account, mode, symbol, state_o, state_d, state_m, state_l, state_e, state_s, net_delta, spot, bid, ask,
need_shares, outcome, block_reason, gates, machines, order_ref, config_hash, written_at
"""
CONTROL_COLUMNS = """
id, command, args, status, created_at, accepted_at, finished_at, consumed_at, result, requested_by,
extract(epoch FROM now() - created_at)::double precision AS age_s
"""
SAVE_IB_SQL = """
INSERT INTO settings (id, ib_host, ib_port_type, updated_at, updated_by)
VALUES (1, %(ib_host)s, %(ib_port_type)s, now(), %(updated_by)s)
ON CONFLICT (id) DO UPDATE SET ib_host = excluded.ib_host, ib_port_type = excluded.ib_port_type,
    updated_at = excluded.updated_at, updated_by = excluded.updated_by
RETURNING ib_host, ib_port_type, updated_at, updated_by
"""


@contextmanager
def snapshot(conn: Connection) -> Iterator[RealDictCursor]:
    """A cursor in a read-only transaction that sees one moment of the database."""
    conn.autocommit = False
    try:
        with conn.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield cursor
        conn.commit()
    except BaseException:
        if not conn.closed:
            conn.rollback()
        raise
    finally:
        if not conn.closed:
            conn.autocommit = True


def _one(cursor: RealDictCursor, sql: str) -> Row | None:
    cursor.execute(sql)
    row = cursor.fetchone()
    return None if row is None else dict(row)


def _all(cursor: RealDictCursor, sql: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
    cursor.execute(sql, values)
    return [dict(row) for row in cursor.fetchall()]


def read_desk(conn: Connection) -> DeskRows:
    """The rows behind the verdict, as of one moment."""
    with snapshot(conn) as cursor:
        now = _one(cursor, "SELECT now() AS read_at") or {}
        latest = _one(cursor, "SELECT max(id) AS id FROM operations") or {}
        return DeskRows(
            read_at=now["read_at"],
            status=_one(cursor, SNAPSHOT_SQL),
            heartbeat=_one(cursor, HEARTBEAT_SQL),
            run_status=_one(cursor, RUN_STATUS_SQL),
            lease=_one(cursor, LEASE_SQL),
            instances=_all(cursor, INSTANCES_SQL),
            settings=_one(cursor, SETTINGS_SQL),
            latest_operation_id=latest.get("id"),
        )


def read_accounts(conn: Connection) -> AccountRows:
    """Accounts and positions with their prices, as of one moment."""
    with snapshot(conn) as cursor:
        return AccountRows(_all(cursor, ACCOUNTS_SQL), _all(cursor, POSITIONS_SQL))


def _page(
    filters: Mapping[str, object], alias: str, cursor: tuple[datetime | None, int] | None
) -> tuple[list[str], list[object]]:
    """WHERE clauses and values for market time, equality filters and keyset cursor (newest first, unknown ts first)."""
    clauses: list[str] = []
    values: list[object] = []
    for name, value in filters.items():
        if value is None:
            continue
        if name in ("since_ts", "until_ts"):
            clauses.append(f"{alias}ts {'>=' if name == 'since_ts' else '<='} %s")
        else:
            clauses.append(f"{alias}{name} = %s")
        values.append(value)
    if cursor is not None:
        ts, row_id = cursor
        if ts is None:
            clauses.append(f"({alias}ts IS NOT NULL OR {alias}id < %s)")
            values.append(row_id)
        else:
            clauses.append(f"({alias}ts, {alias}id) < (%s, %s)")
            values.extend((ts, row_id))
    return clauses, values


def read_operations(
    conn: Connection, filters: Mapping[str, object], limit: int, cursor: tuple[datetime | None, int] | None
) -> list[dict[str, Any]]:
    """Operations newest first, fills with their commission where it has come."""
    clauses, values = _page(filters, "o.", cursor)
    where = f"WHERE {' AND '.join(clauses)} " if clauses else ""
    sql = (
        f"SELECT {OPERATION_COLUMNS} FROM operations o "
        "LEFT JOIN execution_costs c ON c.exec_id = o.exec_id AND o.type = 'fill' "
        f"{where}ORDER BY o.ts DESC NULLS FIRST, o.id DESC LIMIT %s"
    )
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return _all(reader, sql, [*values, limit])


def read_decisions(
    conn: Connection, filters: Mapping[str, object], limit: int, cursor: tuple[datetime | None, int] | None
) -> list[dict[str, Any]]:
    """Decisions newest first."""
    clauses, values = _page(filters, "", cursor)
    where = f"WHERE {' AND '.join(clauses)} " if clauses else ""
    sql = f"SELECT {DECISION_COLUMNS} FROM decisions {where}ORDER BY ts DESC NULLS FIRST, id DESC LIMIT %s"
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return _all(reader, sql, [*values, limit])


def read_decision(conn: Connection, decision_id: int) -> dict[str, Any] | None:
    """One decision, None when there is none with this id."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        rows = _all(reader, f"SELECT {DECISION_COLUMNS} FROM decisions WHERE id = %s", [decision_id])
    return rows[0] if rows else None


def read_command(conn: Connection, command_id: int) -> dict[str, Any] | None:
    """State of a command, None when there is none with this id."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        rows = _all(reader, f"SELECT {CONTROL_COLUMNS} FROM daemon_control WHERE id = %s", [command_id])
    return rows[0] if rows else None


def read_commands(conn: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest commands with who asked for them and what came of them."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return _all(reader, f"SELECT {CONTROL_COLUMNS} FROM daemon_control ORDER BY id DESC LIMIT %s", [limit])


def save_ib_settings(conn: Connection, ib_host: str, ib_port_type: str, updated_by: str) -> dict[str, Any]:
    """Insert or update the one settings row; its trigger tells the engine."""
    values = {"ib_host": ib_host, "ib_port_type": ib_port_type, "updated_by": updated_by}
    with conn.cursor(cursor_factory=RealDictCursor) as writer:
        writer.execute(SAVE_IB_SQL, values)
        row = writer.fetchone()
    return dict(row or {})
