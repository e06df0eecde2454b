"""Rules of the whole core that no gate shows alone: what is kept from leaving, taken back, left alone."""

from __future__ import annotations

import pytest
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.machines.hedge import HedgeState
from bifrost_engine.domain.machines.trading import TradingState
from bifrost_engine.domain.words import Side

from tests.engine.rig import STOCK, Rig, rules
from tests.engine.rule_builders import new_york
from tests.engine.test_decide_orders import quick_rig


def sent(rig: Rig) -> int:
    return len(rig.of(fx.PlaceOrder))


def reason(rig: Rig) -> str:
    return rig.last(fx.RecordDecision).block_reason


def test_no_order_leaves_while_the_stock_is_halted() -> None:
    """INV-G7."""
    rig = Rig(rules(), halted=True)
    rig.start()
    assert (sent(rig), reason(rig)) == (0, "halted")
    rig.halted = False
    rig.pass_time(1)
    assert sent(rig) == 1


def test_a_latched_breaker_lets_no_hedge_out_until_it_is_released() -> None:
    """INV-G8."""
    rig, ref = quick_rig(gates__guard__risk__max_daily_loss_usd=100.0, gates__intent__hedge__cooldown_seconds=0.0)
    rig.fill(ref)
    rig.wall_s += 0.25
    rig.quote(140.9)
    lost = rig.last(fx.PlaceOrder).intent.order_ref
    rig.status(lost, "Submitted")
    rig.pass_time(6)
    assert rig.state.day.breaker_latched
    assert rig.last(fx.CancelOrder).order_ref == lost, "the working order is taken back"
    rig.cancel(lost)
    rig.pass_time(10)
    assert (sent(rig), reason(rig)) == (2, "circuit_breaker")
    rig.send(ev.CommandReceived(rig.at, 1, "reset_breaker", {}))
    rig.pass_time(1)
    assert sent(rig) == 3


@pytest.mark.parametrize(
    ("moment", "leaves"),
    [("2026-05-07 09:29:30", False), ("2026-05-07 12:00", True), ("2026-05-07 15:59:31", False)],
)
def test_hedges_leave_in_the_session_alone(moment: str, leaves: bool) -> None:
    """INV-G11."""
    rig = Rig(rules(always_open=False), wall_s=new_york(moment), market_s=new_york(moment))
    rig.start()
    assert (sent(rig) == 1) is leaves
    assert leaves or reason(rig) == "outside_session"


@pytest.mark.parametrize(("order_type", "cancelled"), [("limit", True), ("market", False)])
def test_entering_safe_takes_a_limit_order_back_and_leaves_a_market_order_alone(
    order_type: str, cancelled: bool
) -> None:
    """INV-M4."""
    rig, ref = quick_rig(order__order_type=order_type)
    rig.status(ref, "Submitted")
    for _ in range(10):
        rig.wall_s += 0.25
        rig.quote(140.0, float("nan"))
    assert rig.state.trading is TradingState.SAFE
    assert bool(rig.of(fx.CancelOrder)) is cancelled
    assert rig.state.hedge is (HedgeState.CANCEL if cancelled else HedgeState.WORKING)


def test_a_difference_counts_only_when_two_comparisons_seconds_apart_agree() -> None:
    """A position that the broker shows a moment late is no trade of the operator's. INV-R2."""
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.pass_time(7)
    baselines = len(rig.of(fx.RecordBaseline))
    rig.shares += 60.0
    rig.truth()
    rig.pass_time(3)
    rig.shares -= 60.0
    rig.pass_time(40)
    assert len(rig.of(fx.RecordBaseline)) == baselines
    assert rig.state.external_shares == 0.0
    assert rig.state.recon.suspects == ()
    rig.shares += 60.0
    rig.pass_time(45)
    assert rig.state.external_shares == 60.0


def test_flatten_outside_the_session_is_refused_and_never_queued() -> None:
    """INV-F3."""
    rig, ref = quick_rig(always_open=False)
    rig.fill(ref)
    rig.pass_time(1)
    night = new_york("2026-05-07 17:00")
    rig.wall_s += night - (rig.market_s or 0.0)
    rig.market_s = night
    rig.pass_time(1)
    rig.send(ev.CommandReceived(rig.at, 9, "flatten", {"target": "zero", "force": True}))
    assert rig.last(fx.FinishCommand).status == "refused"
    assert rig.state.day.hold == ""
    morning = new_york("2026-05-08 10:00")
    rig.wall_s += morning - (rig.market_s or 0.0)
    rig.market_s = morning
    rig.pass_time(10)
    assert all(str(e.intent.purpose) == "hedge" for e in rig.of(fx.PlaceOrder))


def test_flatten_to_the_option_delta_only_reduces() -> None:
    """INV-F4."""
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.pass_time(1)
    rig.quote(139.6)  # the straddle now wants about half of what we are short
    rig.send(ev.CommandReceived(rig.at, 9, "flatten", {"target": "delta"}))
    rig.pass_time(0.5)
    order = rig.last(fx.PlaceOrder).intent
    assert order.side is Side.BUY and 0 < order.quantity < 134
    rig.fill(order.order_ref)
    rig.pass_time(1)
    left = rig.state.ledger.position(STOCK)
    assert left == -134 + order.quantity < 0
    rig.quote(141.0)
    rig.send(ev.CommandReceived(rig.at, 10, "flatten", {"target": "delta"}))
    rig.pass_time(5)
    assert rig.state.ledger.position(STOCK) == left, "what would enlarge our position is not traded"
