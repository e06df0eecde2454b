"""SQL of figures: the trading day's attribution, backtest runs and their ticks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from psycopg2.extensions import connection as Connection
from psycopg2.extras import RealDictCursor

from .queries import fetched, snapshot

Found = dict[str, Any]
_TRADING_DAY = """
SELECT trading_day, account, mode, attribution, daily_pnl, commissions FROM trading_days
WHERE (%(day)s::date IS NULL OR trading_day = %(day)s) AND (%(account)s::text IS NULL OR account = %(account)s)
    AND (%(mode)s::text IS NULL OR mode = %(mode)s)
ORDER BY trading_day DESC, updated_at DESC LIMIT 1
"""
_RUN = "run_id::text, created_at, config_hash, data_hash, code_version, summary"


def read_trading_day(conn: Connection, day: date | None, account: str | None, mode: str | None) -> Found | None:
    """The newest trading day that fits, None when there is none."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        rows = fetched(reader, _TRADING_DAY, {"day": day, "account": account, "mode": mode})
    return rows[0] if rows else None


def read_runs(conn: Connection, limit: int) -> list[Found]:
    """Backtest runs newest first, without their configuration."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return fetched(reader, f"SELECT {_RUN} FROM backtest_runs ORDER BY created_at DESC, run_id LIMIT %s", [limit])


def read_run(conn: Connection, run_id: UUID) -> Found | None:
    """One run with its configuration, ticks and counts per block reason; None when there is none."""
    with snapshot(conn) as reader:
        rows = fetched(reader, f"SELECT {_RUN}, config FROM backtest_runs WHERE run_id = %s", [str(run_id)])
        if not rows:
            return None
        reasons = fetched(
            reader,
            "SELECT block_reason AS reason, count(*)::integer AS count FROM backtest_ticks WHERE run_id = %s "
            "GROUP BY block_reason ORDER BY 2 DESC, 1",
            [str(run_id)],
        )
    return {
        **rows[0],
        "reasons": [row for row in reasons if row["reason"] is not None],
        "ticks": sum(row["count"] for row in reasons),
    }


def read_ticks(
    conn: Connection, run_id: UUID, after: int, wanted: Mapping[str, str | None], limit: int
) -> list[Found] | None:
    """Ticks with a larger seq, in order; None when there is no such run."""
    clauses = [name for name, value in wanted.items() if value is not None]
    values = [value for value in wanted.values() if value is not None]
    with snapshot(conn) as reader:
        if not fetched(reader, "SELECT 1 FROM backtest_runs WHERE run_id = %s", [str(run_id)]):
            return None
        return fetched(
            reader,
            "SELECT seq, ts, decision, side, quantity, block_reason, net_delta, spot FROM backtest_ticks "
            f"WHERE run_id = %s AND seq > %s {''.join(f'AND {name} = %s ' for name in clauses)}ORDER BY seq LIMIT %s",
            [str(run_id), after, *values, limit],
        )
