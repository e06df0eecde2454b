"""Notifications on an asyncio loop: they arrive, a cut is noticed, and the listener comes back by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bifrost.db import Backoff, Channel, ConnectionParams, Listener, connect

from tests.support.postgres import Database
from tests.support.waiting import free_port


async def _until(condition: Callable[[], bool], what: str, timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)
    assert condition(), what


def test_notifications_arrive_across_a_cut_connection(database: Database) -> None:
    heard: list[tuple[str, dict[str, Any]]] = []
    reconnects: list[int] = []
    reasons: list[str] = []

    async def scene() -> None:
        listener = Listener(
            lambda: connect(database.params("engine"), service="engine"),
            [Channel.CONTROL, Channel.RUN_STATUS],
            lambda channel, payload: heard.append((channel, payload)),
            lambda: reconnects.append(len(reconnects)),
            reasons.append,
            Backoff(0.01, 0.1),
        )
        task = asyncio.create_task(listener.run())
        await _until(lambda: listener.connected, "the first connection")
        await asyncio.to_thread(database.query, "INSERT INTO daemon_control (command) VALUES ('stop')")
        await _until(lambda: len(heard) == 1, "the command")
        assert heard == [("bifrost_control", {"id": 1, "status": "pending"})]

        listening = "FROM pg_stat_activity WHERE query LIKE 'LISTEN%%' AND datname = %s"
        end = f"SELECT pg_terminate_backend(pid, 5000) {listening}"
        await asyncio.to_thread(database.query, end, database.name)
        await _until(lambda: len(reconnects) == 2, "the reconnection")
        assert len(reasons) == 1 and "connection" in reasons[0]
        await asyncio.to_thread(database.query, "UPDATE daemon_run_status SET suspended = true")
        await _until(lambda: len(heard) == 2, "the notification after the cut")
        await asyncio.to_thread(database.query, "NOTIFY bifrost_control, 'no json'")
        await _until(lambda: len(heard) == 3, "the odd payload")
        assert heard[2] == ("bifrost_control", {})
        listener.stop()
        await asyncio.wait_for(task, 10)
        assert not listener.connected

    asyncio.run(scene())


def test_a_missing_database_is_tried_again_and_stop_does_not_wait_for_it() -> None:
    params = ConnectionParams("127.0.0.1", free_port(), "options_db", "bifrost_engine", "x", 1)
    reasons: list[str] = []

    async def scene() -> None:
        listener = Listener(
            lambda: connect(params, service="engine"),
            [Channel.CONTROL],
            lambda channel, payload: None,
            lambda: None,
            reasons.append,
            Backoff(0.01, 30.0),
        )
        task = asyncio.create_task(listener.run())
        await _until(lambda: len(reasons) >= 3, "three attempts")
        listener.stop()
        await asyncio.wait_for(task, 5)

    asyncio.run(scene())
    assert all("refused" in reason for reason in reasons)


def test_backoff_grows_to_its_limit_and_starts_over() -> None:
    backoff = Backoff(1.0, 8.0, jitter=0.0)
    assert [backoff.next_s() for _ in range(5)] == [1.0, 2.0, 4.0, 8.0, 8.0]
    backoff.reset()
    assert backoff.next_s() == 1.0
    spread = Backoff(1.0, 8.0, jitter=0.1, seed=1)
    assert 0.9 <= spread.next_s() <= 1.1
