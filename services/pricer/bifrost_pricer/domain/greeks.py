"""Volatility and greeks of an option when IB's model gives none: solved from the mid by the desk's own model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from bifrost.calendar import TradingCalendar
from bifrost.contract import ContractKey
from bifrost.options import Greeks, ModelError, implied_volatility, option_greeks

from .rows import OptionValues

_SECONDS_A_YEAR = 365.0 * 86400.0


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """Rates of the model: annual, continuous; ``dividends`` as (ex-date, dollars), of the configured symbol."""

    risk_free_rate: float
    dividend_yield: float
    dividends: tuple[tuple[date, float], ...] = ()


class OptionModel:
    """The desk's model with configured rates; every answer is complete or None."""

    def __init__(self, inputs: ModelInputs, calendar: TradingCalendar, symbol: str) -> None:
        self._inputs = inputs
        self._calendar = calendar
        self._symbol = symbol

    def solve(self, key: ContractKey, price: float, spot: float, at: datetime) -> OptionValues | None:
        """Values whose volatility reproduces ``price``; None when none does (below exercise value, expired)."""
        t_years = self._calendar.years_to_expiry(at, key.expiry_date)
        dividends = self._dividends(key, at)
        try:
            iv = implied_volatility(
                price,
                spot,
                key.strike,
                t_years,
                self._inputs.risk_free_rate,
                self._inputs.dividend_yield,
                key.right,
                dividends=dividends,
            )
        except ModelError:
            return None
        return self.value(key, iv, spot, at)

    def value(self, key: ContractKey, iv_annual: float, spot: float, at: datetime) -> OptionValues | None:
        """Price and greeks at ``iv_annual``; None after expiry or for inputs outside the model's range."""
        t_years = self._calendar.years_to_expiry(at, key.expiry_date)
        try:
            greeks = option_greeks(
                spot,
                key.strike,
                t_years,
                self._inputs.risk_free_rate,
                self._inputs.dividend_yield,
                iv_annual,
                key.right,
                dividends=self._dividends(key, at),
            )
        except ModelError:
            return None
        return _in_ib_units(greeks, iv_annual, spot)

    def _dividends(self, key: ContractKey, at: datetime) -> Sequence[tuple[float, float]]:
        if key.symbol != self._symbol:
            return ()
        today = self._calendar.new_york(at).date()
        return tuple(
            ((ex_date - today).days * 86400.0 / _SECONDS_A_YEAR, amount)
            for ex_date, amount in self._inputs.dividends
            if ex_date > today
        )


def _in_ib_units(greeks: Greeks, iv_annual: float, spot: float) -> OptionValues:
    return OptionValues(
        iv=iv_annual,
        delta=greeks.delta,
        gamma=greeks.gamma,
        theta=greeks.theta_year / 365.0,
        vega=greeks.vega / 100.0,
        und_price=spot,
        price=greeks.price,
    )
