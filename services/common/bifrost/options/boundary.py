"""Where an American option is exercised: the critical price of a put, for all times and volatilities at one rate.

The boundary B(u), u years before expiry, solves the fixed-point system B of L. Andersen, M. Lake and D. Offengenden,
"High-performance American option pricing", Journal of Computational Finance 20 (2016). It depends on neither spot nor
strike (B scales with it), so it is solved once for a rate, a yield and a horizon, on Chebyshev points of √u and of the
logarithm of volatility, kept, and read by interpolation on every tick.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .errors import ModelError
from .normal import Floats, cdf

LOWEST_VOL, HIGHEST_VOL = 0.04, 4.0
LONGEST_YEARS = 16.0
_FIRST_HORIZON, _HORIZON_STEP = 1.0 / 64.0, 4.0
_VOLS, _TIMES, _POINTS = 28, 16, 24
#: Each step takes a little more than the fixed point says; more than 1.5 makes it swing.
_RELAXATION, _TOLERANCE, _MOST_STEPS = 1.3, 1e-8, 200
_LOG_SPAN = math.log(HIGHEST_VOL / LOWEST_VOL)


def legendre(count: int) -> tuple[Floats, Floats]:
    """Gauss–Legendre points and weights on 0 to 1."""
    points, weights = np.polynomial.legendre.leggauss(count)
    return 0.5 * (1.0 + points), 0.5 * weights


def _chebyshev(count: int) -> tuple[Floats, Floats]:
    """The extreme points of degree ``count`` on −1 to 1, and the matrix from values there to coefficients."""
    order = np.arange(count + 1)
    points: Floats = np.cos(np.pi * order / count)
    inverse: Floats = np.asarray(np.linalg.inv(_polynomials(points, count)), dtype=np.float64)
    return points, inverse


def _polynomials(points: Floats, count: int) -> Floats:
    """Chebyshev polynomials 0 to ``count`` along a new last axis."""
    result: Floats = np.cos(np.arccos(np.clip(points, -1.0, 1.0))[..., None] * np.arange(count + 1))
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Boundary:
    """Critical price over strike of a put, as far back as ``horizon`` years before expiry."""

    horizon: float
    start: float
    """Logarithm of critical price over strike at expiry."""
    curve: Floats
    """Chebyshev coefficients, volatility by time, of (logarithm from ``start``)² / (volatility² · horizon)."""
    slope: Floats
    """Coefficients of the curve's derivative in Chebyshev's coordinate of volatility."""

    def read(self, vol: Floats, root_years: Floats) -> tuple[Floats, Floats]:
        """Logarithm of critical price over strike and its derivative by volatility.

        Parameters
        ----------
        vol : Floats
            Annual volatilities, shape (n,).
        root_years : Floats
            Square roots of the years before expiry, shape (m,).

        Returns
        -------
        tuple of Floats
            Two arrays of shape (n, m).
        """
        along_time = _polynomials(2.0 * root_years / math.sqrt(self.horizon) - 1.0, _TIMES).T
        along_vol = _along(vol)
        return self._told(vol, along_vol @ self.curve @ along_time, along_vol @ self.slope @ along_time)

    def read_each(self, vol: Floats, root_years: Floats, *, slopes: bool) -> tuple[Floats, Floats]:
        """As `read`, each volatility at times of its own: shapes (n,) and (n, m), results of shape (n, m).

        Without ``slopes`` the derivatives mean nothing.
        """
        along_vol, at = _along(vol), 2.0 * root_years / math.sqrt(self.horizon) - 1.0
        squared = _clenshaw(along_vol @ self.curve, at)
        return self._told(vol, squared, _clenshaw(along_vol @ self.slope, at) if slopes else squared)

    def _told(self, vol: Floats, squared: Floats, by_coordinate: Floats) -> tuple[Floats, Floats]:
        distance = np.sqrt(np.maximum(squared, 1e-16))
        # d(vol · distance)/d vol, the coordinate moving by 2 / (span · vol).
        change = distance + by_coordinate / (distance * _LOG_SPAN)
        scale = vol * math.sqrt(self.horizon)
        return self.start - scale[:, None] * distance, -math.sqrt(self.horizon) * change


def _along(vol: Floats) -> Floats:
    """The Chebyshev polynomials of volatilities, one row each."""
    return _polynomials(2.0 * np.log(vol / LOWEST_VOL) / _LOG_SPAN - 1.0, _VOLS)


def _clenshaw(coefficients: Floats, x: Floats) -> Floats:
    """Σ c_k T_k(x), each row with coefficients of its own (C. Clenshaw, 1955)."""
    doubled = 2.0 * x
    later: Floats = np.zeros_like(x)
    latest: Floats = np.zeros_like(x)
    for k in range(coefficients.shape[1] - 1, 0, -1):
        following: Floats = doubled * later
        following -= latest
        following += coefficients[:, k, None]
        later, latest = following, later
    result: Floats = coefficients[:, 0, None] + x * later - latest
    return result


def horizon_of(t_years: float) -> float:
    """The shortest horizon kept that holds ``t_years``: four horizons in a row cover a factor of 256."""
    horizon = _FIRST_HORIZON
    while horizon < t_years:
        horizon *= _HORIZON_STEP
    return horizon


def horizons_of(t_years: Floats) -> Floats:
    """`horizon_of` each."""
    ladder: Floats = np.array([_FIRST_HORIZON * _HORIZON_STEP**step for step in range(12)])
    result: Floats = ladder[np.searchsorted(ladder, t_years)]
    return result


@lru_cache(maxsize=64)
def boundary(rate: float, dividend_yield: float, horizon: float) -> Boundary:
    """The boundary of puts at an annual ``rate`` above zero and a yield of zero or more.

    That of calls with strike 1 is its reciprocal with rate and yield exchanged (put–call symmetry, R. McDonald and
    M. Schroder, "A parity result for American options", 1998).

    Raises
    ------
    ModelError
        When the rates are others, or the fixed point is not found.
    """
    if not (rate > 0.0 and dividend_yield >= 0.0):
        raise ModelError(f"no exercise boundary of puts at rate {rate:g}, yield {dividend_yield:g}")
    start = min(0.0, math.log(rate / dividend_yield)) if dividend_yield > 0 else 0.0
    vol_points, to_vols = _chebyshev(_VOLS)
    time_points, to_times = _chebyshev(_TIMES)
    vol = LOWEST_VOL * np.exp(0.5 * (1.0 + vol_points) * _LOG_SPAN)[:, None]
    # The last point is expiry itself, where the boundary is known.
    years = horizon * (0.5 * (1.0 + time_points[:-1])) ** 2
    log_price = _solve(rate, dividend_yield, horizon, start, vol, years, to_times)
    squared = ((log_price - start) / vol) ** 2 / horizon
    values = np.concatenate([squared, np.zeros_like(vol)], axis=1)
    curve = to_vols @ values @ to_times.T
    slope = np.zeros_like(curve)
    slope[:-1] = np.polynomial.chebyshev.chebder(curve, axis=0)
    return Boundary(horizon, start, curve, slope)


def _solve(rate: float, q: float, horizon: float, start: float, vol: Floats, years: Floats, to_times: Floats) -> Floats:
    """Logarithm of critical price over strike, volatility by time."""
    x, weight = legendre(_POINTS)
    root = np.sqrt(years)
    since = years[:, None] * x * x
    elapsed = 2.0 * years[:, None] * x * weight
    before = np.sqrt(years / horizon)[:, None] * np.sqrt(1.0 - x * x)
    along = (_polynomials(2.0 * before - 1.0, _TIMES) @ to_times)[:, :, :-1].reshape(-1, years.size)
    vols = vol[..., None]
    spread = vols * root[:, None] * x
    pull = (rate - q + 0.5 * vols * vols) * since / spread
    cash, asset = rate * elapsed * np.exp(-rate * since), q * elapsed * np.exp(-q * since)
    far, far_spread = (rate - q + 0.5 * vol * vol) * years, vol * root
    log_price = _first_guess(rate, q, start, vol, root)
    for _ in range(_MOST_STEPS):
        squared = ((log_price - start) / vol) ** 2 / horizon
        at = np.maximum((squared @ along.T).reshape(vol.size, years.size, _POINTS), 0.0)
        earlier = start - vols * np.sqrt(at * horizon)
        d1 = (log_price[..., None] - earlier) / spread + pull
        d1_far = (log_price + far) / far_spread
        upper = np.exp(-rate * years) * cdf(d1_far - far_spread) + (cash * cdf(d1 - spread)).sum(axis=-1)
        lower = np.exp(-q * years) * cdf(d1_far) + ((asset * cdf(d1)).sum(axis=-1) if q else 0.0)
        step = np.log(upper / lower) - log_price
        if float(np.abs(step).max()) < _TOLERANCE:
            return log_price
        log_price = np.minimum(log_price + _RELAXATION * step, start - 1e-12)
    raise ModelError(f"no exercise boundary at rate {rate:g}, yield {q:g} within {horizon:g} years")


def _first_guess(rate: float, q: float, start: float, vol: Floats, root: Floats) -> Floats:
    """From the boundary at expiry towards that of a perpetual put (R. Merton, 1973)."""
    drift = rate - q - 0.5 * vol * vol
    power = (drift + np.sqrt(drift * drift + 2.0 * vol * vol * rate)) / (vol * vol)
    depth = start + np.log1p(1.0 / power)
    result: Floats = start - depth * -np.expm1(-1.5 * root * vol / depth)
    return result
