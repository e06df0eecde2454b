"""Whether the feed can be trusted, and the market's regime (engine.md section 2, "Freshness" and M)."""

from __future__ import annotations

from collections.abc import Iterable

from bifrost.config import Config
from bifrost.contract import ContractKey

from ..execution.limits import above, at_least
from ..view import SessionView
from ..words import MarketState, Times
from .bars import annual_volatility, slope_per_minute
from .market import DELAYED, LIVE, FeedError, MarketBook

#: Delayed data is shown instead of live data.
DELAYED_CODE = 10167
#: The line gives no live data: 354/10089/10090/10168/10186 not subscribed, 10167 delayed, 10197 competing session.
_LINE_CODES = frozenset({354, 10089, 10090, DELAYED_CODE, 10168, 10186, 10197})
CHOPPY_VOLATILITY, QUIET_VOLATILITY = 0.80, 0.10
CHOPPY_SLOPE, TREND_SLOPE = 0.0002, 0.0005
FEWEST_RETURNS = 3


def data_lag_ms(book: MarketBook, at: Times) -> float | None:
    """Milliseconds of wall time that our picture of the market may be behind; None while there is no connection.

    The larger of the silence of the whole connection and the age of the oldest tick first seen by this evaluation.
    """
    if not book.link_up or book.last_arrival_s is None:
        return None
    lag_s = at.wall_s - book.last_arrival_s
    if book.burst_at == at and book.burst_oldest_s is not None:
        lag_s = max(lag_s, at.wall_s - book.burst_oldest_s)
    return max(0.0, lag_s * 1000.0)


def delayed_allowed(config: Config, account: str) -> bool:
    """Delayed data may hedge only with `allow_delayed`, on a simulated or paper account or in paper mode."""
    harmless = account.startswith("DU") or config.gates.guard.risk.paper_trade
    return config.gates.state.system.allow_delayed and harmless


def staleness(
    book: MarketBook,
    at: Times,
    config: Config,
    session: SessionView,
    managed_keys: Iterable[ContractKey],
    account: str = "",
) -> str:
    """Why the market is stale (M5), with the numbers; empty when it is not.

    ``account`` decides whether delayed data may pass.
    """
    keys = (book.stock, *managed_keys)
    delayed = delayed_allowed(config, account)
    return (
        _no_link(book)
        or _lagging(book, at, config)
        or _not_live(book, keys, delayed)
        or _in_error(book, keys, delayed)
        or ("" if book.two_sided else "no two-sided quote of the stock since subscribing")
        or _quiet(book, at, config, session, keys)
    )


def _no_link(book: MarketBook) -> str:
    if not book.link_up:
        return "no connection to IB"
    return "IB 1100: the gateway has lost IB" if book.connectivity_lost else ""


def _lagging(book: MarketBook, at: Times, config: Config) -> str:
    lag_ms, limit_ms = data_lag_ms(book, at), config.gates.state.market.stale_ts_threshold_ms
    if lag_ms is not None and above(lag_ms, limit_ms):
        return f"data lag {lag_ms:.0f} ms above {limit_ms:.0f} ms"
    return ""


def _not_live(book: MarketBook, keys: tuple[ContractKey, ...], delayed: bool) -> str:
    allowed = LIVE | DELAYED if delayed else LIVE
    for key in keys:
        quote = book.quotes.get(key)
        if quote is not None and quote.data_type not in allowed:
            return f"market-data type {quote.data_type} of {key} is not live (1)"
    return ""


def _in_error(book: MarketBook, keys: tuple[ContractKey, ...], delayed: bool) -> str:
    for key in keys:
        error = book.line_errors.get(key)
        if error is not None and error.code in _LINE_CODES and not (delayed and error.code == DELAYED_CODE):
            return f"IB {error.code} on {key}: {error.text}".rstrip(": ")
    feed = book.feed_error
    if feed is not None and feed.code in _LINE_CODES and _unticked(book, (book.stock,), feed):
        return f"IB {feed.code}: {feed.text}".rstrip(": ")
    for farm, error in book.farm_errors.items():
        if _unticked(book, keys, error):
            return f"IB {error.code}: data farm {farm or '?'} is broken"
    return ""


def _unticked(book: MarketBook, keys: tuple[ContractKey, ...], error: FeedError) -> bool:
    """Some line of ours has not ticked since the error: it may be the one that the error is about."""
    return any(book.last_tick_s.get(key, error.since_s) <= error.since_s for key in keys)


def _quiet(book: MarketBook, at: Times, config: Config, session: SessionView, keys: tuple[ContractKey, ...]) -> str:
    if not session.in_session or book.open_since_s is None:
        return ""
    since_s = max(book.open_since_s, book.link_up_since_s or 0.0, *(book.last_tick_s.get(key, 0.0) for key in keys))
    limit_s = config.gates.state.system.quiet_limit_s
    if above(at.wall_s - since_s, limit_s):
        return f"no tick on the stock and every leg for {at.wall_s - since_s:.0f} s, limit {limit_s:.0f} s"
    return ""


def market_state(book: MarketBook, at: Times, config: Config, stale_cause: str) -> MarketState:
    """M, first match in the order M5, M4, M3, M2, M0, M1."""
    if stale_cause:
        return MarketState.STALE
    if at.market_s is None:
        return MarketState.NORMAL
    if book.gap_until_market_s is not None and at.market_s < book.gap_until_market_s:
        return MarketState.GAP
    returns = book.bars.log_returns(at.market_s, config.gates.state.market.vol_window_min)
    if len(returns) < FEWEST_RETURNS:
        return MarketState.NORMAL
    volatility, slope = annual_volatility(returns), abs(slope_per_minute(returns))
    if at_least(volatility, CHOPPY_VOLATILITY) and not at_least(slope, CHOPPY_SLOPE):
        return MarketState.CHOPPY_HIGHVOL
    if at_least(slope, TREND_SLOPE):
        return MarketState.TREND
    if not above(volatility, QUIET_VOLATILITY):
        return MarketState.QUIET
    return MarketState.NORMAL
