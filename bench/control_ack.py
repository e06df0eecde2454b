"""Control post → the engine's acknowledgement through NOTIFY, beside the heartbeat poll that it replaces.

A real desk in processes of its own: PostgreSQL, simulator, engine, monitor. POST /control/{suspend,resume} over one
kept connection; the clock runs from before the request until the commit in which the engine took the command
(`accepted_at`) has been told to a listener in this process. For the poll the database's trigger is switched off, so
that the engine finds the command where it looks on each heartbeat, every 5 s, the shortest that can be set. The floor
is two bare clients: one inserts the row, the other, a process of its own, hears of it and marks it accepted; two
commits and two notifications as in the desk, and nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import random
import select
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import psycopg2
from psycopg2.extensions import connection as Connection

from bench import _report
from bench._monitor_desk import TOKEN, fresh_database, monitor_process, quantile
from tests.support.postgres import Database

HEARTBEAT_S = 5


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench control_ack", description=__doc__)
    parser.add_argument("--posts", type=int, default=300, help="commands through NOTIFY")
    parser.add_argument("--polls", type=int, default=12, help="commands found by the heartbeat poll, 2.5 s each")
    options = parser.parse_args(arguments)
    from tests.support.engine import EngineProcess
    from tests.support.simulator import SimulatorProcess

    _report.heading("control post to the engine's acknowledgement", ("bifrost-monitor", "fastapi", "psycopg2-binary"))
    with tempfile.TemporaryDirectory() as folder, fresh_database() as database:
        home = Path(folder)
        shown = ("server_version", "fsync", "synchronous_commit")
        print("database: " + ", ".join(f"{name} {database.value(f'SHOW {name}')}" for name in shown))
        with (
            SimulatorProcess(home / "simulator") as simulator,
            EngineProcess(
                database,
                home / "engine",
                simulator.environment() | {"BIFROST_DAEMON__HEARTBEAT_INTERVAL": f"{HEARTBEAT_S}"},
            ) as engine,
            monitor_process(database, home / "monitor") as url,
            httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False) as client,
        ):
            engine.until(lambda: engine.status().get("daemon_state") == "running", "the running engine")
            listener = Listener(database.connect("monitor"))
            notified = [listener.timed(client, number) for number in range(options.posts)]
            database.query("ALTER TABLE daemon_control DISABLE TRIGGER notify")
            database.query("ALTER TABLE daemon_run_status DISABLE TRIGGER notify")
            polled = [listener.timed(client, number, polled=True) for number in range(options.polls)]
        database.query("ALTER TABLE daemon_control ENABLE TRIGGER notify")
        floor = bare(database, options.posts)
    rows = [
        row("Bifrost, NOTIFY", notified),
        row(f"poll every {HEARTBEAT_S} s", polled),
        row("two bare clients", floor),
    ]
    _report.table(("way", "posts", "p50 ms", "p90 ms", "p99 ms", "max ms"), rows)
    ratio = quantile(polled, 0.5) / quantile(notified, 0.5)
    print(f"median of the poll / median through NOTIFY: {ratio:.0f}")
    print(f"median through NOTIFY / median of two bare clients: {quantile(notified, 0.5) / quantile(floor, 0.5):.1f}")
    print(f"p99 through NOTIFY under 100 ms: {'yes' if quantile(notified, 0.99) < 0.1 else 'no'}")
    return 0


def bare(database: Database, posts: int) -> list[float]:
    """Seconds from a plain INSERT until a plain listener's acceptance is known here."""
    ready = multiprocessing.Event()
    taker = multiprocessing.Process(target=accept_all, args=(database.dsn("owner"), ready), daemon=True)
    taker.start()
    try:
        if not ready.wait(30):
            raise RuntimeError("the bare listener did not start")
        listener = Listener(database.connect("monitor"))
        return [listener.inserted(database.connect("owner") if not number else None) for number in range(posts)]
    finally:
        taker.kill()
        taker.join()


def accept_all(dsn: str, ready: Any) -> None:
    """Mark every command that comes as accepted, until killed."""
    with contextlib.closing(psycopg2.connect(dsn)) as conn:
        conn.autocommit = True
        with conn.cursor() as cursor:
            cursor.execute("LISTEN bifrost_control")
            ready.set()
            while True:
                select.select([conn], [], [])
                conn.poll()
                told = [json.loads(notify.payload) for notify in conn.notifies]
                conn.notifies.clear()
                for entry in told:
                    if entry["status"] == "pending":
                        cursor.execute(
                            "UPDATE daemon_control SET status = 'accepted', accepted_at = now(), consumed_at = now() "
                            "WHERE id = %s",
                            (entry["id"],),
                        )


class Listener:
    """Hears when a command leaves ``pending``: by notification, or where there is none by looking every millisecond."""

    def __init__(self, conn: Connection) -> None:
        self._conn = self._writer = conn
        self._cursor = conn.cursor()
        self._cursor.execute("LISTEN bifrost_control")

    def timed(self, client: httpx.Client, number: int, *, polled: bool = False) -> float:
        """Seconds from before the request until the engine's acceptance is known here."""
        # Not in step with the heartbeat, whose phase would otherwise decide.
        time.sleep(random.uniform(0.0, HEARTBEAT_S if polled else 0.02))
        began = time.perf_counter()
        answer = client.post("/control/" + ("suspend", "resume")[number % 2], json={})
        answer.raise_for_status()
        command_id = answer.json()["id"]
        (self._look if polled else self._hear)(command_id)
        return time.perf_counter() - began

    def inserted(self, writer: Connection | None) -> float:
        """The same for a plain INSERT on ``writer``, or on the one that was used before."""
        self._writer = writer or self._writer
        time.sleep(random.uniform(0.0, 0.02))
        began = time.perf_counter()
        with self._writer.cursor() as cursor:
            cursor.execute("INSERT INTO daemon_control (command) VALUES ('suspend') RETURNING id")
            self._hear(cursor.fetchone()[0])
        return time.perf_counter() - began

    def _hear(self, command_id: int) -> None:
        conn = self._conn
        while True:
            conn.poll()
            told = [json.loads(notify.payload) for notify in conn.notifies]
            conn.notifies.clear()
            if any(entry["id"] == command_id and entry["status"] != "pending" for entry in told):
                return
            if not select.select([conn], [], [], 30.0)[0]:
                raise RuntimeError(f"command {command_id} was not taken within 30 s")

    def _look(self, command_id: int) -> None:
        deadline = time.perf_counter() + 30.0
        while time.perf_counter() < deadline:
            self._cursor.execute("SELECT status FROM daemon_control WHERE id = %s", (command_id,))
            if self._cursor.fetchone()[0] != "pending":
                return
            time.sleep(0.001)
        raise RuntimeError(f"command {command_id} was not taken within 30 s")


def row(name: str, seconds: Sequence[float]) -> tuple[str, ...]:
    """One line of the table."""
    figures = [quantile(seconds, part) * 1000 for part in (0.5, 0.9, 0.99)] + [max(seconds) * 1000]
    return (name, str(len(seconds)), *(f"{figure:.1f}" for figure in figures))
