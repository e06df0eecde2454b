"""Market time of the simulated world: an epoch that advances by wall time × speed, and never goes back.

The clock reads no other clock: whoever drives the world tells it the wall's monotonic time (`advance`), so a test or
a replay moves it by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

#: A machine that slept or a stopped process must not find days gone: longer gaps count as this many wall seconds.
MAX_WALL_GAP_S = 5.0
MAX_SPEED = 3600.0


class ClockError(ValueError):
    """A clock setting that cannot be; the message says what would be right."""


@dataclass(slots=True)
class SimClock:
    """Market time (`market_s`, epoch seconds UTC) and how it moves.

    Attributes
    ----------
    speed : float
        Market seconds per wall second.
    paused : bool
        Held by the operator.
    over : bool
        The scenario has ended: time stands for good.
    """

    market_s: float
    speed: float = 1.0
    always_open: bool = False
    paused: bool = False
    over: bool = False
    told_offset_s: float = 0.0
    """What a gateway whose clock is wrong adds to the times that it tells."""
    _wall_s: float | None = None

    def advance(self, wall_s: float) -> None:
        """Move on to the wall's monotonic second ``wall_s``."""
        elapsed = 0.0 if self._wall_s is None else min(max(0.0, wall_s - self._wall_s), MAX_WALL_GAP_S)
        self._wall_s = wall_s
        if not self.paused and not self.over:
            self.market_s += elapsed * self.speed

    def step(self, seconds: float) -> None:
        """Move market time on by ``seconds``, also while paused."""
        if not 0 <= seconds <= 366 * 86400:
            raise ClockError(f"step_s {seconds:g} must be between 0 and 366 days")
        if self.over:
            raise ClockError("the scenario is over; only a reset begins again")
        self.market_s += seconds

    def set(self, moment: datetime) -> None:
        """Move market time on to ``moment`` (aware); earlier than now is refused, time never decreases in a run."""
        if moment.tzinfo is None:
            raise ClockError(f"set {moment.isoformat()} needs a zone, for example 2026-05-07T14:00:00Z")
        if moment.timestamp() < self.market_s:
            raise ClockError(f"set {moment.isoformat()} is before market time {self.now().isoformat()}")
        self.step(moment.timestamp() - self.market_s)

    def set_speed(self, speed: float) -> None:
        if not 0 < speed <= MAX_SPEED:
            raise ClockError(f"speed {speed:g} must be above 0 and at most {MAX_SPEED:g}")
        self.speed = speed

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.fromtimestamp(self.market_s, UTC)

    def told(self) -> datetime:
        """Time as clients are told it."""
        return datetime.fromtimestamp(self.market_s + self.told_offset_s, UTC)

    def to_state(self) -> dict[str, object]:
        return {"market_s": self.market_s, "speed": self.speed, "paused": self.paused, "over": self.over}
