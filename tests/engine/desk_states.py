"""Every state of the desk that the lamp knows, each reached by events: what happened, then what the lamp shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.decide import Step
from bifrost_engine.domain.machines.hedge import IDLE, HedgeState
from bifrost_engine.domain.machines.trading import TradingState
from bifrost_engine.domain.words import DeltaState, LiquidityState, Quote

from tests.engine.rig import CALL, PUT, STOCK, Rig, rules
from tests.engine.rule_builders import new_york

GREEN, YELLOW, RED = "green", "yellow", "red"


def desk(**keys: Any) -> Rig:
    """A desk that has hedged its straddle and is in band; the link has been up for more than a minute."""
    rig = Rig(rules(**{"gates__intent__hedge__cooldown_seconds": 0.0} | keys))
    return hedged(rig)


def hedged(rig: Rig) -> Rig:
    rig.start()
    for ref in list(rig.broker):
        rig.status(ref, "Submitted")
        rig.fill(ref)
    rig.pass_time(65, step_s=1)
    assert rig.state.order is None
    return rig


def in_hours(**keys: Any) -> Rig:
    return hedged(Rig(rules(always_open=False, **keys)))


def in_band() -> Rig:
    return desk()


def minor() -> Rig:
    rig = desk()
    rig.spot = 140.18
    rig.pass_time(2)
    assert rig.state.dimensions is not None and rig.state.dimensions.delta is DeltaState.MINOR
    return rig


def cooling() -> Rig:
    rig = desk(gates__intent__hedge__cooldown_seconds=3600.0, gates__intent__hedge__min_price_move_pct=0.0)
    rig.spot = 140.6
    rig.pass_time(2)
    assert rig.state.last_decision == "blocked:cooldown"
    return rig


def pause_cost() -> Rig:
    rig = desk()
    rig.spot = 140.27
    rig.pass_time(2)
    assert rig.state.trading is TradingState.PAUSE_COST
    return rig


def pause_liq() -> Rig:
    rig = desk()
    rig.spot = 141.2
    wide(rig, 0.6)
    assert rig.state.trading is TradingState.PAUSE_LIQ
    return rig


def wide(rig: Rig, pct: float) -> None:
    for _ in range(12):
        rig.wall_s += 0.25
        rig.quote(rig.spot, spread=rig.spot * pct / 100.0)
        rig.send(ev.TimePassed(rig.at, rig.wall_s))


def liquidity_wide() -> Rig:
    rig = desk()
    wide(rig, 0.2)
    assert rig.state.dimensions is not None and rig.state.dimensions.liquidity is LiquidityState.WIDE
    return rig


def working() -> Rig:
    rig = desk()
    rig.spot = 141.2
    rig.pass_time(1)
    rig.status(rig.last(fx.PlaceOrder).intent.order_ref, "Submitted")
    rig.pass_time(1)
    assert rig.state.hedge is HedgeState.WORKING
    return rig


def suspended() -> Rig:
    rig = desk()
    rig.send(ev.SuspensionRead(rig.at, True))
    return rig


def unreadable() -> Rig:
    rig = desk()
    rig.send(ev.SuspensionRead(rig.at, None))
    return rig


def held() -> Rig:
    rig = desk()
    rig.send(ev.CommandReceived(rig.at, 1, "flatten", {"target": "delta"}))
    rig.pass_time(2)
    assert rig.state.day.hold == "flatten" and rig.state.flatten is None
    return rig


def standby() -> Rig:
    rig = desk()
    rig.send(ev.LeaseChanged(rig.at, held=False, lost=True))
    return rig


def no_database() -> Rig:
    rig = desk()
    rig.send(ev.DatabaseChanged(rig.at, False, "connection refused"))
    return rig


def lease_shaken() -> Rig:
    rig = desk()
    rig.send(ev.LeaseChanged(rig.at, held=False))
    return rig


def ib_down() -> Rig:
    rig = desk()
    rig.send(ev.LinkDown(rig.at, "the gateway closed the connection"))
    for _ in range(200):
        rig.wall_s += 1.0
        rig.send(ev.TimePassed(rig.at, None))
    return rig


def ib_lost() -> Rig:
    rig = desk()
    rig.send(ev.ConnectivityLost(rig.at))
    rig.pass_time(90, step_s=1)
    return rig


def reconnected(wait_s: float) -> Rig:
    """The broker's truth cannot be read since the link came back."""
    rig = desk()
    rig.send(ev.LinkDown(rig.at, "cut"))
    rig.answers_truth = False
    rig.link_up()
    rig.pass_time(wait_s, step_s=1)
    return rig


def blocked() -> Rig:
    rig = desk()
    rig.legs[CALL] = 17.0
    rig.send(ev.PositionsReported(rig.at, rig.positions()))
    rig.pass_time(15)
    assert rig.state.recon.blocked
    return rig


def stale(wait_s: float, rig: Rig | None = None) -> Rig:
    """Another session of the login holds the live data."""
    rig = rig or desk()
    rig.send(ev.LineFailed(rig.at, STOCK, 10197, "competing session"))
    beat(rig, wait_s)
    assert rig.state.trading is TradingState.SAFE
    return rig


def beat(rig: Rig, seconds: float) -> None:
    """Time without ticks; the gateway goes on answering."""
    for _ in range(round(seconds * 2)):
        rig.wall_s += 0.5
        rig.market_s = (rig.market_s or 0.0) + 0.5
        rig.send(ev.TimePassed(rig.at, rig.wall_s))


def no_quote() -> Rig:
    rig = desk()
    rig.send(ev.QuotesChanged(rig.at, (Quote(STOCK, None, 140.0, 0, 5, 140.0, rig.wall_s),), rig.wall_s, rig.wall_s))
    beat(rig, 10)
    return rig


def silent() -> Rig:
    """Nothing at all from the gateway for two seconds."""
    rig = desk()
    rig.wall_s += 2.0
    rig.send(ev.TimePassed(rig.at, rig.wall_s - 2.0))
    return rig


def greeks_bad(wait_s: float) -> Rig:
    rig = desk()
    rig.state = replace(rig.state, portfolio=replace(rig.state.portfolio, last=None, inputs=None))
    config = rig.rules.config
    greeks = config.greeks.model_copy(update={"risk_free_rate": float("nan")})
    rig.rules = replace(rig.rules, config=config.model_copy(update={"greeks": greeks}))
    rig.pass_time(wait_s, step_s=1)
    assert rig.state.dimensions is not None and rig.state.dimensions.delta is DeltaState.INVALID
    return rig


def flat_volatility() -> Rig:
    """No model and no option quotes: the configured volatility prices the legs."""
    rig = Rig(rules(gates__intent__hedge__cooldown_seconds=0.0))

    def quote(spot: float, spread: float = 0.02) -> Step:
        one = Quote(STOCK, spot - spread / 2, spot + spread / 2, 500, 500, spot, rig.wall_s)
        return rig.send(ev.QuotesChanged(rig.at, (one,), rig.wall_s, rig.wall_s))

    rig.quote = quote  # type: ignore[method-assign]
    return hedged(rig)


def breaker(**keys: Any) -> Rig:
    rig = desk(gates__guard__risk__max_daily_loss_usd=100.0, **keys)
    quotes = tuple(Quote(key, 4.90, 5.10, 50, 50, 5.0, rig.wall_s) for key in (CALL, PUT))
    rig.send(ev.QuotesChanged(rig.at, quotes, rig.wall_s, rig.wall_s))
    beat(rig, 8)
    assert rig.state.day.breaker_latched
    return rig


def orphan() -> Rig:
    rig = desk(gates__strategy__structure__unwind="alert")
    for number, key in enumerate((CALL, PUT)):
        rig.send(ev.CommandReceived(rig.at, number + 1, "release_leg", {"contract_key": str(key)}))
    rig.pass_time(2)
    return rig


def no_legs() -> Rig:
    rig = Rig(rules(), legs={})
    rig.start()
    rig.pass_time(65, step_s=1)
    return rig


def unknown(wait_s: float) -> Rig:
    rig = working()
    rig.answers_truth = False
    rig.send(ev.LinkDown(rig.at, "cut"))
    rig.link_up()
    if wait_s > 100:
        rig.answers_truth = True
        rig.broker.clear()
        rig.shares += 77.0  # somebody else's, and no execution tells: no probe can settle it
    rig.pass_time(wait_s, step_s=1)
    assert rig.state.hedge is HedgeState.UNKNOWN
    return rig


def rejected() -> Rig:
    rig = desk()
    rig.spot = 141.2
    rig.pass_time(0.5)
    rig.reject(rig.last(fx.PlaceOrder).intent.order_ref)
    rig.pass_time(2.5)
    assert rig.state.hedge in IDLE and rig.state.retry_after_s > rig.wall_s
    return rig


def exposed() -> Rig:
    rig = suspended()
    rig.spot = 146.0
    rig.pass_time(10)
    assert rig.state.dimensions is not None and rig.state.dimensions.delta is DeltaState.FORCE_HEDGE
    return rig


def counted() -> Rig:
    rig = desk(gates__guard__risk__max_daily_hedge_count=1)
    return rig


def halted() -> Rig:
    rig = desk()
    one = Quote(STOCK, 139.99, 140.01, 500, 500, 140.0, rig.wall_s, halted=True)
    rig.send(ev.QuotesChanged(rig.at, (one,), rig.wall_s, rig.wall_s))
    return rig


def after_hours(rig: Rig | None = None) -> Rig:
    rig = rig or in_hours()
    rig.market_s = new_york("2026-05-07 18:00")
    rig.pass_time(5)
    return rig


def resetting() -> Rig:
    rig = in_hours()
    rig.wall_s = new_york("2026-05-06 23:50")
    rig.send(ev.LinkDown(rig.at, "nightly"))
    rig.link_up()
    rig.pass_time(65, step_s=1)
    return rig


def reconfigured(**keys: Any) -> Callable[[], Rig]:
    def reached() -> Rig:
        rig = desk()
        rig.rules = rules(gates__intent__hedge__cooldown_seconds=0.0, **keys)
        rig.pass_time(1)
        return rig

    return reached


def stopping() -> Rig:
    rig = desk()
    rig.send(ev.Stopping(rig.at, "stop by command 3"))
    return rig


@dataclass(frozen=True)
class Row:
    """One state: how it is reached, its lamp and the word its first reason begins with."""

    name: str
    reach: Callable[[], Rig]
    lamp: str
    reason: str = ""
    order: bool = False
    """An order of ours is under way: whether another would leave says nothing."""


STATES = [
    Row("in band", in_band, GREEN),
    Row("minor", minor, GREEN),
    Row("cooldown", cooling, GREEN),
    Row("PAUSE_COST", pause_cost, GREEN),
    Row("wide spread", liquidity_wide, GREEN),
    Row("own order working", working, GREEN, order=True),
    Row("PAUSE_LIQ", pause_liq, YELLOW, "safe_mode: L2"),
    Row("suspended", suspended, YELLOW, "suspended"),
    Row("suspension unreadable", unreadable, YELLOW, "suspended"),
    Row("hold", held, YELLOW, "hold"),
    Row("standby", standby, YELLOW, "standby"),
    Row("database down", no_database, YELLOW, "db_unavailable"),
    Row("the lease's connection lost", lease_shaken, YELLOW, "db_unavailable"),
    Row("IB down", ib_down, YELLOW, "not_reconciled"),
    Row("1100", ib_lost, YELLOW, "not_reconciled"),
    Row("not reconciled yet", lambda: reconnected(30), YELLOW, "not_reconciled"),
    Row("not reconciled for long", lambda: reconnected(70), RED, "not_reconciled"),
    Row("unexplained difference", blocked, RED, "not_reconciled"),
    Row("SAFE, short", lambda: stale(10), YELLOW, "safe_mode: M5"),
    Row("SAFE, long", lambda: stale(75), RED, "safe"),
    Row("SAFE, long, after hours", lambda: stale(75, after_hours()), YELLOW, "safe_mode: M5"),
    Row("no quote", no_quote, YELLOW, "safe_mode: L3"),
    Row("data lag", silent, YELLOW, "safe_mode: S2"),
    Row("greeks bad", lambda: greeks_bad(5), YELLOW, "safe_mode: S1"),
    Row("greeks bad for long", lambda: greeks_bad(75), RED, "safe"),
    Row("flat volatility", flat_volatility, YELLOW, "flat_volatility"),
    Row("breaker", breaker, RED, "circuit_breaker"),
    Row("breaker, forced only", lambda: breaker(gates__guard__risk__on_breaker="forced_only"), RED, "circuit_breaker"),
    Row("orphan hedge", orphan, RED, "orphan_hedge"),
    Row("no legs", no_legs, YELLOW, "no_legs"),
    Row("unknown order", lambda: unknown(20), YELLOW, "not_reconciled", order=True),
    Row("unknown order past its probes", lambda: unknown(120), RED, "order_unresolved", order=True),
    Row("back-off after a reject", rejected, YELLOW, "backoff"),
    Row("exposed", exposed, RED, "exposed"),
    Row("count reached", counted, YELLOW, "max_daily_hedge_count"),
    Row("halted", halted, YELLOW, "halted"),
    Row("outside the session", after_hours, YELLOW, "outside_session"),
    Row("reset window", resetting, YELLOW, "reset_window"),
    Row("strategy disabled", reconfigured(strategy_enabled=False), YELLOW, "strategy_disabled"),
    Row("earnings", reconfigured(gates__strategy__earnings__dates=["2026-05-08"]), YELLOW, "earnings_blackout"),
    Row("stopping", stopping, RED, "stopped", order=True),
]
#: Red or yellow by rule although a forced hedge passes: the breaker under forced_only, a leg at the flat volatility.
COLOURED_ALL_THE_SAME = {"breaker, forced only", "flat volatility"}
