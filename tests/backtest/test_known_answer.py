"""A known answer: constant volatility, no costs, no spread. What is left of a hedged straddle is its gamma.

Hedged at every step to zero, a book earns Σ ½Γ(ΔS² − S²σ²Δt): the theoretical gamma P&L. A band of half-width h leaves
a delta that starts at 0, walks as Brownian motion and goes back to 0 when it leaves (−h, h): its stationary density is
triangular, its mean square h²/6, so the P&L strays from theory by a standard deviation of h/√6 · σ · S · √T. Looked at
only once a step, the walk leaves late: h grows by 0.5826 standard deviations of a step (Broadie, Glasserman, Kou 1997).
"""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from statistics import fmean

import pytest
from bifrost.calendar import SECONDS_A_YEAR, TradingCalendar
from bifrost_engine.backtest.fills import FREE
from bifrost_engine.backtest.legs import Entry
from bifrost_engine.backtest.market import QuotesInMemory
from bifrost_engine.backtest.run import BacktestRun
from bifrost_engine.domain.state import Rules

from tests.backtest.made import CALL, LEGS, STOCK, bursts, rules

VOLATILITY, STEPS, STEP_S = 0.35, 194, 120.0
BANDS = (25, 50, 100)
#: So wide that a day seldom leaves it.
WIDE = 400
SEEDS = range(100, 112)


@cache
def rules_with(band: int) -> Rules:
    """Nothing but the band decides when to hedge."""
    return rules(
        gates__state__delta__epsilon_band=10,
        gates__state__delta__threshold_hedge_shares=band,
        gates__state__delta__max_delta_limit=100_000,
        gates__intent__hedge__cooldown_seconds=0.0,
        gates__intent__hedge__min_price_move_pct=0.0,
        gates__intent__hedge__max_hedge_shares_per_order=100_000,
        gates__guard__risk__max_daily_hedge_count=100_000,
        gates__guard__risk__max_position_shares=100_000,
        gates__guard__risk__max_daily_loss_usd=1e9,
        daemon__reconcile_interval_s=3600.0,
    )


@cache
def errors(band: int) -> tuple[float, ...]:
    """P&L of the run less the theoretical gamma P&L of the same path, dollars, one for each seed."""
    return tuple(_error(seed, band) for seed in SEEDS)


def _error(seed: int, band: int) -> float:
    path = list(bursts(seed, minutes=STEPS, step_s=STEP_S, realized=VOLATILITY, implied=VOLATILITY, half_spread=0.0))
    outcome = BacktestRun(rules_with(band), QuotesInMemory(STOCK, path), Entry(LEGS), FREE).run()
    assert outcome.tally.commissions_usd == 0.0 and not outcome.tally.slippage_usd
    entered = next(n for n, burst in enumerate(path) if burst.at_s >= outcome.state.legs[CALL].adopted_market_s)
    spots = [(burst.at_s, burst.quotes[0].bid) for burst in path[entered:]]
    ends_s = TradingCalendar().last_trading_moment_s(CALL.expiry_date)
    theory = 0.0
    for (at_s, spot), (_, after) in pairwise(spots):
        gamma = 2 * 20 * 100 * _gamma(spot, (ends_s - at_s) / SECONDS_A_YEAR)
        theory += 0.5 * gamma * ((after - spot) ** 2 - (spot * VOLATILITY) ** 2 * STEP_S / SECONDS_A_YEAR)
    return outcome.tally.pnl_usd - theory


def _gamma(spot: float, t_years: float) -> float:
    spread = VOLATILITY * math.sqrt(t_years)
    d1 = math.log(spot / 140.0) / spread + spread / 2
    return math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi) / (spot * spread)


def rms(values: tuple[float, ...]) -> float:
    return math.sqrt(fmean(value * value for value in values))


def theory_usd(band: int) -> float:
    """Dollars: h/√6 · σ · S · √T of the hours hedged, with the correction for looking once a step."""
    hedged_s = STEPS * STEP_S - 15 * 60
    dollars_a_step = VOLATILITY * 140.0 * math.sqrt(STEP_S / SECONDS_A_YEAR)
    shares_a_step = 2 * 20 * 100 * _gamma(140.0, 29 / 365) * dollars_a_step
    half_width = band + 0.5826 * shares_a_step
    return half_width / math.sqrt(6) * dollars_a_step * math.sqrt(hedged_s / STEP_S)


def test_the_hedged_pnl_converges_to_the_gamma_pnl_as_the_band_narrows() -> None:
    strays = [rms(errors(band)) for band in (*BANDS, WIDE)]
    assert strays == sorted(strays), strays
    # The narrowest band still leaves what one step overshoots.
    assert strays[0] < strays[-1] / 5


@pytest.mark.parametrize("band", BANDS)
def test_its_standard_deviation_shrinks_as_theory_says(band: int) -> None:
    """Twelve paths estimate a standard deviation to a fifth of itself: 0.55 to 1.45 is two of its errors and more."""
    assert 0.55 < rms(errors(band)) / theory_usd(band) < 1.45, (rms(errors(band)), theory_usd(band))
