"""Legs that change under the engine, and own shares left without legs (engine.md sections 1 and 4.6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bifrost.contract import ContractKey, contract_key
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.words import BrokerPosition, Execution, Purpose, Side

from tests.engine.rig import ACCOUNT, CALL, PUT, STOCK, Rig, rules
from tests.engine.rule_builders import new_york
from tests.engine.test_decide_orders import quick_rig


def adjusted(rig: Rig, **changes: Any) -> None:
    """The broker's call becomes another contract under the same name."""
    original = rig.positions

    def positions() -> tuple[BrokerPosition, ...]:
        return tuple(replace(p, **changes) if p.key == CALL else p for p in original())

    rig.positions = positions  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"multiplier": 150.0}, "multiplier"), ({"con_id": 99}, "contract id")],
)
def test_another_contract_under_the_same_name_blocks_until_it_is_accepted(changes: dict[str, Any], what: str) -> None:
    """INV-R3."""
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.pass_time(1)
    adjusted(rig, **changes)
    rig.send(ev.PositionsReported(rig.at, rig.positions()))
    rig.pass_time(12)
    assert not rig.state.recon.done
    assert what in rig.state.recon.reason
    sent = len(rig.of(fx.PlaceOrder))
    rig.spot = 142.0
    rig.pass_time(70)
    assert len(rig.of(fx.PlaceOrder)) == sent
    pnl_usd = rig.state.day.daily_pnl_usd
    rig.send(ev.CommandReceived(rig.at, 1, "accept_positions", {"expected": {str(CALL): 20.0}}))
    assert rig.last(fx.FinishCommand).status == "done"
    assert rig.state.day.daily_pnl_usd == pytest.approx(pnl_usd)
    rig.pass_time(12)
    assert rig.state.recon.done
    leg = rig.state.legs[CALL]
    assert (leg.multiplier, leg.con_id) == (changes.get("multiplier", 100.0), changes.get("con_id", 1))
    assert rig.state.day.positions[CALL].multiplier == leg.multiplier
    assert rig.state.day.positions[CALL].quantity == 20.0
    rows = [e.row for e in rig.of(fx.RecordLeg) if e.row["contract_key"] == str(CALL)]
    assert rows[-1]["multiplier"] == leg.multiplier


def orphan_rig() -> Rig:
    """107 shares sold against two calls that were released: nothing is left to hedge."""
    keys = {"gates__strategy__structure__unwind_after_s": 30, "daemon__reconcile_interval_s": 10}
    rig = Rig(rules(**keys), legs={CALL: 2.0})
    rig.start()
    rig.fill(rig.last(fx.PlaceOrder).intent.order_ref)
    rig.pass_time(1)
    rig.send(ev.CommandReceived(rig.at, 1, "release_leg", {"contract_key": str(CALL)}))
    rig.pass_time(20, step_s=0.5)
    assert "orphan_hedge" in rig.alerts()
    assert len(rig.of(fx.PlaceOrder)) == 1, "not before two comparisons far enough apart"
    rig.pass_time(40, step_s=0.5)
    return rig


def test_own_shares_without_legs_are_traded_to_zero_once_two_comparisons_agree() -> None:
    """INV-R8."""
    rig = orphan_rig()
    order = rig.last(fx.PlaceOrder).intent
    assert (order.purpose, order.side, order.quantity) == (Purpose.UNWIND, Side.BUY, 107)
    assert rig.state.day.hold == "", "an unwind holds nothing"
    rig.fill(order.order_ref)
    rig.pass_time(10)
    assert rig.state.ledger.position(STOCK) == 0
    assert rig.state.flatten is None


def test_suspending_takes_back_what_the_engine_unwinds() -> None:
    """INV-O12."""
    rig = orphan_rig()
    ref = rig.last(fx.PlaceOrder).intent.order_ref
    rig.status(ref, "Submitted")
    rig.send(ev.SuspensionRead(rig.at, True))
    assert rig.last(fx.CancelOrder).order_ref == ref
    rig.cancel(ref)
    sent = len(rig.of(fx.PlaceOrder))
    rig.pass_time(20)
    assert len(rig.of(fx.PlaceOrder)) == sent


def test_legs_that_come_back_end_the_unwind() -> None:
    rig = orphan_rig()
    ref = rig.last(fx.PlaceOrder).intent.order_ref
    rig.status(ref, "Submitted")
    rig.send(ev.CommandReceived(rig.at, 9, "adopt_leg", {"contract_key": str(CALL)}))
    rig.pass_time(0.5)
    assert rig.last(fx.CancelOrder).order_ref == ref
    rig.cancel(ref)
    rig.pass_time(5)
    assert rig.state.flatten is None
    assert "unwind_ended" in rig.alerts()
    assert all(e.intent.purpose is not Purpose.UNWIND for e in rig.of(fx.PlaceOrder)[2:])


def test_a_straddle_that_is_gone_without_a_share_moving_was_not_exercised() -> None:
    """As many calls as puts would have delivered as many shares as they took: that nothing moved proves nothing.

    INV-R6.
    """
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.pass_time(1)
    rig.legs = {CALL: 0.0, PUT: 0.0}
    rig.send(ev.PositionsReported(rig.at, rig.positions()))
    rig.pass_time(15)
    assert "exercise" not in rig.alerts()
    assert rig.state.ledger.position(STOCK) == -134
    assert not rig.state.day.breaker_latched
    assert "unexplained_difference" in rig.alerts()


LOW_PUT = contract_key("NVDA", "OPT", "20260605", 137.0, "P")
HIGH_CALL = contract_key("NVDA", "OPT", "20260605", 143.0, "C")
LOW_CALL = contract_key("NVDA", "OPT", "20260605", 137.0, "C")
HIGH_PUT = contract_key("NVDA", "OPT", "20260605", 143.0, "P")


@pytest.mark.parametrize(
    ("legs", "delivered"),
    [
        ((HIGH_CALL, LOW_PUT), []),  # a strangle that dies worthless
        ((LOW_CALL, HIGH_PUT), [(137.0, 200.0), (143.0, -200.0)]),  # both in the money: shares in and out again
        ((LOW_CALL, LOW_PUT), [(137.0, 200.0)]),
    ],
)
def test_at_expiry_what_is_in_the_money_delivers_and_the_rest_dies(
    legs: tuple[ContractKey, ...], delivered: list[tuple[float, float]]
) -> None:
    """INV-R5."""
    rig = Rig(rules(gates__intent__hedge__cooldown_seconds=0.0), legs=dict.fromkeys(legs, 2.0))
    rig.start()
    for ref in list(rig.broker):
        rig.fill(ref)
    rig.send(ev.SuspensionRead(rig.at, True))
    friday = new_york("2026-06-05 16:00")
    rig.wall_s += friday + 60 - (rig.market_s or 0.0)
    rig.market_s = friday + 60
    rig.pass_time(3)
    own = rig.state.ledger.position(STOCK)
    rig.shares += sum(shares for _, shares in delivered)
    rig.legs = dict.fromkeys(legs, 0.0)
    rig.send(ev.PositionsReported(rig.at, rig.positions()))
    rig.pass_time(15)
    booked = [e.execution for e in rig.of(fx.RecordExecution) if e.execution.exec_id.startswith("exer:")]
    assert sorted((e.price, e.signed_quantity) for e in booked) == delivered
    assert rig.state.recon.done
    assert not any(leg.managed for leg in rig.state.legs.values())
    assert rig.state.ledger.position(STOCK) == own + sum(shares for _, shares in delivered)
    assert rig.state.external_shares == 0.0


def test_a_disappearance_that_nothing_explains_never_trades() -> None:
    """INV-R8."""
    rig, ref = quick_rig(gates__strategy__structure__unwind_after_s=30, daemon__reconcile_interval_s=10)
    rig.fill(ref)
    rig.pass_time(1)
    rig.legs = {CALL: 0.0, PUT: 0.0}
    rig.send(ev.PositionsReported(rig.at, rig.positions()))
    rig.pass_time(120, step_s=1)
    assert not rig.state.recon.done
    assert len(rig.of(fx.PlaceOrder)) == 1


def expiring(*keys: ContractKey, quantity: float = 2.0) -> Rig:
    """Legs that have just expired on a Friday with the stock at 140, hedging suspended."""
    rig = Rig(rules(gates__intent__hedge__cooldown_seconds=0.0), legs=dict.fromkeys(keys, quantity))
    rig.start()
    for ref in list(rig.broker):
        rig.fill(ref)
    rig.send(ev.SuspensionRead(rig.at, True))
    friday = new_york("2026-06-05 16:00")
    rig.wall_s += friday - 10 - (rig.market_s or 0.0)
    rig.market_s = friday - 10
    rig.pass_time(20)
    return rig


def gone(rig: Rig) -> None:
    rig.legs = dict.fromkeys(rig.legs, 0.0)
    rig.send(ev.PositionsReported(rig.at, rig.positions()))
    rig.pass_time(15)


def test_a_leg_in_the_money_that_is_gone_waits_for_its_shares() -> None:
    """The broker takes the contract away before it delivers: taken for dead, its shares would be a stranger's."""
    rig = expiring(LOW_CALL)
    own = rig.state.ledger.position(STOCK)
    gone(rig)
    assert not rig.state.recon.done and rig.state.legs[LOW_CALL].managed
    assert "unexplained_difference" in rig.alerts()
    rig.shares += 200.0
    rig.send(ev.PositionsReported(rig.at, rig.positions()))
    rig.pass_time(35)
    assert rig.state.recon.done
    assert rig.state.ledger.position(STOCK) == own + 200.0
    assert (rig.state.external_shares, rig.state.legs[LOW_CALL].managed) == (0.0, False)


def test_shares_wait_with_a_leg_that_nothing_explains() -> None:
    """A number of shares that fits no leg may still be its exercise: it is nobody's before the operator has looked."""
    rig = expiring(LOW_CALL)
    rig.shares += 150.0
    gone(rig)
    assert rig.state.external_shares == 0.0 and not rig.state.recon.done
    rig.send(ev.CommandReceived(rig.at, 5, "accept_positions", {"expected": {str(LOW_CALL): 0.0}}))
    assert rig.last(fx.FinishCommand).status == "done"
    rig.pass_time(12)
    assert rig.state.recon.done and rig.state.external_shares == 150.0


def test_a_leg_that_dies_worthless_costs_its_last_mark() -> None:
    rig = expiring(HIGH_CALL)
    before = rig.state.day.daily_pnl_usd
    mark = rig.state.day.positions[HIGH_CALL].mark
    assert mark == 5.5
    gone(rig)
    assert rig.state.recon.done
    assert rig.state.legs[HIGH_CALL].release_reason == "expired"
    assert rig.state.day.daily_pnl_usd == pytest.approx(before - mark * 2 * 100)


def test_an_expiry_that_no_engine_saw_is_believed_when_two_comparisons_agree_and_no_share_moved() -> None:
    rig = expiring(LOW_CALL)
    day = dict(rig.last(fx.RecordTradingDay).row) | {"attribution": None}
    again = rig.restart(trading_day=day)
    again.legs = {LOW_CALL: 0.0}
    again.market_s = new_york("2026-06-08 08:00")
    again.start()
    again.pass_time(15)
    assert again.state.recon.done
    assert again.state.legs[LOW_CALL].release_reason == "expired"
    assert again.state.external_shares == 0.0


def test_what_others_trade_counts_at_their_price_not_at_the_mark() -> None:
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.pass_time(1)
    before = rig.state.day.daily_pnl_usd
    rig.legs[CALL] = 23.0
    for number, (quantity, price) in enumerate(((2.0, 5.20), (1.0, 5.50)), 1):
        bought = Execution(
            f"00ff.0{number}.01", ACCOUNT, CALL, Side.BUY, quantity, price, rig.market_s or 0.0, multiplier=100.0
        )
        rig.executions.append(bought)
        rig.send(ev.ExecutionReported(rig.at, bought))
    rig.send(ev.PositionsReported(rig.at, rig.positions()))
    rig.pass_time(3)
    assert rig.state.legs[CALL].quantity == 23.0 and rig.state.recon.done
    # Marked at 5.50: two of them came 0.30 below it.
    assert rig.state.day.daily_pnl_usd - before == pytest.approx(2 * 100 * 0.30, abs=1e-6)


def test_shares_delivered_on_a_late_evening_carry_new_yorks_date() -> None:
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.pass_time(1)
    rig.market_s = new_york("2026-05-07 22:30")  # the eighth already in UTC
    rig.legs[CALL] -= 1.0
    rig.shares += 100.0
    rig.send(ev.PositionsReported(rig.at, rig.positions()))
    rig.pass_time(12)
    (booked,) = [e.execution for e in rig.of(fx.RecordExecution) if e.execution.exec_id.startswith("exer:")]
    assert booked.exec_id == f"exer:{CALL}:20260507"
