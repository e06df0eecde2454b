"""The lamp in every state of the desk (engine.md section 7): green exactly when a forced hedge would go out.

Each state is reached by events, not made up: what the self-check says is held against what the core does when the same
state meets a delta that forces a hedge. Pacing gates and our own working order never colour.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.decide import decide
from bifrost_engine.domain.selfcheck.selfcheck import Surroundings
from bifrost_engine.domain.selfcheck.snapshot import snapshot_row
from bifrost_engine.domain.words import Purpose

from tests.engine.desk_states import COLOURED_ALL_THE_SAME, GREEN, STATES, Row
from tests.engine.rig import CALL, Rig, rules


def shown(rig: Rig) -> dict[str, Any]:
    step = rig.send(ev.TimePassed(rig.at, rig.state.link.last_arrival_s))
    around = Surroundings("running", rig.state.stopping, trading_since_s=rig.state.trading_since_s)
    return dict(snapshot_row(step, rig.rules, around))


def would_hedge(rig: Rig) -> bool:
    """Whether a hedge leaves when every delta forces one; pacing, which never colours, is set aside."""
    config = rig.rules.config.model_copy(deep=True)
    bands = config.gates.state.delta.model_copy(
        update={"epsilon_band": 0.0, "threshold_hedge_shares": 0.001, "max_delta_limit": 0.002}
    )
    state_gates = config.gates.state.model_copy(update={"delta": bands})
    hedge = config.gates.intent.hedge.model_copy(update={"min_hedge_shares": 0})
    intent = config.gates.intent.model_copy(update={"hedge": hedge})
    gates = config.gates.model_copy(update={"state": state_gates, "intent": intent})
    harsh = replace(rig.rules, config=config.model_copy(update={"gates": gates}))
    state = rig.state
    exposure = state.exposure
    if exposure is not None and exposure.net_delta_shares is not None and abs(exposure.net_delta_shares) < 1.0:
        # A few shares come from outside, so that there is something to hedge.
        legs = {key: replace(leg, quantity=leg.quantity + 0.2) for key, leg in state.legs.items() if key == CALL}
        state = replace(state, legs={**state.legs, **legs})
    step = decide(state, ev.TimePassed(rig.at, state.link.last_arrival_s), harsh)
    return any(isinstance(e, fx.PersistIntent) and e.intent.purpose is Purpose.HEDGE for e in step.effects)


@pytest.mark.parametrize("row", STATES, ids=[row.name for row in STATES])
def test_the_lamp_of_each_state(row: Row) -> None:
    rig = row.reach()
    picture = shown(rig)
    assert (picture["status_lamp"], picture["block_reasons"][:1]) == (
        row.lamp,
        [reason for reason in picture["block_reasons"][:1] if reason.startswith(row.reason)] if row.reason else [],
    ), picture["block_reasons"]
    assert picture["self_check"] == {"green": "ok", "yellow": "degraded", "red": "blocked"}[row.lamp]
    if row.lamp == GREEN:
        assert all(check["state"] == "ok" for check in picture["checks"])
    if not row.order:
        assert would_hedge(rig) is (row.lamp == GREEN or row.name in COLOURED_ALL_THE_SAME), rig.state.last_decision


def test_without_market_time_nothing_is_decided_and_nothing_is_green() -> None:
    rig = Rig(rules(), market_s=None)
    rig.start()
    picture = shown(rig)
    assert picture["status_lamp"] == "yellow" and "clock" in picture["block_reasons"][0]
    assert not rig.of(fx.PlaceOrder)


def test_the_table_has_every_state_that_the_specification_names() -> None:
    named = {"SAFE, short", "SAFE, long", "PAUSE_COST", "PAUSE_LIQ", "suspended", "hold", "standby", "breaker",
             "orphan hedge", "unknown order", "IB down", "database down", "greeks bad", "cooldown", "in band",
             "stopping", "no legs", "flat volatility", "outside the session", "reset window", "earnings"}  # fmt: skip
    assert named <= {row.name for row in STATES}
