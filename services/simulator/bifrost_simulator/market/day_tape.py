"""One generated session on a fixed market-time lattice.

The whole day is drawn at once from (seed, date): it does not depend on who asks or when, costs no state on disk beyond
the day's first spot, and can be made again after a restart or for historical bars.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bifrost_simulator.hours import MarketSession, new_york_s

TICK = 0.01
SESSION_S = 6.5 * 3600.0
YEAR_S = 252 * SESSION_S  # volatility runs by the second of trading
IV_KNOT_S = 30.0
_WIDEN_WINDOW_S = 15.0
_TRADE_EVERY_S = 2.0
_NIGHT_VARIANCE = 0.3  # of the day's mean, in a world that never closes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MarketParameters:
    """How the made market behaves; see the scenario schema for units."""

    spot: float
    volatility: float
    implied_volatility: float
    skew: float
    drift: float
    rate: float
    dividend_yield: float
    spread_pct: float
    jumps_per_day: float
    jump_pct: float
    halts_per_day: float
    halt_s: float
    tick_s: float
    size_lots: int
    seasonality: float = 0.4
    smile: float = 0.04


@dataclass(frozen=True, slots=True)
class DayTape:
    """Arrays over the lattice, index i = ``open_s + i·tick_s``. Prices in whole cents where named ``_c``."""

    session: MarketSession
    tick_s: float
    spot: Floats
    bid_c: Ints
    ask_c: Ints
    bid_size: Ints
    ask_size: Ints
    widen: Floats
    halted: NDArray[np.bool_]
    last_c: Ints
    last_size: Ints
    last_index: Ints
    high_c: Ints
    low_c: Ints
    volume: Ints
    iv_factor: Floats
    end_factor: float
    """Logarithm of the implied volatility's factor at the end: the next day begins there."""

    def index(self, market_s: float) -> int:
        """Lattice index at ``market_s``, clamped into the session."""
        return min(max(0, int((market_s - self.session.open_s) / self.tick_s)), len(self.spot) - 1)

    def iv_level(self, index: int) -> float:
        """Factor on the at-the-money implied volatility."""
        knot = index * self.tick_s / IV_KNOT_S
        low = min(int(knot), len(self.iv_factor) - 2)
        share = min(1.0, knot - low)
        return float(self.iv_factor[low] * (1 - share) + self.iv_factor[low + 1] * share)

    def iv_levels(self, indices: Ints) -> Floats:
        """The same of many points at once."""
        return np.asarray(np.interp(indices * self.tick_s / IV_KNOT_S, np.arange(len(self.iv_factor)), self.iv_factor))


def draw_day(
    parameters: MarketParameters,
    seed: int,
    session: MarketSession,
    spot: float,
    *,
    pin_s: float | None = None,
    iv_log: float = 0.0,
) -> DayTape:
    """Draw the session's tape.

    ``spot`` is the price at epoch second ``pin_s``, by default at the opening: the first day passes through the
    scenario's spot at its start, and days before it are drawn backwards from their end.
    """
    p = parameters
    rng, season, returns = _returns(p, seed, session)
    n, step_sigma = len(returns), _step_sigma(p)
    halted = np.zeros(n, dtype=np.bool_)
    for at in rng.integers(0, n, rng.poisson(p.halts_per_day)):
        halted[at : at + max(1, round(p.halt_s / p.tick_s))] = True
    path = np.cumsum(returns)
    pin = 0 if pin_s is None else min(n - 1, max(0, int((pin_s - session.open_s) / p.tick_s)))
    prices = spot * np.exp(path - path[pin])
    widen = _widening(returns / (step_sigma * np.sqrt(season)), max(1, round(_WIDEN_WINDOW_S / p.tick_s)))
    half = 0.5 * prices * p.spread_pct / 100.0 * widen
    bid_c = np.rint((prices - half) / TICK).astype(np.int64)
    ask_c = np.maximum(bid_c + 1, np.rint((prices + half) / TICK).astype(np.int64))
    bid_size, ask_size = _sizes(rng, n, p), _sizes(rng, n, p)
    trades = _trades(rng, n, p, season, halted)
    at_bid = rng.random(n) < 0.5
    last_c = np.where(at_bid, bid_c, ask_c)[trades]
    trade_size = np.where(trades == np.arange(n), 100 * rng.geometric(0.5, n), 0)
    iv_factor, end = _iv_factor(rng, path, p.tick_s, iv_log)
    return DayTape(
        session=session,
        tick_s=p.tick_s,
        spot=prices,
        bid_c=bid_c,
        ask_c=ask_c,
        bid_size=bid_size,
        ask_size=ask_size,
        widen=widen,
        halted=halted,
        last_c=last_c,
        last_size=np.maximum(trade_size[trades], 100),
        last_index=trades,
        high_c=np.maximum.accumulate(last_c),
        low_c=np.minimum.accumulate(last_c),
        volume=np.cumsum(trade_size),
        iv_factor=iv_factor,
        end_factor=end,
    )


def session_return(parameters: MarketParameters, seed: int, session: MarketSession) -> tuple[float, int]:
    """Logarithm of a session's last price over its first, and the points drawn for it: a fraction of `draw_day`."""
    _, _, returns = _returns(parameters, seed, session)
    return float(np.cumsum(returns)[-1]), len(returns)


def _returns(p: MarketParameters, seed: int, session: MarketSession) -> tuple[np.random.Generator, Floats, Floats]:
    """The generator after them, the variance by time of day, and the logarithmic returns; the first is 0."""
    n = max(2, round((session.close_s - session.open_s) / p.tick_s))
    rng = np.random.default_rng([seed, session.day.toordinal()])
    season = _season(session, n, p.tick_s, p.seasonality)
    returns = _step_sigma(p) * np.sqrt(season) * rng.standard_normal(n)
    returns += (p.drift - 0.5 * p.volatility**2) * p.tick_s / YEAR_S
    for at in rng.integers(0, n, rng.poisson(p.jumps_per_day)):
        returns[at] += rng.normal(0.0, p.jump_pct / 100.0)
    returns[0] = 0.0
    return rng, season, returns


def _step_sigma(p: MarketParameters) -> float:
    return p.volatility * math.sqrt(p.tick_s / YEAR_S)


def _season(session: MarketSession, n: int, tick_s: float, strength: float) -> Floats:
    """Variance by time of day, mean about 1 in the exchange's hours: a U between open and close, quiet outside."""
    seconds = session.open_s + np.arange(n) * tick_s - new_york_s(session.day, 9, 30)
    x = seconds / SESSION_S
    shape = 1.0 + strength * (12.0 * (x - 0.5) ** 2 - 1.0)
    return np.where((x >= 0) & (x <= 1), shape, _NIGHT_VARIANCE)


def _widening(shocks: Floats, window: int) -> Floats:
    """Factor on quiet spreads: 1 while moves are ordinary, more when the last seconds were wilder (at most 6)."""
    total = np.concatenate(([0.0], np.cumsum(shocks**2)))
    stop = np.arange(1, len(shocks) + 1)
    start = np.maximum(0, stop - window)
    # Too few seconds after the opening say nothing yet: pad the window with ordinary ones.
    mean = (total[stop] - total[start] + (window - (stop - start))) / window
    return np.minimum(6.0, 1.0 + 0.7 * np.maximum(0.0, np.sqrt(mean) - 1.7))


def _sizes(rng: np.random.Generator, n: int, p: MarketParameters) -> Ints:
    """Displayed round lots, redrawn about once a market second."""
    block = max(1, round(1.0 / p.tick_s))
    lots = 1 + rng.geometric(1.0 / max(1.0, p.size_lots), n // block + 1)
    return (100 * np.repeat(lots, block)[:n]).astype(np.int64)


def _trades(rng: np.random.Generator, n: int, p: MarketParameters, season: Floats, halted: NDArray[np.bool_]) -> Ints:
    """Index of the last trade at or before each lattice point."""
    happens = rng.random(n) < np.minimum(1.0, p.tick_s / _TRADE_EVERY_S * season)
    happens &= ~halted
    happens[0] = True
    return np.maximum.accumulate(np.where(happens, np.arange(n), 0)).astype(np.int64)


def _iv_factor(rng: np.random.Generator, path: Floats, tick_s: float, start_log: float) -> tuple[Floats, float]:
    """Mean-reverting factor on implied volatility, down when spot goes up; one knot each 30 market seconds."""
    stride = max(1, round(IV_KNOT_S / tick_s))
    moves = np.diff(path[::stride], append=path[-1])
    noise = rng.normal(0.0, 0.0006, len(moves) + 1)
    level, logs = start_log, []
    for index in range(len(moves) + 1):
        logs.append(level)
        move = moves[index] if index < len(moves) else 0.0
        level = 0.998 * level + noise[index] - 0.8 * float(move)
    return np.exp(np.array(logs)), level
