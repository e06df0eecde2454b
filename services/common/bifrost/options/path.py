"""American options at many moments at once: every element has a spot, a time and a volatility of its own.

The formulae are those of `book_greeks` without discrete dividends (american.py, boundary.py), worked element by
element; figures agree to rounding, about 1e-12. Where a figure hangs on a comparison that rounding could turn (exercise
now or not) the element is marked as not sure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .american import Flags, quadrature, reaches, within
from .boundary import boundary, horizons_of
from .european import european_book
from .model import FAR_STANDARD_DEVIATIONS, exercise_matters
from .normal import INV_SQRT_2PI, Floats, cdf

#: Nearer than this to a comparison (logarithms of prices, prices over strike) an element is not sure.
_NEAR = 1e-8
#: Elements worked at once: their arrays stay within the processor's cache.
_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class PathFigures:
    """One element a question; units as `Greeks`."""

    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta_year: Floats
    sure: Flags
    """Whether `book_greeks` says the same to rounding."""


def follows(call: bool, rate: float, dividend_yield: float) -> bool:
    """Whether early exercise of such an option is one this module can follow; true where it never matters."""
    return not exercise_matters(call, rate, dividend_yield) or reaches(call, rate, dividend_yield)


def path_figures(
    spot: Floats,
    strike: Floats,
    t_years: Floats,
    rate: float,
    dividend_yield: float,
    vol: Floats,
    sign: Floats,
    *,
    vegas: bool = True,
) -> PathFigures:
    """Figures of American options for which early exercise matters and `follows` holds.

    Parameters
    ----------
    spot, strike, t_years, vol, sign : Floats
        Arrays of one length, ``sign`` +1 for calls and −1 for puts; inputs are taken as valid.
    vegas : bool
        Without it the vegas mean nothing, and the rest takes two thirds of the time.
    """
    parts = []
    for at in range(0, max(1, spot.size), _AT_ONCE):
        some = slice(at, at + _AT_ONCE)
        legs = (spot[some], strike[some], t_years[some], vol[some], sign[some])
        parts.append(_some(*legs, rate, dividend_yield, vegas))
    return PathFigures(*(np.concatenate([getattr(part, name) for part in parts]) for name in PathFigures.__slots__))


def _some(
    spot: Floats, strike: Floats, t_years: Floats, vol: Floats, sign: Floats, rate: float, q: float, vegas: bool
) -> PathFigures:
    base = european_book(spot, strike, t_years, rate, q, vol, sign)
    beyond = np.abs(np.log(spot / strike)) - FAR_STANDARD_DEVIATIONS * vol * np.sqrt(t_years)
    sure: Flags = within(t_years, vol) & (beyond < -_NEAR)
    extra = _premium(spot, strike, np.where(sure, t_years, 1.0), rate, q, np.where(sure, vol, 1.0), sign, vegas)
    price, delta = base.price + extra.price, base.delta + extra.delta
    gamma, vega = np.maximum(base.gamma + extra.gamma, 0.0), np.maximum(base.vega + extra.vega, 0.0)
    theta = base.theta_year + extra.theta_year
    worth = np.maximum(sign * (spot - strike), 0.0)
    wanted = (extra.ahead >= 0.0) | (price < worth)
    now = wanted & (worth > 0.0) & (worth >= base.price)
    for comparison in (extra.ahead, (price - worth) / strike, np.where(wanted, (worth - base.price) / strike, 1.0)):
        sure &= np.abs(comparison) > _NEAR
    for figure, exercised in ((price, worth), (delta, sign), (gamma, 0.0), (vega, 0.0), (theta, 0.0)):
        np.copyto(figure, exercised, where=now)
    return PathFigures(price, delta, gamma, vega, theta, sure)


@dataclass(frozen=True, slots=True)
class _Premium:
    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta_year: Floats
    ahead: Floats
    """How far spot is beyond the price at which the holder exercises now, in logarithms: zero or more exercises."""


def _premium(
    spot: Floats, strike: Floats, years: Floats, rate: float, q: float, vol: Floats, sign: Floats, vegas: bool
) -> _Premium:
    """As `american.premium`, each element with its own spot and time."""
    x, weight = quadrature()
    before = np.sqrt(1.0 - x * x)
    critical, shift, at_once = _critical(strike, years, rate, q, vol, sign, np.append(before, 1.0), vegas)
    since = years[:, None] * (x * x)
    spread = vol[:, None] * np.sqrt(years)[:, None] * x
    d2 = (np.log(spot)[:, None] - critical + (rate - q) * since) / spread - 0.5 * spread
    elapsed = 2.0 * years[:, None] * (x * weight)
    cash = elapsed * np.exp(-rate * since)
    density = cash * np.exp(-0.5 * d2 * d2) * INV_SQRT_2PI
    side = sign[:, None]
    cash *= cdf(side * d2)
    owed = (rate * strike)[:, None]
    yielded = q * np.exp(critical) if q else np.zeros_like(critical)
    gain = yielded - owed
    slope = gain * density / spread
    price = -sign * rate * strike * cash.sum(axis=1)
    delta = slope.sum(axis=1) / spot
    gamma = (yielded * density / spread - slope * (1.0 + d2 / spread)).sum(axis=1) / (spot * spot)
    vega = -(density * (gain * d2 - owed * spread)).sum(axis=1) / vol - (slope * shift).sum(axis=1)
    if q:
        asset = sign * (q * elapsed * np.exp(-q * since) * cdf(side * (d2 + spread))).sum(axis=1)
        price += spot * asset
        delta += asset
    theta = rate * price - (rate - q) * spot * delta - 0.5 * (vol * spot) ** 2 * gamma
    return _Premium(price, delta, gamma, vega, theta, sign * (np.log(spot) - at_once))


def _critical(
    strike: Floats, years: Floats, rate: float, q: float, vol: Floats, sign: Floats, marks: Floats, slopes: bool
) -> tuple[Floats, Floats, Floats]:
    """Logarithm of the critical price at the quadrature points, its derivative by volatility, and its value now."""
    level, change = np.empty((strike.size, marks.size)), np.empty((strike.size, marks.size))
    reach = horizons_of(years)
    for side in (1.0, -1.0):
        earned, paid = (q, rate) if side > 0 else (rate, q)
        for horizon in np.unique(reach[sign == side]).tolist():
            legs = np.flatnonzero((sign == side) & (reach == horizon))
            curve, roots = boundary(earned, paid, horizon), np.sqrt(years[legs])[:, None]
            read = curve.read_each(vol[legs], roots * marks, slopes=slopes)
            level[legs], change[legs] = -side * read[0], -side * read[1]
    level += np.log(strike)[:, None]
    return level[:, :-1], change[:, :-1], level[:, -1]
