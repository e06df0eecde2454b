"""Both times of the engine, and how times become columns."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from bifrost.clock import MarketClock

from bifrost_engine.domain.words import Times

_SLEPT_S = 60.0


class EngineClock:
    """Wall and market time for events.

    Wall time grows with the machine's monotonic clock, so that a corrected system clock fires no time-out and stops
    none. Where the machine slept (the system clock is a minute ahead), it catches up: what was quoted before is old.
    """

    def __init__(self, market: MarketClock | None = None) -> None:
        self.market = market
        """None until it is known which market this is: market time is then unknown."""
        self._anchor_s = time.time() - time.monotonic()

    def wall_s(self) -> float:
        """Epoch seconds; never decreases."""
        monotonic = time.monotonic()
        ahead = time.time() - monotonic - self._anchor_s
        if ahead > _SLEPT_S:
            self._anchor_s += ahead
        return self._anchor_s + monotonic

    def wall_of(self, monotonic: float) -> float:
        """Epoch seconds of an instant of the monotonic clock."""
        return self._anchor_s + monotonic

    def now(self) -> Times:
        return Times(self.wall_s(), self.market.time_s() if self.market is not None else None)


def iso(seconds: float | None) -> str | None:
    """A timestamptz column from epoch seconds."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
