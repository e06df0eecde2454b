"""Exactly one engine trades at a time (RE-6)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.acceptance import Desk, for_seconds
from tests.support.engine import EngineProcess

pytestmark = pytest.mark.integration


def waiting(desk: Desk, engine: EngineProcess) -> bool:
    """It stands by: its own beat says so."""
    state = "SELECT state FROM engine_instances WHERE pid = %s ORDER BY started_at DESC LIMIT 1"
    return bool(desk.database.value(state, engine.pid) == "standby")


def lease(desk: Desk) -> dict[str, Any]:
    row = desk.database.query("SELECT owner, epoch, stopped_at FROM engine_lease")[0]
    return dict(zip(("owner", "epoch", "stopped_at"), row, strict=True))


def leads(desk: Desk, engine: EngineProcess, epoch: int) -> bool:
    return bool(engine.status().get("epoch") == epoch and engine.status()["daemon_state"] == "running")


def test_TC_1_RE_6_1_a_second_engine_stands_by(desk: Desk) -> None:
    """TC-1-RE-6-1: it beats as standby, stays away from IB and from commands, and the first one trades on."""
    before = lease(desk)
    with desk.new_engine("second") as second:
        second.until(lambda: waiting(desk, second), "the standby's beat")
        sessions = desk.simulator.get("/state")["sessions"]
        desk.hedge_again()
        assert desk.command("refresh_accounts")[0] == "done"
        assert sorted(desk.simulator.get("/state")["sessions"]) == sorted(sessions) and sessions.count(1) == 1
        assert lease(desk) == before
        told = desk.until(lambda: len((now := desk.status())["instances"]) >= 2 and now, "both on the page", 10)
        assert {row["state"] for row in told["instances"]} >= {"running", "standby"}
        assert told["status"]["epoch"] == before["epoch"]
        assert waiting(desk, second)
        assert second.terminate() == 0
    assert lease(desk) == before and desk.engine.running


def test_TC_1_RE_6_2_the_standby_takes_over_from_a_killed_leader(desk: Desk) -> None:
    """TC-1-RE-6-2: kill -9 of the leader: the standby leads under the next epoch, on the same ledger, hedging."""
    epoch = lease(desk)["epoch"]
    with desk.new_engine("heir") as heir:
        heir.until(lambda: waiting(desk, heir), "the standby's beat")
        desk.hedge_again()
        desk.engine.kill()
        heir.until(lambda: leads(desk, heir, epoch + 1), "the standby to lead", 60)
        fills = desk.fills()
        heir.until(lambda: desk.fills() > fills, "its first fill", 60)
        heir.until(lambda: desk.quiet() and desk.agrees(), "ledger and broker to agree", 60)
        desk.nothing_doubled()
        assert lease(desk)["epoch"] == epoch + 1
        assert heir.terminate() == 0


def test_TC_1_RE_6_3_sigterm_hands_over_and_stop_ends_all(desk: Desk) -> None:
    """TC-1-RE-6-3: SIGTERM is for one process, the standby takes over; stop is for the desk and wakes no standby."""
    epoch = lease(desk)["epoch"]
    with desk.new_engine("next") as following:
        following.until(lambda: waiting(desk, following), "the standby's beat")
        assert desk.engine.terminate() == 0
        following.until(lambda: leads(desk, following, epoch + 1), "the standby to lead", 60)
        desk.engine.start()
        desk.engine.until(lambda: waiting(desk, desk.engine), "the first one to stand by")
        number = desk.ask("stop")
        assert following.exit_code() == 0 and desk.engine.exit_code() == 0
    assert desk.followed(number)[0] == "done"
    after = lease(desk)
    assert after["owner"] is None and after["stopped_at"] is not None and after["epoch"] == epoch + 1
    placed = len(desk.placed())
    for_seconds(1.0, lambda: len(desk.placed()) == placed, "an order after the stop")
    desk.recover()
    assert lease(desk)["stopped_at"] is None and lease(desk)["epoch"] == epoch + 2
