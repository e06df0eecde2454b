"""``python -m bifrost.db.alive [backtest]``: does an engine (the backtest process) of this machine beat?

The health check of its container. Exit 0 when it does, 1 when it does not or the database cannot be asked. It reads one
row with the service's own login and loads no configuration, so that it costs little more than the start of an
interpreter.
"""

from __future__ import annotations

import socket
import sys

import psycopg2

from .connect import ConnectionParams
from .errors import DatabaseUnavailable, first_line

LIMIT_S = 30.0
"""Engines beat every few seconds, standbys too; a longer silence means a process that hangs."""


TABLES = {"engine": "engine_instances", "backtest": "backtest_worker"}
"""Where each of them beats."""


def silent_s(params: ConnectionParams, host: str, who: str = "engine") -> float | None:
    """Seconds, by the database's clock, since ``who`` on ``host`` last beat; None when there was none."""
    conn = psycopg2.connect(
        host=params.host,
        port=params.port,
        dbname=params.database,
        user=params.user,
        password=params.password,
        connect_timeout=5,
        application_name="bifrost-alive",
    )
    try:
        with conn.cursor() as cursor:
            cursor.execute(
                f"SELECT extract(epoch FROM clock_timestamp() - max(beat_at)) FROM {TABLES[who]} WHERE host = %s",
                (host,),
            )
            row = cursor.fetchone()
    finally:
        conn.close()
    return None if row is None or row[0] is None else float(row[0])


def main(who: str = "engine") -> int:
    """Ask, and say what is wrong."""
    try:
        age_s = silent_s(ConnectionParams.resolve(default_user="bifrost_engine"), socket.gethostname(), who)
    except (psycopg2.Error, DatabaseUnavailable) as error:
        sys.stderr.write(f"the database cannot be asked: {first_line(error)}\n")
        return 1
    if age_s is None or age_s > LIMIT_S:
        sys.stderr.write(f"no {who} of this host has beaten " + ("yet\n" if age_s is None else f"for {age_s:.0f} s\n"))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
