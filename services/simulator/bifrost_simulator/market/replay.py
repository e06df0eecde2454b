"""A recorded day, published as contracts.md ("Recorded quotes") says."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
from bifrost.contract import ContractKey
from bifrost.tape import LeanDay, Publication, TradeRow, list_days, published

from bifrost_simulator.hours import Hours, new_york_day, new_york_s
from bifrost_simulator.market.bars import group_bars
from bifrost_simulator.market.base import EMPTY_QUOTE, NO_QUOTE, ModelInputs, Quote, RawBar, Statistics

log = logging.getLogger(__name__)

REPLAY_RATE = 0.0025  # US short rate of the years recorded; the tape has none
_YEAR_S = 365.0 * 86400.0
_SHOWN_BAD_ROWS = 5


@dataclass(slots=True)
class _Series:
    """One contract's publications and trades with their times, for bisection."""

    publications: list[Publication] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    trades: list[TradeRow] = field(default_factory=list)
    trade_times: list[float] = field(default_factory=list)
    highs: list[float] = field(default_factory=list)
    lows: list[float] = field(default_factory=list)
    volumes: list[float] = field(default_factory=list)
    previous_close: float = NO_QUOTE


class ReplayMarket:
    """The market of ``market: replay``: one recorded day.

    Parameters
    ----------
    folder : Path
        A LEAN folder.
    start_s : float
        Epoch second at which the run begins; its date in New York is the day replayed.
    """

    def __init__(self, folder: Path, symbol: str, hours: Hours, start_s: float) -> None:
        self.symbol = symbol
        self.day = new_york_day(start_s)
        recorded = LeanDay(folder, symbol, self.day)
        _report(recorded)
        self._hours = hours
        self._chain = tuple(recorded.options)
        self._series = {key: _Series() for key in recorded.quotes}
        for publication in published(recorded.quotes):
            series = self._series[publication.key]
            series.publications.append(publication)
            series.times.append(publication.at_s)
        for key, rows in recorded.trades.items():
            _add_trades(self._series.setdefault(key, _Series()), rows)
        self._add_previous_closes(folder)
        session = hours.exchange_session(self.day)
        self._last_s = max(recorded.last_s, session.close_s if session is not None else 0.0)
        self._stock = recorded.stock
        self.market_s = start_s
        self._spot: float | None = None
        self.advance(start_s)

    def advance(self, market_s: float) -> None:
        self.market_s = max(self.market_s, market_s)
        stock = self._quote(self._stock)
        self._spot = stock.mid or (stock.last if stock.last > 0 else self._spot)

    def quotes(self, keys: Sequence[ContractKey]) -> list[Quote]:
        return [self._quote(key) for key in keys]

    def first_mark(self, key: ContractKey) -> float | None:
        mark = self._quote(key).mid
        if mark is not None:
            return mark
        later = (p for p in self._series.get(key, _Series()).publications if p.at_s > self.market_s)
        return next((0.5 * (p.bid + p.ask) for p in later if p.bid > 0 and p.ask > 0), None)

    def model_inputs(self, key: ContractKey) -> ModelInputs | None:
        if self._spot is None:
            return None
        years = max(0.0, (self._hours.last_trading_s(key.expiry_date) - self.market_s) / _YEAR_S)
        return ModelInputs(self._spot, years, REPLAY_RATE, 0.0, None)

    def statistics(self, key: ContractKey) -> Statistics:
        return Statistics()

    def chain(self) -> tuple[ContractKey, ...]:
        return self._chain

    def is_tradable(self, key: ContractKey) -> bool:
        if not self._hours.is_open(self.market_s):
            return False
        return not key.is_option or self.market_s < self._hours.last_trading_s(key.expiry_date)

    def is_tradable_outside(self, key: ContractKey) -> bool:
        return False

    def is_over(self) -> bool:
        return self.market_s > self._last_s

    def last_day(self) -> date:
        return self.day

    def bars(self, key: ContractKey, start_s: float, end_s: float, bar_s: float, what: str) -> list[RawBar]:
        series = self._series.get(key)
        if series is None or what == "OPTION_IMPLIED_VOLATILITY":
            return []
        until = min(end_s, self.market_s)
        origin = new_york_s(self.day, 0)
        if what == "TRADES":
            rows = [row for row in series.trades if start_s <= row.start_s < until and row.published_s <= self.market_s]
            return _trade_bars(rows, origin, bar_s)
        inside = [p for p in series.publications if start_s <= p.at_s - 60.0 < until and p.at_s <= self.market_s]
        points = [(p.at_s - 60.0, price) for p in inside if (price := _side(p, what)) > 0]
        times = np.array([time for time, _ in points])
        return group_bars(times, np.array([price for _, price in points]), None, origin, bar_s)

    def reach_back(self, day: date) -> int:
        return 0

    def to_state(self) -> dict[str, object]:
        return {}

    def _quote(self, key: ContractKey) -> Quote:
        series = self._series.get(key)
        if series is None:
            return EMPTY_QUOTE
        shown = bisect_right(series.times, self.market_s)
        traded = bisect_right(series.trade_times, self.market_s)
        now = series.publications[shown - 1] if shown else None
        last = series.trades[traded - 1] if traded else None
        return Quote(
            bid=now.bid if now else NO_QUOTE,
            ask=now.ask if now else NO_QUOTE,
            bid_size=now.bid_size if now else 0.0,
            ask_size=now.ask_size if now else 0.0,
            last=last.close if last else NO_QUOTE,
            last_size=last.volume if last else 0.0,
            last_time_s=last.published_s if last else 0.0,
            close=series.previous_close,
            open=series.trades[0].open if last else NO_QUOTE,
            high=series.highs[traded - 1] if traded else NO_QUOTE,
            low=series.lows[traded - 1] if traded else NO_QUOTE,
            volume=series.volumes[traded - 1] if traded else 0.0,
            version=shown,
        )

    def _add_previous_closes(self, folder: Path) -> None:
        """Yesterday's last trades as closes, where the day before is recorded too."""
        earlier = [day for day in list_days(folder, self.symbol) if day < self.day]
        if not earlier:
            return
        for key, rows in LeanDay(folder, self.symbol, earlier[-1]).trades.items():
            if rows and key in self._series:
                self._series[key].previous_close = rows[-1].close


def _side(publication: Publication, what: str) -> float:
    if what == "BID":
        return publication.bid
    if what == "ASK":
        return publication.ask
    return 0.5 * (publication.bid + publication.ask) if min(publication.bid, publication.ask) > 0 else NO_QUOTE


def _add_trades(series: _Series, rows: Sequence[TradeRow]) -> None:
    series.trades = list(rows)
    series.trade_times = [row.published_s for row in rows]
    high, low, volume = float("-inf"), float("inf"), 0.0
    for row in rows:
        high, low, volume = max(high, row.high), min(low, row.low), volume + row.volume
        series.highs.append(high)
        series.lows.append(low)
        series.volumes.append(volume)


def _trade_bars(rows: Sequence[TradeRow], origin_s: float, bar_s: float) -> list[RawBar]:
    """Minute rows merged into longer bars; shorter ones than a minute are not on the tape."""
    bars: list[RawBar] = []
    for row in rows:
        start = origin_s + (row.start_s - origin_s) // max(bar_s, 60.0) * max(bar_s, 60.0)
        if bars and bars[-1].start_s == start:
            last = bars[-1]
            volume = last.volume + row.volume
            wap = (last.wap * last.volume + row.close * row.volume) / volume if volume else row.close
            bars[-1] = RawBar(
                start, last.open, max(last.high, row.high), min(last.low, row.low), row.close, volume, wap,
                last.count + 1,
            )  # fmt: skip
        else:
            bars.append(RawBar(start, row.open, row.high, row.low, row.close, row.volume, row.close, 1))
    return bars


def _report(recorded: LeanDay) -> None:
    if recorded.bad_rows:
        shown = "; ".join(str(row) for row in recorded.bad_rows[:_SHOWN_BAD_ROWS])
        log.warning("%d recorded rows left out: %s", len(recorded.bad_rows), shown)
