"""Stopping from outside: signals, the control table, the button (R-C1)."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.support.acceptance import Desk, for_seconds

pytestmark = pytest.mark.integration

SECONDS = 10.0
"""Within seconds: an engine that may first cancel an order and write its last rows."""


def gone_gracefully(desk: Desk, began: float) -> None:
    """Ended with 0 in time, marked, left the gateway, and sent nothing more."""
    assert desk.engine.exit_code(SECONDS) == 0
    assert time.monotonic() - began < SECONDS
    marked = "SELECT graceful_shutdown_at >= last_ts - interval '1 s' AND NOT hedge_running FROM daemon_heartbeat"
    assert desk.database.value(marked)
    assert desk.engine.status()["daemon_state"] == "stopped"
    assert 1 not in desk.simulator.get("/state")["sessions"]
    placed = len(desk.placed())
    for_seconds(1.5, lambda: len(desk.placed()) == placed, "an order after the end")
    assert desk.quiet() and desk.agrees()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_TC_1_R_C1a_1_a_signal_ends_it_within_seconds(desk: Desk, number: signal.Signals) -> None:
    """TC-1-R-C1a-1: SIGTERM and SIGINT: exit 0 within seconds, the graceful mark, no order after it."""
    desk.hedge_again()
    began = time.monotonic()
    os.kill(desk.engine.pid, number)
    gone_gracefully(desk, began)


def test_TC_1_R_C1a_2_the_control_table_stops_it(desk: Desk) -> None:
    """TC-1-R-C1a-2: a bare INSERT from psql does what a control file was to do, and is answered in its row."""
    desk.hedge_again()
    began = time.monotonic()
    number = desk.database.value("INSERT INTO daemon_control (command) VALUES ('stop') RETURNING id")
    gone_gracefully(desk, began)
    row = "SELECT status, consumed_at IS NOT NULL, finished_at IS NOT NULL FROM daemon_control WHERE id = %s"
    assert desk.database.query(row, number) == [("done", True, True)]


def test_TC_2_R_C1b_1_post_stop_ends_the_engine_and_leaves_the_desk_up(desk: Desk) -> None:
    """TC-2-R-C1b-1: POST /control/stop: the engine ends, monitor, prices and page go on and say that it is stopped."""
    began = time.monotonic()
    number = desk.ask("stop")
    gone_gracefully(desk, began)
    assert desk.followed(number)[0] == "done"
    told = desk.until(lambda: (now := desk.status())["status_lamp"] == "red" and now, "the red lamp", 10)
    assert told["block_reasons"][0].startswith("stopped at ")
    assert told["daemon_heartbeat"]["graceful_shutdown_at"] is not None
    assert not told["daemon_heartbeat"]["hedge_running"]
    before = desk.database.value("SELECT max(updated_at) FROM instrument_prices")
    newer = "SELECT max(updated_at) > %s FROM instrument_prices"
    desk.until(lambda: desk.database.value(newer, before), "prices to go on", 15)
    assert desk.monitor.running and desk.pricer.running
