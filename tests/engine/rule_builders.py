"""A quiet, healthy desk in one call; tests change the one thing they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from bifrost.calendar import NEW_YORK, TradingCalendar
from bifrost.config import Config
from bifrost.contract import ContractKey
from bifrost_engine.domain.events import QuotesChanged
from bifrost_engine.domain.machines.hedge import HedgeState
from bifrost_engine.domain.machines.trading import TradingState
from bifrost_engine.domain.market.market import MarketBook, on_link_up, on_quotes
from bifrost_engine.domain.portfolio.portfolio import Leg
from bifrost_engine.domain.view import LastHedge, SessionView, View
from bifrost_engine.domain.words import (
    DeltaState,
    Dimensions,
    Execution,
    ExecutionState,
    HealthState,
    LiquidityState,
    MarketState,
    Mode,
    OptionState,
    OrderType,
    Purpose,
    Quote,
    Side,
    Times,
)

STOCK = ContractKey("NVDA", "STK")
CALL = ContractKey("NVDA", "OPT", "20260220", 100.0, "C")
PUT = ContractKey("NVDA", "OPT", "20260220", 100.0, "P")
CALENDAR = TradingCalendar()
ALWAYS_OPEN = TradingCalendar(always_open=True)
READY = Dimensions(
    OptionState.LONG_GAMMA,
    DeltaState.HEDGE_NEEDED,
    MarketState.NORMAL,
    LiquidityState.NORMAL,
    ExecutionState.IDLE,
    HealthState.OK,
)


def new_york(text: str) -> float:
    """Epoch seconds of a New York time such as ``2026-01-23 10:00``."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()


NOON = new_york("2026-01-23 12:00")
OPEN, CLOSE = new_york("2026-01-23 09:30"), new_york("2026-01-23 16:00")


def config_with(values: Mapping[str, Any] | None = None) -> Config:
    """The defaults with some keys changed, written by their path: ``{"gates.guard.risk.max_notional": 1e5}``."""
    tree: dict[str, Any] = {}
    for path, value in (values or {}).items():
        *parents, leaf = path.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = value
    return Config.model_validate(tree)


def times(seconds: float = 0.0, market_s: float | None = NOON) -> Times:
    """``seconds`` after noon on both clocks."""
    return Times(NOON + seconds, None if market_s is None else market_s + seconds)


def view(config: Config | None = None, **changes: Any) -> View:
    """A view in which every gate passes: net delta +120, 120 shares to sell."""
    healthy = View(
        at=times(),
        config=config or config_with(),
        mode=Mode.LIVE,
        account="DU1",
        simulated_account=True,
        session=SessionView(True, OPEN, CLOSE, False),
        dimensions=READY,
        trading_state=TradingState.NEED_HEDGE,
        safe_cause="",
        hedge_state=HedgeState.EXEC_IDLE,
        suspended=False,
        suspension_known=True,
        hold="",
        leading=True,
        database_available=True,
        database_reason="",
        reconciled=True,
        not_reconciled_reason="",
        comparison_late_s=None,
        breaker_reason="",
        link_up=True,
        link_up_since_s=NOON - 3600.0,
        live_orders_allowed=True,
        bid=99.99,
        ask=100.01,
        spot=100.0,
        mid_1s_ago=100.0,
        spread_pct=0.02,
        halted=False,
        data_lag_ms=10.0,
        stale_cause="",
        legs_count=2,
        net_delta_shares=120.0,
        option_delta_shares=120.0,
        gamma_shares=80.0,
        greeks_reason="",
        flat_volatility=False,
        stock_in_scope=0.0,
        own_shares=0.0,
        last_hedge=None,
        last_fill_s=None,
        purpose=Purpose.HEDGE,
        need_shares=-120,
        order_shares=-120,
        forced=False,
        order_type=OrderType.MARKET,
        limit_price=None,
        order=None,
        order_times_s=(),
        hedges_today=0,
        buying_power=1_000_000.0,
        shortable_shares=1_000_000.0,
    )
    return replace(healthy, **changes)


def last_hedge(**changes: Any) -> LastHedge:
    hedge = LastHedge(NOON - 3600.0, 100.0, 0.0, 80.0, residue=False)
    return replace(hedge, **changes)


def quote(bid: float | None, ask: float | None, seconds: float = 0.0, key: ContractKey = STOCK, **more: Any) -> Quote:
    return Quote(key, bid, ask, 5, 5, more.pop("last", None), NOON + seconds, **more)


def feed(
    book: MarketBook,
    *quotes: Quote,
    at: Times | None = None,
    config: Config | None = None,
    calendar: TradingCalendar = CALENDAR,
) -> MarketBook:
    """The book after a burst of quotes, evaluated at the arrival of the last one."""
    arrived = max(q.arrived_wall_s for q in quotes)
    event = QuotesChanged(
        at or Times(arrived, arrived), quotes, min(q.arrived_wall_s for q in quotes), last_arrival_s=arrived
    )
    return on_quotes(book, event, config or config_with(), calendar)


def live_book(mid: float = 100.0, seconds: float = 0.0, config: Config | None = None) -> MarketBook:
    """Connected, with one good quote of the stock, two cents wide."""
    book = on_link_up(MarketBook(STOCK), times(seconds - 1.0))
    return feed(book, quote(mid - 0.01, mid + 0.01, seconds), config=config)


def leg(key: ContractKey = CALL, quantity: float = 10.0, multiplier: float = 100.0, **changes: Any) -> Leg:
    base = Leg(key, quantity, multiplier, 1, "NVDA", NOON, "test", 5.0)
    return replace(base, **changes)


def execution(exec_id: str, signed: float, price: float, **more: Any) -> Execution:
    return Execution(
        exec_id=exec_id,
        account="DU1",
        key=more.pop("key", STOCK),
        side=Side.of(signed),
        quantity=abs(signed),
        price=price,
        time_s=more.pop("time_s", NOON),
        **more,
    )
