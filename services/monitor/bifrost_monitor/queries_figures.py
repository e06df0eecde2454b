"""SQL of figures: the trading day's attribution, backtest runs and their ticks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from bifrost.db.queries.attribution import (
    DayAttribution,
    IntervalAttribution,
    daily_attribution,
    interval_attribution,
)
from psycopg2.extensions import connection as Connection
from psycopg2.extras import RealDictCursor

from .queries import fetched, snapshot

Found = dict[str, Any]
INTERVALS_AT_ONCE = 1000
_RUN = "run_id::text, created_at, config_hash, data_hash, code_version, summary"


def read_attribution(
    conn: Connection, day: date | None, account: str | None, mode: str | None
) -> tuple[DayAttribution, list[IntervalAttribution]] | None:
    """The newest trading day that fits with its intervals, oldest first, as of one moment; None when there is none."""
    with snapshot(conn):
        return _read_attribution(conn, day, account, mode)


def _read_attribution(
    conn: Connection, day: date | None, account: str | None, mode: str | None
) -> tuple[DayAttribution, list[IntervalAttribution]] | None:
    days = daily_attribution(conn, account=account, mode=mode, since_day=day, until_day=day, limit=1)
    if not days:
        return None
    found: list[IntervalAttribution] = []
    until = None
    while True:
        part = interval_attribution(
            conn,
            trading_day=days[0].trading_day,
            account=days[0].account,
            mode=days[0].mode,
            until_ts=until,
            limit=INTERVALS_AT_ONCE,
        )
        found = part + found
        if len(part) < INTERVALS_AT_ONCE:
            return days[0], found
        until = part[0].end_ts - timedelta(microseconds=1)


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
