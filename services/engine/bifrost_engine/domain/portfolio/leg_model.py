"""The model's figures of a set of legs at one spot and one moment (engine.md section 1, "Expiry and T")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

import numpy as np
from bifrost.calendar import NEW_YORK, SECONDS_A_YEAR, TradingCalendar
from bifrost.config import Config
from bifrost.contract import ContractKey
from bifrost.options import BookGreeks, Dividends, ModelError, book_greeks

from .volatility import LegVolatility, Pricing

#: On expiry day a leg this near the money, per cent of spot, keeps at least half an hour of time, so that the hedge
#: does not flip on each cent.
PIN_WITHIN = 0.01
PIN_YEARS = 30 * 60 / SECONDS_A_YEAR
#: A leg is in the money at expiry from this on, dollars (OCC exercises by exception from one cent).
EXERCISED_FROM_USD = 0.01
#: Nearer than this a leg counts as expired, seconds.
_EXPIRED_WITHIN_S = 1.0
_OPENS = time(9, 30)


@dataclass(frozen=True, slots=True)
class LegTime:
    """Where one leg stands between now and its expiry."""

    expired: bool
    last_day: bool
    """Its last session is today."""
    pinned: bool
    """It expires today within 1 % of spot."""
    t_years: float
    dte: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Per share of the underlying: delta, gamma, theta in dollars a calendar day, vega in dollars for 1.00."""

    delta: float
    gamma: float
    theta_day: float
    vega: float


def leg_time(key: ContractKey, spot: float, market_s: float, calendar: TradingCalendar) -> LegTime:
    """T by the close of the last session on or before expiry; after it the leg is expired."""
    expiry = key.expiry_date
    left_s = calendar.last_trading_moment_s(expiry) - market_s
    now = datetime.fromtimestamp(market_s, NEW_YORK)
    last_day = datetime.fromtimestamp(market_s + left_s, NEW_YORK).date() == now.date()
    expired = left_s < _EXPIRED_WITHIN_S
    pinned = last_day and not expired and abs(key.strike - spot) <= PIN_WITHIN * spot
    t_years = left_s / SECONDS_A_YEAR
    return LegTime(
        expired, last_day, pinned, max(t_years, PIN_YEARS) if pinned else t_years, (expiry - now.date()).days
    )


def expired_delta(key: ContractKey, official_last: float) -> float:
    """±1 when the holder exercises, 0 when it dies."""
    if key.right == "C":
        return 1.0 if official_last - key.strike >= EXERCISED_FROM_USD - 1e-9 else 0.0
    return -1.0 if key.strike - official_last >= EXERCISED_FROM_USD - 1e-9 else 0.0


def dividends_ahead(market_s: float, config: Config) -> Dividends:
    """Configured dividends still to come: years from now to the open of the ex-date, dollars a share."""
    ahead = []
    for dividend in config.greeks.dividends:
        ex_s = datetime.combine(dividend.ex_date, _OPENS, NEW_YORK).astimezone(UTC).timestamp()
        if ex_s > market_s:
            ahead.append(((ex_s - market_s) / SECONDS_A_YEAR, dividend.amount_usd))
    return tuple(ahead)


def model_figures(
    legs: Sequence[Pricing],
    volatilities: Mapping[ContractKey, LegVolatility],
    spot: float,
    dividends: Dividends,
    config: Config,
) -> dict[ContractKey, Figures]:
    """Greeks of the legs by the desk's model. Raises ModelError naming the contract when an input is no good."""
    if not legs:
        return {}

    def priced(some: Sequence[Pricing]) -> BookGreeks:
        return book_greeks(
            spot,
            np.array([leg.key.strike for leg in some]),
            np.array([leg.t_years for leg in some]),
            config.greeks.risk_free_rate,
            config.greeks.dividend_yield,
            np.array([volatilities[leg.key].iv_annual for leg in some]),
            [leg.key.right for leg in some],
            dividends=dividends,
        )

    try:
        greeks = priced(legs)
    except ModelError:
        # The book knows places, the operator contracts: the first leg that fails alone is named.
        for leg in legs:
            try:
                priced([leg])
            except ModelError as error:
                raise ModelError(f"{leg.key}: {error}") from error
        raise
    rows = zip(
        greeks.delta.tolist(), greeks.gamma.tolist(), greeks.theta_day.tolist(), greeks.vega.tolist(), strict=True
    )
    return {leg.key: Figures(*row) for leg, row in zip(legs, rows, strict=True)}
