"""One order from target to known end: what leaves, what is written, what each answer of the broker leads to."""

from __future__ import annotations

import pytest
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.machines.hedge import HedgeState
from bifrost_engine.domain.machines.trading import TradingState
from bifrost_engine.domain.words import IntentState, OrderErrorKind, OrderType, Side

from tests.engine.rig import ACCOUNT, STOCK, Rig, rules


def hedging_rig(**keys: object) -> tuple[Rig, str]:
    """A rig whose first hedge has been sent; the straddle at 140 asks to sell about 134 shares."""
    rig = Rig(rules(**keys))
    rig.start()
    assert rig.state.hedge is HedgeState.WAIT_ACK or rig.state.order is not None
    return rig, rig.last(fx.PlaceOrder).intent.order_ref


def quick_rig(**keys: object) -> tuple[Rig, str]:
    """As `hedging_rig`, stopped at the moment the order has left."""
    rig = Rig(rules(**keys))
    rig.send(ev.DatabaseChanged(rig.at, True))
    rig.send(ev.LeaseChanged(rig.at, True))
    rig.send(ev.SuspensionRead(rig.at, False))
    rig.link_up()
    for _ in range(80):
        if rig.of(fx.PlaceOrder):
            break
        rig.pass_time(0.25)
    return rig, rig.last(fx.PlaceOrder).intent.order_ref


def test_TC_1_R_M4a_1_intent_order_and_fill_each_leave_a_row() -> None:
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    rig.fill(ref)
    assert rig.operations() == ["hedge_intent", "order_sent", "fill"]
    intent = rig.last(fx.PersistIntent).intent
    assert (intent.side, intent.quantity, intent.account) == (Side.SELL, 134, ACCOUNT)
    assert rig.state.hedge is HedgeState.FILLED
    assert rig.state.trading in (TradingState.MONITOR, TradingState.NO_TRADE)
    exposure = rig.state.exposure
    assert exposure is not None and exposure.net_delta_shares is not None
    assert abs(exposure.net_delta_shares) <= rig.config.gates.state.delta.epsilon_band


def test_the_order_leaves_only_after_its_intent_is_durable() -> None:
    """INV-O3."""
    rig = Rig(rules(order__ack_timeout_s=20))
    rig.intents_durable = False
    rig.start()
    assert rig.of(fx.PersistIntent) and not rig.of(fx.PlaceOrder)
    assert rig.state.hedge is HedgeState.SEND
    step = rig.send(ev.IntentDurable(rig.at, rig.last(fx.PersistIntent).intent.order_ref))
    assert len(rig.of(fx.PlaceOrder)) == 1
    # Without a look at the world the picture of this moment would have no time and no delta.
    assert step.evaluation is not None


def test_an_intent_that_cannot_be_written_sends_nothing_and_is_tried_afresh() -> None:
    """INV-O3."""
    rig = Rig(rules())
    rig.intents_durable = False
    rig.start()
    first = rig.last(fx.PersistIntent).intent.order_ref
    rig.send(ev.IntentFailed(rig.at, first, "disk full"))
    assert rig.state.hedge is HedgeState.FAIL and not rig.of(fx.PlaceOrder)
    rig.intents_durable = True
    rig.pass_time(6)
    assert rig.last(fx.PlaceOrder).intent.order_ref != first


def test_every_order_ref_is_new() -> None:
    """INV-O2."""
    rig, ref = quick_rig(gates__intent__hedge__cooldown_seconds=0.0, gates__guard__risk__max_orders_per_minute=1000)
    seen = {ref}
    for move in (1.0, -1.0, 1.5, -1.5):
        rig.fill(rig.last(fx.PlaceOrder).intent.order_ref)
        rig.spot += move
        rig.pass_time(8)
        seen.add(rig.last(fx.PlaceOrder).intent.order_ref)
    assert len(seen) == 5


def test_order_sent_that_is_not_acknowledged_in_time_is_unknown_and_never_taken_for_a_reject() -> None:
    """INV-O6."""
    rig, _ = quick_rig()
    rig.answers_truth = False
    rig.pass_time(5.25)
    assert rig.state.hedge is HedgeState.UNKNOWN
    assert "reject" not in rig.operations()
    assert len(rig.of(fx.PlaceOrder)) == 1


def test_an_unknown_order_that_still_works_is_found_and_followed() -> None:
    rig, ref = quick_rig()
    rig.pass_time(5.25)
    rig.pass_time(1)
    assert rig.state.hedge is HedgeState.WORKING
    rig.fill(ref)
    assert rig.state.hedge is HedgeState.FILLED
    assert len(rig.of(fx.PlaceOrder)) == 1


def test_an_unknown_order_that_filled_behind_our_back_is_folded_by_the_probe() -> None:
    rig, ref = quick_rig()
    rig.fill(ref, tell=False)
    rig.pass_time(7)
    assert rig.state.ledger.position(STOCK) == -134
    assert rig.operations().count("fill") == 1
    assert rig.state.hedge in (HedgeState.FILLED, HedgeState.EXEC_IDLE)


def test_an_order_with_no_trace_is_gone_after_two_probes_and_never_sent_again() -> None:
    """INV-O7."""
    rig, ref = quick_rig()
    rig.broker.clear()
    rig.pass_time(5.25)
    assert rig.state.hedge is HedgeState.UNKNOWN
    rig.pass_time(4)
    assert rig.state.hedge is HedgeState.UNKNOWN, "one probe is not enough"
    rig.pass_time(4)
    states = [(e.order_ref, e.state) for e in rig.of(fx.RecordIntentState)]
    assert (ref, IntentState.NEVER_SENT) in states
    refs = [e.intent.order_ref for e in rig.of(fx.PlaceOrder)]
    assert refs.count(ref) == 1


def test_a_position_that_moved_without_an_execution_becomes_a_flagged_synthetic_fill() -> None:
    rig, ref = quick_rig()
    intent = rig.broker.pop(ref)
    rig.completed[ref] = (intent, "Filled")
    rig.shares = -134.0
    rig.pass_time(14)
    booked = [e.execution for e in rig.of(fx.RecordExecution)]
    assert [(e.exec_id, e.signed_quantity) for e in booked] == [(f"recon:{ref}", -134.0)]
    assert rig.state.ledger.position(STOCK) == -134
    assert "synthetic_fill" in rig.alerts()


def test_after_its_probes_an_unresolved_order_asks_the_operator_and_blocks() -> None:
    """INV-O7."""
    rig, ref = quick_rig()
    rig.broker.clear()
    rig.shares = 777.0  # a position that neither the order nor anything else explains
    rig.pass_time(60)
    assert rig.state.hedge is HedgeState.UNKNOWN
    assert "order_unresolved" in rig.alerts()
    assert len(rig.of(fx.PlaceOrder)) == 1
    rig.send(ev.CommandReceived(rig.at, 5, "resolve_order", {"order_ref": ref, "outcome": "not_filled"}))
    assert rig.last(fx.FinishCommand).status == "done"
    assert rig.state.hedge is not HedgeState.UNKNOWN


def test_rejects_do_not_count_as_hedges_and_too_many_lead_to_safe() -> None:
    """INV-D6."""
    rig, _ = quick_rig()
    for _ in range(3):
        rig.reject(rig.last(fx.PlaceOrder).intent.order_ref)
        sent = len(rig.of(fx.PlaceOrder))
        for _ in range(160):
            rig.pass_time(0.25)
            if len(rig.of(fx.PlaceOrder)) > sent or rig.state.trading is TradingState.SAFE:
                break
    assert rig.state.trading is TradingState.SAFE
    assert rig.state.safe_cause.startswith("exec_fault")
    assert rig.state.day.hedge_count == 0


def test_the_same_execution_twice_counts_once() -> None:
    """INV-L2."""
    rig, ref = quick_rig()
    execution = rig.fill(ref)
    rig.send(ev.ExecutionReported(rig.at, execution))
    rig.truth()
    assert rig.state.ledger.position(STOCK) == -134
    assert rig.operations().count("fill") == 1


def test_a_fill_after_the_cancel_is_not_lost() -> None:
    """INV-L5."""
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    rig.pass_time(10.5)
    intent = rig.broker[ref]
    rig.cancel(ref)
    rig.pass_time(0.5)
    rig.broker[ref] = intent
    rig.fill(ref, 30)
    rig.broker.pop(ref)
    assert rig.state.ledger.position(STOCK) == -30


def test_a_limit_order_is_repriced_by_modify_and_ends_as_market() -> None:
    """INV-O5."""
    rig, ref = quick_rig(order__order_type="limit")
    assert rig.last(fx.PlaceOrder).intent.order_type is OrderType.LIMIT
    assert rig.last(fx.PlaceOrder).intent.limit_price == pytest.approx(139.98)
    for _ in range(60):
        rig.status(ref, "Submitted")
        rig.pass_time(0.25)
    modifies = rig.of(fx.ModifyOrder)
    assert [m.order_type for m in modifies] == [OrderType.LIMIT] * 3 + [OrderType.MARKET]
    assert {m.order_id for m in modifies} == {101}
    assert len(rig.of(fx.PlaceOrder)) == 1, "a reprice is never a second order"


def test_a_reject_of_a_modify_is_no_reject_of_the_order() -> None:
    """INV-O6."""
    rig, ref = quick_rig(order__order_type="limit")
    rig.status(ref, "Submitted")
    rig.pass_time(3.25)
    assert rig.of(fx.ModifyOrder)
    rig.answers_truth = False
    rig.send(ev.OrderErrorReported(rig.at, ref, 201, OrderErrorKind.REJECT, "cannot modify"))
    assert rig.state.hedge is HedgeState.UNKNOWN
    assert "reject" not in rig.operations()


def test_the_hedge_is_taken_back_when_delta_has_turned() -> None:
    """INV-O13."""
    rig, ref = quick_rig(order__order_type="limit")
    rig.status(ref, "Submitted")
    rig.quote(139.0)
    exposure = rig.state.exposure
    assert exposure is not None and exposure.net_delta_shares is not None and abs(exposure.net_delta_shares) < 30
    assert rig.last(fx.CancelOrder).order_ref == ref
    assert rig.state.hedge is HedgeState.CANCEL


def test_suspended_computes_and_shows_but_sends_nothing_and_resume_goes_on() -> None:
    """INV-G1."""
    rig = Rig(rules())
    rig.send(ev.DatabaseChanged(rig.at, True))
    rig.send(ev.LeaseChanged(rig.at, True))
    rig.send(ev.SuspensionRead(rig.at, True))
    rig.link_up()
    rig.pass_time(10)
    assert not rig.of(fx.PersistIntent)
    assert rig.last(fx.RecordDecision).block_reason == "suspended"
    rig.send(ev.SuspensionRead(rig.at, False))
    rig.pass_time(1)
    assert rig.of(fx.PlaceOrder)


def test_suspension_that_cannot_be_read_counts_as_suspended() -> None:
    """INV-G9."""
    rig = Rig(rules())
    rig.send(ev.DatabaseChanged(rig.at, True))
    rig.send(ev.LeaseChanged(rig.at, True))
    rig.link_up()
    rig.pass_time(10)
    assert not rig.of(fx.PersistIntent)


def test_suspending_cancels_the_working_hedge() -> None:
    """INV-O12."""
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    rig.send(ev.SuspensionRead(rig.at, True))
    assert rig.last(fx.CancelOrder).order_ref == ref


def test_no_risk_without_the_database_and_the_working_order_stays() -> None:
    """INV-O12, INV-G2."""
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    rig.send(ev.DatabaseChanged(rig.at, False, "connection refused"))
    rig.pass_time(2)
    assert not rig.of(fx.CancelOrder)
    rig.fill(ref)
    rig.spot = 142.0
    rig.pass_time(70)
    assert len(rig.of(fx.PlaceOrder)) == 1
    assert rig.last(fx.RecordDecision).block_reason == "db_unavailable"


def test_decide_is_pure_the_same_step_twice() -> None:
    """INV-M5."""
    rig, ref = quick_rig()
    event = ev.OrderStatusReported(rig.at, ref, "Submitted", 0, 134, None, 7001, 101)
    from bifrost_engine.domain.decide import decide

    one, two = decide(rig.state, event, rig.rules), decide(rig.state, event, rig.rules)
    assert one == two


def test_an_order_taken_back_before_it_left_is_not_blamed_on_an_idle_machine() -> None:
    """The very evaluation that withdraws it sees that nothing is under way: no "order machine in EXEC_IDLE"."""
    rig = Rig(rules(order__ack_timeout_s=20))
    rig.intents_durable = False
    rig.start()
    assert rig.state.hedge is HedgeState.SEND
    step = rig.quote(139.0)  # delta has fallen: all the shares would now be too many
    assert step.evaluation is not None
    view, gates = step.evaluation.view, {gate.name: gate for gate in step.evaluation.gates}
    assert rig.of(fx.RecordIntentState)[-1].state is IntentState.NEVER_SENT
    assert view.hedge_state is HedgeState.EXEC_IDLE and gates["order_working"].passed
