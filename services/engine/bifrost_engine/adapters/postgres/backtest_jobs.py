"""Implements the port JobStore of the backtest process: tables `backtest_jobs` and `backtest_worker`."""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg2
from bifrost.backtest import JobStatus
from bifrost.db import Connection, DatabaseError
from bifrost.db.errors import first_line

from bifrost_engine.backtest.worker import StoreLost

LOCK_ID = 0x4246_4254
"""Advisory lock of the process that carries out backtests ("BFBT")."""


class PostgresJobs:
    """One connection in autocommit mode."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def lead(self) -> bool:
        return bool(self._row("SELECT pg_try_advisory_lock(%s)", LOCK_ID)[0])

    def beat(self, offer: Mapping[str, Any]) -> None:
        self._do(
            "INSERT INTO backtest_worker (id, host, pid, beat_at, offer) VALUES (1, %s, %s, clock_timestamp(), %s) "
            "ON CONFLICT (id) DO UPDATE SET host = excluded.host, pid = excluded.pid, beat_at = excluded.beat_at, "
            "offer = excluded.offer",
            socket.gethostname(), os.getpid(), json.dumps(offer),
        )  # fmt: skip

    def give_up(self, reason: str) -> None:
        self._do(
            "UPDATE backtest_jobs SET status = 'failed', finished_at = clock_timestamp(), error = %s "
            "WHERE status = 'running'",
            reason,
        )

    def take(self) -> tuple[int, Any] | None:
        # Somebody may have asked to cancel what nobody had begun.
        self._do(
            "UPDATE backtest_jobs SET status = 'cancelled', finished_at = clock_timestamp() "
            "WHERE status = 'pending' AND cancel_requested_at IS NOT NULL"
        )
        row = self._row(
            "UPDATE backtest_jobs SET status = 'running', started_at = clock_timestamp() "
            "WHERE status = 'pending' RETURNING id, request"
        )
        return (int(row[0]), row[1]) if row else None

    def progress(self, job_id: int, progress: Mapping[str, Any]) -> bool:
        row = self._row(
            "UPDATE backtest_jobs SET progress = %s WHERE id = %s RETURNING cancel_requested_at IS NOT NULL",
            json.dumps(progress), job_id,
        )  # fmt: skip
        return bool(row and row[0])

    def finish(self, job_id: int, status: JobStatus, *, run_id: UUID | None = None, error: str | None = None) -> None:
        self._do(
            "UPDATE backtest_jobs SET status = %s, finished_at = clock_timestamp(), run_id = %s, error = %s "
            "WHERE id = %s",
            str(status), None if run_id is None else str(run_id), error, job_id,
        )  # fmt: skip

    def wait(self, limit_s: float) -> None:
        self._conn.notifies.clear()
        select.select([self._conn.fileno()], [], [], limit_s)
        try:
            self._conn.poll()
        except psycopg2.Error as error:
            raise StoreLost(first_line(error)) from error

    def listen(self) -> None:
        """Hear of new jobs."""
        self._do("LISTEN bifrost_backtest_jobs")

    def _do(self, text: str, *values: object) -> None:
        self._row(text, *values)

    def _row(self, text: str, *values: object) -> Any:
        try:
            with self._conn.cursor() as cursor:
                cursor.execute(text, values)
                return cursor.fetchone() if cursor.description else None
        except psycopg2.Error as error:
            raise StoreLost(first_line(error)) from error


@contextmanager
def jobs(connect: Callable[[], Connection]) -> Iterator[PostgresJobs]:
    """A store for the length of the block; raises `StoreLost` when there is no database."""
    try:
        conn = connect()
    except DatabaseError as error:
        raise StoreLost(str(error)) from error
    try:
        store = PostgresJobs(conn)
        store.listen()
        yield store
    finally:
        conn.close()
