"""The market: a seeded price, quotes of the stock and its options, bad prints, the exchange's sessions."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from datetime import date, timedelta

from bifrost.calendar import SECONDS_A_YEAR, TradingCalendar
from bifrost.contract import ContractKey, contract_key
from bifrost.options import option_greeks
from bifrost_engine.domain.words import Quote

SYMBOL = "NVDA"
STOCK = contract_key(SYMBOL, "STK")
IV_ANNUAL = 0.35
HALF_SPREAD_USD = 0.01
_TRADED_YEAR_S = 252 * 6.5 * 3600


class Exchange:
    """Prices in dollars; moves by a lognormal walk with calm and wild minutes."""

    def __init__(self, rng: random.Random, calendar: TradingCalendar, spot: float = 140.0) -> None:
        self.rng = rng
        self.calendar = calendar
        self.spot = spot
        self.shown = spot
        """The mid that is published: the spot, but for a bad print."""
        self.half_spread = HALF_SPREAD_USD
        self.one_sided = False
        self.previous_close: float | None = None
        self._last_s: float | None = None

    def move(self, now_s: float, volatility: float = 0.45) -> None:
        """Let the price wander since the last move; a night counts as one minute's jump of its own."""
        if self._last_s is not None:
            elapsed_s = min(now_s - self._last_s, 3600.0)
            step = volatility * math.sqrt(max(elapsed_s, 0.0) / _TRADED_YEAR_S) * self.rng.gauss(0.0, 1.0)
            # Pulled back gently, so that a thousand days stay at prices where a hedge means the same.
            step += 0.0002 * math.log(140.0 / self.spot)
            self.spot = round(min(max(self.spot * math.exp(step), 60.0), 320.0), 2)
        self._last_s = now_s
        self.shown = self.spot

    def jump(self, fraction: float) -> None:
        self.spot = round(self.spot * (1.0 + fraction), 2)
        self.shown = self.spot

    def touch(self, buy: bool) -> float:
        """What a market order pays or gets now."""
        return round(self.spot + (self.half_spread if buy else -self.half_spread), 2)

    def quotes(self, keys: Iterable[ContractKey], now_s: float) -> tuple[Quote, ...]:
        """The stock's quote and those of the options ``keys``, arrived now."""
        bid, ask = round(self.shown - self.half_spread, 2), round(self.shown + self.half_spread, 2)
        stock = Quote(
            STOCK,
            None if self.one_sided else bid,
            ask,
            500,
            500,
            self.spot,
            now_s,
            close=self.previous_close,
        )
        return (stock, *(self._option(key, now_s) for key in sorted(keys)))

    def _option(self, key: ContractKey, now_s: float) -> Quote:
        t_years = (self.calendar.last_trading_moment_s(key.expiry_date) - now_s) / SECONDS_A_YEAR
        if t_years <= 1e-6:
            return Quote(key, None, None, None, None, None, now_s)
        price = option_greeks(self.spot, key.strike, t_years, 0.0, 0.0, IV_ANNUAL, key.right, american=False).price
        return Quote(
            key,
            round(max(price - 0.05, 0.01), 2),
            round(price + 0.05, 2),
            20,
            20,
            None,
            now_s,
            model_iv_annual=IV_ANNUAL,
            model_wall_s=now_s,
        )

    def straddle(self, today: date, days_ahead: int) -> tuple[ContractKey, ContractKey]:
        """The call and put nearest to the money that expire on the last session within ``days_ahead`` days."""
        expiry = self.calendar.previous_session(today + timedelta(days=days_ahead + 1)).day
        strike = float(round(self.spot / 2.5) * 2.5)
        code = f"{expiry:%Y%m%d}"
        return contract_key(SYMBOL, "OPT", code, strike, "C"), contract_key(SYMBOL, "OPT", code, strike, "P")
