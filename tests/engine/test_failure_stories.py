"""What hedgers are known to have done wrong, one test a story: its name is the story, its docstring what must happen.

Each drives the pure core with a broker that plays the story. The list is `STORIES` of tests/contract/test_invariants.
"""

from __future__ import annotations

from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.ledger.restore import Restored
from bifrost_engine.domain.machines.hedge import IDLE, HedgeState
from bifrost_engine.domain.machines.trading import TradingState
from bifrost_engine.domain.words import (
    DeltaState,
    Execution,
    IntentState,
    LiquidityState,
    Mode,
    OrderErrorKind,
    Quote,
    Side,
)

from tests.engine.rig import ACCOUNT, CALL, PUT, STOCK, Rig, rules
from tests.engine.rule_builders import new_york
from tests.engine.test_decide_orders import quick_rig

NAN = float("nan")


def sent(rig: Rig) -> int:
    """Orders that have left."""
    return len(rig.of(fx.PlaceOrder))


def told(rig: Rig) -> None:
    """Lease, database, run status and link: an engine that could trade if the market let it."""
    rig.send(ev.DatabaseChanged(rig.at, True))
    rig.send(ev.LeaseChanged(rig.at, True))
    rig.send(ev.SuspensionRead(rig.at, False))
    rig.link_up()


def test_a_partial_fill_that_moves_nothing() -> None:
    """Others waited for `Filled` and let 50 of 134 shares go by unseen. Each execution moves the ledger by itself.

    INV-L1.
    """
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    rig.fill(ref, 50)
    assert rig.state.hedge is HedgeState.PARTIAL
    assert rig.state.ledger.position(STOCK) == -50
    exposure = rig.state.exposure
    assert exposure is not None and exposure.stock_shares == -50, "the delta counts the part at once"
    rig.fill(ref)
    assert rig.state.ledger.position(STOCK) == -134
    assert rig.operations() == ["hedge_intent", "order_sent", "fill", "fill"]


def test_pending_shares_never_released_after_a_cancel() -> None:
    """Others went on counting a cancelled order as pending and hedged no more. Its end frees the machine."""
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    rig.pass_time(10.5)
    assert rig.state.hedge is HedgeState.CANCEL
    rig.cancel(ref)
    rig.pass_time(1)
    assert rig.state.order is None or rig.state.order.order_ref != ref
    assert rig.last(fx.RecordIntentState).state in (IntentState.CANCELLED, IntentState.SENT)
    rig.pass_time(8)
    assert sent(rig) == 2, "the need is still there and nothing holds it back"


def test_a_second_order_fired_after_a_reject() -> None:
    """Others sent the next order with the next tick, and the next, until the account was blocked. We back off.

    INV-O10.
    """
    rig, ref = quick_rig()
    rig.reject(ref)
    assert rig.state.hedge is HedgeState.FAIL
    assert rig.operations()[-1] == "reject"
    rig.pass_time(1.5)
    assert sent(rig) == 1
    rig.pass_time(6)
    assert sent(rig) == 2


def test_fills_during_1100_never_recovered() -> None:
    """Others never heard of what filled while the gateway had lost IB. The order is UNKNOWN until it is read back.

    INV-L4.
    """
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    rig.send(ev.ConnectivityLost(rig.at))
    assert rig.state.hedge is HedgeState.UNKNOWN
    rig.fill(ref, tell=False)
    rig.pass_time(10)
    assert sent(rig) == 1
    rig.send(ev.ConnectivityRestored(rig.at, 1102))
    rig.pass_time(8)
    assert rig.state.ledger.position(STOCK) == -134
    assert rig.state.hedge in IDLE
    assert sent(rig) == 1


def test_orders_sent_into_the_nightly_restart() -> None:
    """Others sent orders into IB's nightly reset, where they vanish. No order leaves inside the reset window.

    INV-G10.
    """
    night = new_york("2026-05-07 23:46")
    rig = Rig(
        rules(always_open=False, gates__strategy__trading_hours_only=False),
        wall_s=night,
        market_s=night,
    )
    rig.start()
    assert sent(rig) == 0
    assert rig.last(fx.RecordDecision).block_reason == "reset_window"
    rig.wall_s = rig.market_s = new_york("2026-05-08 00:44:40")
    rig.pass_time(15, step_s=1)
    assert sent(rig) == 0
    rig.pass_time(10)
    assert sent(rig) == 1, "after the window the need is met"


def test_a_phantom_position_closed_by_opening_the_opposite() -> None:
    """Others sold a position that was gone and stood short. Flatten compares with the broker and is refused. INV-F2."""
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.pass_time(1)
    rig.shares += 134.0  # the operator bought our short back by hand
    rig.truth()
    rig.pass_time(12)
    rig.send(ev.CommandReceived(rig.at, 9, "flatten", {"target": "zero"}))
    answer = rig.last(fx.FinishCommand)
    assert answer.status == "refused"
    assert "opposite" in str(answer.result["reason"])
    assert sent(rig) == 1


def test_limits_reset_by_a_restart() -> None:
    """Others counted hedges, losses and cooldown from zero after each restart. All of them are read back. INV-D2."""
    keys: dict[str, object] = {
        "gates__guard__risk__max_daily_hedge_count": 1,
        "gates__guard__risk__max_daily_loss_usd": 100.0,
    }
    rig, ref = quick_rig(**keys)
    rig.status(ref, "Submitted")
    rig.fill(ref)
    rig.spot = 141.0
    rig.pass_time(8)
    assert rig.state.day.breaker_latched, "134 shares sold lost a dollar each"
    again = rig.restart()
    again.start()
    assert again.state.day.hedge_count == rig.state.day.hedge_count == 1
    assert again.state.day.breaker_latched
    assert again.state.day.last_hedge == rig.state.day.last_hedge
    again.send(ev.CommandReceived(again.at, 1, "reset_breaker", {}))
    again.spot = 141.5
    again.pass_time(70)
    assert sent(again) == 0, "the day's one hedge was spent before the restart"
    assert again.last(fx.RecordDecision).block_reason == "max_daily_hedge_count"


def test_the_cooldown_goes_on_where_a_restart_found_it() -> None:
    """The same story with the cooldown: the last fill is remembered, not the start. INV-D2."""
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    rig.fill(ref)
    rig.pass_time(1)
    again = rig.restart()
    again.start()
    again.spot = 141.5
    again.pass_time(20)
    assert sent(again) == 0
    assert again.last(fx.RecordDecision).block_reason == "cooldown"
    again.pass_time(40)
    assert sent(again) == 1


def test_10349_taken_for_a_cancel() -> None:
    """TWS says 10349 when it presets the time in force; the library then calls the order cancelled. It is news.

    INV-O6.
    """
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    rig.send(ev.OrderErrorReported(rig.at, ref, 10349, OrderErrorKind.INFORMATION, "TIF set to DAY"))
    assert rig.state.hedge is HedgeState.WORKING
    assert rig.operations() == ["hedge_intent", "order_sent"]
    rig.pass_time(3)
    assert sent(rig) == 1


def test_stale_quotes_at_start_that_park_it_in_safe_for_ever() -> None:
    """Others met yesterday's quote at start, went to SAFE and stayed. SAFE is left when its cause is gone. INV-M2."""
    rig = Rig(rules())
    told(rig)
    for _ in range(60):
        rig.wall_s += 0.25
        rig.market_s = (rig.market_s or 0.0) + 0.25
        rig.send(ev.TimePassed(rig.at, rig.wall_s))
    assert rig.state.trading is TradingState.SAFE
    assert rig.state.safe_cause.startswith("data_stale"), "it says why"
    assert sent(rig) == 0
    rig.pass_time(8)
    assert rig.state.safe_cause == ""
    assert sent(rig) == 1, "the market has come and nobody had to press anything"


def test_legs_dropping_out_of_the_delta_when_spot_moves_3_per_cent() -> None:
    """Others counted near-the-money legs only, so a move took the options away and left the hedge naked. INV-X4."""
    rig, ref = quick_rig()
    rig.fill(ref)
    for spot in (141.0, 142.0, 143.0, 144.0, 145.0, 146.0):
        rig.spot = spot
        rig.pass_time(3)
    assert abs(CALL.strike - rig.spot) / rig.spot > rig.config.gates.strategy.structure.atm_band_pct
    assert rig.state.legs[CALL].managed and rig.state.legs[PUT].managed
    exposure = rig.state.exposure
    assert exposure is not None and [leg.key for leg in exposure.legs] == [CALL, PUT]
    assert exposure.option_delta_shares is not None and exposure.option_delta_shares > 700


def test_the_day_counter_that_never_rolls_over() -> None:
    """Others counted hedges for ever and stood still on the second day. Each session's date begins at zero. INV-D3."""
    rig, ref = quick_rig(always_open=False, gates__guard__risk__max_daily_hedge_count=1)
    rig.status(ref, "Submitted")
    rig.fill(ref)
    rig.spot = 142.0
    rig.pass_time(70, step_s=0.5)
    assert sent(rig) == 1
    assert rig.last(fx.RecordDecision).block_reason == "max_daily_hedge_count"
    rig.wall_s += 86400
    rig.market_s = (rig.market_s or 0.0) + 86400
    rig.pass_time(10)
    assert rig.state.day.day is not None and rig.state.day.day.isoformat() == "2026-05-08"
    assert sent(rig) == 2, "a new day, a new count"


def test_nan_quotes_taken_for_normal() -> None:
    """Every comparison with NaN is false, so others saw a narrow spread. NaN is no quote: L3, then SAFE.

    INV-G5, INV-X1.
    """
    rig, ref = quick_rig(gates__intent__hedge__cooldown_seconds=0.0)
    rig.fill(ref)
    rig.pass_time(1)
    rig.spot = 143.0
    for _ in range(20):
        rig.wall_s += 0.25
        rig.market_s = (rig.market_s or 0.0) + 0.25
        stock = Quote(STOCK, NAN, NAN, NAN, NAN, NAN, rig.wall_s)
        legs = [Quote(key, NAN, NAN, NAN, NAN, NAN, rig.wall_s, model_iv_annual=NAN) for key in rig.legs]
        rig.send(ev.QuotesChanged(rig.at, (stock, *legs), rig.wall_s, rig.wall_s))
    assert rig.state.dimensions is not None
    assert rig.state.dimensions.liquidity is LiquidityState.NO_QUOTE
    assert rig.state.trading is TradingState.SAFE
    assert rig.state.book.mid == 140.0, "no mid was made of it"
    exposure = rig.state.exposure
    assert exposure is not None and exposure.net_delta_shares is not None
    assert exposure.net_delta_shares == exposure.net_delta_shares, "and no NaN delta"
    assert sent(rig) == 1


def test_a_forced_hedge_blocked_by_the_price_move_gate() -> None:
    """Delta stood at its limit with spot unmoved, and the price-move gate said no. A forced hedge asks neither it
    nor the cooldown.

    INV-G13.
    """
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.pass_time(1)
    rig.legs[CALL] = 40.0  # the operator buys twenty calls: delta jumps, spot does not
    bought = Execution("00ff.01.01", ACCOUNT, CALL, Side.BUY, 20, 5.5, rig.market_s or 0.0, multiplier=100.0)
    rig.executions.append(bought)
    rig.send(ev.ExecutionReported(rig.at, bought))
    rig.send(ev.PositionsReported(rig.at, rig.positions()))
    rig.pass_time(8)
    assert sent(rig) == 2
    order = rig.last(fx.PlaceOrder).intent
    assert (order.forced, order.reason, order.side, order.quantity) == (True, DeltaState.FORCE_HEDGE, Side.SELL, 500)


def test_one_bad_print_that_sends_500_shares() -> None:
    """One print 6 % away made others sell what they could. A jump is used when confirmed, not before. INV-X2."""
    rig, ref = quick_rig(gates__intent__hedge__cooldown_seconds=0.0)
    rig.fill(ref)
    rig.pass_time(2)
    pnl_usd = rig.state.day.daily_pnl_usd
    rig.quote(148.4)
    rig.wall_s += 0.25
    rig.quote(140.0)
    rig.pass_time(5)
    assert sent(rig) == 1
    assert rig.state.day.daily_pnl_usd == pnl_usd
    rig.spot = 148.4
    rig.pass_time(3)
    assert sent(rig) == 2, "a move that stays is hedged"


def test_the_operators_own_shares_sold() -> None:
    """The account is shared: others took her shares for the hedge and sold them. Ours are what our orders bought.

    INV-R4, INV-F1.
    """
    rig = Rig(rules(), shares=300.0)
    rig.start()
    rig.pass_time(8)
    assert rig.state.external_shares == 300.0
    assert "external_baseline" in rig.alerts()
    order = rig.last(fx.PlaceOrder).intent
    assert order.quantity == 134, "the hedge is that of the legs alone"
    rig.fill(order.order_ref)
    rig.pass_time(1)
    rig.send(ev.CommandReceived(rig.at, 9, "flatten", {"target": "zero"}))
    assert rig.last(fx.FinishCommand).status == "refused", "buying would make the account's long position larger"
    rig.send(ev.CommandReceived(rig.at, 10, "flatten", {"target": "zero", "force": True}))
    rig.pass_time(0.5)
    flat = rig.last(fx.PlaceOrder).intent
    rig.fill(flat.order_ref)
    rig.pass_time(10)
    assert (flat.side, flat.quantity, rig.shares) == (Side.BUY, 134, 300.0)


def test_assignment_that_turns_the_hedge_round() -> None:
    """The shares came before the leg was seen to go, and others hedged the shares. Both go over in one step. INV-R5."""
    rig, ref = quick_rig(gates__intent__hedge__cooldown_seconds=0.0)
    rig.fill(ref)
    rig.pass_time(1)
    rig.legs[CALL] = 19.0
    rig.shares += 100.0
    rig.send(ev.PositionsReported(rig.at, rig.positions()))
    rig.pass_time(12)
    assert rig.state.ledger.position(STOCK) == -34
    assert rig.state.legs[CALL].quantity == 19.0
    assert rig.state.recon.done
    booked = [e.execution for e in rig.of(fx.RecordExecution) if e.execution.exec_id.startswith("exer:")]
    assert [(e.price, e.signed_quantity) for e in booked] == [(140.0, 100.0)]
    later = [e.intent for e in rig.of(fx.PlaceOrder)][1:]
    assert all((order.side, order.quantity < 100) == (Side.SELL, True) for order in later), "never the whole 100"


def test_flatten_undone_by_the_next_hedge() -> None:
    """Others flattened, saw a delta and hedged it again. A flatten holds hedging off until somebody resumes it.

    INV-G6, INV-F4.
    """
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.pass_time(1)
    rig.send(ev.CommandReceived(rig.at, 9, "flatten", {"target": "zero"}))
    rig.pass_time(0.5)
    flat = rig.last(fx.PlaceOrder).intent
    assert (flat.side, flat.quantity, str(flat.purpose)) == (Side.BUY, 134, "flatten")
    rig.fill(flat.order_ref)
    rig.pass_time(120)
    done = [e for e in rig.of(fx.FinishCommand) if e.command_id == 9]
    assert [e.status for e in done] == ["done"]
    assert rig.state.ledger.position(STOCK) == 0
    assert sent(rig) == 2, "the hold keeps the next hedge from undoing the flatten"
    again = rig.restart()
    again.start()
    again.pass_time(70)
    assert sent(again) == 0, "the hold survives a restart"
    again.send(ev.CommandReceived(again.at, 10, "resume", {}))
    again.pass_time(2)
    assert sent(again) == 1


def test_paper_fills_that_block_reconciliation() -> None:
    """Others compared paper fills with the broker's flat account and stopped for ever. Only the live ledger is
    compared; the delta counts both.

    INV-L6.
    """
    rig = Rig(rules(gates__guard__risk__paper_trade=True), Restored(ACCOUNT, Mode.PAPER, sequence=range(1, 1000)))
    told(rig)
    rig.pass_time(5)
    order = rig.last(fx.PlaceOrder).intent
    rig.broker.clear()
    fill = Execution(
        f"paper:{order.order_ref}:1", ACCOUNT, STOCK, order.side, order.quantity, 140.0, rig.market_s or 0.0,
        order.order_ref, 0, 101, 1,
    )  # fmt: skip
    rig.send(ev.ExecutionReported(rig.at, fill))
    rig.pass_time(40)
    assert rig.shares == 0.0, "the broker knows nothing of it"
    assert rig.state.recon.done and rig.state.recon.suspects == ()
    assert rig.state.external_shares == 0.0, "and it is nobody else's either"
    assert (rig.state.ledger.position(STOCK), rig.state.live_ledger.position(STOCK)) == (-134, 0)
    exposure = rig.state.exposure
    assert exposure is not None and exposure.stock_shares == -134
    rig.spot = 142.0
    rig.pass_time(40)
    assert sent(rig) == 2, "hedging goes on"
