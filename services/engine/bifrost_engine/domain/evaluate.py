"""One evaluation: from quotes, book and machines to hedge or not, and why (engine.md sections 2 to 4).

Read from top to bottom: what is the exposure, which state is the world in, may the machine act, what do the gates say.
"""

from __future__ import annotations

from dataclasses import dataclass

from bifrost.config import OnBreaker

from . import gates, look
from .dimensions import classify
from .effects import RecordCounts, RecordDecision, RecordHistory, RecordTradingDay, Severity
from .evolve import evolve
from .execution import flatten, orders, repricing
from .execution.limits import at_least
from .ledger import reconcile
from .machines.hedge import IDLE, HedgeEvent
from .machines.trading import TRADING_MACHINE, TradingEvent, TradingState
from .market import freshness, market
from .market.session import session_view
from .portfolio import legs, marks, portfolio
from .portfolio.portfolio import Exposure
from .state import Minute
from .trading_day import daybook
from .trading_day import trading_day as days
from .turn import ALERT_DAILY_S, Turn
from .view import GateResult, LastHedge, SessionView, View
from .words import (
    DeltaState,
    Dimensions,
    ExecutionState,
    HealthState,
    LiquidityState,
    MarketState,
    OptionState,
    OrderType,
    Purpose,
)

#: The counts of the minute under way are recorded this often, wall seconds.
COUNTS_S = 10.0
_WATCHING = frozenset(
    {
        TradingState.MONITOR,
        TradingState.NO_TRADE,
        TradingState.PAUSE_COST,
        TradingState.PAUSE_LIQ,
        TradingState.NEED_HEDGE,
    }
)
_LIQUID = (LiquidityState.NORMAL, LiquidityState.WIDE)
_HEDGE_WANTED = (DeltaState.HEDGE_NEEDED, DeltaState.FORCE_HEDGE)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one evaluation saw and said."""

    view: View
    gates: tuple[GateResult, ...]
    outcome: str
    block_reason: str


def evaluate(turn: Turn) -> Evaluation | None:
    """Evaluate once. None while market time is unknown: then nothing is decided (contracts.md, "clock")."""
    if turn.at.market_s is None:
        return None
    session = session_view(turn.at.market_s, turn.rules.calendar)
    exposure = _exposure(turn)
    stale = freshness.staleness(
        turn.state.book,
        turn.at,
        turn.rules.config,
        session,
        [leg.key for leg in legs.managed(turn)],
        turn.state.account,
    )
    _risk(turn, exposure, session, stale)
    dimensions = _classify(turn, exposure, session, stale)
    _remember_hedge(turn, exposure)
    view = look.view_of(turn, exposure, dimensions, session, stale)
    _withdraw_if_needed(turn, exposure, view)
    results = gates.evaluate(view)
    _walk(turn, view, results, _unsafe_cause(turn, dimensions, stale, exposure))
    if turn.state.trading is not view.trading_state or turn.state.hedge is not view.hedge_state:
        # An order that was withdrawn before it was sent is gone: E with it, or the lamp would blame an idle machine.
        dimensions = _classify(turn, exposure, session, stale)
        view = look.view_of(turn, exposure, dimensions, session, stale)
        results = gates.evaluate(view)
    outcome, reason = _act(turn, view, results, dimensions)
    _note(turn, view, results, outcome, reason)
    return Evaluation(view, results, outcome, reason)


def _exposure(turn: Turn) -> Exposure:
    state, rules = turn.state, turn.rules
    shares = reconcile.shares_in_scope(turn)
    exposure, memory = portfolio.exposure(
        state.legs, state.book, shares, turn.at, rules.config, rules.calendar, state.portfolio
    )
    turn.change(exposure=exposure, portfolio=memory)
    for alert in exposure.alerts:
        key = f"{alert.key}:{state.day.day}"
        turn.alert(Severity.WARNING, alert.code, alert.message, key=key, repeat_s=ALERT_DAILY_S)
    return exposure


def _risk(turn: Turn, exposure: Exposure, session: SessionView, stale: str) -> None:
    """Mark the day to market where marks are good, and let the breaker see it."""
    state, config = turn.state, turn.rules.config
    keys = [state.stock, *(leg.key for leg in legs.managed(turn))]
    daybook.mark(turn, exposure, marks.good_marks(state.book, keys, config, session, stale))
    day, latched = days.assess_breaker(turn.state.day, turn.at, config)
    if day is not turn.state.day:
        turn.change(day=day)
    if latched:
        turn.emit(RecordTradingDay(day.as_row()))
        turn.alert(Severity.CRITICAL, "breaker", f"daily-loss breaker: {day.breaker_reason}", key=str(day.day))
        orders.withdraw(turn, HedgeEvent.RISK_TRIP, "circuit breaker")
    _warn_of_exposure(turn, exposure)


def _warn_of_exposure(turn: Turn, exposure: Exposure) -> None:
    """Halted by the breaker with a book that runs away: a critical alert, repeated while it lasts."""
    state, config = turn.state, turn.rules.config
    if not state.day.breaker_latched or config.gates.guard.risk.on_breaker is not OnBreaker.HALT:
        return
    delta = exposure.net_delta_shares
    short_gamma = state.dimensions is not None and state.dimensions.option is OptionState.SHORT_GAMMA
    if short_gamma or (delta is not None and at_least(abs(delta), config.gates.state.delta.max_delta_limit)):
        told = "unknown" if delta is None else f"{delta:+.0f} shares"
        gamma = "short" if short_gamma else "long"
        text = f"halted by the breaker with {gamma} gamma and a net delta of {told}: {state.day.breaker_reason}"
        turn.alert(Severity.CRITICAL, "breaker_exposed", text)


def _classify(turn: Turn, exposure: Exposure, session: SessionView, stale: str) -> Dimensions:
    state, config = turn.state, turn.rules.config
    dimensions = classify(
        legs_count=exposure.legs_count,
        gamma_shares=exposure.gamma_shares,
        spot=state.book.mid,
        net_delta_shares=exposure.net_delta_shares,
        previous_option=state.option_state,
        market=freshness.market_state(state.book, turn.at, config, stale),
        liquidity=market.liquidity_state(state.book, config),
        link_usable=state.link.usable,
        hedge=state.hedge,
        retry_left=state.failures < config.order.hedge_retries,
        breaker_latched=state.day.breaker_latched,
        data_lag_ms=freshness.data_lag_ms(state.book, turn.at),
        in_session=session.in_session,
        config=config,
    )
    option_state = state.option_state if dimensions.option is OptionState.NONE else dimensions.option
    turn.change(dimensions=dimensions, option_state=option_state)
    return dimensions


def _remember_hedge(turn: Turn, exposure: Exposure) -> None:
    """When an order has ended with fills, keep spot, delta and gamma after it for min_price_move."""
    state = turn.state
    if not state.ended_with_fills or exposure.net_delta_shares is None or state.book.mid is None:
        return
    last = LastHedge(
        market_s=turn.at.market_s or 0.0,
        spot=state.book.mid,
        delta_shares=exposure.net_delta_shares,
        gamma_shares=exposure.gamma_shares or 0.0,
        residue=state.ended_residue,
    )
    turn.change(ended_with_fills=False)
    turn.change_day(last_hedge=last)


def _withdraw_if_needed(turn: Turn, exposure: Exposure, view: View) -> None:
    """A hedge that is no longer wanted or allowed is taken back; suspension also takes back what the engine unwinds."""
    order = turn.state.order
    if order is None or order.intent.purpose is Purpose.FLATTEN:
        return
    if turn.state.suspended:
        orders.withdraw(turn, HedgeEvent.MANUAL_CANCEL, "suspended")
    elif order.intent.purpose is Purpose.HEDGE and exposure.net_delta_shares is not None:
        rest = order.signed_remaining
        if abs(exposure.net_delta_shares + rest) > abs(exposure.net_delta_shares) + 1e-9:
            reason = f"delta is {exposure.net_delta_shares:+.1f} now: {rest:+d} shares would make it larger"
            orders.withdraw(turn, HedgeEvent.TARGET_OBSOLETE, reason)


def _unsafe_cause(turn: Turn, dimensions: Dimensions, stale: str, exposure: Exposure) -> str:
    """What drives the trading machine into SAFE; stale data must last for `safe_debounce_s`."""
    state = turn.state
    data_cause = stale or ("no two-sided quote (L3)" if dimensions.liquidity is LiquidityState.NO_QUOTE else "")
    if not data_cause:
        turn.change(data_bad_s=None, data_bad_cause="")
    elif state.data_bad_s is None:
        turn.change(data_bad_s=turn.at.wall_s, data_bad_cause=data_cause)
    if not state.link.usable:
        return f"broker_down: {state.link.reason}" if not state.link.up else "broker_down: the gateway lost IB (1100)"
    if dimensions.execution is ExecutionState.BROKER_ERROR:
        return "exec_fault: hedges failed " + str(state.failures) + " times"
    since = turn.state.data_bad_s
    if since is not None and turn.at.wall_s - since >= turn.rules.config.gates.state.system.safe_debounce_s:
        return f"data_stale: {data_cause}"
    if dimensions.delta is DeltaState.INVALID:
        return f"greeks_bad: {exposure.reason}"
    return ""


def _walk(turn: Turn, view: View, results: tuple[GateResult, ...], cause: str) -> None:
    """Let the trading machine take every step that is due."""
    if cause:
        turn.change(safe_cause=cause, safe_clear_s=None)
    elif turn.state.trading is TradingState.SAFE and turn.state.safe_clear_s is None:
        turn.change(safe_clear_s=turn.at.wall_s)
    for _ in TradingState:
        event = _next_event(turn, view, results, cause)
        if event is None:
            return
        before = turn.state.trading
        after = TRADING_MACHINE.next(before, event)
        if after is before:
            return
        turn.change(trading=after, trading_since_s=turn.at.wall_s)
        if after is TradingState.SAFE:
            _enter_safe(turn)
        elif before is TradingState.SAFE:
            turn.change(safe_cause="", safe_clear_s=None)


def _enter_safe(turn: Turn) -> None:
    """A limit order waiting in the book is taken back; a market order is left alone."""
    order = turn.state.order
    if order is not None and order.order_type is OrderType.LIMIT:
        orders.withdraw(turn, HedgeEvent.RISK_TRIP, f"safe: {turn.state.safe_cause}")


def _next_event(turn: Turn, view: View, results: tuple[GateResult, ...], cause: str) -> TradingEvent | None:
    state, config = turn.state, turn.rules.config
    trading = state.trading
    if cause:
        return TradingEvent.UNSAFE if trading is not TradingState.SAFE else None
    data_ok = not view.stale_cause and view.dimensions.liquidity is not LiquidityState.NO_QUOTE and bool(view.spot)
    armed = view.legs_count > 0 and config.strategy_enabled
    if trading is TradingState.SAFE:
        debounce = config.gates.state.system.safe_debounce_s
        clear = state.safe_clear_s is not None and turn.at.wall_s - state.safe_clear_s >= debounce
        return TradingEvent.SAFE_OVER if clear and data_ok and state.recon.done else None
    if trading is TradingState.BOOT:
        waited = turn.at.wall_s - state.started_s >= config.gates.state.system.quiet_limit_s
        return TradingEvent.START if state.book.two_sided or waited else None
    if trading is TradingState.SYNC:
        return TradingEvent.SYNCED if state.recon.done and data_ok else None
    if trading is TradingState.IDLE:
        return TradingEvent.ARM if armed else None
    if trading is TradingState.ARMED:
        return TradingEvent.GREEKS_VALID if armed else TradingEvent.DISARM
    if trading in _WATCHING:
        return _watching_event(view, results) if armed else TradingEvent.DISARM
    return None


def _watching_event(view: View, results: tuple[GateResult, ...]) -> TradingEvent:
    match view.dimensions.delta:
        case DeltaState.IN_BAND:
            return TradingEvent.IN_BAND
        case DeltaState.MINOR:
            return TradingEvent.MINOR
    passed = {result.name: result.passed for result in results}
    if view.dimensions.liquidity not in _LIQUID or not passed["spread_too_wide"]:
        return TradingEvent.NEED_LIQUIDITY_BAD
    return TradingEvent.NEED_OK if passed["min_price_move"] else TradingEvent.NEED_COST_BAD


def _act(turn: Turn, view: View, results: tuple[GateResult, ...], dimensions: Dimensions) -> tuple[str, str]:
    """Hedge when everything says so. Returns the outcome and, when it is not a hedge, the reason."""
    repricing.follow(turn, view)
    flatten.advance(turn, view)
    if dimensions.delta not in _HEDGE_WANTED:
        return "none", {"D0": "in_band", "D1": "minor"}.get(dimensions.delta, "greeks_invalid")
    failing = gates.first_failing(results)
    if failing is not None:
        return "blocked", block_reason(failing)
    if turn.at.wall_s < turn.state.retry_after_s:
        return "blocked", "backoff"
    if turn.state.trading is not TradingState.NEED_HEDGE or turn.state.hedge not in IDLE:
        return "blocked", f"trading={turn.state.trading}"
    if not _emittable(dimensions):
        return "blocked", f"state:{dimensions}"
    intent = orders.start(
        turn,
        shares=view.order_shares,
        purpose=Purpose.HEDGE,
        order_type=view.order_type,
        limit_price=view.limit_price,
        reason=str(dimensions.delta),
        forced=view.forced,
        gates=results,
        context=look.context_of(turn, view),
    )
    if intent is None:
        return "blocked", "decision_numbers"
    turn.change(
        trading=TRADING_MACHINE.next(turn.state.trading, TradingEvent.TARGET_EMITTED), trading_since_s=turn.at.wall_s
    )
    return "hedge", ""


def block_reason(gate: GateResult) -> str:
    """The short name of what blocks: the gate, for safe_mode and not_reconciled with its cause."""
    return gate.reason.split(" ", 1)[0].rstrip(":,") if gate.reason.startswith(gate.name) else gate.name


def _emittable(dimensions: Dimensions) -> bool:
    """The rule that closes section 2: every dimension must allow a target."""
    return (
        dimensions.option is not OptionState.NONE
        and dimensions.delta in _HEDGE_WANTED
        and dimensions.market is not MarketState.STALE
        and dimensions.liquidity in _LIQUID
        and dimensions.execution is ExecutionState.IDLE
        and dimensions.health is HealthState.OK
    )


def _note(turn: Turn, view: View, results: tuple[GateResult, ...], outcome: str, reason: str) -> None:
    """Record the decision when it changed, and count it in its minute."""
    state = turn.state
    name = f"{outcome}:{reason}" if reason else outcome
    if name != state.last_decision:
        turn.change(last_decision=name)
        turn.emit(
            RecordDecision(
                at=turn.at,
                dimensions=view.dimensions,
                net_delta=view.net_delta_shares,
                spot=view.spot,
                bid=view.bid,
                ask=view.ask,
                need_shares=view.need_shares,
                outcome=outcome,
                block_reason=reason,
                gates=tuple(result.as_row() for result in results),
                machines={"trading": str(turn.state.trading), "hedge": str(turn.state.hedge)},
                order_ref=turn.state.order.order_ref if outcome == "hedge" and turn.state.order else "",
            )
        )
    start_s = (turn.at.market_s or 0.0) // 60 * 60
    minute = state.minute
    if start_s != minute.start_s:
        if minute.counts:
            turn.emit(RecordCounts(minute.start_s, minute.counts))
            turn.emit(RecordHistory(turn.at, "minute"), RecordTradingDay(turn.state.day.as_row()))
        minute = Minute(start_s, recorded_s=turn.at.wall_s)
    counts, recorded_s = {**minute.counts, name: minute.counts.get(name, 0) + 1}, minute.recorded_s
    if turn.at.wall_s - recorded_s >= COUNTS_S:
        # A kill loses what was counted since.
        turn.emit(RecordCounts(start_s, counts))
        recorded_s = turn.at.wall_s
    turn.change(minute=evolve(minute, counts=counts, recorded_s=recorded_s))
