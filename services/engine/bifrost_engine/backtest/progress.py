"""How far a run is: read from the run itself, told as one JSON object a line to whoever started it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TextIO

from bifrost.calendar import NEW_YORK

from .market import Burst, Market
from .tally import Tally, iso

#: Told at most this often, wall seconds.
EVERY_S = 0.5
_LOOK_EVERY = 64
_OPENS_S, _OPEN_FOR_S = 9.5 * 3600, 6.5 * 3600


class Reporter:
    """Writes lines that `bifrost_engine.backtest.worker` reads."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def tell(self, stage: str, **more: Any) -> None:
        """One line. Whoever listened may be gone: that ends the run (BrokenPipeError)."""
        self._out.write(json.dumps({"stage": stage, **more}) + "\n")
        self._out.flush()


class Watched:
    """A market that says how much of it has been read; everything else is the market's own.

    Parameters
    ----------
    tally : callable
        The figures of the run so far; None before it has begun.
    """

    def __init__(self, market: Market, reporter: Reporter, tally: Callable[[], Tally | None]) -> None:
        self.stock, self.bad = market.stock, market.bad
        self._market = market
        self._reporter = reporter
        self._tally = tally
        self._days: Sequence[date] = getattr(market, "days", ())

    def data_hash(self) -> str:
        return self._market.data_hash()

    def bursts(self) -> Iterator[Burst]:
        """The market's; every now and then a line about them."""
        told_s = -EVERY_S
        for number, burst in enumerate(self._market.bursts()):
            if number % _LOOK_EVERY == 0 and time.monotonic() - told_s >= EVERY_S:
                told_s = time.monotonic()
                self._reporter.tell("running", **self._state(burst.at_s))
            yield burst

    def _state(self, at_s: float) -> Mapping[str, Any]:
        moment = datetime.fromtimestamp(at_s, NEW_YORK)
        state: dict[str, Any] = {"at": iso(at_s), "days": len(self._days) or None, "fraction": None}
        if moment.date() in self._days:
            done = self._days.index(moment.date())
            seconds = moment.hour * 3600 + moment.minute * 60 + moment.second - _OPENS_S
            state["days_done"] = done
            state["fraction"] = round((done + min(1.0, max(0.0, seconds / _OPEN_FOR_S))) / len(self._days), 4)
        tally = self._tally()
        if tally is not None:
            state |= {"ticks": tally.ticks, "hedges": tally.hedges}
        return state
