"""Rules that no client can forget: epoch, append-only, notifications, retention, constraints."""

from __future__ import annotations

import json
import select
from typing import Any

import psycopg2
import pytest
from bifrost.db import Connection, is_lease_passed, set_epoch
from bifrost.db.listener import Channel
from bifrost.db.records import Retention

from tests.support.postgres import Database

EPOCH_TABLES = [
    *("status_current", "status_history", "operations", "daemon_control", "daemon_run_status", "daemon_heartbeat"),
    *("accounts", "account_positions", "order_intents", "orders", "executions", "execution_costs", "managed_legs"),
    *(
        "external_baseline",
        "trading_days",
        "shadow_hedgers",
        "decisions",
        "decision_counts",
        "reconciliations",
        "alerts",
    ),
]
APPEND_ONLY = ["operations", "executions", "execution_costs", "reconciliations", "alerts"]


def _execute(conn: Connection, statement: str) -> None:
    with conn.cursor() as cursor:
        cursor.execute(statement)


def _lead(database: Database, epoch: int) -> None:
    database.query("UPDATE engine_lease SET epoch = %s WHERE id = 1", epoch)


def test_an_old_epoch_writes_nothing(database: Database) -> None:
    """INV-C1."""
    _lead(database, 7)
    # The owner with an epoch is an engine too: what counts is what the connection says it writes under.
    old, present = database.connect("owner", epoch=6), database.connect("owner", epoch=7)
    inserts = [(table, f"INSERT INTO {table} SELECT * FROM {table} WHERE false") for table in EPOCH_TABLES]
    deletes = [(table, f"DELETE FROM {table} WHERE false") for table in EPOCH_TABLES if table not in APPEND_ONLY]
    for table, statement in inserts + deletes:
        with pytest.raises(psycopg2.Error) as caught:
            _execute(old, statement)
        assert is_lease_passed(caught.value), table
        assert "epoch 6" in str(caught.value) and "epoch 7" in str(caught.value)
        _execute(present, statement)


def test_an_engine_without_epoch_is_refused_once_somebody_leads(database: Database) -> None:
    engine = database.connect("engine")
    _execute(engine, "INSERT INTO operations (type) VALUES ('cancel')")
    _lead(database, 1)
    with pytest.raises(psycopg2.Error) as caught:
        _execute(engine, "INSERT INTO operations (type) VALUES ('cancel')")
    assert is_lease_passed(caught.value)
    set_epoch(engine, 1)
    _execute(engine, "INSERT INTO operations (type) VALUES ('cancel')")
    assert database.value("SELECT count(*) FROM operations") == 2


def test_standbys_beat_and_the_monitor_writes_whatever_the_epoch(database: Database) -> None:
    _lead(database, 9)
    standby = database.connect("engine", epoch=2)
    _execute(
        standby,
        "INSERT INTO engine_instances (instance_id, host, pid, state, beat_at) "
        "VALUES (gen_random_uuid(), 'h', 1, 'standby', now())",
    )
    monitor = database.connect("monitor")
    _execute(monitor, "INSERT INTO daemon_control (command) VALUES ('stop')")
    _execute(monitor, "UPDATE daemon_run_status SET suspended = true")


def test_the_lease_never_goes_back(database: Database) -> None:
    """INV-C2."""
    _lead(database, 5)
    engine = database.connect("engine", epoch=5)
    with pytest.raises(psycopg2.Error) as caught:
        _execute(engine, "UPDATE engine_lease SET epoch = 4 WHERE id = 1")
    assert is_lease_passed(caught.value)
    old = database.connect("engine", epoch=4)
    with pytest.raises(psycopg2.Error) as caught:
        _execute(old, "UPDATE engine_lease SET beat_at = now() WHERE id = 1")
    assert is_lease_passed(caught.value)
    _execute(engine, "UPDATE engine_lease SET beat_at = now() WHERE id = 1")


@pytest.mark.parametrize("role", ["engine", "owner"])
def test_append_only_tables_refuse_change(database: Database, role: str) -> None:
    """INV-C3."""
    conn = database.connect(role)
    others = {"executions": "note", "execution_costs": "currency"}
    columns = {table: others.get(table, "record_id") for table in APPEND_ONLY}
    updates = [f"UPDATE {table} SET {column} = {column}" for table, column in columns.items()]
    removals = [f"{verb} {table}" for table in APPEND_ONLY for verb in ("DELETE FROM", "TRUNCATE")]
    for statement in updates + removals:
        with pytest.raises(psycopg2.Error) as caught:
            _execute(conn, statement)
        # The engine already lacks the grant; who has it is stopped by the trigger.
        assert caught.value.pgcode == ("BF002" if role == "owner" else "42501"), statement


def test_ids_make_records_unique(database: Database) -> None:
    fill = "INSERT INTO operations (type, exec_id) VALUES ('fill', 'e.1')"
    database.query(fill)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        database.query(fill)
    database.query("INSERT INTO operations (type, exec_id) VALUES ('cancel', 'e.1')")
    with pytest.raises(psycopg2.errors.CheckViolation):
        database.query("INSERT INTO operations (type, side) VALUES ('fill', 'HOLD')")
    for table in ("status_current", "daemon_run_status", "daemon_heartbeat", "settings", "engine_lease"):
        with pytest.raises((psycopg2.errors.CheckViolation, psycopg2.errors.NotNullViolation)):
            database.query(f"INSERT INTO {table} (id) VALUES (2)")


def _notices(conn: Connection, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Wait until ``count`` notifications came, at most five seconds."""
    while len(conn.notifies) < count:
        assert select.select([conn], [], [], 5)[0], f"only {conn.notifies}"
        conn.poll()
    found = [(notice.channel, json.loads(notice.payload)) for notice in conn.notifies]
    assert all(len(notice.payload) < 200 for notice in conn.notifies)
    conn.notifies.clear()
    return found


def test_every_channel_speaks_to_a_service_role(database: Database) -> None:
    listener = database.connect("monitor")
    for channel in Channel:
        _execute(listener, f"LISTEN {channel}")
    owner = database.connect("owner")

    _execute(owner, "INSERT INTO daemon_control (command) VALUES ('stop')")
    assert _notices(listener, 1) == [("bifrost_control", {"id": 1, "status": "pending"})]
    _execute(owner, "UPDATE daemon_run_status SET suspended = true")
    assert _notices(listener, 1) == [("bifrost_run_status", {"suspended": True})]
    _execute(owner, "INSERT INTO status_current (symbol) VALUES ('NVDA')")
    assert _notices(listener, 1) == [("bifrost_status", {"table": "status_current"})]
    _execute(owner, "INSERT INTO operations (type) VALUES ('fill')")
    assert _notices(listener, 1) == [("bifrost_operations", {"id": 1})]
    _execute(owner, "INSERT INTO decisions (outcome) VALUES ('blocked')")
    assert _notices(listener, 1) == [("bifrost_decisions", {"id": 1})]
    _execute(
        owner,
        "INSERT INTO account_positions (account_id, contract_key) SELECT 'DU1', n::text FROM generate_series(1, 9) n",
    )
    assert _notices(listener, 1) == [("bifrost_positions", {"account": "DU1"})]
    _execute(owner, "INSERT INTO instrument_prices (contract_key) SELECT n::text FROM generate_series(1, 40) n")
    assert _notices(listener, 1) == [("bifrost_prices", {"count": 40})]
    _execute(owner, "UPDATE instrument_prices SET mid = 1 WHERE contract_key IN ('1', '2')")
    assert _notices(listener, 1) == [("bifrost_prices", {"count": 2})]


def test_retention_removes_old_history_and_decisions_only(database: Database) -> None:
    """INV-C4."""
    old = "now() - interval '40 days'"
    for table, columns, values in (
        ("status_history", "symbol", "'NVDA'"),
        ("decisions", "outcome", "'blocked'"),
        ("operations", "type", "'fill'"),
        ("alerts", "severity, code, message", "'info', 'a', 'b'"),
    ):
        database.query(f"INSERT INTO {table} ({columns}, written_at) VALUES ({values}, {old})")
        database.query(f"INSERT INTO {table} ({columns}) VALUES ({values})")
    _lead(database, 3)
    engine = database.connect("engine", epoch=3)
    assert Retention(history_days=30, decisions_days=60).run(engine) == 1
    assert Retention(history_days=30, decisions_days=30).run(engine) == 1
    counts = {
        t: database.value(f"SELECT count(*) FROM {t}") for t in ("status_history", "decisions", "operations", "alerts")
    }
    assert counts == {"status_history": 1, "decisions": 1, "operations": 2, "alerts": 2}
    with pytest.raises(psycopg2.Error, match="at least 1"):
        Retention(0, 30).run(engine)
    with pytest.raises(psycopg2.Error) as caught:
        Retention(30, 30).run(database.connect("engine", epoch=2))
    assert is_lease_passed(caught.value)
