"""What paces hedges besides the gates' numbers: the cooldown's fill, the comparison that must not wait for ever."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.ledger.restore import Restored, initial_state
from bifrost_engine.domain.machines.hedge import IDLE
from bifrost_engine.domain.view import GateKind
from bifrost_engine.domain.words import Execution, Mode, Side, Times

from tests.engine.rig import ACCOUNT, STOCK, Rig, rules
from tests.engine.test_decide_orders import quick_rig


def sent(rig: Rig) -> int:
    return len(rig.of(fx.PlaceOrder))


def blocked_by(rig: Rig) -> str:
    return rig.last(fx.RecordDecision).block_reason


def late_filled() -> Rig:
    """The first hedge is taken back with nothing filled; its fill comes after the cancel, twenty seconds later."""
    rig, ref = quick_rig(order__order_type="limit")
    rig.status(ref, "Submitted")
    rig.quote(139.0)
    intent = rig.broker[ref]
    rig.cancel(ref)
    rig.pass_time(20)
    assert rig.state.order is None and rig.state.day.last_hedge is None and sent(rig) == 1
    rig.broker[ref] = intent
    rig.fill(ref)
    rig.spot = 138.0
    rig.pass_time(2)
    return rig


def test_the_cooldown_counts_from_a_fill_that_comes_after_the_cancel() -> None:
    """INV-G17."""
    rig = late_filled()
    assert sent(rig) == 1 and blocked_by(rig) == "cooldown"
    assert rig.state.day.last_hedge is None, "the reference of min_price_move belongs to orders that end with fills"
    rig.pass_time(57)
    assert sent(rig) == 1
    rig.pass_time(2)
    assert sent(rig) == 2


def test_the_cooldown_of_a_late_fill_goes_on_after_a_restart() -> None:
    """INV-G17, INV-D2."""
    again = late_filled().restart()
    again.start()
    assert sent(again) == 0 and blocked_by(again) == "cooldown"
    again.pass_time(60)
    assert sent(again) == 1


def test_the_cooldown_counts_from_the_fill_not_from_when_it_was_found_out() -> None:
    """Filled while the wire was cut: what is told forty seconds later was traded forty seconds ago. INV-G17."""
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    rig.send(ev.LinkDown(rig.at, "cut"))
    rig.fill(ref, tell=False)
    filled_s = rig.market_s or 0.0
    rig.pass_time(40)
    rig.link_up()
    rig.pass_time(12)
    assert rig.state.hedge in IDLE and rig.state.ledger.position(STOCK) == -134
    assert rig.state.last_fill_s == filled_s
    rig.spot = 138.5
    while sent(rig) == 1:
        rig.pass_time(0.25)
    assert 60.0 <= (rig.market_s or 0.0) - filled_s < 62.0


def test_a_brokers_clock_that_runs_ahead_does_not_shorten_the_cooldown() -> None:
    """INV-G17."""
    rig, ref = quick_rig()
    intent = rig.broker.pop(ref)
    now = rig.market_s or 0.0
    fill = Execution("0001.1", ACCOUNT, STOCK, Side.SELL, intent.quantity, 140.0, now + 2.0, ref, 7001, 101, 1)
    rig.executions.append(fill)
    rig.shares = -134.0
    rig.send(ev.ExecutionReported(rig.at, fill))
    assert rig.state.last_fill_s == now
    rig.spot = 138.5
    rig.pass_time(1)
    assert sent(rig) == 1 and blocked_by(rig) == "cooldown"
    again = rig.restart()
    assert again.state.last_fill_s == again.market_s and not again.notes


def test_a_last_fill_of_tomorrow_is_ignored_and_said() -> None:
    """INV-D7."""
    rig, ref = quick_rig()
    rig.fill(ref)
    restored = replace(rig.restart().restored, trading_day=None)
    state, notes = initial_state(restored, rig.rules, Times(rig.wall_s, (rig.market_s or 0.0) - 3600.0))
    assert state.last_fill_s is None
    assert [note.split(":")[0] for note in notes] == ["clock_regression"]
    # The same where the clock answers only after the start.
    unknown, _ = initial_state(restored, rig.rules, Times(rig.wall_s, None))
    assert unknown.last_fill_s is not None


@pytest.mark.parametrize(("paper", "waits"), [(True, True), (False, False)])
def test_the_cooldown_of_a_paper_engine_counts_paper_fills_alone(paper: bool, waits: bool) -> None:
    """A late fill of a live order is another ledger's. INV-G17."""
    rig = Rig(rules(gates__guard__risk__paper_trade=True), Restored(ACCOUNT, Mode.PAPER, sequence=range(1, 1000)))
    rig.send(ev.DatabaseChanged(rig.at, True))
    rig.send(ev.LeaseChanged(rig.at, True))
    rig.send(ev.SuspensionRead(rig.at, True))
    rig.link_up()
    rig.pass_time(6)
    exec_id, ref = ("paper:BFX:1", "BFX") if paper else ("0001.7", "BFX")
    rig.send(ev.ExecutionReported(rig.at, Execution(
        exec_id, ACCOUNT, STOCK, Side.SELL, 10, 140.0, rig.market_s or 0.0, ref, 0, 101, 1)))  # fmt: skip
    assert (rig.state.last_fill_s is not None) is waits


# ---------------------------------------------------------------- the comparison with the broker

QUICK = {
    "gates__intent__hedge__cooldown_seconds": 0.0,
    "gates__intent__hedge__min_price_move_pct": 0.0,
    "gates__guard__risk__max_orders_per_minute": 1000,
    "gates__guard__risk__max_daily_hedge_count": 1000,
}


def hurry(rig: Rig, seconds: float) -> list[float]:
    """A market that asks for a hedge every two seconds; each fills at once. Gives the wall times of the orders."""
    end, left = rig.wall_s + seconds, list[float]()
    while rig.wall_s < end:
        rig.spot = 141.0 if rig.spot < 140.5 else 140.0
        for _ in range(8):
            before = sent(rig)
            rig.pass_time(0.25)
            left += [rig.wall_s] * (sent(rig) - before)
            for ref in list(rig.broker):
                rig.fill(ref)
    return left


def test_hedges_without_a_pause_wait_for_a_comparison_that_is_overdue() -> None:
    """INV-R9."""
    rig = Rig(rules(**QUICK))
    rig.start()
    for ref in list(rig.broker):
        rig.fill(ref)
    compared_s = rig.state.recon.compared_s
    assert compared_s is not None
    left = hurry(rig, 200.0)
    again_s = rig.state.recon.compared_s
    assert again_s is not None and again_s > compared_s
    waits = [later - earlier for earlier, later in pairwise(left)]
    assert max(waits) < 10.0, "a comparison takes seconds"
    assert [round(s) for s in waits if s > 4.0], "and is waited for"
    reasons = {e.block_reason for e in rig.of(fx.RecordDecision)}
    assert "not_reconciled:comparison_due" in reasons
    assert rig.state.recon.done and len(left) > 60


def test_a_broker_that_answers_no_query_gets_no_new_hedge_for_ever() -> None:
    """The last comparison was fine and is minutes old: nobody knows what the account holds now. INV-R9."""
    rig = Rig(rules(**QUICK))
    rig.start()
    for ref in list(rig.broker):
        rig.fill(ref)
    rig.pass_time(10)
    rig.answers_truth = False
    rig.pass_time(120)
    before = sent(rig)
    rig.spot = 142.0
    rig.pass_time(5)
    assert sent(rig) == before and blocked_by(rig) == "not_reconciled:comparison_due"
    rig.answers_truth = True
    rig.pass_time(40)
    assert sent(rig) == before + 1


def test_no_comparison_is_asked_for_within_five_seconds_of_an_execution() -> None:
    """Also of one that an order left behind that was cancelled, and of a late one."""
    rig, ref = quick_rig(**QUICK, daemon__reconcile_interval_s=5)
    rig.status(ref, "Submitted")
    rig.pass_time(10.5)
    rig.fill(ref, 30)
    intent = rig.broker[ref]
    rig.send(ev.SuspensionRead(rig.at, True))
    rig.cancel(ref)
    rig.pass_time(4)
    rig.broker[ref] = intent
    rig.fill(ref, 30)
    rig.broker.pop(ref)
    asked = len(rig.of(fx.FetchTruth))
    rig.pass_time(4.75)
    assert len(rig.of(fx.FetchTruth)) == asked
    rig.pass_time(1)
    assert len(rig.of(fx.FetchTruth)) == asked + 1


# ---------------------------------------------------------------- the counts of a minute


def test_the_counts_of_a_minute_are_recorded_while_it_lasts() -> None:
    """A kill takes ten seconds of them at most."""
    rig = Rig(rules())
    rig.send(ev.DatabaseChanged(rig.at, True))
    rig.send(ev.LeaseChanged(rig.at, True))
    rig.send(ev.SuspensionRead(rig.at, True))
    rig.link_up()
    rig.pass_time(31)
    kept = [sum(e.counts.values()) for e in rig.of(fx.RecordCounts)]
    assert len(kept) == 3 and kept == sorted(kept)
    seen = sum(rig.state.minute.counts.values())
    assert 0 < seen - kept[-1] <= 10
    assert len({e.minute_s for e in rig.of(fx.RecordCounts)}) == 1


def test_the_time_of_a_long_order_is_not_held_against_the_comparison() -> None:
    """While an order works nothing can be compared: right after it the hedge waits, and nothing is at fault. INV-R9."""
    rig, ref = quick_rig(**QUICK, daemon__reconcile_interval_s=5)
    rig.status(ref, "Submitted")
    for _ in range(8):
        rig.pass_time(9)
        rig.fill(ref, 1)
    rig.fill(ref)
    seen = rig.send(ev.TimePassed(rig.at, rig.wall_s)).evaluation
    assert seen is not None and seen.view.comparison_late_s is not None and seen.view.comparison_late_s < 1.0
    (gate,) = (gate for gate in seen.gates if gate.name == "not_reconciled")
    assert not gate.passed and gate.kind is GateKind.PACING
    rig.pass_time(10)
    seen = rig.send(ev.TimePassed(rig.at, rig.wall_s)).evaluation
    assert seen is not None and seen.view.comparison_late_s is None
