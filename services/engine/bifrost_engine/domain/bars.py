"""One-minute closes of market time, for volatility and slope (engine.md section 2, M)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bars:
    """Closes of whole market minutes, oldest first, and the minute under way."""

    closes: tuple[float, ...] = ()
    minute: int | None = None
    """Number of the minute under way: market seconds // 60."""
    current: float = 0.0

    def add(self, market_s: float, mid: float, keep: int) -> Bars:
        """With ``mid`` seen at ``market_s``; minutes without a quote repeat the last close. ``keep`` closes are kept."""
        raise NotImplementedError

    def restart(self, market_s: float, mid: float) -> Bars:
        """Afresh: the night is no one-minute return."""
        raise NotImplementedError

    def log_returns(self, market_s: float, window: int) -> tuple[float, ...]:
        """The last ``window`` one-minute log returns of minutes complete at ``market_s``."""
        raise NotImplementedError
