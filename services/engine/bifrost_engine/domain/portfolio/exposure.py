"""The exposure of the book in shares, leg by leg (engine.md section 1).

``net_delta = stock in scope + Σ quantity × multiplier × delta``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from bifrost.calendar import NEW_YORK, TradingCalendar
from bifrost.config import Config
from bifrost.contract import ContractKey
from bifrost.options import Dividends, ModelError

from ..evolve import evolve
from ..execution.limits import at_least, finite
from ..market.market import MarketBook, valid_mid
from ..words import Times
from .figures import Exposure, ExposureAlert, LegExposure
from .leg import Leg
from .leg_alerts import leg_alerts
from .leg_model import Figures, LegTime, dividends_ahead, expired_delta, leg_time, model_figures
from .volatility import (
    FRESH_S,
    HOLD_SOURCE_S,
    LegVolatility,
    Pricing,
    VolatilityMemory,
    VolatilitySource,
    best,
    challengers,
    held,
)

#: The model is worked again after this much market time though nothing moved.
RECOMPUTE_S = 1.0
#: The official last price is taken until this long after the close: the closing print comes late (market seconds).
SETTLE_WITHIN_S = 120.0


@dataclass(frozen=True)
class PortfolioMemory:
    """What one evaluation leaves for the next: volatilities, prices at expiry, and the last result with its inputs."""

    volatility: VolatilityMemory = field(default_factory=VolatilityMemory)
    settled: Mapping[str, float] = field(default_factory=dict)
    """Official last price of the stock by expiry date."""
    unseen: frozenset[str] = frozenset()
    """Expiries that no engine saw: their price is what came later, good enough for a delta and for nothing else."""
    last: Exposure | None = None
    inputs: object = None
    """What the last result was computed from; equal inputs within a second give the same result."""
    computed_market_s: float = 0.0


def exposure(
    legs: Mapping[ContractKey, Leg],
    book: MarketBook,
    stock_shares: float,
    at: Times,
    config: Config,
    calendar: TradingCalendar,
    memory: PortfolioMemory,
) -> tuple[Exposure, PortfolioMemory]:
    """Delta, gamma, theta and vega of the managed legs and the stock in scope.

    Works the model only when spot, a volatility or the legs changed, or a second of market time passed.
    """
    counted = [leg for _, leg in sorted(legs.items()) if leg.managed]
    if not counted:
        return _no_legs(stock_shares), PortfolioMemory(settled=memory.settled, unseen=memory.unseen)
    if at.market_s is None:
        return _invalid(stock_shares, len(counted), "market time is not known yet"), memory
    if book.mid is None:
        return _invalid(stock_shares, len(counted), f"no accepted price of {book.stock.symbol} yet"), memory
    try:
        return _work(counted, book, book.mid, at.market_s, stock_shares, at, config, calendar, memory)
    except ModelError as error:
        return _invalid(stock_shares, len(counted), f"option model: {error}"), evolve(memory, last=None, inputs=None)


def _work(
    legs: list[Leg],
    book: MarketBook,
    spot: float,
    market_s: float,
    stock_shares: float,
    at: Times,
    config: Config,
    calendar: TradingCalendar,
    memory: PortfolioMemory,
) -> tuple[Exposure, PortfolioMemory]:
    times = {leg.key: leg_time(leg.key, spot, market_s, calendar) for leg in legs}
    live = [Pricing(leg.key, times[leg.key].t_years) for leg in legs if not times[leg.key].expired]
    dividends = dividends_ahead(market_s, config)
    chosen, volatility = best(live, spot, dividends, book, at, config, calendar, memory.volatility)
    settled, unseen = _settle(legs, times, book, spot, market_s, calendar, memory)
    memory = evolve(memory, volatility=volatility, settled=settled, unseen=unseen)
    inputs = (spot, tuple(legs), tuple(settled.items()), config.greeks, _inputs_of(chosen, legs, book))
    since_s = market_s - memory.computed_market_s
    last = memory.last
    if last is not None and inputs == memory.inputs and 0 <= since_s < RECOMPUTE_S and not volatility.challenged:
        return _with_stock(last, stock_shares), memory
    chosen, figures, volatility = _settle_sources(legs, live, chosen, spot, dividends, at, config, volatility)
    rows = tuple(
        _row(leg, times[leg.key], chosen.get(leg.key), figures.get(leg.key), settled, book, at) for leg in legs
    )
    result = _sum(rows, stock_shares, leg_alerts(rows, times, spot, dividends, config))
    return result, evolve(memory, volatility=volatility, last=result, inputs=inputs, computed_market_s=market_s)


def _inputs_of(
    chosen: Mapping[ContractKey, LegVolatility], legs: list[Leg], book: MarketBook
) -> tuple[tuple[object, ...], ...]:
    volatilities = tuple((volatility.iv_annual, volatility.source) for volatility in chosen.values())
    return (volatilities, tuple(valid_mid(book.quotes.get(leg.key)) for leg in legs))


def _settle_sources(
    legs: list[Leg],
    live: list[Pricing],
    chosen: dict[ContractKey, LegVolatility],
    spot: float,
    dividends: Dividends,
    at: Times,
    config: Config,
    memory: VolatilityMemory,
) -> tuple[dict[ContractKey, LegVolatility], dict[ContractKey, Figures], VolatilityMemory]:
    """Greeks by the chosen volatilities, unless a change of source alone moves net delta and has not lasted yet."""
    figures = model_figures(live, chosen, spot, dividends, config)
    waiting = challengers(chosen, at, memory)
    unripe = [key for key, (_, since_s) in waiting.items() if at.wall_s - since_s < HOLD_SOURCE_S]
    if unripe:
        kept = held(chosen, unripe, memory)
        before = model_figures(live, kept, spot, dividends, config)
        moved = sum(
            leg.quantity * leg.multiplier * (figures[leg.key].delta - before[leg.key].delta)
            for leg in legs
            if leg.key in figures
        )
        if at_least(abs(moved), config.gates.state.delta.epsilon_band):
            return kept, before, evolve(memory, used=kept, challenged=waiting)
    return chosen, figures, evolve(memory, used=chosen, challenged={})


def _settle(
    legs: list[Leg],
    times: Mapping[ContractKey, LegTime],
    book: MarketBook,
    spot: float,
    market_s: float,
    calendar: TradingCalendar,
    memory: PortfolioMemory,
) -> tuple[Mapping[str, float], frozenset[str]]:
    """The official last price per expiry that has passed: it stands still while after-hours trading goes on.

    The second value names the expiries whose last price nobody took in time.
    """
    settled = memory.settled
    prices = {leg.key.expiry: settled[leg.key.expiry] for leg in legs if leg.key.expiry in settled}
    unseen = memory.unseen
    for leg in legs:
        if times[leg.key].expired:
            expiry = leg.key.expiry
            passed_s = market_s - calendar.last_trading_moment_s(leg.key.expiry_date)
            if passed_s <= SETTLE_WITHIN_S:
                prices[expiry] = book.last or spot
            elif expiry not in prices:
                prices[expiry] = _settled_before(book, market_s, market_s - passed_s) or book.last or spot
                unseen |= {expiry}
    return (settled if prices == settled else prices), unseen


def _settled_before(book: MarketBook, market_s: float, expired_s: float) -> float | None:
    """The official last of an expiry that passed before this engine began, from the next day on: the previous close.

    On the day itself the gateway's close is still the one before; then only the last trade is known.
    """
    today, last_day = (datetime.fromtimestamp(moment_s, NEW_YORK).date() for moment_s in (market_s, expired_s))
    close = finite(book.quote.close) if book.quote is not None else None
    return close if today > last_day and close is not None and close > 0 else None


def _row(
    leg: Leg,
    when: LegTime,
    volatility: LegVolatility | None,
    figures: Figures | None,
    settled: Mapping[str, float],
    book: MarketBook,
    at: Times,
) -> LegExposure:
    quote = book.quotes.get(leg.key)
    told = quote is not None and quote.model_wall_s is not None and at.wall_s - quote.model_wall_s <= FRESH_S
    if figures is None:
        figures = Figures(expired_delta(leg.key, settled[leg.key.expiry]), 0.0, 0.0, 0.0)
    return LegExposure(
        key=leg.key,
        quantity=leg.quantity,
        multiplier=leg.multiplier,
        delta=figures.delta,
        gamma=figures.gamma,
        theta_usd_per_day=figures.theta_day,
        vega_usd_per_vol=figures.vega,
        iv_annual=volatility.iv_annual if volatility is not None else None,
        source=volatility.source if volatility is not None else VolatilitySource.EXPIRED,
        age_s=max(0.0, at.wall_s - volatility.as_of_s) if volatility is not None else 0.0,
        dte=when.dte,
        mark=valid_mid(quote),
        broker_delta=finite(quote.model_delta) if quote is not None and told and not when.expired else None,
    )


def _sum(rows: tuple[LegExposure, ...], stock_shares: float, alerts: tuple[ExposureAlert, ...]) -> Exposure:
    option_delta = sum(row.delta_shares for row in rows)
    return Exposure(
        valid=True,
        reason="",
        stock_shares=stock_shares,
        option_delta_shares=option_delta,
        net_delta_shares=stock_shares + option_delta,
        gamma_shares=sum(row.quantity * row.multiplier * row.gamma for row in rows),
        theta_usd_per_day=sum(row.quantity * row.multiplier * row.theta_usd_per_day for row in rows),
        vega_usd_per_vol=sum(row.quantity * row.multiplier * row.vega_usd_per_vol for row in rows),
        legs_count=len(rows),
        legs=rows,
        flat_volatility=any(row.source is VolatilitySource.FLAT for row in rows),
        alerts=alerts,
    )


def _with_stock(result: Exposure, stock_shares: float) -> Exposure:
    if stock_shares == result.stock_shares or result.option_delta_shares is None:
        return result
    return replace(result, stock_shares=stock_shares, net_delta_shares=stock_shares + result.option_delta_shares)


def _no_legs(stock_shares: float) -> Exposure:
    return Exposure(True, "", stock_shares, 0.0, stock_shares, 0.0, 0.0, 0.0)


def _invalid(stock_shares: float, legs_count: int, reason: str) -> Exposure:
    return Exposure(False, reason, stock_shares, None, None, None, None, None, legs_count)
