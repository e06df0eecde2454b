"""The early-exercise premium on Leisen–Reimer trees, many options at a time: for what american.py does not reach.

The tree (D. Leisen and M. Reimer, "Binomial models for option valuation – examining and improving convergence", 1996)
prices the American and the European option alike; only their difference is used and added to the closed European
formula, so that the tree's own error cancels. Discrete dividends follow the escrowed model: the risky part of spot is
spot less the present value of the dividends until expiry, which exercise gives back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .normal import Floats

Flags = NDArray[np.bool_]

STEPS = 101
"""Odd, as Leisen and Reimer need it; the premium's error is below 1e-4 of spot (tests against QuantLib)."""
_TOGETHER = 256
"""Options a pass: their nodes stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Lattice:
    """Options to be priced together; arrays of one length.

    ``risky`` is spot without the dividends still to come; ``dividends`` are pairs of years from now and dollars.
    """

    risky: Floats
    strike: Floats
    t_years: Floats
    rate: Floats
    dividend_yield: float
    vol: Floats
    sign: Floats
    dividends: tuple[tuple[float, float], ...] = ()


def escrow(t_years: Floats, rate: Floats, dividends: tuple[tuple[float, float], ...], at_years: Floats) -> Floats:
    """Present value at ``at_years`` of the dividends after it and up to expiry, in dollars."""
    total = np.zeros_like(at_years)
    for when, amount in dividends:
        alive = (when > at_years) & (when <= t_years)
        total += np.where(alive, amount * np.exp(-rate * (when - at_years)), 0.0)
    return total


def premium(lattice: Lattice, steps: int = STEPS) -> tuple[Floats, Flags]:
    """American less European value of each option in dollars, never negative, and whether it is exercised now."""
    count = lattice.strike.size
    extra, now = np.empty(count), np.zeros(count, dtype=np.bool_)
    for first in range(0, count, _TOGETHER):
        some = slice(first, first + _TOGETHER)
        part = replace(
            lattice,
            risky=lattice.risky[some],
            strike=lattice.strike[some],
            t_years=lattice.t_years[some],
            rate=lattice.rate[some],
            vol=lattice.vol[some],
            sign=lattice.sign[some],
        )
        extra[some], now[some] = _premium(part, steps)
    return extra, now


def _premium(lattice: Lattice, steps: int) -> tuple[Floats, Flags]:
    up, down, p_up, discount = _moves(lattice, steps)
    # Axis 0 is the node, so that slices stay contiguous; the sign is carried along, so that one subtraction pays.
    nodes = np.arange(steps + 1, dtype=np.float64)[:, None]
    price = lattice.sign * lattice.risky * np.exp(nodes * np.log(up) + (steps - nodes) * np.log(down))
    owed = lattice.sign * _owed(lattice, steps)
    american = np.maximum(price - lattice.sign * lattice.strike, 0.0)
    european = discount**steps * (_binomial(p_up, steps, nodes) * american).sum(axis=0)
    rise, fall, back = discount * p_up, discount * (1.0 - p_up), 1.0 / down
    # The same three arrays for every level: most of the time would go into making new ones.
    risen, gain = np.empty_like(american), np.empty_like(american)
    now: Flags = np.zeros(lattice.strike.shape, dtype=np.bool_)
    for level in range(steps - 1, -1, -1):
        size = level + 1
        np.multiply(price[:size], back, out=price[:size])
        np.multiply(american[1 : size + 1], rise, out=risen[:size])
        np.multiply(american[:size], fall, out=american[:size])
        np.add(american[:size], risen[:size], out=american[:size])
        np.subtract(price[:size], owed[level], out=gain[:size])
        if level == 0:
            now = gain[0] >= american[0]
        np.maximum(american[:size], gain[:size], out=american[:size])
    return np.maximum(american[0] - european, 0.0), now


def _owed(lattice: Lattice, steps: int) -> Floats:
    """Strike less the dividends held back, level by level: the risky part beyond it is what exercise earns.

    An ex-date falls between two levels, and calls are exercised just before it, puts just after. At the level before
    it exercise on that very moment counts, discounted: the interest on the strike until then would be lost otherwise.
    """
    step = lattice.t_years / steps
    at_years = np.arange(steps)[:, None] * step
    strike = np.broadcast_to(lattice.strike, at_years.shape).copy()
    for when, amount in lattice.dividends:
        wait = when - at_years
        near = (wait > 0.0) & (wait <= step) & (when <= lattice.t_years)
        discount = np.exp(-lattice.rate * wait)
        call, put = strike * discount, (strike + amount) * discount
        best = np.where(lattice.sign > 0, np.minimum(strike, call), np.maximum(strike, put))
        strike = np.where(near, best, strike)
    return strike - escrow(lattice.t_years, lattice.rate, lattice.dividends, at_years)


@lru_cache(maxsize=8)
def _log_ways(steps: int) -> Floats:
    """Logarithm of the number of paths to each node of the last level."""
    ways = [math.lgamma(steps + 1) - math.lgamma(j + 1) - math.lgamma(steps - j + 1) for j in range(steps + 1)]
    return np.array(ways)[:, None]


def _binomial(p_up: Floats, steps: int, nodes: Floats) -> Floats:
    """Probability of each node of the last level."""
    result: Floats = np.exp(_log_ways(steps) + nodes * np.log(p_up) + (steps - nodes) * np.log1p(-p_up))
    return result


def _moves(lattice: Lattice, steps: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Factors up and down, the probability of up and the discount of one step, by the Peizer–Pratt inversion."""
    t_years, vol = lattice.t_years, lattice.vol
    drift = lattice.rate - lattice.dividend_yield
    spread = vol * np.sqrt(t_years)
    d1 = (np.log(lattice.risky / lattice.strike) + (drift + 0.5 * vol * vol) * t_years) / spread
    p_asset, p_cash = _peizer_pratt(d1, steps), _peizer_pratt(d1 - spread, steps)
    growth = np.exp(drift * t_years / steps)
    discount = np.exp(-lattice.rate * t_years / steps)
    up = growth * p_asset / p_cash
    down = (growth - p_cash * up) / (1.0 - p_cash)
    return up, down, p_cash, discount


def _peizer_pratt(z: Floats, steps: int) -> Floats:
    # Far from the money the inversion reaches 0 or 1 and the tree degenerates; 1e-12 keeps its factors finite.
    x = z / (steps + 1.0 / 3.0 + 0.1 / (steps + 1.0))
    half = np.sqrt(0.25 - 0.25 * np.exp(-x * x * (steps + 1.0 / 6.0)))
    result: Floats = np.clip(0.5 + np.sign(z) * half, 1e-12, 1.0 - 1e-12)
    return result
