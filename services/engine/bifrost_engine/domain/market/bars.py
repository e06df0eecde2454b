"""One-minute closes of market time, for volatility and slope (engine.md section 2, M)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

MINUTE_S = 60.0
MINUTES_A_YEAR = 252 * 390
"""Trading minutes: 252 sessions of 390 minutes."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Closes of whole market minutes, oldest first, and the minute under way."""

    closes: tuple[float, ...] = ()
    minute: int | None = None
    """Number of the minute under way: market seconds // 60."""
    current: float = 0.0

    def add(self, market_s: float, mid: float, keep: int) -> Bars:
        """With ``mid`` seen at ``market_s``; a minute without a quote repeats the last close. Keeps ``keep`` closes."""
        minute = int(market_s // MINUTE_S)
        if self.minute is None or minute - self.minute > keep:
            # After a long silence the move belongs to no single minute.
            return self.restart(market_s, mid)
        if minute <= self.minute:
            return replace(self, current=mid)
        return Bars(self._completed(minute)[-keep:], minute, mid)

    def restart(self, market_s: float, mid: float) -> Bars:
        """Afresh: the night is no one-minute return."""
        return Bars((), int(market_s // MINUTE_S), mid)

    def log_returns(self, market_s: float, window: int) -> tuple[float, ...]:
        """The last ``window`` one-minute log returns of minutes complete at ``market_s``."""
        minute = int(market_s // MINUTE_S)
        closes = self.closes
        if self.minute is not None and minute > self.minute:
            closes = self._completed(min(minute, self.minute + window + 1))
        closes = closes[-(window + 1) :]
        return tuple(math.log(after / before) for before, after in pairwise(closes))

    def _completed(self, minute: int) -> tuple[float, ...]:
        """The closes once ``minute`` is under way."""
        elapsed = minute - self.minute if self.minute is not None else 0
        return self.closes + (self.current,) * elapsed


def annual_volatility(returns: tuple[float, ...]) -> float:
    """σ per year of one-minute log returns: the sample's standard deviation (n − 1) · √(252·390)."""
    mean = sum(returns) / len(returns)
    variance = sum((r - mean) ** 2 for r in returns) / (len(returns) - 1)
    return math.sqrt(variance * MINUTES_A_YEAR)


def slope_per_minute(returns: tuple[float, ...]) -> float:
    """Mean log return a minute."""
    return sum(returns) / len(returns)
