"""The life of a command, from a bare psql INSERT to its end, and what must not happen to it."""

from __future__ import annotations

import threading

import pytest
from bifrost.control import CommandStatus
from bifrost.db import control_rows
from bifrost.db.connect import connect
from bifrost.db.control_rows import IdempotencyConflict
from bifrost.db.queries import status

from tests.support.postgres import Database


def _status(database: Database, command_id: int) -> str | None:
    row = control_rows.get(database.connect("monitor"), command_id)
    return row.status if row else None


def test_a_bare_insert_lives_through_to_done(database: Database) -> None:
    database.query("INSERT INTO daemon_control (command) VALUES ('retry_ib')")
    engine = database.connect("engine")
    (row,) = control_rows.pending(engine)
    assert (row.command, row.args, row.status) == ("retry_ib", {}, CommandStatus.PENDING) and row.age_s < 30
    accepted = control_rows.accept(engine, row.id, 5)
    assert accepted is not None and accepted.status is CommandStatus.ACCEPTED
    assert accepted.consumed_at is not None and accepted.accepted_at is not None and accepted.epoch == 5
    assert control_rows.accept(engine, row.id, 5) is None, "nobody may carry a command out twice"
    assert control_rows.pending(engine) == []
    assert control_rows.finish(engine, row.id, "done", {"connected": True})
    assert not control_rows.finish(engine, row.id, "failed"), "what has ended stays ended"
    ended = control_rows.get(engine, row.id)
    assert ended is not None and ended.result == {"connected": True} and ended.finished_at is not None


def test_refused_and_expired_are_consumed_and_never_accepted(database: Database) -> None:
    monitor, engine = database.connect("monitor"), database.connect("engine")
    unknown, _ = control_rows.enqueue(monitor, "self_destruct")
    assert control_rows.refuse(engine, unknown, "unknown command")
    assert control_rows.accept(engine, unknown, 1) is None
    database.query("INSERT INTO daemon_control (command, created_at) VALUES ('stop', now() - interval '61 seconds')")
    fresh, _ = control_rows.enqueue(monitor, "flatten")
    old = control_rows.pending(engine)[0]
    assert control_rows.accept(engine, old.id, 1) is None, "too old to be carried out"
    (expired,) = control_rows.expire(engine)
    assert expired.id == old.id and expired.consumed_at is not None
    assert expired.result is not None and "60 s" in expired.result["reason"]
    assert [row.id for row in control_rows.pending(engine)] == [fresh]
    assert control_rows.expire(engine) == []


def test_only_legal_ends(database: Database) -> None:
    monitor, engine = database.connect("monitor"), database.connect("engine")
    command, _ = control_rows.enqueue(monitor, "flatten")
    assert not control_rows.finish(engine, command, "done"), "a pending command was never carried out"
    assert control_rows.accept(engine, command, 1)
    assert not control_rows.finish(engine, command, "refused")
    with pytest.raises(ValueError, match="ends no command"):
        control_rows.finish(engine, command, "accepted")
    assert control_rows.finish(engine, command, "failed", {"reason": "broker gone"})


def test_a_new_leader_fails_what_an_older_epoch_left(database: Database) -> None:
    monitor, engine = database.connect("monitor"), database.connect("engine")
    old, mine = (control_rows.enqueue(monitor, "flatten")[0] for _ in range(2))
    control_rows.accept(engine, old, 3)
    control_rows.accept(engine, mine, 4)
    assert control_rows.fail_orphans(engine, 4) == [old]
    row = control_rows.get(engine, old)
    assert row is not None and row.status is CommandStatus.FAILED and row.result == {"reason": "engine restarted"}
    assert _status(database, mine) == "accepted"


def test_the_same_key_and_body_is_the_first_command_another_body_conflicts(database: Database) -> None:
    """INV-K1."""
    monitor = database.connect("monitor")
    first, made = control_rows.enqueue(monitor, "flatten", {"target": "zero", "force": False}, "web", "k1")
    assert made
    assert control_rows.enqueue(monitor, "flatten", {"force": False, "target": "zero"}, "cli", "k1") == (first, False)
    for command, args in (("flatten", {"target": "delta"}), ("stop", {"target": "zero", "force": False})):
        with pytest.raises(IdempotencyConflict, match=f"command {first}") as caught:
            control_rows.enqueue(monitor, command, args, "web", "k1")
        assert caught.value.first_id == first
    assert control_rows.enqueue(monitor, "stop")[1] and control_rows.enqueue(monitor, "stop")[1]


def test_suspend_and_interval_change_the_run_status_with_their_command(database: Database) -> None:
    monitor = database.connect("monitor")
    first, made = control_rows.set_suspended(monitor, True, "web", "s1")
    run = status.run_status(monitor)
    assert made and run is not None and run.suspended and run.updated_at is not None
    assert control_rows.set_suspended(monitor, False, "web", "r1")[1]
    # A repeated request is answered, not carried out again over what came later.
    assert control_rows.set_suspended(monitor, True, "web", "s1") == (first, False)
    run = status.run_status(monitor)
    assert run is not None and not run.suspended
    control_rows.set_heartbeat_interval(monitor, 30, "web")
    run = status.run_status(monitor)
    assert run is not None and run.heartbeat_interval_sec == 30
    with pytest.raises(ValueError, match="5 to 120"):
        control_rows.set_heartbeat_interval(monitor, 4)
    commands = [row.command for row in control_rows.pending(monitor)]
    assert commands == ["suspend", "resume", "set_heartbeat_interval"]


def test_a_failing_run_status_leaves_no_command(database: Database) -> None:
    database.query("DELETE FROM daemon_run_status")
    monitor = database.connect("monitor")
    with pytest.raises(Exception, match="bifrost db refresh"):
        control_rows.set_suspended(monitor, True)
    assert control_rows.pending(monitor) == []


def test_of_many_engines_one_accepts(database: Database) -> None:
    """INV-K1."""
    command, _ = control_rows.enqueue(database.connect("monitor"), "flatten")
    gate, answers = threading.Barrier(4), list[bool]()

    def engine() -> None:
        conn = connect(database.params("engine"), service="engine")
        gate.wait(10)
        answers.append(control_rows.accept(conn, command, 1) is not None)
        conn.close()

    threads = [threading.Thread(target=engine) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(answers) == [False, False, False, True]
