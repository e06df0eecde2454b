"""The engine lives without IB (RE-7)."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.support.acceptance import RETRY_S, Desk

pytestmark = pytest.mark.integration


def connected(desk: Desk) -> bool:
    return bool(desk.status()["daemon_heartbeat"]["ib_connected"])


def waits(desk: Desk) -> int | None:
    """Seconds until the next try, as the page shows them; only once the regular interval counts."""
    told = desk.status()["daemon_heartbeat"]
    seconds = told["seconds_until_retry"]
    return seconds if not told["ib_connected"] and seconds is not None and 2 < seconds <= RETRY_S else None


def test_TC_1_RE_7_1_yellow_with_a_countdown_alive_and_green_again_by_itself(desk: Desk) -> None:
    """TC-1-RE-7-1: IB away: heartbeats go on, commands are obeyed, yellow and never red; back: green by itself."""
    placed = len(desk.placed())
    lamps: set[str] = set()

    def lamp() -> str:
        told = desk.status()
        lamps.update((told["status_lamp"], told["daemon_lamp"]))
        return str(told["status_lamp"])

    desk.to_gateway.cut()
    desk.until(lambda: not connected(desk), "the loss of IB", 5)
    desk.until(lambda: lamp() == "yellow", "yellow", 10)
    first = desk.until(lambda: waits(desk), "the countdown", 15)
    desk.until(lambda: lamp() and (waits(desk) or first) < first, "the countdown to go on", 10)
    told = desk.status()
    assert any("ib" in reason.lower() for reason in told["block_reasons"]), told["block_reasons"]
    beat = told["daemon_heartbeat"]["last_ts"]
    desk.until(lambda: lamp() and desk.status()["daemon_heartbeat"]["last_ts"] > beat, "a heartbeat without IB", 10)
    assert told["daemon_heartbeat"]["daemon_alive"] and not told["daemon_heartbeat"]["hedge_running"]
    for name in ("suspend", "resume"):
        assert desk.command(name, 10)[0] == "done"
    at_the_loss = len(desk.placed())
    assert at_the_loss - placed <= 1
    desk.to_gateway.mend()
    desk.until(lambda: lamp() == "green", "green by itself", RETRY_S + 30)
    assert lamps == {"green", "yellow"}
    desk.hedge_again()
    desk.engine.until(lambda: desk.quiet() and desk.agrees(), "ledger and broker to agree", 30)
    desk.nothing_doubled()


def test_TC_1_RE_7_2_retry_ib_tries_at_once(desk: Desk) -> None:
    """TC-1-RE-7-2: the command does not wait for the countdown; flatten and stop are answered without IB, too."""
    desk.to_gateway.cut()
    desk.until(lambda: waits(desk), "the countdown", 20)
    status, result = desk.command("flatten")
    assert status == "refused" and "IB is not connected" in result["reason"]
    due = datetime.fromisoformat(
        desk.until(lambda: (waits(desk) or 0) >= 4 and desk.status()["daemon_heartbeat"]["next_retry_ts"], "time", 20)
    )
    desk.to_gateway.mend()
    assert desk.command("retry_ib")[0] == "done"
    desk.until(lambda: connected(desk), "the connection", 15)
    since = datetime.fromisoformat(desk.status()["daemon_heartbeat"]["ib_connected_since"])
    assert since < due
    desk.recover()
    desk.to_gateway.cut()
    desk.until(lambda: not connected(desk), "the loss of IB", 5)
    number = desk.ask("stop")
    assert desk.engine.exit_code(10) == 0
    assert desk.followed(number)[0] == "done"
