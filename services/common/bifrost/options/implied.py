"""Implied volatility: Newton steps kept inside a shrinking bracket."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from . import american as integral
from .errors import NoImpliedVolatility
from .european import european_price, european_vega
from .model import Dividends, exercise_matters, intrinsic_value, option_greeks
from .tree import Lattice, escrow, premium

LOWEST_VOL, HIGHEST_VOL = 1e-4, 5.0
_TOLERANCE = 1e-11
_MAX_STEPS = 100
#: Vega over spot below which a price in double precision does not tell the volatility to eight digits.
LEAST_VEGA = 1e-7
ValueAndSlope = Callable[[float], tuple[float, float]]


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
        No volatility from 0.0001 to 5 reproduces the price (below what exercise pays, or above what any pays), or
        the price hardly depends on it (vega below 1e-7 of spot): then any answer would be an accident of rounding.
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
    what = f"{right} {strike:g} at spot {spot:g}, {t_years:g} years"
    value, bounds = _functions(spot, strike, t_years, rate, dividend_yield, right, american, dividends)
    _check_reach(price, bounds, value, what)
    vol = _solve(price, value, what)
    least, vega = LEAST_VEGA * max(spot, strike), value(vol)[1]
    if not vega >= least:
        raise NoImpliedVolatility(
            f"price {price:g} of {what} does not show the volatility: vega {vega:.1e} there, it must be {least:.1e}"
        )
    return vol


def _functions(
    spot: float,
    strike: float,
    t_years: float,
    rate: float,
    q: float,
    right: str,
    american: bool,
    dividends: Dividends,
) -> tuple[ValueAndSlope, ValueAndSlope]:
    """Value and vega as a function of volatility, and the same quickly at the ends of the range, not above the value.

    At the lowest volatility an option is worth its exercise value now or the European one; at the highest early
    exercise adds next to nothing.
    """
    call = right == "C"
    paid = tuple((when, amount) for when, amount in dividends if 0 < when <= t_years and amount > 0)
    years, rates = np.array([float(t_years)]), np.array([float(rate)])
    risky = spot - float(escrow(years, rates, paid, np.zeros(1))[0])

    def european(vol: float) -> tuple[float, float]:
        price = european_price(risky, strike, t_years, rate, q, vol, call)
        return price, european_vega(risky, strike, t_years, rate, q, vol)

    if not (american and exercise_matters(call, rate, q, paid)):
        return european, european
    intrinsic = intrinsic_value(spot, strike, right)
    lone_spot, lone_strike, side = np.array([risky]), np.array([float(strike)]), np.array([1.0 if call else -1.0])

    def by_integral(vol: float) -> tuple[float, float]:
        base, vega = european(vol)
        extra = integral.premium(spot, lone_strike, years, rate, q, np.array([vol]), side)
        if extra.now[0] and intrinsic >= base:
            return intrinsic, 0.0
        return max(base + float(extra.price[0]), intrinsic), vega + float(extra.vega[0])

    def by_tree(vol: float) -> tuple[float, float]:
        base, vega = european(vol)
        step = min(1e-3, 0.1 * vol)
        vols = np.array([vol, vol + step, vol - step])
        spots, strikes, times, yearly, sides = (
            np.repeat(one, 3) for one in (lone_spot, lone_strike, years, rates, side)
        )
        extra, exercised = premium(Lattice(spots, strikes, times, yearly, q, vols, sides, paid))
        if exercised[0] and intrinsic >= base:
            return intrinsic, 0.0
        slope = float(extra[1] - extra[2]) / (2.0 * step)
        return max(base + float(extra[0]), intrinsic), vega + slope

    def with_exercise(vol: float) -> tuple[float, float]:
        inside = not paid and integral.reaches(call, rate, q) and integral.within(years, np.array([vol]))[0]
        return by_integral(vol) if inside else by_tree(vol)

    return with_exercise, european


def _check_reach(price: float, bounds: ValueAndSlope, value: ValueAndSlope, what: str) -> None:
    """Refuse a price that no volatility of the range gives; the slow value is asked only when the quick one doubts."""
    low, high = bounds(LOWEST_VOL)[0], bounds(HIGHEST_VOL)[0]
    if low <= price <= high:
        return
    low, high = value(LOWEST_VOL)[0], value(HIGHEST_VOL)[0]
    if not low <= price <= high:
        raise NoImpliedVolatility(
            f"price {price:g} of {what} lies outside {low:g} to {high:g}, "
            f"what volatilities {LOWEST_VOL:g} to {HIGHEST_VOL:g} give"
        )


def _solve(price: float, value: ValueAndSlope, what: str) -> float:
    low, high = LOWEST_VOL, HIGHEST_VOL
    vol = 0.3
    for _ in range(_MAX_STEPS):
        worth, gradient = value(vol)
        error = worth - price
        if error > 0:
            high = vol
        else:
            low = vol
        step = error / gradient if gradient > 1e-12 else math.inf
        following = vol - step
        if not low < following < high:
            following = 0.5 * (low + high)
        if abs(following - vol) < _TOLERANCE or high - low < _TOLERANCE:
            return following
        vol = following
    raise NoImpliedVolatility(f"price {price:g} of {what}: no convergence in {_MAX_STEPS} steps")
