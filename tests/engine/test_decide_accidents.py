"""What kills, cuts and late answers have broken before: each test is one such accident (found by tests/chaos)."""

from __future__ import annotations

from dataclasses import replace

from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.machines.hedge import HedgeState
from bifrost_engine.domain.words import Execution, IntentState, Side, Trigger

from tests.engine.rig import ACCOUNT, CALL, START_S, STOCK, Rig, rules
from tests.engine.test_decide_orders import quick_rig


def test_an_order_that_filled_while_the_truth_was_read_is_not_taken_for_a_stranger() -> None:
    # Open orders are read first: the fill that the same answer brings ended the order that it still shows as open.
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    rig.answers_truth = False
    rig.send(ev.LinkDown(rig.at, "cut"))
    rig.link_up()
    shown, asked_s = rig._order(rig.broker[ref], "Submitted"), rig.wall_s
    rig.fill(ref, tell=False)
    rig.send(
        ev.BrokerTruth(
            rig.at,
            Trigger.RECONNECT,
            True,
            asked_s,
            open_orders=(shown,),
            executions=tuple(rig.executions),
            positions=rig.positions(),
        )
    )
    rig.answers_truth = True
    rig.pass_time(1)
    assert "order_adopted" not in rig.alerts()
    assert rig.state.order is None
    assert rig.state.day.hedge_count == 1


def test_an_order_cancelled_while_the_truth_was_read_is_not_taken_for_a_stranger() -> None:
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    shown, asked_s = rig._order(rig.broker[ref], "Submitted"), rig.wall_s
    rig.pass_time(1)
    rig.cancel(ref)
    assert rig.state.order is None
    rig.answers_truth = False
    before = rig.state.day.hedge_count
    rig.send(ev.BrokerTruth(rig.at, Trigger.PERIODIC, True, asked_s, open_orders=(shown,), positions=rig.positions()))
    assert "order_adopted" not in rig.alerts()
    assert rig.state.day.hedge_count == before == 1


def test_an_order_that_was_given_up_and_works_all_the_same_is_taken_over_and_counted_once() -> None:
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    shown = rig._order(rig.broker[ref], "Submitted")
    rig.cancel(ref)
    rig.pass_time(1)
    rig.answers_truth = False
    rig.send(
        ev.BrokerTruth(rig.at, Trigger.PERIODIC, True, rig.wall_s, open_orders=(shown,), positions=rig.positions())
    )
    assert "order_adopted" in rig.alerts()
    assert rig.state.order is not None and rig.state.order.order_ref == ref
    assert rig.state.day.hedge_count == 1


def test_a_kill_between_acknowledgement_and_the_days_row_loses_no_order_of_the_count() -> None:
    """INV-D1."""
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    rig.fill(ref)
    rig.pass_time(1)
    row = dict(rig.last(fx.RecordTradingDay).row)
    assert row["hedge_count"] == 1
    again = rig.restart(trading_day={**row, "hedge_count": 0}, hedges_ended_s=(rig.market_s,))
    assert again.state.day.hedge_count == 1
    yesterday = rig.restart(trading_day={**row, "hedge_count": 0}, hedges_ended_s=(rig.market_s - 86400.0,))
    assert yesterday.state.day.hedge_count == 0


def inferred_fill() -> tuple[Rig, str]:
    """An order whose fill only the position tells of, booked as a synthetic execution."""
    rig, ref = quick_rig()
    intent = rig.broker.pop(ref)
    rig.completed[ref] = (intent, "Filled")
    rig.shares = -134.0
    rig.pass_time(14)
    assert rig.state.ledger.position(STOCK) == -134
    return rig, ref


def real(ref: str, exec_id: str, quantity: float, price: float = 140.02) -> Execution:
    return Execution(exec_id, ACCOUNT, STOCK, Side.SELL, quantity, price, START_S, ref, 7001, 101, 1)


def test_the_real_execution_takes_the_place_of_the_inferred_one() -> None:
    """INV-L3."""
    rig, ref = inferred_fill()
    rig.send(ev.ExecutionReported(rig.at, real(ref, "0001.9.01", 134)))
    assert rig.state.ledger.position(STOCK) == -134, "it would be -268 counted twice"
    assert rig.last(fx.RecordExecution).execution.replaces_exec_id == f"recon:{ref}"
    again = rig.restart()
    assert again.state.ledger.position(STOCK) == -134
    assert again.state.ledger.holding(STOCK).average_price == 140.02


def test_real_executions_that_come_one_by_one_never_move_the_position() -> None:
    """INV-L3."""
    rig, ref = inferred_fill()
    for number, quantity in enumerate((100, 30, 4)):
        rig.send(ev.ExecutionReported(rig.at, real(ref, f"0001.9{number}.01", quantity)))
        assert rig.state.ledger.position(STOCK) == -134
    assert all(not e.exec_id.startswith("recon:") for e in rig.state.ledger.counted())
    rows = [e.execution for e in rig.of(fx.RecordExecution)]
    replaced = {row.replaces_exec_id for row in rows}
    assert sum(row.signed_quantity for row in rows if row.exec_id not in replaced) == -134
    assert rig.restart().state.ledger.position(STOCK) == -134


def test_the_row_of_a_correction_names_what_it_corrects() -> None:
    rig, ref = quick_rig()
    first = rig.fill(ref)
    rig.send(ev.ExecutionReported(rig.at, replace(first, exec_id=f"{first.exec_id[:-2]}02", price=139.5)))
    rows = [e.execution for e in rig.of(fx.RecordExecution)]
    assert [row.replaces_exec_id for row in rows] == ["", first.exec_id]
    assert rig.state.ledger.position(STOCK) == -134


def test_a_reject_is_final_at_once_and_not_forgotten_by_a_kill_in_the_back_off() -> None:
    rig, ref = quick_rig()
    rig.reject(ref)
    assert rig.state.hedge is HedgeState.FAIL
    states = {e.order_ref: e.state for e in rig.of(fx.RecordIntentState)}
    assert states[ref] is IntentState.REJECTED
    assert rig.restart().state.restored == ()


def test_a_fill_is_told_before_the_execution_that_makes_it_known() -> None:
    # Killed between the two rows: the broker reports the execution again, and the fill is told again under one id.
    rig, ref = quick_rig()
    rig.fill(ref)
    kinds = [type(e) for e in rig.effects if isinstance(e, fx.RecordExecution | fx.RecordOperation)]
    told = next(i for i, e in enumerate(rig.of(fx.RecordOperation)) if e.type is fx.OperationType.FILL)
    assert kinds.index(fx.RecordExecution) > told


def test_an_intent_that_a_hanging_database_confirms_late_is_not_sent() -> None:
    """INV-O4."""
    rig = Rig(rules())
    rig.intents_durable = False
    rig.start()
    ref = rig.last(fx.PersistIntent).intent.order_ref
    rig.pass_time(rig.config.order.ack_timeout_s + 1)
    rig.send(ev.IntentDurable(rig.at, ref))
    assert not rig.of(fx.PlaceOrder)
    assert (ref, IntentState.NEVER_SENT) in [(e.order_ref, e.state) for e in rig.of(fx.RecordIntentState)]
    afresh = rig.last(fx.PersistIntent).intent.order_ref
    rig.send(ev.IntentDurable(rig.at, afresh))
    assert [e.intent.order_ref for e in rig.of(fx.PlaceOrder)] == [afresh] != [ref]


def test_a_database_that_counts_from_the_past_gives_no_order_the_name_of_an_earlier_one() -> None:
    # Restored from a backup: its sequence stands where it stood, and the broker tells of the orders sent since.
    """INV-O2."""
    rig, ref = quick_rig()
    rig.fill(ref)
    again = rig.restart(executions=(), trading_day=None, baseline=None, open_intents=(), sequence=range(1, 1000))
    again.start()
    assert again.state.ledger.position(STOCK) == -134, "the broker's executions are ours all the same"
    again.spot = 143.0
    again.pass_time(90)
    refs = [e.intent.order_ref for e in again.of(fx.PlaceOrder)]
    assert refs and ref not in refs


def test_a_leg_that_changes_while_the_intent_is_written_keeps_the_order_at_home() -> None:
    """INV-G3."""
    rig = Rig(rules(order__ack_timeout_s=20))
    rig.intents_durable = False
    rig.start()
    ref = rig.last(fx.PersistIntent).intent.order_ref
    rig.answers_truth = False
    rig.legs[CALL] = 5.0
    rig.send(ev.PositionsReported(rig.at, rig.positions()))
    rig.send(ev.IntentDurable(rig.at, ref))
    assert not rig.of(fx.PlaceOrder)
    assert (ref, IntentState.NEVER_SENT) in [(e.order_ref, e.state) for e in rig.of(fx.RecordIntentState)]


def test_a_leg_that_is_assigned_in_parts_on_one_day_delivers_each_part() -> None:
    """INV-R5."""
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.pass_time(1)
    own = rig.state.ledger.position(STOCK)
    for part in (1, 2):
        rig.legs[CALL] -= 1.0
        rig.shares += 100.0
        rig.send(ev.PositionsReported(rig.at, rig.positions()))
        rig.pass_time(12)
        delivered = [e.execution for e in rig.of(fx.RecordExecution) if e.execution.exec_id.startswith("exer:")]
        assert sum(e.signed_quantity for e in delivered) == 100.0 * part
        assert len({e.exec_id for e in delivered}) == part
        hedged = sum(e.signed_quantity for e in rig.executions)
        assert rig.state.ledger.position(STOCK) == hedged + 100.0 * part
        assert rig.state.legs[CALL].quantity == 20.0 - part
    assert own == -134
