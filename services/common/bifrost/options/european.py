"""Black–Scholes–Merton: European options on an asset with a continuous dividend yield.

Formulae: J. C. Hull, *Options, Futures, and Other Derivatives*, chapters "The Black–Scholes–Merton model" and
"The Greek letters"; E. G. Haug, *The Complete Guide to Option Pricing Formulas*, chapter 1 (cost of carry r − q).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .normal import Floats, cdf, cdf_scalar, pdf, pdf_scalar


@dataclass(frozen=True, slots=True)
class Greeks:
    """Price and sensitivities of one option, per share of the underlying.

    Attributes
    ----------
    price : float
        Dollars.
    delta : float
        Dollars per dollar of spot.
    gamma : float
        Delta per dollar of spot.
    vega : float
        Dollars per 1.00 of annual volatility.
    theta_year, theta_day : float
        Dollars per year of 365 days, and per calendar day, of passing time.
    rho : float
        Dollars per 1.00 of the annual rate.
    """

    price: float
    delta: float
    gamma: float
    vega: float
    theta_year: float
    rho: float

    @property
    def theta_day(self) -> float:
        return self.theta_year / 365.0


@dataclass(frozen=True, slots=True)
class BookGreeks:
    """`Greeks` of a book, one array element a leg; same units."""

    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta_year: Floats
    rho: Floats

    @property
    def theta_day(self) -> Floats:
        return self.theta_year / 365.0

    def leg(self, index: int) -> Greeks:
        """One leg's figures."""
        return Greeks(
            float(self.price[index]),
            float(self.delta[index]),
            float(self.gamma[index]),
            float(self.vega[index]),
            float(self.theta_year[index]),
            float(self.rho[index]),
        )


def european_price(spot: float, strike: float, t_years: float, rate: float, q: float, vol: float, call: bool) -> float:
    """Price in dollars; inputs are taken as valid."""
    spread = vol * math.sqrt(t_years)
    d1 = (math.log(spot / strike) + (rate - q + 0.5 * vol * vol) * t_years) / spread
    sign = 1.0 if call else -1.0
    forward = spot * math.exp(-q * t_years) * cdf_scalar(sign * d1)
    return sign * (forward - strike * math.exp(-rate * t_years) * cdf_scalar(sign * (d1 - spread)))


def european_vega(spot: float, strike: float, t_years: float, rate: float, q: float, vol: float) -> float:
    """Dollars per 1.00 of volatility."""
    spread = vol * math.sqrt(t_years)
    d1 = (math.log(spot / strike) + (rate - q + 0.5 * vol * vol) * t_years) / spread
    return spot * math.exp(-q * t_years) * pdf_scalar(d1) * math.sqrt(t_years)


def european_greeks(
    spot: float, strike: float, t_years: float, rate: float, q: float, vol: float, call: bool
) -> Greeks:
    """All figures of one European option; inputs are taken as valid."""
    root = math.sqrt(t_years)
    d1 = (math.log(spot / strike) + (rate - q + 0.5 * vol * vol) * t_years) / (vol * root)
    d2 = d1 - vol * root
    sign = 1.0 if call else -1.0
    carry, discount, density = math.exp(-q * t_years), math.exp(-rate * t_years), pdf_scalar(d1)
    n1, n2 = cdf_scalar(sign * d1), cdf_scalar(sign * d2)
    price = sign * (spot * carry * n1 - strike * discount * n2)
    decay = -spot * carry * density * vol / (2.0 * root)
    return Greeks(
        price=price,
        delta=sign * carry * n1,
        gamma=carry * density / (spot * vol * root),
        vega=spot * carry * density * root,
        theta_year=decay - sign * rate * strike * discount * n2 + sign * q * spot * carry * n1,
        rho=sign * strike * t_years * discount * n2,
    )


def european_book(
    spot: float | Floats, strike: Floats, t_years: Floats, rate: float, q: float, vol: Floats, sign: Floats
) -> BookGreeks:
    """All figures of a book of European options; ``sign`` is +1 for calls, −1 for puts."""
    root = np.sqrt(t_years)
    spread = vol * root
    d1 = (np.log(spot / strike) + (rate - q + 0.5 * vol * vol) * t_years) / spread
    carry = np.exp(-q * t_years) if q else 1.0
    discount, density = np.exp(-rate * t_years), pdf(d1)
    # One call for both halves: on a book of some hundred legs the calls cost more than the arithmetic.
    both = cdf(np.concatenate([sign * d1, sign * (d1 - spread)]))
    asset, cash = spot * carry * both[: d1.size], strike * discount * both[d1.size :]
    return BookGreeks(
        price=sign * (asset - cash),
        delta=sign * asset / spot,
        gamma=carry * density / (spot * spread),
        vega=spot * carry * density * root,
        theta_year=-spot * carry * density * vol / (2.0 * root) - sign * rate * cash + sign * q * asset,
        rho=sign * t_years * cash,
    )
