"""Restart, reconnect, lost messages: what the engine knows afterwards equals what the broker did."""

from __future__ import annotations

from bifrost.contract import contract_key
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.machines.hedge import HedgeState
from bifrost_engine.domain.words import Execution, IntentState, Side

from tests.engine.rig import ACCOUNT, CALL, STOCK, Rig, rules
from tests.engine.test_decide_orders import quick_rig


def test_killed_between_intent_and_order_nothing_is_sent_twice() -> None:
    """INV-O4."""
    rig = Rig(rules())
    rig.intents_durable = False
    rig.start()
    ref = rig.last(fx.PersistIntent).intent.order_ref
    again = rig.restart()
    again.start()
    assert not [e for e in again.of(fx.PlaceOrder) if e.intent.order_ref == ref]
    again.pass_time(10)
    states = {e.order_ref: e.state for e in again.of(fx.RecordIntentState)}
    assert states[ref] is IntentState.NEVER_SENT
    assert again.of(fx.PlaceOrder), "the need is decided afresh"


def test_killed_between_order_and_acknowledgement_the_working_order_is_found() -> None:
    """INV-O1."""
    rig, ref = quick_rig()
    again = rig.restart()
    again.start()
    assert again.state.order is not None and again.state.order.order_ref == ref
    assert again.state.hedge is HedgeState.WORKING
    assert not again.of(fx.PlaceOrder)
    again.fill(ref)
    assert again.state.ledger.position(STOCK) == -134


def test_killed_between_fill_and_its_record_the_execution_is_folded_once() -> None:
    """INV-L4."""
    rig, ref = quick_rig()
    rig.fill(ref, tell=False)
    again = rig.restart()
    again.start()
    assert again.state.ledger.position(STOCK) == -134
    assert again.operations().count("fill") == 1
    assert not [e for e in again.of(fx.PlaceOrder) if e.intent.order_ref == ref]
    third = again.restart(executions=tuple(e.execution for e in again.of(fx.RecordExecution)))
    third.start()
    assert third.state.ledger.position(STOCK) == -134


def test_the_order_sent_row_that_a_crash_took_is_written_when_the_order_is_found() -> None:
    rig, ref = quick_rig()
    rig.fill(ref, tell=False)
    again = rig.restart()
    again.start()
    rows = [(str(e.type), e.order_ref) for e in again.of(fx.RecordOperation)]
    assert ("hedge_intent", ref) in rows and ("order_sent", ref) in rows and ("fill", ref) in rows


def test_no_order_before_the_broker_was_read_after_a_reconnect() -> None:
    """INV-G3."""
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.pass_time(1)
    rig.answers_truth = False
    rig.send(ev.LinkDown(rig.at, "socket closed"))
    rig.pass_time(1)
    rig.link_up()
    rig.spot = 145.0
    rig.pass_time(90)
    assert len(rig.of(fx.PlaceOrder)) == 1
    assert not rig.state.recon.done
    rig.answers_truth = True
    rig.truth()
    rig.pass_time(5)
    assert len(rig.of(fx.PlaceOrder)) == 2


def test_a_failed_query_is_unknown_never_flat() -> None:
    """INV-R1."""
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.send(ev.LinkDown(rig.at, "socket closed"))
    rig.answers_truth = False
    rig.link_up()
    rig.truth(ok=False)
    rig.pass_time(10)
    assert not rig.state.recon.done
    assert rig.state.external_shares == 0.0
    assert rig.state.ledger.position(STOCK) == -134


def test_a_manual_trade_moves_the_baseline_and_not_the_ledger() -> None:
    """INV-R4."""
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.pass_time(1)
    manual = Execution("00ff.01.01", ACCOUNT, STOCK, Side.BUY, 40, 140.0, rig.market_s or 0.0, client_id=0)
    rig.executions.append(manual)
    rig.shares += 40
    rig.send(ev.ExecutionReported(rig.at, manual))
    rig.pass_time(40)
    assert rig.state.external_shares == 40.0
    assert rig.state.ledger.position(STOCK) == -134
    assert rig.state.recon.done


def test_an_unexplained_change_of_a_leg_blocks_until_it_is_accepted() -> None:
    """INV-R3, INV-R7."""
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.legs[CALL] = 15.0
    rig.send(ev.PositionsReported(rig.at, rig.positions()))
    rig.pass_time(12)
    assert not rig.state.recon.done
    assert "unexplained_difference" in rig.alerts()
    sent = len(rig.of(fx.PlaceOrder))
    rig.spot = 144.0
    rig.pass_time(70)
    assert len(rig.of(fx.PlaceOrder)) == sent
    wrong = {str(CALL): 14.0}
    rig.send(ev.CommandReceived(rig.at, 1, "accept_positions", {"expected": wrong}))
    assert rig.last(fx.FinishCommand).status == "refused"
    rig.send(ev.CommandReceived(rig.at, 2, "accept_positions", {"expected": {str(CALL): 15.0}}))
    assert rig.last(fx.FinishCommand).status == "done"
    rig.pass_time(5)
    assert rig.state.recon.done
    assert rig.state.legs[CALL].quantity == 15.0


def test_a_released_leg_is_adopted_again_only_by_command() -> None:
    """INV-X8."""
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.send(ev.CommandReceived(rig.at, 1, "release_leg", {"contract_key": str(CALL)}))
    rig.pass_time(70)
    assert not rig.state.legs[CALL].managed
    rig.send(ev.CommandReceived(rig.at, 2, "adopt_leg", {"contract_key": str(CALL)}))
    assert rig.state.legs[CALL].managed


def test_stop_cancels_the_working_order_and_sends_nothing_more() -> None:
    """INV-O12."""
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    rig.send(ev.Stopping(rig.at, "stop"))
    assert rig.last(fx.CancelOrder).order_ref == ref
    rig.cancel(ref)
    rig.spot = 150.0
    rig.pass_time(70)
    assert len(rig.of(fx.PlaceOrder)) == 1


def test_losing_the_lease_stops_trading() -> None:
    """INV-G4."""
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.send(ev.LeaseChanged(rig.at, held=False, lost=True))
    rig.spot = 150.0
    rig.pass_time(70)
    assert len(rig.of(fx.PlaceOrder)) == 1
    assert rig.last(fx.RecordDecision).block_reason == "standby"


def test_a_gateway_that_is_not_the_simulator_gets_no_order() -> None:
    """INV-G15."""
    rig = Rig(rules())
    rig.send(ev.DatabaseChanged(rig.at, True))
    rig.send(ev.LeaseChanged(rig.at, True))
    rig.send(ev.SuspensionRead(rig.at, False))
    rig.send(ev.LinkUp(rig.at, ("U7654321",), 1, trusted=False))
    rig.pass_time(20)
    assert not rig.of(fx.PlaceOrder)
    assert "foreign_gateway" in rig.alerts()


def test_other_symbols_are_never_touched() -> None:
    other = contract_key("AAPL", "OPT", "20260605", 200.0, "C")
    rig = Rig(rules(), legs={other: 5.0})
    rig.start()
    assert not rig.of(fx.RecordLeg)
    assert not rig.of(fx.PlaceOrder)
