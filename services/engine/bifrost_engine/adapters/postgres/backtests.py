"""Stores a backtest: the run with its summary and every tick, all or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg2
from bifrost.db import Connection, DatabaseError
from bifrost.db.errors import first_line
from psycopg2.extras import execute_values


def store_run(
    conn: Connection,
    summary: Mapping[str, Any],
    config: Mapping[str, Any],
    groups: Iterable[Sequence[tuple[Any, ...]]],
    curves: Mapping[str, Any] | None = None,
) -> bool:
    """Write one run into `backtest_runs` and its ticks into `backtest_ticks`, in one transaction.

    Parameters
    ----------
    conn : Connection
        Not in autocommit.
    groups : iterable of rows
        ``(seq, ts, decision, side, quantity, block_reason, net_delta, spot)``, a group at a time.
    curves : mapping, optional
        Lines for a chart by name: ``times_s`` and ``values``.

    Returns
    -------
    bool
        False when this very run (same configuration, data, request and code) is stored already.

    Raises
    ------
    DatabaseError
        When the database does not take it; nothing is stored then.
    """
    try:
        return _store(conn, summary, config, groups, curves)
    except psycopg2.Error as error:
        raise DatabaseError(f"run {summary['run_id']} cannot be stored: {first_line(error)}") from error


def _store(
    conn: Connection,
    summary: Mapping[str, Any],
    config: Mapping[str, Any],
    groups: Iterable[Sequence[tuple[Any, ...]]],
    curves: Mapping[str, Any] | None,
) -> bool:
    run_id = summary["run_id"]
    with conn, conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO backtest_runs (run_id, config_hash, data_hash, code_version, config, summary, curves) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (run_id) DO NOTHING RETURNING run_id",
            (
                run_id,
                summary["config_hash"],
                summary["data_hash"],
                summary["code_version"],
                json.dumps(config),
                json.dumps(summary),
                None if curves is None else json.dumps(curves),
            ),
        )
        if cursor.fetchone() is None:
            return False
        for rows in groups:
            execute_values(
                cursor,
                "INSERT INTO backtest_ticks (run_id, seq, ts, decision, side, quantity, block_reason, net_delta, spot) "
                "VALUES %s",
                [(run_id, *row) for row in rows],
                page_size=1000,
            )
    return True
