"""The desk's option model along a path of spots: the same formulae as `bifrost.options`, many moments at once.

What comes out agrees with `bifrost.options` to rounding (about 1e-12), not to the bit. So it only ever says where the
core need not look, with a margin; what the core goes on from is worked out by the core's own functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from bifrost.calendar import SECONDS_A_YEAR, TradingCalendar
from bifrost.config import Config
from bifrost.options import exercise_matters
from bifrost.options.normal import cdf, pdf
from bifrost.options.path import PathFigures, follows, path_figures

from bifrost_engine.domain.portfolio.leg import Leg

from .blocks import Flags, Floats, Ints

#: Price, vega and whether both are sure, from spot, strike, years, volatility and sign.
Worth = Callable[[Floats, Floats, Floats, Floats, Floats], tuple[Floats, Floats, Flags]]
#: Newton steps for a volatility at most, and when they have arrived.
_MOST_STEPS, _ARRIVED = 12, 1e-10
#: What is taken for a clean solution: well inside what `implied_volatility` accepts.
_LOWEST_VOL, _HIGHEST_VOL, _LEAST_VEGA = 0.01, 4.0, 1e-5


@dataclass(frozen=True, slots=True)
class Book:
    """The managed legs as arrays, one element a leg, in the core's order."""

    weight: Floats
    """Shares of the underlying that a delta of 1 stands for, signed."""
    strike: Floats
    sign: Floats
    """+1 for calls, −1 for puts."""
    expiry_s: Floats
    """Last trading moment, epoch seconds."""
    rate: float
    dividend_yield: float

    early: Ints
    """The legs for which early exercise matters."""

    @classmethod
    def of(cls, legs: Sequence[Leg], config: Config, calendar: TradingCalendar) -> Book | None:
        """None where some leg is priced by a tree, which cannot be followed here."""
        rate, dividend_yield = config.greeks.risk_free_rate, config.greeks.dividend_yield
        calls = [leg.key.right == "C" for leg in legs]
        if not all(follows(call, rate, dividend_yield) for call in calls):
            return None
        return cls(
            np.array([leg.quantity * leg.multiplier for leg in legs]),
            np.array([leg.key.strike for leg in legs]),
            np.array([1.0 if call else -1.0 for call in calls]),
            np.array([calendar.last_trading_moment_s(leg.key.expiry_date) for leg in legs]),
            rate,
            dividend_yield,
            np.flatnonzero([exercise_matters(call, rate, dividend_yield) for call in calls]),
        )

    def deltas(self, at_s: Floats, spot: Floats, iv: Floats) -> tuple[Floats, Flags]:
        """Delta of each leg (columns) at each moment (rows), and which moments are sure; ``iv`` is of that shape."""
        years, root = self._years(at_s)
        d1 = self._d1(np.log(spot)[:, None], years, iv * root, iv)
        delta = self.sign * np.exp(-self.dividend_yield * years) * cdf(self.sign * d1)
        if not self.early.size:
            return delta, np.ones(len(at_s), dtype=np.bool_)
        exercised = self._early(at_s, spot, iv, vegas=False)
        delta[:, self.early] = exercised.delta.reshape(len(at_s), -1)
        return delta, np.logical_and.reduce(exercised.sure.reshape(len(at_s), -1), axis=1)

    def figures(self, at_s: Floats, spot: Floats, iv: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Delta, gamma, theta in dollars a calendar day and vega of each leg (columns) at each moment (rows)."""
        years, root = self._years(at_s)
        spread, price = iv * root, spot[:, None]
        d1 = self._d1(np.log(price), years, spread, iv)
        carry, discount = np.exp(-self.dividend_yield * years), np.exp(-self.rate * years)
        asset = price * carry * cdf(self.sign * d1)
        cash = self.strike * discount * cdf(self.sign * (d1 - spread))
        density = carry * pdf(d1)
        earned = self.sign * (self.dividend_yield * asset - self.rate * cash)
        theta_year = earned - price * density * iv / (2.0 * root)
        found = [self.sign * asset / price, density / (price * spread), theta_year, price * density * root]
        if self.early.size:
            early = self._early(at_s, spot, iv)
            for figure, exercised in zip(found, (early.delta, early.gamma, early.theta_year, early.vega), strict=True):
                figure[:, self.early] = exercised.reshape(len(at_s), -1)
        return found[0], found[1], found[2] / 365.0, found[3]

    def _early(self, at_s: Floats, spot: Floats, iv: Floats, *, vegas: bool = True) -> PathFigures:
        """Those of the legs for which early exercise matters, moment by moment."""
        count = self.early.size
        return path_figures(
            np.repeat(spot, count),
            np.tile(self.strike[self.early], len(at_s)),
            ((self.expiry_s[self.early] - at_s[:, None]) / SECONDS_A_YEAR).reshape(-1),
            self.rate,
            self.dividend_yield,
            iv[:, self.early].reshape(-1),
            np.tile(self.sign[self.early], len(at_s)),
            vegas=vegas,
        )

    def implied(self, price: Floats, at_s: Floats, spot: Floats, leg: Ints, guess: Floats) -> tuple[Floats, Flags]:
        """Annual volatilities at which ``leg`` is worth ``price``, and which of them `implied_volatility` gives too.

        One element a question; ``guess`` is where the search begins.
        """
        vol, clean = guess.copy(), np.zeros(len(guess), dtype=np.bool_)
        early = np.isin(leg, self.early)
        for of, worth in ((~early, self._european), (early, self._american)):
            if of.any():
                vol[of], clean[of] = self._solved(worth, price[of], at_s[of], spot[of], leg[of], guess[of])
        return vol, clean

    def _solved(
        self, worth: Worth, price: Floats, at_s: Floats, spot: Floats, leg: Ints, guess: Floats
    ) -> tuple[Floats, Flags]:
        """Newton's method on all at once, and which have arrived well inside what the core's own search accepts."""
        strike, sign = self.strike[leg], self.sign[leg]
        years = (self.expiry_s[leg] - at_s) / SECONDS_A_YEAR
        vol, step = guess.copy(), np.full_like(guess, np.inf)
        vega, sure = step, np.ones(len(guess), dtype=np.bool_)
        for _ in range(_MOST_STEPS):
            value, vega, sure = worth(spot, strike, years, vol, sign)
            step = (value - price) / np.maximum(vega, 1e-300)
            vol = np.clip(vol - step, 0.5 * vol, 2.0 * vol)
            if not (np.abs(step) > _ARRIVED).any():
                break
        inside = (vol > _LOWEST_VOL) & (vol < _HIGHEST_VOL) & (vega > _LEAST_VEGA * np.maximum(spot, strike))
        exercised = np.maximum(sign * (spot - strike), 0.0)
        return vol, sure & inside & (np.abs(step) <= _ARRIVED) & (price > exercised + 1e-8 * strike)

    def _european(
        self, spot: Floats, strike: Floats, years: Floats, vol: Floats, sign: Floats
    ) -> tuple[Floats, Floats, Flags]:
        root = np.sqrt(years)
        forward, paid = spot * np.exp(-self.dividend_yield * years), strike * np.exp(-self.rate * years)
        spread = vol * root
        d1 = np.log(forward / paid) / spread + 0.5 * spread
        both = cdf(np.concatenate([sign * d1, sign * (d1 - spread)]))
        value = sign * (forward * both[: d1.size] - paid * both[d1.size :])
        return value, forward * root * pdf(d1), np.ones(d1.size, dtype=np.bool_)

    def _american(
        self, spot: Floats, strike: Floats, years: Floats, vol: Floats, sign: Floats
    ) -> tuple[Floats, Floats, Flags]:
        found = path_figures(spot, strike, years, self.rate, self.dividend_yield, vol, sign)
        return found.price, found.vega, found.sure

    def drift_a_second(self, at_s: float, least_iv: float) -> float:
        """More than net delta can move in one second while spot and volatilities stand still, shares.

        From ∂d1/∂T = (r − q + σ²/2)/(σ√T) − d1/(2T), with φ(x) < 0.4 and |x|·φ(x) < 0.25.
        """
        years = (self.expiry_s - at_s) / SECONDS_A_YEAR
        pull = np.abs(self.rate - self.dividend_yield) / (least_iv * np.sqrt(years)) + _HIGHEST_VOL / np.sqrt(years)
        a_year = 0.4 * pull + 0.125 / years + abs(self.dividend_yield)
        # Nothing is proved of early exercise: ten times as much.
        a_year[self.early] *= 10.0
        return float(np.abs(self.weight) @ a_year) / SECONDS_A_YEAR

    def _years(self, at_s: Floats) -> tuple[Floats, Floats]:
        """Time to expiry and its root: one column where all legs expire together."""
        ends_s = self.expiry_s[:1] if (self.expiry_s == self.expiry_s[0]).all() else self.expiry_s
        years = (ends_s - at_s[:, None]) / SECONDS_A_YEAR
        return years, np.sqrt(years)

    def _d1(self, log_spot: Floats, years: Floats, spread: Floats, iv: Floats) -> Floats:
        moved = log_spot - np.log(self.strike)
        drift = (self.rate - self.dividend_yield) * years
        result: Floats = (moved + drift) / spread + 0.5 * spread
        return result
