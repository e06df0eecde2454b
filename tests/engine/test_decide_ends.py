"""How orders end, and what the trading machine is told of it: done or failed, exactly once (engine.md section 3)."""

from __future__ import annotations

import pytest
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.machines.hedge import IDLE, HedgeState
from bifrost_engine.domain.machines.trading import TradingState
from bifrost_engine.domain.words import IntentState, OrderErrorKind

from tests.engine.rig import Rig
from tests.engine.test_decide_orders import quick_rig


def intent_states(rig: Rig, ref: str) -> list[IntentState]:
    return [e.state for e in rig.of(fx.RecordIntentState) if e.order_ref == ref]


def test_an_order_that_the_broker_cancels_is_a_failed_hedge_and_backs_off() -> None:
    """INV-O11."""
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    rig.cancel(ref)
    assert rig.state.failures == 1
    assert rig.state.retry_after_s == rig.wall_s + 2.0
    assert rig.state.trading in (TradingState.NEED_HEDGE, TradingState.HEDGING)
    rig.pass_time(1)
    assert len(rig.of(fx.PlaceOrder)) == 1
    rig.pass_time(3)
    assert len(rig.of(fx.PlaceOrder)) == 2


def test_a_cancel_by_the_broker_that_only_a_probe_finds_is_a_failed_hedge_too() -> None:
    """INV-O11."""
    rig, ref = quick_rig()
    rig.cancel(ref, tell=False)
    for _ in range(60):
        rig.pass_time(0.25)
        if rig.state.order is None:
            break
    assert intent_states(rig, ref)[-1] is IntentState.CANCELLED
    assert rig.state.failures == 1
    assert rig.state.retry_after_s > rig.wall_s


def test_our_own_cancel_that_only_a_probe_finds_is_no_failure() -> None:
    """INV-O11."""
    rig, ref = quick_rig(order__order_type="limit")
    rig.status(ref, "Submitted")
    rig.quote(139.0)  # the need has gone
    assert rig.state.hedge is HedgeState.CANCEL
    rig.cancel(ref, tell=False)
    rig.pass_time(14)
    assert rig.state.hedge in IDLE and rig.state.failures == 0
    assert rig.state.retry_after_s == 0.0


def test_an_order_that_worked_and_is_gone_without_a_trace_was_sent_all_the_same() -> None:
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    rig.broker.pop(ref)
    rig.send(ev.ConnectivityLost(rig.at))
    rig.send(ev.ConnectivityRestored(rig.at, 1102))
    rig.pass_time(16)
    assert IntentState.NEVER_SENT not in intent_states(rig, ref)
    assert intent_states(rig, ref)[-1] is IntentState.CANCELLED
    assert "cancel" in rig.operations()


@pytest.mark.parametrize(("filled", "failures"), [(0, 1), (40, 0)])
def test_an_order_given_up_is_a_failed_hedge_unless_it_filled_in_part(filled: int, failures: int) -> None:
    """INV-O11."""
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    if filled:
        rig.fill(ref, filled)
    rig.pass_time(10.5)
    assert rig.state.hedge is HedgeState.CANCEL
    rig.cancel(ref)
    assert rig.state.failures == failures
    assert (rig.state.retry_after_s > rig.wall_s) == bool(failures)


def test_the_last_failure_leads_to_safe_which_says_why_and_since_when() -> None:
    """INV-M2."""
    rig, _ = quick_rig()
    for _ in range(3):
        ref = rig.last(fx.PlaceOrder).intent.order_ref
        sent = len(rig.of(fx.PlaceOrder))
        rig.status(ref, "Submitted")
        rig.cancel(ref)
        if rig.state.trading is TradingState.SAFE:
            break
        while len(rig.of(fx.PlaceOrder)) == sent:
            rig.pass_time(0.25)
    assert rig.state.trading is TradingState.SAFE
    assert rig.state.safe_cause == "exec_fault: hedges failed 3 times"
    assert rig.state.trading_since_s == rig.wall_s
    rig.pass_time(14)
    assert rig.state.trading is not TradingState.SAFE, "it leaves by itself"
    assert len(rig.of(fx.PlaceOrder)) == 4


def test_inactive_is_a_reject_before_anything_worked_and_a_question_afterwards() -> None:
    rig, ref = quick_rig()
    rig.status(ref, "Inactive")
    assert rig.state.hedge is HedgeState.FAIL
    again, ref = quick_rig()
    again.status(ref, "Submitted")
    again.answers_truth = False
    again.status(ref, "Inactive")
    assert again.state.hedge is HedgeState.UNKNOWN
    assert "reject" not in again.operations()


def test_an_order_that_waits_for_shares_to_borrow_says_so() -> None:
    rig, ref = quick_rig()
    intent = rig.broker[ref]
    rig.send(
        ev.OrderStatusReported(rig.at, ref, "PreSubmitted", 0, intent.quantity, None, 7001, 101, why_held="locate")
    )
    told = rig.last(fx.RecordIntentState)
    assert (told.state, told.reason) == (IntentState.WORKING, "locating")


@pytest.mark.parametrize("code", [10147, 10148, 104, 9999])
def test_a_code_that_tells_no_outcome_leads_to_probes_never_to_an_end(code: int) -> None:
    """INV-O6."""
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    rig.answers_truth = False
    rig.send(ev.OrderErrorReported(rig.at, ref, code, OrderErrorKind.UNCERTAIN, "?"))
    assert rig.state.hedge is HedgeState.UNKNOWN
    assert rig.state.order is not None
    rig.pass_time(20)
    assert len(rig.of(fx.PlaceOrder)) == 1


def held_404(acknowledged: bool, *, works: bool = True) -> tuple[Rig, str]:
    """A short sale for which IB looks for shares to borrow; it tells 404 before the status or after it."""
    rig, ref = quick_rig()
    if acknowledged:
        rig.status(ref, "PreSubmitted")
    if not works:
        rig.broker.clear()
    rig.send(ev.OrderErrorReported(rig.at, ref, 404, OrderErrorKind.HELD, "Order held while securities are located."))
    return rig, ref


def test_404_is_no_reject_the_order_is_held_and_no_second_one_leaves_beside_it() -> None:
    """IB: "The order will be held while we attempt to locate the shares"; it fills when they are found. INV-O6."""
    rig, ref = held_404(acknowledged=False)
    assert rig.state.hedge is HedgeState.UNKNOWN
    assert "reject" not in rig.operations()
    rig.pass_time(6)
    assert rig.state.hedge is HedgeState.WORKING, "the probe found it at the broker"
    rig.fill(ref)
    assert rig.state.hedge is HedgeState.FILLED
    assert [e.intent.order_ref for e in rig.of(fx.PlaceOrder)] == [ref]


def test_404_on_an_order_that_works_says_why_it_waits() -> None:
    rig, ref = held_404(acknowledged=True)
    assert rig.state.hedge is HedgeState.WORKING
    assert rig.last(fx.RecordIntentState).reason == "locating"
    assert rig.state.order is not None and rig.state.order.why_held == "locate"
    rig.pass_time(10.5)
    assert rig.last(fx.CancelOrder).order_ref == ref, "it is taken back when its time is over"


def test_404_on_an_order_that_is_being_taken_back_does_not_call_it_working() -> None:
    rig, ref = held_404(acknowledged=True)
    rig.pass_time(10.5)
    before = intent_states(rig, ref)
    rig.send(ev.OrderErrorReported(rig.at, ref, 404, OrderErrorKind.HELD, "Order held while securities are located."))
    assert rig.state.hedge is HedgeState.CANCEL and intent_states(rig, ref) == before


def test_404_with_no_working_status_is_a_reject_once_the_broker_shows_it_nowhere() -> None:
    """engine.md 4.5; what has been looked for twice is rejected, counts as no hedge and backs off. INV-D6."""
    rig, ref = held_404(acknowledged=False, works=False)
    rig.pass_time(6)
    assert "reject" not in rig.operations(), "one look is not enough"
    for _ in range(60):
        rig.pass_time(0.25)
        if rig.state.order is None:
            break
    assert intent_states(rig, ref)[-1] is IntentState.REJECTED
    (reject,) = [o for o in rig.of(fx.RecordOperation) if o.type is fx.OperationType.REJECT]
    assert reject.reason.startswith("404: Order held")
    assert (rig.state.failures, rig.state.day.hedge_count) == (1, 0)
    assert rig.state.retry_after_s > rig.wall_s
