"""A backtest that puts to the core only what the core could answer with anything but "none"."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bifrost_engine.domain.effects import FetchTruth
from bifrost_engine.domain.words import Trigger

from ..market import Burst
from ..run import BacktestRun
from ..ticks import QuietTicks
from .blocks import Block, InBlocks, packed
from .ground import ground
from .handover import newest_quotes, state_after
from .stretch import Stretch, find

#: After so many looks in vain one burst goes by before the next one, then two, and so on; at most so many.
PATIENCE, LONGEST_WAIT = 4, 32


class QuickRun(BacktestRun):
    """Runs once, from the first quote to the last; orders, fills, money and counts are those of `BacktestRun`.

    Parameters
    ----------
    on_quiet : callable, optional
        Hears the decisions of a stretch at once; without it ``on_tick`` hears each of them.
    """

    def __init__(self, *args: Any, on_quiet: Callable[[QuietTicks], None] | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        if more.get("policies") or more.get("make_tape"):
            raise ValueError("shadow hedgers and tapes need every evaluation: they go with the full path alone")
        self._on_quiet = on_quiet
        self._wait, self._vain = 0, 0

    def _instants(self) -> Iterator[Burst]:
        """The bursts that the core has to see. Between two of them stretches are taken without it."""
        market = self._market
        blocks = market.blocks() if isinstance(market, InBlocks) else packed(market.bursts())
        for block in blocks:
            index = 0
            while index < len(block):
                index = self._skip(block, index)
                yield block.burst(index)
                index += 1

    def _skip(self, block: Block, index: int) -> int:
        """The burst to go on with: ``index``, or the end of a stretch that begins there."""
        if self._wait > 0:
            self._wait -= 1
            return index
        if not self._legs or not self.rules.calendar.is_open_s(float(block.at_s[index])):
            return index
        # What is due before the next burst comes first in any case.
        self._work_until(float(block.at_s[index]))
        beat_s, due_s = self._agenda.only_s(self._beat), self._agenda.next_s()
        if self._broker.busy or due_s != beat_s or (beat_s is None and self._waiting()):
            return index
        stretch, stops = self._look(block, index, beat_s)
        ends = index if stretch is None else stretch.ends
        self._vain = self._vain + 1 if stretch is None else 0
        # What is known to be for the core is not looked at again; after looking in vain for a while, seldom.
        self._wait = max(stops - ends, min(self._vain // PATIENCE, LONGEST_WAIT))
        if stretch is not None:
            self._take(stretch)
        return ends

    def _look(self, block: Block, index: int, beat_s: float | None) -> tuple[Stretch | None, int]:
        latency_s, state = self._model.latency_s, self._hedger.state
        gates = self.rules.config.gates.state
        tolerated_ms = min(gates.system.data_lag_threshold_ms, gates.market.stale_ts_threshold_ms)
        if self._hedger.fault or latency_s * 1000.0 > tolerated_ms or self._over_s is None:
            # An answer of the broker that comes later than that finds the market stale.
            return None, index
        begun = ground(state, self.rules, float(block.at_s[index]), self._broker.position_rows(), beat_s)
        if isinstance(begun, str):
            return None, index
        return find(begun, block, index, self._over_s, latency_s)

    def _take(self, stretch: Stretch) -> None:
        """Everything that the skipped evaluations would have left behind, here and in the core."""
        quotes = newest_quotes(stretch)
        self._quotes.update((quote.key, quote) for quote in quotes)
        self._good.update((quote.key, quote) for quote in newest_quotes(stretch, two_sided=True))
        self._broker.publish(quotes)
        self._hedger.state = state_after(stretch, quotes)
        if stretch.ground.beat_s is not None:
            self._agenda.pop()
            self._beating = stretch.beat_s is not None
        if stretch.beat_s is not None:
            self._agenda.at(stretch.beat_s, self._beat)
        if stretch.asked_s is not None:
            self.clock.now_s = stretch.asked_s
            self._broker.carry_out(FetchTruth(Trigger.PERIODIC))
        at, tally = stretch.bursts, self.tally
        ticks = QuietTicks(
            tally.ticks + 1, stretch.at_s[at], stretch.minor[at], stretch.delta[at], stretch.mids[at, 0]
        )  # fmt: skip
        tally.quiet(ticks, stretch.pnl_usd[at], evaluations=len(stretch))
        if self._on_quiet is not None:
            self._on_quiet(ticks)
        elif self._on_tick is not None:
            for tick in ticks:
                self._on_tick(tick)
