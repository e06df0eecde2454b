"""The writer against a real PostgreSQL: order, durability, outages, a lease that has passed on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from bifrost.db import DatabaseUnavailable, connect
from bifrost.db.connect import Connection, ConnectionParams
from bifrost.db.live_rows import Heartbeat
from bifrost.db.spool import Spool, SpoolError
from bifrost_engine.adapters.postgres.desk import PostgresDesk
from bifrost_engine.domain.words import Mode

from tests.support.fake_gateway import until
from tests.support.postgres import Database
from tests.support.proxy import Relay

pytestmark = pytest.mark.integration


class Bench:
    """A desk behind a relay that the test may cut."""

    def __init__(self, database: Database, relay: Relay, folder: Path, epoch: int = 1, **options: Any) -> None:
        params = database.params("engine")
        self.params = ConnectionParams("127.0.0.1", relay.port, params.database, params.user, params.password)
        self.database = database
        self.relay = relay
        self.folder = folder
        self.epoch = epoch
        self.changes: list[tuple[bool, str]] = []
        self.lost = 0
        self.answers: list[str] = []
        self.spool = Spool(folder, uuid4())
        self.desk = PostgresDesk(
            self._open,
            self.spool,
            epoch,
            on_change=lambda available, reason: self.changes.append((available, reason)),
            on_lease_lost=self._lease_lost,
            **options,
        )

    def _open(self) -> Connection:
        return connect(self.params, service="engine", epoch=self.epoch, lock_timeout_s=0.3)

    def _lease_lost(self) -> None:
        self.lost += 1

    def alert(self, code: str, **more: Any) -> None:
        """Hand over a row of `alerts` whose fate is noted."""
        row = {"severity": "info", "code": code, "message": "m", "record_id": str(uuid4())} | more
        self.desk.put(
            "alerts",
            row,
            on_durable=lambda: self.answers.append(f"durable {code}"),
            on_failed=lambda reason: self.answers.append(f"failed {code}"),
        )

    async def told(self, answer: str) -> None:
        await until(lambda: answer in self.answers, 15)

    async def is_away(self) -> None:
        await until(lambda: bool(self.changes) and not self.changes[-1][0], 15)

    async def is_back(self) -> None:
        await until(lambda: bool(self.changes) and self.changes[-1][0], 15)

    def codes(self) -> list[str]:
        return [code for (code,) in self.database.query("SELECT code FROM alerts ORDER BY id")]

    def spooled(self) -> int:
        return sum(len(path.read_bytes().splitlines()) for path in self.folder.glob("engine-*.jsonl"))


def with_bench(database: Database, folder: Path, scene: Callable[[Bench], Awaitable[None]], **options: Any) -> None:
    async def play() -> None:
        with Relay(database.server.port) as relay:
            bench = Bench(database, relay, folder, **options)
            bench.desk.start()
            try:
                await scene(bench)
            finally:
                await bench.desk.close()

    database.query("UPDATE engine_lease SET epoch = 1")
    asyncio.run(play())


def test_records_are_committed_in_order_and_then_told(database: Database, tmp_path: Path) -> None:
    async def scene(bench: Bench) -> None:
        for code in ("a", "b", "c"):
            bench.alert(code)
        await bench.told("durable c")
        assert bench.answers == ["durable a", "durable b", "durable c"]
        assert bench.codes() == ["a", "b", "c"]
        assert bench.database.query("SELECT DISTINCT origin_epoch FROM alerts") == [(1,)]
        assert bench.spooled() == 0 and bench.changes == [(True, "")]

    with_bench(database, tmp_path, scene)


def test_while_the_database_is_away_the_disk_keeps_everything(database: Database, tmp_path: Path) -> None:
    async def scene(bench: Bench) -> None:
        bench.alert("before")
        await bench.told("durable before")
        bench.relay.cut()
        bench.alert("during")
        await bench.told("durable during")
        assert bench.codes() == ["before"] and bench.spooled() == 1
        await bench.is_away()
        with pytest.raises(DatabaseUnavailable):
            await bench.desk.reserve_sequence()
        bench.relay.mend()
        bench.alert("after")
        await bench.is_back()
        await bench.told("durable after")
        await until(lambda: bench.codes() == ["before", "during", "after"], 15)
        assert bench.spooled() == 0

    with_bench(database, tmp_path, scene)


def test_who_asks_and_is_cancelled_meanwhile_does_not_upset_the_writer(database: Database, tmp_path: Path) -> None:
    """A stop cancels readings under way: the answer to nobody was taken for a failing database, the end was lost."""

    async def scene(bench: Bench) -> None:
        held = threading.Event()
        bench.desk.submit(lambda conn: held.wait(15))
        asked = asyncio.ensure_future(bench.desk.reserve_sequence())
        await asyncio.sleep(0)
        asked.cancel()
        bench.alert("after")
        held.set()
        await bench.told("durable after")
        assert bench.changes == [(True, "")] and bench.codes() == ["after"] and bench.spooled() == 0

    with_bench(database, tmp_path, scene)


def test_what_an_engine_left_on_the_disk_the_next_one_writes(database: Database, tmp_path: Path) -> None:
    async def first(bench: Bench) -> None:
        bench.relay.cut()
        bench.alert("left behind")
        await bench.told("durable left behind")

    async def second(bench: Bench) -> None:
        await bench.is_back()
        assert bench.codes() == ["left behind"]
        restored = await bench.desk.restore("DU1", Mode.LIVE, "NVDA")
        assert len(restored.sequence) == 200
        assert (await bench.desk.reserve_sequence()).start == restored.sequence.stop

    with_bench(database, tmp_path, first)
    assert database.query("SELECT code FROM alerts") == []
    with_bench(database, tmp_path, second)


def test_a_passed_lease_stops_the_writer_and_loses_nothing(database: Database, tmp_path: Path) -> None:
    async def scene(bench: Bench) -> None:
        bench.alert("mine")
        await bench.told("durable mine")
        database.query("UPDATE engine_lease SET epoch = 2")
        bench.alert("late")
        await bench.told("durable late")
        bench.alert("later")
        await bench.told("durable later")
        assert bench.lost == 1
        assert bench.codes() == ["mine"] and bench.spooled() == 2

    with_bench(database, tmp_path, scene)

    async def successor(bench: Bench) -> None:
        await bench.is_back()
        assert bench.codes() == ["mine", "late", "later"]
        assert database.query("SELECT code FROM alerts WHERE origin_epoch = 1") == [("mine",), ("late",), ("later",)]

    async def play() -> None:
        with Relay(database.server.port) as relay:
            bench = Bench(database, relay, tmp_path, epoch=2)
            bench.desk.start()
            await successor(bench)
            await bench.desk.close()

    asyncio.run(play())


def test_a_row_the_schema_refuses_holds_up_no_other(database: Database, tmp_path: Path) -> None:
    async def scene(bench: Bench) -> None:
        bench.alert("good")
        bench.alert("bad", severity="shrill")
        bench.alert("also good")
        await bench.told("durable also good")
        await bench.told("failed bad")
        assert bench.codes() == ["good", "also good"]
        await until(lambda: ["shrill" in kept.read_text() for kept in tmp_path.glob("*.refused")] == [True], 15)

    with_bench(database, tmp_path, scene)


def test_a_text_that_no_column_takes_holds_up_no_other_and_does_not_come_back_for_ever(
    database: Database, tmp_path: Path
) -> None:
    # A broker's text with a NUL: the driver refuses it with a ValueError, not with an error of the database.
    async def scene(bench: Bench) -> None:
        bench.alert("good")
        bench.alert("bad", message="torn\x00text")
        bench.alert("also good")
        await bench.told("durable also good")
        await bench.told("failed bad")
        await until(lambda: bool(list(tmp_path.glob("*.refused"))), 15)
        bench.alert("later")
        await bench.told("durable later")
        assert bench.codes() == ["good", "also good", "later"]

    with_bench(database, tmp_path, scene)


def test_the_outage_is_told_before_what_it_sends_to_the_disk_is_called_durable(
    database: Database, tmp_path: Path
) -> None:
    # An intent that only the spool holds must meet an engine that knows of the outage: its order does not leave.
    async def scene(bench: Bench) -> None:
        bench.alert("before")
        await bench.told("durable before")
        known: list[bool] = []
        row = {"severity": "info", "code": "intent", "message": "m", "record_id": str(uuid4())}
        bench.relay.cut()
        bench.desk.put("alerts", row, on_durable=lambda: known.append(bench.changes[-1][0]))
        await until(lambda: bool(known), 15)
        assert known == [False]

    with_bench(database, tmp_path, scene)


def test_a_lock_that_somebody_holds_sends_records_to_the_disk_not_away(database: Database, tmp_path: Path) -> None:
    async def scene(bench: Bench) -> None:
        bench.alert("before")
        await bench.told("durable before")
        holder = database.connect("owner", autocommit=False)
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE alerts IN ACCESS EXCLUSIVE MODE")
        bench.alert("waits")
        await bench.told("durable waits")
        assert bench.spooled() == 1 and not bench.desk.available
        holder.rollback()
        await until(lambda: bench.codes() == ["before", "waits"], 15)
        await bench.is_back()

    with_bench(database, tmp_path, scene)


def test_only_the_newest_picture_is_written(database: Database, tmp_path: Path) -> None:
    async def scene(bench: Bench) -> None:
        await bench.is_back()
        bench.relay.cut()
        for number in range(5):
            bench.desk.put_snapshot({"net_delta": float(number), "symbol": "NVDA"})
            bench.desk.beat(Heartbeat(hedge_running=True, ib_connected=True, ib_client_id=number))
        bench.alert("nudge")
        await bench.told("durable nudge")
        assert bench.spooled() == 1
        bench.relay.mend()
        await until(lambda: database.value("SELECT net_delta FROM status_current") == 4.0, 15)
        await until(lambda: database.value("SELECT ib_client_id FROM daemon_heartbeat") == 4, 15)

    with_bench(database, tmp_path, scene)


def test_a_picture_the_schema_refuses_does_not_hold_up_the_heartbeat(database: Database, tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        bench.desk.put_snapshot({"status_lamp": "no such colour"})
        bench.desk.beat(Heartbeat(hedge_running=True, ib_connected=False))
        bench.alert("later")
        await bench.told("durable later")
        await until(lambda: database.value("SELECT hedge_running FROM daemon_heartbeat") is True, 15)
        assert database.value("SELECT count(*) FROM status_current WHERE status_lamp IS NOT NULL") == 0

    with_bench(database, tmp_path, story)


def test_ends_of_commands_wait_for_the_database(database: Database, tmp_path: Path) -> None:
    insert = "INSERT INTO daemon_control (command) VALUES ('flatten') RETURNING id"

    async def scene(bench: Bench) -> None:
        await bench.is_back()
        carried, refused = database.value(insert), database.value(insert)
        bench.relay.cut()
        bench.desk.accept_command(carried)
        bench.desk.finish_command(carried, "done", {"own_shares": 0})
        bench.desk.accept_command(refused)
        # Begun and then not to be done: an accepted command can only fail.
        bench.desk.finish_command(refused, "refused", {"reason": "outside the session"})
        bench.alert("nudge")
        await bench.told("durable nudge")
        bench.relay.mend()
        state = "SELECT status, epoch FROM daemon_control WHERE id = %s"
        await until(lambda: database.query(state, carried) == [("done", 1)], 15)
        await until(lambda: database.query(state, refused) == [("failed", 1)], 15)

    with_bench(database, tmp_path, scene)


def test_a_backlog_without_end_goes_to_the_disk(database: Database, tmp_path: Path) -> None:
    async def scene(bench: Bench) -> None:
        await bench.is_back()
        holder = database.connect("owner", autocommit=False)
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE alerts IN ACCESS EXCLUSIVE MODE")
        for number in range(20):
            bench.alert(f"{number:02d}")
        await until(lambda: len(bench.answers) == 20, 15)
        holder.rollback()
        await until(lambda: sorted(bench.codes()) == [f"{number:02d}" for number in range(20)], 15)

    with_bench(database, tmp_path, scene, backlog_limit=3)


def test_a_record_that_nobody_takes_is_said_to_be_lost(database: Database, tmp_path: Path) -> None:
    async def scene(bench: Bench) -> None:
        def full(record: object) -> None:
            raise SpoolError("disk full")

        await bench.is_back()
        bench.relay.cut()
        bench.spool.append = full  # type: ignore[method-assign]
        bench.alert("homeless")
        await bench.told("failed homeless")
        bench.relay.mend()

    with_bench(database, tmp_path, scene)
