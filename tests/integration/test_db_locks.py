"""Locks of dead engines: a really locked row, ended only when it is provably ours and past."""

from __future__ import annotations

import io

import psycopg2
import pytest
from bifrost import cli
from bifrost.db import Connection, connect
from bifrost.db.live_rows import Heartbeat, write_heartbeat
from bifrost.db.locks import end_sessions, lock_holders, retry_past_dead_engine

from tests.support.postgres import Database

BEAT = Heartbeat(hedge_running=True, ib_connected=False)


def _hold(conn: Connection, table: str = "daemon_heartbeat") -> int:
    """Lock the row of a table inside a transaction that stays open; the backend's pid."""
    column = {"daemon_heartbeat": "last_error = 'held'", "daemon_run_status": "updated_at = now()"}[table]
    with conn.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} WHERE id = 1")
    return int(conn.info.backend_pid)


def _impatient(database: Database, epoch: int) -> Connection:
    return connect(database.params("engine"), service="engine", epoch=epoch, lock_timeout_s=0.2)


def test_a_new_leader_gets_past_its_dead_predecessor(database: Database) -> None:
    database.query("UPDATE engine_lease SET epoch = 1 WHERE id = 1")
    dead = database.connect("engine", epoch=1, autocommit=False)
    pid = _hold(dead)
    database.query("UPDATE engine_lease SET epoch = 2 WHERE id = 1")
    leader = _impatient(database, 2)
    (holder,) = lock_holders(leader)
    assert (holder.pid, holder.epoch, holder.lease_epoch, holder.may_end) == (pid, 1, 2, True)
    assert "epoch 1" in holder.reason and "daemon_heartbeat" in str(holder)

    retry_past_dead_engine(leader, lambda: write_heartbeat(leader, BEAT))
    assert lock_holders(leader) == []
    assert database.value("SELECT hedge_running FROM daemon_heartbeat") is True
    with pytest.raises(psycopg2.OperationalError), dead.cursor() as cursor:
        cursor.execute("SELECT 1")
    leader.close()


def test_an_idle_transaction_of_the_present_epoch_is_ended_unless_it_is_spared(database: Database) -> None:
    database.query("UPDATE engine_lease SET epoch = 2 WHERE id = 1")
    stuck = database.connect("engine", epoch=2, autocommit=False)
    pid = _hold(stuck)
    leader = _impatient(database, 2)
    with pytest.raises(psycopg2.errors.LockNotAvailable):
        retry_past_dead_engine(leader, lambda: write_heartbeat(leader, BEAT), spare_pids=[pid])
    retry_past_dead_engine(leader, lambda: write_heartbeat(leader, BEAT))
    leader.close()


@pytest.mark.parametrize(("role", "service"), [("owner", "psql"), ("monitor", "monitor")])
def test_other_programs_are_listed_and_left_alone(database: Database, role: str, service: str) -> None:
    other = database.connect(role, service=service, autocommit=False)
    pid = _hold(other, "daemon_run_status")
    owner = database.connect("owner")
    (holder,) = lock_holders(owner)
    assert (holder.pid, holder.may_end) == (pid, False) and "not a Bifrost engine" in holder.reason
    assert end_sessions(owner, [holder]) == []
    other.commit()
    assert lock_holders(owner) == []


def test_readers_and_other_errors_are_not_lock_time_outs(database: Database) -> None:
    reader = database.connect("monitor", autocommit=False)
    with reader.cursor() as cursor:
        cursor.execute("SELECT * FROM daemon_heartbeat")
    assert lock_holders(database.connect("owner")) == []

    def broken() -> None:
        raise psycopg2.errors.UndefinedTable("no table")

    with pytest.raises(psycopg2.errors.UndefinedTable):
        retry_past_dead_engine(database.connect("engine"), broken)


def test_release_locks_lists_asks_and_ends(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in database.env("owner").items():
        monkeypatch.setenv(name, value)
    assert cli.main(["db", "release-locks"]) == 0
    assert "nobody holds a lock" in capsys.readouterr().out

    database.query("UPDATE engine_lease SET epoch = 2 WHERE id = 1")
    dead, other = database.connect("engine", epoch=2, autocommit=False), database.connect("owner", service="psql")
    other.autocommit = False
    pid, kept = _hold(dead), _hold(other, "daemon_run_status")
    assert cli.main(["db", "release-locks", "--dry-run"]) == 0
    listed = capsys.readouterr().out
    assert f"end   pid {pid} bifrost-engine" in listed and f"leave pid {kept} bifrost-psql" in listed
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert cli.main(["db", "release-locks"]) == 1
    assert "--yes" in capsys.readouterr().out
    assert len(lock_holders(database.connect("owner"))) == 2, "nothing may be ended without a yes"
    assert cli.main(["db", "release-locks", "--yes"]) == 0
    assert "1 of 1 session(s) ended" in capsys.readouterr().out
    assert [holder.pid for holder in lock_holders(database.connect("owner"))] == [kept]
