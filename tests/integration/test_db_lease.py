"""The lease between two connections and two processes: one leads, a cut is survived, an overtaken engine knows."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from uuid import uuid4

import psycopg2
import pytest
from bifrost.db import ConnectionParams, DatabaseUnavailable, LeaseLost, connect, is_lease_passed
from bifrost.db.ephemeral import EphemeralPostgres
from bifrost.db.lease import LEASE_LOCK_KEY, Lease, LeaseState
from bifrost.db.queries import status
from bifrost.db.roles import OWNER
from bifrost.db.schema import init_sql

from tests.support.postgres import Database
from tests.support.waiting import wait_until


@pytest.fixture
def lease_pair(database: Database) -> Iterator[tuple[Lease, Lease]]:
    """Two engines' leases on one database."""
    pair = tuple(Lease(lambda: connect(database.params("engine"), service="engine")) for _ in range(2))
    yield pair[0], pair[1]
    for lease in pair:
        lease.close()


def _lock_holders(database: Database) -> list[int]:
    rows = database.query(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
        "AND ((classid::bigint << 32) | objid::bigint) = %s "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        LEASE_LOCK_KEY,
    )
    return [pid for (pid,) in rows]


def _cut(database: Database) -> None:
    """End the session that holds the lock, as a broken network or a restarted server would."""
    (holder,) = _lock_holders(database)
    database.query("SELECT pg_terminate_backend(%s, 5000)", holder)


def test_one_leads_the_other_waits_and_takes_over(database: Database, lease_pair: tuple[Lease, Lease]) -> None:
    first, second = lease_pair
    one, two = uuid4(), uuid4()
    assert first.try_acquire(one) == 1
    assert first.check() is LeaseState.HELD and first.beat() is LeaseState.HELD
    assert second.try_acquire(two) is None
    assert second.check() is LeaseState.LOST
    row = first.read()
    assert (row.owner, row.epoch, row.stopped_at) == (one, 1, None)

    first.release()
    assert first.epoch is None
    assert second.try_acquire(two) == 2
    assert first.check() is LeaseState.LOST
    informed = status.lease(database.connect("monitor"))
    assert informed is not None and informed.owner == str(two) and informed.epoch == 2
    assert informed.beat_age_s is not None and informed.beat_age_s < 30


def test_a_cut_connection_takes_the_lease_back_under_the_same_epoch(
    database: Database, lease_pair: tuple[Lease, Lease]
) -> None:
    first, second = lease_pair
    assert first.try_acquire(uuid4()) == 1
    _cut(database)
    assert first.beat() is LeaseState.CONNECTION_LOST
    # Asking again opens a new connection, which does not carry the lock.
    assert first.check() is LeaseState.CONNECTION_LOST
    assert first.beat() is LeaseState.CONNECTION_LOST
    assert first.retake() is LeaseState.HELD
    assert first.epoch == 1 and first.read().epoch == 1
    assert second.try_acquire(uuid4()) is None
    assert first.beat() is LeaseState.HELD


def test_a_lease_taken_meanwhile_is_lost_and_its_epoch_writes_no_more(
    database: Database, lease_pair: tuple[Lease, Lease]
) -> None:
    first, second = lease_pair
    epoch = first.try_acquire(uuid4())
    writer = database.connect("engine", epoch=epoch)
    with writer.cursor() as cursor:
        cursor.execute("INSERT INTO operations (type) VALUES ('cancel')")
    _cut(database)
    assert second.try_acquire(uuid4()) == 2
    assert first.retake() is LeaseState.LOST
    with pytest.raises(psycopg2.Error) as caught, writer.cursor() as cursor:
        cursor.execute("INSERT INTO operations (type) VALUES ('cancel')")
    assert is_lease_passed(caught.value)
    with pytest.raises(LeaseLost):
        first.mark_stopped()
    # Even when the new leader has gone again, what happened in between is not ours to continue.
    second.release()
    assert first.retake() is LeaseState.LOST
    assert first.try_acquire(uuid4()) == 3


def test_our_own_broken_session_that_the_server_still_counts_is_ended(
    database: Database, lease_pair: tuple[Lease, Lease]
) -> None:
    first, second = lease_pair
    assert first.try_acquire(uuid4()) == 1
    (holder,) = _lock_holders(database)
    # Gone for us, not yet for the server: what a cut network looks like before the keep-alives have spoken.
    orphan, first._conn = first._conn, None
    answers: list[LeaseState] = []

    def again() -> bool:
        answers.append(first.retake())
        return answers[-1] is LeaseState.HELD

    wait_until(again, 10, what="the lease")
    assert answers[0] is LeaseState.CONNECTION_LOST and LeaseState.LOST not in answers
    assert _lock_holders(database) != [holder]
    assert first.epoch == 1 and second.try_acquire(uuid4()) is None
    assert orphan is not None
    orphan.close()


def test_stop_ends_standbys_until_a_new_engine_clears_it(database: Database, lease_pair: tuple[Lease, Lease]) -> None:
    first, second = lease_pair
    first.try_acquire(uuid4())
    assert second.clear_stopped() is False
    first.mark_stopped()
    assert first.check() is LeaseState.STOPPED
    assert second.check() is LeaseState.STOPPED
    first.release()
    assert second.try_acquire(uuid4()) is None, "a standby must not lead a desk that was stopped"
    assert second.check() is LeaseState.STOPPED
    assert _lock_holders(database) == []

    started = Lease(lambda: connect(database.params("engine"), service="engine"))
    assert started.clear_stopped() is True
    assert started.try_acquire(uuid4()) == 2
    started.close()


def test_a_killed_process_leaves_the_lease_to_the_next(database: Database, lease_pair: tuple[Lease, Lease]) -> None:
    code = (
        "import sys, uuid\nfrom bifrost.db import connect\nfrom bifrost.db.lease import Lease\n"
        "lease = Lease(lambda: connect(service='engine'))\nprint(lease.try_acquire(uuid.uuid4()), flush=True)\n"
        "sys.stdin.read()\n"
    )
    env = {"PATH": os.environ["PATH"], **database.env("engine")}
    leader = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    )
    try:
        assert leader.stdout is not None and leader.stdout.readline().strip() == "1"
        standby = lease_pair[0]
        assert standby.try_acquire(uuid4()) is None
        leader.send_signal(signal.SIGKILL)
        leader.wait(10)
        assert wait_until(lambda: standby.try_acquire(uuid4()), 10, what="the lease of the killed engine") == 2
    finally:
        leader.kill()
        leader.communicate()


def test_a_stopped_server_is_a_lost_connection_and_its_return_gives_the_lease_back(
    private_server: EphemeralPostgres,
) -> None:
    params = ConnectionParams("127.0.0.1", private_server.port, "postgres", OWNER, private_server.password, 2)
    with contextlib.closing(connect(params, service="db")) as conn, conn.cursor() as cursor:
        cursor.execute(init_sql())
    lease = Lease(lambda: connect(params, service="engine"))
    assert lease.try_acquire(uuid4()) == 1
    private_server.kill()
    assert lease.beat() is LeaseState.CONNECTION_LOST
    assert lease.retake() is LeaseState.CONNECTION_LOST
    with pytest.raises(DatabaseUnavailable, match=str(private_server.port)):
        lease.read()
    private_server.start()
    assert lease.retake() is LeaseState.HELD
    assert lease.epoch == 1
    lease.close()
