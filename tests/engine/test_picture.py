"""What the process adds to the core's picture: the market's clock, and the end of a simulated world."""

from __future__ import annotations

from datetime import UTC, datetime

from bifrost.clock import VirtualClock
from bifrost_engine.app.picture import picture
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.machines.daemon import DaemonState

from tests.engine.rig import Rig, rules


def test_a_scenario_that_is_over_is_said_first_and_never_green() -> None:
    rig = Rig(rules())
    rig.start()
    step = rig.send(ev.TimePassed(rig.at, rig.wall_s))
    clock = VirtualClock(datetime(2026, 5, 7, 14, tzinfo=UTC))
    shown = {"daemon": DaemonState.RUNNING, "stopping": "", "retry_s": None}
    before = picture(step, rig.rules, market=clock, **shown)
    assert before["status_lamp"] == "green"
    clock.scenario_over = True
    after = picture(step, rig.rules, market=clock, **shown)
    assert (after["status_lamp"], after["self_check"]) == ("yellow", "degraded")
    assert str(after["block_reasons"][0]).startswith("scenario_over")
    assert after["market_clock"]["scenario_over"] is True
