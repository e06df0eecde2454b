"""Where the days before a made market's start began: drawn backwards, a day at a time, once."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date

from bifrost_simulator.hours import Hours, MarketSession
from bifrost_simulator.market.day_tape import MarketParameters, session_return


class PastDays:
    """First prices of the sessions before the start.

    Parameters
    ----------
    gap : callable
        Logarithm of the overnight move before a day.
    """

    def __init__(
        self, parameters: MarketParameters, seed: int, hours: Hours, start: date, gap: Callable[[date], float]
    ) -> None:
        self._parameters = parameters
        self._seed = seed
        self._hours = hours
        self._start = start
        self._gap = gap
        self._firsts: dict[date, float] = {}

    def reach_back(self, day: date, first_of_start: Callable[[], float]) -> int:
        """Draw one session's way towards where ``day`` ended; returns its points, 0 when that is known.

        ``first_of_start`` gives the price at which the start's own day begins, as it was drawn.
        """
        if day >= self._start:
            return 0
        if not self._firsts:
            self._firsts[self._start] = first_of_start()
        if self._hours.after(day).day in self._firsts:
            return 0
        known = self._hours.session(min(self._firsts))
        assert known is not None, "first prices are kept of sessions"
        session = self._hours.before(known.day)
        move, points = session_return(self._parameters, self._seed, session)
        # Always from the move alone, also when the day's tape is at hand: the last digit must not depend on who asked.
        self._firsts[session.day] = self.end_before(known) / math.exp(move)
        return points

    def end_before(self, session: MarketSession) -> float:
        """Where the session before ``session`` ended."""
        return self._firsts[session.day] / math.exp(self._gap(session.day))
