"""Virtual time: one agenda of what the outside world does, and an event loop that lives on it."""

from __future__ import annotations

import asyncio
import heapq
import selectors
import warnings
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from bifrost.clock import MarketClock
from bifrost_engine.app.times import EngineClock

Work = Callable[[], None]


class Killed(SystemExit):
    """kill -9: nothing of the process runs any more. A SystemExit, because no handler of the engine swallows it."""


class Finished(SystemExit):
    """The simulation has come to its end while the engine was running."""


class Agenda:
    """What the outside world does next, in order; of two things at one moment the one that was entered first."""

    def __init__(self, start_s: float) -> None:
        self.now_s = start_s
        self._waiting: list[tuple[float, int, Work]] = []
        self._numbers = count()
        self.calm: Callable[[], bool] = lambda: False
        """Whether nothing is under way, so that the engine may sleep until the world moves."""

    def at(self, when_s: float, work: Work) -> None:
        """Do ``work`` at ``when_s`` (epoch seconds), never in the past."""
        heapq.heappush(self._waiting, (max(when_s, self.now_s), next(self._numbers), work))

    def after(self, delay_s: float, work: Work) -> None:
        self.at(self.now_s + delay_s, work)

    @property
    def next_s(self) -> float:
        return self._waiting[0][0] if self._waiting else float("inf")

    def advance(self, until_s: float) -> None:
        """Move on to ``until_s`` or to the next thing that happens, and let it happen."""
        if self.next_s > until_s:
            self.now_s = max(self.now_s, until_s)
            return
        when_s, _, work = heapq.heappop(self._waiting)
        self.now_s = max(self.now_s, when_s)
        work()

    def run_until(self, until_s: float) -> None:
        """Let the world go on without an engine."""
        while self.now_s < until_s:
            self.advance(until_s)


class _Selector(selectors.SelectSelector):
    """Where a real loop would wait for sockets, this one moves the clock."""

    def __init__(self, agenda: Agenda) -> None:
        super().__init__()
        self._agenda = agenda

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None and timeout <= 0:
            return []
        agenda = self._agenda
        timer_s = float("inf") if timeout is None else agenda.now_s + timeout
        # In calm hours timers come late, when the world has moved: four beats a second of nothing cost a real day.
        agenda.advance(agenda.next_s if agenda.calm() else timer_s)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio on the agenda's time; no socket, no thread, no signal."""

    _clock_resolution = 1e-6

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        super().__init__(_Selector(agenda))
        # Epoch seconds have no nanoseconds: with the machine's resolution a timer due now would never be due.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._agenda.now_s

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:
        """A simulated process is ended by the harness, not by the shell."""

    def remove_signal_handler(self, sig: int) -> bool:
        return True

    def abandon(self) -> None:
        """Leave everything as it stands; what waits is never resumed."""
        self.set_exception_handler(_hear_nothing)
        for task in asyncio.all_tasks(self):
            # The process is gone: nobody complains of a task that never ended, and no `finally` does any good.
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine = task.get_coro()
            try:
                with warnings.catch_warnings():
                    # One that was killed before its first step says that nobody awaited it.
                    warnings.simplefilter("ignore", RuntimeWarning)
                    coroutine.close()  # type: ignore[union-attr]
            except (RuntimeError, ValueError):
                continue
        self._ready.clear()  # type: ignore[attr-defined]
        self._scheduled.clear()  # type: ignore[attr-defined]
        self.close()


def _hear_nothing(loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """A killed process prints nothing."""


class SimClock(EngineClock):
    """The engine's clock on the agenda."""

    def __init__(self, agenda: Agenda, market: MarketClock | None = None) -> None:
        super().__init__(market)
        self._agenda = agenda

    def wall_s(self) -> float:
        return self._agenda.now_s

    def wall_of(self, monotonic: float) -> float:
        return monotonic


class SimTime:
    """Stands in for the module ``time`` where the application reads it."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda

    def monotonic(self) -> float:
        return self._agenda.now_s

    def time(self) -> float:
        return self._agenda.now_s
