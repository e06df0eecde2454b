"""The two clocks, never mixed (architecture.md, "Time").

*Wall* time is for everything that waits on a machine; *market* time is for the rules of the trade. Live they are the
same. Against the simulator market time follows its clock and never decreases in a run.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.error import URLError

_log = logging.getLogger(__name__)
READ_INTERVAL_S = 1.0
_READ_TIMEOUT_S = 3.0


class WallClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def time(self) -> float:
        """Epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that only grow; for intervals."""
        return time.monotonic()


class MarketClock(Protocol):
    """Market time as the rules of the trade see it."""

    @property
    def speed(self) -> float:
        """Market seconds a wall second."""

    @property
    def always_open(self) -> bool:
        """True when the session never closes."""

    @property
    def paused(self) -> bool:
        """True while market time stands still."""

    @property
    def scenario_over(self) -> bool:
        """True when a simulated world has come to its end; a real market never does."""

    def now(self) -> datetime | None:
        """Aware UTC; None while unknown."""

    def time_s(self) -> float | None:
        """Epoch seconds; None while unknown."""


class WallMarketClock:
    """Market time of the real world."""

    speed = 1.0
    always_open = False
    paused = False
    scenario_over = False

    def __init__(self, wall: WallClock | None = None) -> None:
        self._wall = wall or WallClock()

    def now(self) -> datetime:
        return self._wall.now()

    def time_s(self) -> float:
        return self._wall.time()


class VirtualClock:
    """A clock moved by hand: wall and market time of simulated runs and tests."""

    speed = 1.0
    paused = False
    scenario_over = False

    def __init__(self, start: datetime, *, always_open: bool = False) -> None:
        if start.tzinfo is None:
            raise ValueError(f"virtual clock needs an aware start, got {start!r}")
        self._start_s = start.timestamp()
        self._elapsed_s = 0.0
        self.always_open = always_open

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time(), UTC)

    def time(self) -> float:
        return self._start_s + self._elapsed_s

    def time_s(self) -> float:
        return self.time()

    def monotonic(self) -> float:
        return self._elapsed_s

    def advance(self, seconds: float) -> None:
        """Move on; going back is refused."""
        if not seconds >= 0:
            raise ValueError(f"a clock moves forward only, got {seconds!r} s")
        self._elapsed_s += seconds

    def advance_to(self, moment: datetime) -> None:
        """Move on to an aware ``moment``; an earlier one is refused."""
        self.advance(moment.timestamp() - self.time())


class ClockReading:
    """Interpolation between readings of a foreign clock; never decreases."""

    def __init__(self, stored: datetime | None = None) -> None:
        self.speed = 1.0
        self.paused = True
        self.always_open = False
        self.received = False
        self._base_s: float | None = stored.timestamp() if stored else None
        self._read_at = 0.0
        self._highest_s: float | None = self._base_s

    def update(self, market_s: float, speed: float, paused: bool, always_open: bool, read_at: float) -> None:
        """Take a reading: market epoch seconds at the monotonic instant ``read_at``."""
        self._base_s, self._read_at = market_s, read_at
        self.speed, self.paused, self.always_open = speed, paused, always_open
        self.received = True

    def at(self, monotonic: float) -> float | None:
        """Market epoch seconds at ``monotonic``; None before anything is known."""
        if self._base_s is None:
            return None
        elapsed = 0.0 if self.paused else max(0.0, monotonic - self._read_at) * self.speed
        value = self._base_s + elapsed
        if self._highest_s is None or value > self._highest_s:
            self._highest_s = value
        return self._highest_s


class SimulatorMarketClock:
    """Market time of the simulator at ``url``, read every second by `run` and interpolated between readings.

    Parameters
    ----------
    url : str
        Admin address of the simulator, ``http://host:port``; ``GET {url}/clock`` is read.
    stored : datetime or None
        Last market time known (a database row); stands until the first answer.
    on_change : callable, optional
        Called after a reading that changed speed, pause or ``always_open``, and after the first one.
    max_ahead_s : float
        Without an answer for this many wall seconds market time stands still: a simulator that was stopped does not
        run on in our head.
    """

    def __init__(
        self,
        url: str,
        stored: datetime | None = None,
        *,
        wall: WallClock | None = None,
        on_change: Callable[[], None] | None = None,
        max_ahead_s: float = 3.0,
    ) -> None:
        self._url = url.rstrip("/") + "/clock"
        self._wall = wall or WallClock()
        self._on_change = on_change
        self._max_ahead_s = max_ahead_s
        self._reading = ClockReading(stored)
        self._last_answer = 0.0
        self._task: asyncio.Task[None] | None = None
        self._failing = False
        self.scenario_over = False

    @property
    def speed(self) -> float:
        return self._reading.speed

    @property
    def always_open(self) -> bool:
        return self._reading.always_open

    @property
    def paused(self) -> bool:
        return self._reading.paused

    @property
    def known(self) -> bool:
        """True once the simulator has answered; before, `now` is the stored value."""
        return self._reading.received

    def time_s(self) -> float | None:
        return self._reading.at(min(self._wall.monotonic(), self._last_answer + self._max_ahead_s))

    def now(self) -> datetime | None:
        seconds = self.time_s()
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

    def start(self) -> None:
        """Begin to read, on the running loop."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self.run(), name="market-clock")

    async def stop(self) -> None:
        """End reading."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def run(self) -> None:
        """Read once a second until cancelled; a simulator that does not answer is waited for."""
        while True:
            await self.read_once()
            await asyncio.sleep(READ_INTERVAL_S)

    async def read_once(self) -> bool:
        """Read now; True when the simulator answered."""
        asked = self._wall.monotonic()
        try:
            answer = await asyncio.to_thread(_fetch, self._url)
            self.take(answer, (asked + self._wall.monotonic()) / 2)
        except (OSError, URLError, ValueError, KeyError, TypeError) as error:
            if not self._failing:
                _log.warning("market clock: no reading from %s: %s", self._url, error)
            self._failing = True
            return False
        if self._failing:
            _log.info("market clock: %s answers again", self._url)
        self._failing = False
        return True

    def take(self, answer: dict[str, Any], read_at: float) -> None:
        """Take an answer of ``GET /clock`` (or the ``clock`` of ``GET /state``) read at monotonic ``read_at``."""
        reading = self._reading
        market = datetime.fromisoformat(str(answer["market"]))
        if market.tzinfo is None:
            raise ValueError(f"market time {answer['market']!r} has no zone")
        before = (reading.received, reading.speed, reading.paused, reading.always_open, self.scenario_over)
        reading.update(
            market.timestamp(), float(answer["speed"]), bool(answer["paused"]), bool(answer["always_open"]), read_at
        )
        self.scenario_over = bool(answer.get("scenario_over", False))
        self._last_answer = read_at
        after = (True, reading.speed, reading.paused, reading.always_open, self.scenario_over)
        if self._on_change is not None and before != after:
            self._on_change()


def _fetch(url: str) -> dict[str, Any]:
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy never stands before loopback
    with opener.open(request, timeout=_READ_TIMEOUT_S) as response:
        answer = json.load(response)
    if not isinstance(answer, dict):
        raise ValueError(f"{url} answered {type(answer).__name__}, not an object")
    return answer


def format_utc(moment: datetime) -> str:
    """RFC 3339 in UTC with a ``Z``, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_epoch(seconds: float) -> datetime:
    """Aware UTC from epoch seconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
