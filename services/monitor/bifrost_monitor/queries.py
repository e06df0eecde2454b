"""Every SQL statement of the monitor, reading and writing, with column names as in db/init.sql."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from bifrost.db.queries import status as shared
from psycopg2.extensions import connection as Connection
from psycopg2.extras import RealDictCursor

from .view import AccountRows, DeskRows, Row

INSTANCES_SHOWN_S = 3600.0
"""Engines that died leave their row: an hour is enough to see what happened."""
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


def _columns(row: Any) -> Row | None:
    """A row of the shared queries as column → value; None stays None."""
    return None if row is None else {name: getattr(row, name) for name in type(row).__slots__}


def fetched(
    cursor: RealDictCursor, sql: str, values: Sequence[object] | Mapping[str, object] = ()
) -> list[dict[str, Any]]:
    """Every row of the answer as column → value."""
    cursor.execute(sql, values)
    return [dict(row) for row in cursor.fetchall()]


def read_desk(conn: Connection) -> DeskRows:
    """The rows behind the verdict, as of one moment."""
    with snapshot(conn) as cursor:
        moment = fetched(cursor, "SELECT now() AS read_at, (SELECT max(id) FROM operations) AS latest_id")[0]
        return DeskRows(
            read_at=moment["read_at"],
            status=_columns(shared.status_current(conn)),
            heartbeat=_columns(shared.heartbeat(conn)),
            run_status=_columns(shared.run_status(conn)),
            lease=_columns(shared.lease(conn)),
            instances=[_columns(row) or {} for row in shared.instances(conn, INSTANCES_SHOWN_S)],
            settings=_columns(shared.settings(conn)),
            latest_operation_id=moment["latest_id"],
        )


def read_accounts(conn: Connection) -> AccountRows:
    """Accounts and positions with their prices, as of one moment."""
    with snapshot(conn) as cursor:
        return AccountRows(fetched(cursor, ACCOUNTS_SQL), fetched(cursor, POSITIONS_SQL))


def page_clauses(
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
    clauses, values = page_clauses(filters, "o.", cursor)
    where = f"WHERE {' AND '.join(clauses)} " if clauses else ""
    sql = (
        f"SELECT {OPERATION_COLUMNS} FROM operations o "
        "LEFT JOIN execution_costs c ON c.exec_id = o.exec_id AND o.type = 'fill' "
        f"{where}ORDER BY o.ts DESC NULLS FIRST, o.id DESC LIMIT %s"
    )
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return fetched(reader, sql, [*values, limit])


def read_decisions(
    conn: Connection, filters: Mapping[str, object], limit: int, cursor: tuple[datetime | None, int] | None
) -> list[dict[str, Any]]:
    """Decisions newest first."""
    clauses, values = page_clauses(filters, "", cursor)
    where = f"WHERE {' AND '.join(clauses)} " if clauses else ""
    sql = f"SELECT {DECISION_COLUMNS} FROM decisions {where}ORDER BY ts DESC NULLS FIRST, id DESC LIMIT %s"
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return fetched(reader, sql, [*values, limit])


def read_command(conn: Connection, command_id: int) -> dict[str, Any] | None:
    """State of a command, None when there is none with this id."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        rows = fetched(reader, f"SELECT {CONTROL_COLUMNS} FROM daemon_control WHERE id = %s", [command_id])
    return rows[0] if rows else None


def read_commands(conn: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest commands with who asked for them and what came of them."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return fetched(reader, f"SELECT {CONTROL_COLUMNS} FROM daemon_control ORDER BY id DESC LIMIT %s", [limit])
