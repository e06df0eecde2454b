"""Implied volatility: Newton steps kept inside a shrinking bracket."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .american import Lattice, escrow, premium
from .errors import NoImpliedVolatility
from .european import european_price, european_vega
from .model import Dividends, exercise_matters, intrinsic_value, option_greeks

LOWEST_VOL, HIGHEST_VOL = 1e-4, 5.0
_TOLERANCE = 1e-11
_MAX_STEPS = 100


def implied_volatility(
    price: float,
    spot: float,
    strike: float,
    t_years: float,
    rate: float,
    dividend_yield: float,
    right: str,
    american: bool = True,
    dividends: Dividends = (),
) -> float:
    """The annual volatility at which the model's price is ``price`` dollars; units as `option_greeks`.

    Raises
    ------
    NoImpliedVolatility
        No volatility from 0.0001 to 5 reproduces the price (below what exercise pays, or above what any pays).
    ModelError
        Another input is outside its range.
    """
    # The model checks every other input once, and says which is wrong.
    option_greeks(spot, strike, t_years, rate, dividend_yield, 0.3, right, False, dividends)
    if not math.isfinite(price) or price <= 0:
        raise NoImpliedVolatility(f"price {price!r} of {right} {strike:g} must be above zero")
    intrinsic = intrinsic_value(spot, strike, right)
    if american and price <= intrinsic:
        raise NoImpliedVolatility(
            f"price {price:g} of {right} {strike:g} is not above its exercise value {intrinsic:g}"
        )
    value, slope = _functions(spot, strike, t_years, rate, dividend_yield, right, american, dividends)
    return _solve(price, value, slope, f"{right} {strike:g} at spot {spot:g}, {t_years:g} years")


def _functions(
    spot: float,
    strike: float,
    t_years: float,
    rate: float,
    q: float,
    right: str,
    american: bool,
    dividends: Dividends,
) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """Value and (European) vega as functions of volatility."""
    call = right == "C"
    paid = tuple((when, amount) for when, amount in dividends if 0 < when <= t_years and amount > 0)
    years, rates = np.array([float(t_years)]), np.array([float(rate)])
    risky = spot - float(escrow(years, rates, paid, np.zeros(1))[0])

    def slope(vol: float) -> float:
        return european_vega(risky, strike, t_years, rate, q, vol)

    def european(vol: float) -> float:
        return european_price(risky, strike, t_years, rate, q, vol, call)

    if not (american and exercise_matters(call, rate, q, paid)):
        return european, slope
    intrinsic = intrinsic_value(spot, strike, right)

    lone_spot, lone_strike, side = np.array([risky]), np.array([float(strike)]), np.array([1.0 if call else -1.0])

    def with_exercise(vol: float) -> float:
        lattice = Lattice(lone_spot, lone_strike, years, rates, q, np.array([vol]), side, paid)
        extra, exercised = premium(lattice)
        base = european(vol)
        if exercised[0] and intrinsic >= base:
            return intrinsic
        return max(base + float(extra[0]), intrinsic)

    return with_exercise, slope


def _solve(price: float, value: Callable[[float], float], slope: Callable[[float], float], what: str) -> float:
    low, high = LOWEST_VOL, HIGHEST_VOL
    at_low, at_high = value(low) - price, value(high) - price
    if at_low > 0 or at_high < 0:
        raise NoImpliedVolatility(
            f"price {price:g} of {what} lies outside {price + at_low:g} to {price + at_high:g}, "
            f"what volatilities {LOWEST_VOL:g} to {HIGHEST_VOL:g} give"
        )
    vol = 0.3
    for _ in range(_MAX_STEPS):
        error = value(vol) - price
        if error > 0:
            high = vol
        else:
            low = vol
        gradient = slope(vol)
        step = error / gradient if gradient > 1e-12 else math.inf
        following = vol - step
        if not low < following < high:
            following = 0.5 * (low + high)
        if abs(following - vol) < _TOLERANCE or high - low < _TOLERANCE:
            return following
        vol = following
    raise NoImpliedVolatility(f"price {price:g} of {what}: no convergence in {_MAX_STEPS} steps")
