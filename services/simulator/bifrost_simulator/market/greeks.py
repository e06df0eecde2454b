"""Option computations as IB publishes them, from the simulator's own tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from bifrost.contract import ContractKey
from numpy.typing import NDArray

from bifrost_simulator.market.base import ModelInputs, Quote
from bifrost_simulator.market.tree import TreeResult, tree_values

Floats = NDArray[np.float64]

MIN_IV, MAX_IV = 0.005, 5.0
_VOL_BUMP = 0.01
_DAYS = 365.0
_NEWTON_STEPS = 12
_PRICE_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class ModelValues:
    """One contract's model: per share, ``vega`` per 0.01 of volatility, ``theta`` per calendar day.

    ``bid_iv``, ``ask_iv`` and ``last_iv`` are the volatilities at which the model gives those prices, None where it
    cannot (no quote, or below intrinsic value).
    """

    iv_annual: float
    price: float
    delta: float
    gamma: float
    vega: float
    theta: float
    spot: float
    bid_iv: float | None
    ask_iv: float | None
    last_iv: float | None


@dataclass(frozen=True, slots=True)
class _Batch:
    spot: Floats
    strike: Floats
    years: Floats
    call: NDArray[np.bool_]
    rate: float
    dividend_yield: float

    def values(self, iv: Floats) -> TreeResult:
        return tree_values(
            self.spot, self.strike, self.years, self.rate, self.dividend_yield, iv, self.call, american=True
        )

    def value_and_vega(self, iv: Floats) -> tuple[TreeResult, Floats]:
        """Values at ``iv``, and the change of price per 1.00 of volatility by a central difference."""
        n = len(iv)
        bump = np.minimum(_VOL_BUMP, 0.5 * iv)
        three = tree_values(
            np.tile(self.spot, 3),
            np.tile(self.strike, 3),
            np.tile(self.years, 3),
            self.rate,
            self.dividend_yield,
            np.concatenate((iv, iv + bump, iv - bump)),
            np.tile(self.call, 3),
        )
        vega = (three.price[n : 2 * n] - three.price[2 * n :]) / (2 * bump)
        return TreeResult(three.price[:n], three.delta[:n], three.gamma[:n], three.theta_year[:n]), vega

    def select(self, mask: NDArray[np.bool_]) -> _Batch:
        return _Batch(
            self.spot[mask], self.strike[mask], self.years[mask], self.call[mask], self.rate, self.dividend_yield
        )


class OptionModel:
    """Model values of many contracts at once; remembers each contract's last volatility as the next first guess."""

    def __init__(self) -> None:
        self._last_iv: dict[ContractKey, float] = {}

    def compute(
        self, keys: Sequence[ContractKey], inputs: Sequence[ModelInputs | None], quotes: Sequence[Quote]
    ) -> list[ModelValues | None]:
        """Model values in the order of ``keys``; None where nothing is known to value a contract with.

        A contract without a two-sided quote keeps the volatility it had last.
        """
        result: list[ModelValues | None] = [None] * len(keys)
        rows = [i for i, given in enumerate(inputs) if given is not None and given.years > 0 and given.spot > 0]
        if not rows:
            return result
        given = [inputs[i] for i in rows]
        batch = _batch([keys[i] for i in rows], [g for g in given if g is not None])
        iv = self._volatilities([keys[i] for i in rows], batch, [g for g in given if g], [quotes[i] for i in rows])
        known = np.isfinite(iv)
        if not known.any():
            return result
        small = batch.select(known)
        values, vega = small.value_and_vega(iv[known])
        for k, row in enumerate(np.array(rows)[known]):
            index = int(row)
            self._last_iv[keys[index]] = float(iv[known][k])
            result[index] = _model_values(small, values, vega, iv[known], k, quotes[index])
        return result

    def _volatilities(
        self, keys: Sequence[ContractKey], batch: _Batch, given: Sequence[ModelInputs], quotes: Sequence[Quote]
    ) -> Floats:
        iv = np.array([g.iv_annual if g.iv_annual is not None else np.nan for g in given])
        wanted = np.isnan(iv)
        if wanted.any():
            mids = np.array([q.mid or np.nan for q in quotes])
            guess = np.array([self._last_iv.get(key, 0.3) for key in keys])
            iv[wanted] = implied_volatilities(batch.select(wanted), mids[wanted], guess[wanted])
            lost = wanted & np.isnan(iv)
            iv[lost] = [self._last_iv.get(keys[int(i)], np.nan) for i in np.flatnonzero(lost)]
        return iv


def _batch(keys: Sequence[ContractKey], given: Sequence[ModelInputs]) -> _Batch:
    return _Batch(
        spot=np.array([g.spot for g in given]),
        strike=np.array([key.strike for key in keys]),
        years=np.array([g.years for g in given]),
        call=np.array([key.right == "C" for key in keys]),
        rate=given[0].rate,
        dividend_yield=given[0].dividend_yield,
    )


def implied_volatilities(batch: _Batch, prices: Floats, guess: Floats) -> Floats:
    """Volatilities at which the tree gives ``prices`` (NaN where none does): Newton inside a shrinking bracket."""
    low, high = np.full_like(prices, MIN_IV), np.full_like(prices, MAX_IV)
    iv = np.clip(guess, MIN_IV, MAX_IV)
    sign = np.where(batch.call, 1.0, -1.0)
    possible = np.isfinite(prices) & (prices > np.maximum(sign * (batch.spot - batch.strike), 0.0) + _PRICE_TOLERANCE)
    solved = ~possible
    for _ in range(_NEWTON_STEPS):
        if solved.all():
            break
        values, vega = batch.value_and_vega(iv)
        error = values.price - prices
        solved |= np.abs(error) < _PRICE_TOLERANCE
        high = np.where(error > 0, np.minimum(high, iv), high)
        low = np.where(error < 0, np.maximum(low, iv), low)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = iv - error / vega
        inside = np.isfinite(newton) & (newton > low) & (newton < high)
        iv = np.where(solved, iv, np.where(inside, newton, 0.5 * (low + high)))
    tight = (high - low) < 1e-3
    return np.where(possible & (solved | tight), iv, np.nan)


def _model_values(batch: _Batch, values: TreeResult, vega: Floats, iv: Floats, k: int, quote: Quote) -> ModelValues:
    price, slope, sigma = float(values.price[k]), float(vega[k]), float(iv[k])
    intrinsic = max(0.0, (1.0 if batch.call[k] else -1.0) * float(batch.spot[k] - batch.strike[k]))

    def at(quoted: float) -> float | None:
        """First order around the model; quotes are within a few cents of it."""
        if quoted <= intrinsic or slope <= 1e-6:
            return None
        return min(MAX_IV, max(MIN_IV, sigma + (quoted - price) / slope))

    return ModelValues(
        iv_annual=sigma,
        price=price,
        delta=float(values.delta[k]),
        gamma=float(values.gamma[k]),
        vega=slope * 0.01,
        theta=float(values.theta_year[k]) / _DAYS,
        spot=float(batch.spot[k]),
        bid_iv=at(quote.bid),
        ask_iv=at(quote.ask),
        last_iv=at(quote.last),
    )


def single_value(key: ContractKey, inputs: ModelInputs, iv_annual: float) -> ModelValues:
    """The model of one contract at a given volatility (reqCalcOptionPrice)."""
    batch = _batch([key], [inputs])
    iv = np.array([iv_annual])
    values, vega = batch.value_and_vega(iv)
    return _model_values(batch, values, vega, iv, 0, Quote())


def single_implied(key: ContractKey, inputs: ModelInputs, price: float) -> float | None:
    """The volatility of one contract at a price (reqCalcImpliedVolat), None where there is none."""
    found = implied_volatilities(_batch([key], [inputs]), np.array([price]), np.array([0.3]))
    return None if np.isnan(found[0]) else float(found[0])
