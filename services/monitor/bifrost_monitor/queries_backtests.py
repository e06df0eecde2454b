"""SQL of backtests: runs, their ticks, and what the page has launched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import psycopg2.errors
from bifrost.backtest import SILENT_S
from psycopg2.extensions import connection as Connection
from psycopg2.extras import RealDictCursor

from .queries import fetched, snapshot

Found = dict[str, Any]
_RUN = "run_id::text, created_at, config_hash, data_hash, code_version"
_JOB = (
    "id, created_at, requested_by, request, status, started_at, finished_at, cancel_requested_at, progress, "
    "run_id::text, error, "
    "extract(epoch FROM coalesce(finished_at, clock_timestamp()) - started_at)::float8 AS running_s"
)


class Busy(Exception):
    """Another backtest waits or runs; its id is in ``job_id``."""

    def __init__(self, job_id: int | None) -> None:
        super().__init__(f"backtest {job_id} is not at its end")
        self.job_id = job_id


def read_runs(conn: Connection, limit: int) -> list[Found]:
    """Backtest runs newest first, without their configuration and their single days."""
    sql = f"SELECT {_RUN}, summary - 'days' AS summary FROM backtest_runs ORDER BY created_at DESC, run_id LIMIT %s"
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return fetched(reader, sql, [limit])


def read_run(conn: Connection, run_id: UUID) -> Found | None:
    """One run with its configuration, curves, ticks and counts per block reason; None when there is none."""
    with snapshot(conn) as reader:
        rows = fetched(
            reader, f"SELECT {_RUN}, summary, config, curves FROM backtest_runs WHERE run_id = %s", [str(run_id)]
        )
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


def read_worker(conn: Connection) -> Found | None:
    """The backtest process and whether it beats; None when none has ever run."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        rows = fetched(
            reader,
            "SELECT offer, extract(epoch FROM clock_timestamp() - beat_at)::float8 AS silent_s FROM backtest_worker",
        )
    return {**rows[0], "alive": rows[0]["silent_s"] <= SILENT_S} if rows else None


def read_jobs(conn: Connection, limit: int) -> list[Found]:
    """What was launched, newest first."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return fetched(reader, f"SELECT {_JOB} FROM backtest_jobs ORDER BY id DESC LIMIT %s", [limit])


def read_job(conn: Connection, job_id: int) -> Found | None:
    """One of them, None when there is none with this id."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        rows = fetched(reader, f"SELECT {_JOB} FROM backtest_jobs WHERE id = %s", [job_id])
    return rows[0] if rows else None


def add_job(conn: Connection, request: Mapping[str, Any], requested_by: str) -> Found:
    """Ask the backtest process for a run.

    Raises
    ------
    Busy
        While another one waits or runs: the database keeps them to one.
    """
    sql = f"INSERT INTO backtest_jobs (request, requested_by) VALUES (%s, %s) RETURNING {_JOB}"
    try:
        with conn.cursor(cursor_factory=RealDictCursor) as writer:
            return fetched(writer, sql, [json.dumps(request), requested_by])[0]
    except psycopg2.errors.UniqueViolation:
        with conn.cursor(cursor_factory=RealDictCursor) as reader:
            rows = fetched(reader, "SELECT id FROM backtest_jobs WHERE status IN ('pending', 'running')")
        raise Busy(rows[0]["id"] if rows else None) from None


def cancel_job(conn: Connection, job_id: int) -> None:
    """Ask for its end; what nobody has begun has ended with that."""
    with conn.cursor() as writer:
        writer.execute(
            "UPDATE backtest_jobs SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()), "
            "status = CASE status WHEN 'pending' THEN 'cancelled' ELSE status END, "
            "finished_at = CASE status WHEN 'pending' THEN clock_timestamp() ELSE finished_at END "
            "WHERE id = %s AND status IN ('pending', 'running')",
            [job_id],
        )
