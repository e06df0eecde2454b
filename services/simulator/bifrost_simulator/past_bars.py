"""Bars of the past, put together session by session, newest first, a bounded part of the work at a time.

A year of daily bars is a year of days to be drawn, seconds of work. The world must go on meanwhile: its ticks, its
fills and everybody else's requests. How much is done in a step is counted in points of the tape and not in time, so
that two runs answer at the same step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

from bifrost.contract import ContractKey

from bifrost_simulator.hours import Hours, MarketSession, new_york_day, new_york_s
from bifrost_simulator.market.base import Market, RawBar

POINTS_A_STEP, POINTS_AT_ONCE = 100_000.0, 400_000.0
BARS_A_WINDOW = 1_000
DAY_S = 86_400.0
VOLATILITY_DAYS, TRADING_DAYS = 30, 252
_POINTS_A_SECOND, _POINTS_A_TREE = 2.0, 350.0
_DAYS_KEPT = 20_000
BID_ASK, HISTORICAL_VOLATILITY = "BID_ASK", "HISTORICAL_VOLATILITY"
DAILY_KINDS = ("TRADES", "MIDPOINT", "BID", "ASK", BID_ASK, "OPTION_IMPLIED_VOLATILITY")
DayBars = dict[tuple[ContractKey, str, date], list[RawBar]]


@dataclass(frozen=True, slots=True)
class _Window:
    """A part of one session."""

    session: MarketSession
    start_s: float
    end_s: float


class PastBars:
    """One request being put together.

    Parameters
    ----------
    days : dict
        Bars of whole sessions that are over, shared by all requests.
    bar_s : float
        Seconds a bar, at most a day.
    now_s : float
        Market time of the request: what comes later is not in it.
    """

    def __init__(
        self,
        market: Market,
        hours: Hours,
        days: DayBars,
        key: ContractKey,
        what: str,
        bar_s: float,
        start_s: float,
        end_s: float,
    ) -> None:
        self._market = market
        self._days = days
        self._key = key
        self._what = what
        self._bar_s = bar_s
        self._start_s = start_s
        self._source = "TRADES" if what == HISTORICAL_VOLATILITY else what
        if what == HISTORICAL_VOLATILITY:
            for _ in range(VOLATILITY_DAYS):
                start_s = hours.before(new_york_day(start_s)).open_s
        self._windows = _windows(hours, start_s, end_s, bar_s)
        self._found: list[list[RawBar]] = []

    @property
    def is_done(self) -> bool:
        return not self._windows

    def work(self, points: float) -> float:
        """Do about so many points of the tape; returns what is left of them, below zero when it took more."""
        while self._windows and points > 0:
            points -= self._next()
        return points

    def bars(self) -> list[RawBar]:
        """Everything found, oldest first."""
        found = [bar for part in reversed(self._found) for bar in part]
        if self._what == HISTORICAL_VOLATILITY:
            return [bar for bar in volatility_bars(found) if bar.start_s + DAY_S > self._start_s]
        return found

    def _next(self) -> float:
        """Do the newest window, or a part of the way to it; returns the points that it cost."""
        window = self._windows[-1]
        anchored = self._market.reach_back(window.session.day)
        if anchored:
            return 0.25 * anchored
        self._windows.pop()
        name = (self._key, self._source, window.session.day)
        whole = self._bar_s == DAY_S and window.end_s >= window.session.close_s
        if whole and name in self._days:
            self._found.append(self._days[name])
            return 0.0
        part = bars_between(self._market, self._key, window.start_s, window.end_s, self._bar_s, self._source)
        self._found.append(part)
        if whole and window.start_s <= window.session.open_s:
            self._remember(window, part)
        session_s = window.session.close_s - window.session.open_s
        trees = 4.0 * (window.end_s - window.start_s) / self._bar_s if self._key.is_option else 0.0
        return _POINTS_A_SECOND * session_s + _POINTS_A_TREE * trees

    def _remember(self, window: _Window, part: list[RawBar]) -> None:
        """Keep the bar of a day; of the stock also the other kinds, while its tape is at hand: it costs most."""
        if len(self._days) >= _DAYS_KEPT:
            self._days.clear()
        day = window.session.day
        self._days[self._key, self._source, day] = part
        for what in () if self._key.is_option else DAILY_KINDS:
            if (self._key, what, day) not in self._days:
                bars = bars_between(self._market, self._key, window.start_s, window.end_s, DAY_S, what)
                self._days[self._key, what, day] = bars


def _windows(hours: Hours, start_s: float, end_s: float, bar_s: float) -> list[_Window]:
    """Sessions of the span, cut at bar boundaries into parts of a thousand bars, oldest first."""
    found = []
    day, last = new_york_day(start_s), new_york_day(end_s)
    while day <= last:
        session = hours.session(day)
        if session is not None and session.open_s < end_s and session.close_s > start_s:
            origin, width = new_york_s(day, 0), bar_s * BARS_A_WINDOW
            until, at = min(end_s, session.close_s), max(start_s, session.open_s)
            while at < until:
                stop = min(until, origin + (math.floor((at - origin) / width) + 1) * width)
                found.append(_Window(session, at, stop))
                at = stop
        day += timedelta(days=1)
    return found


def bars_between(
    market: Market, key: ContractKey, start_s: float, end_s: float, bar_s: float, what: str
) -> list[RawBar]:
    """Bars of the tape; those of BID_ASK are the average bid, highest ask, lowest bid and average ask, as at IB."""
    if what != BID_ASK:
        return market.bars(key, start_s, end_s, bar_s, what)
    asks = {bar.start_s: bar for bar in market.bars(key, start_s, end_s, bar_s, "ASK")}
    bids = market.bars(key, start_s, end_s, bar_s, "BID")
    pairs = [(bid, asks[bid.start_s]) for bid in bids if bid.start_s in asks]
    return [replace(bid, open=bid.wap, high=ask.high, low=bid.low, close=ask.wap) for bid, ask in pairs]


def volatility_bars(days: Sequence[RawBar]) -> list[RawBar]:
    """Historical volatility of each day from the closes of the thirty days before it: annual, a fraction."""
    returns = [math.log(now.close / before.close) for before, now in pairwise(days)]
    found = []
    for index in range(VOLATILITY_DAYS, len(days)):
        window = returns[index - VOLATILITY_DAYS : index]
        mean = sum(window) / len(window)
        variance = sum((value - mean) ** 2 for value in window) / (len(window) - 1)
        sigma = math.sqrt(variance * TRADING_DAYS)
        found.append(RawBar(days[index].start_s, sigma, sigma, sigma, sigma, -1.0, sigma, -1))
    return found


def merged(days: Sequence[RawBar], period: Callable[[date], object]) -> list[RawBar]:
    """Daily bars merged by week or month; each begins with its first day."""
    groups: dict[object, list[RawBar]] = {}
    for bar in days:
        groups.setdefault(period(new_york_day(bar.start_s)), []).append(bar)
    return [_merge(group) for group in groups.values()]


def _merge(group: Sequence[RawBar]) -> RawBar:
    traded = all(bar.volume >= 0 for bar in group)
    volume = sum(bar.volume for bar in group) if traded else -1.0
    weights = [bar.volume if traded and volume > 0 else 1.0 for bar in group]
    return RawBar(
        start_s=group[0].start_s,
        open=group[0].open,
        high=max(bar.high for bar in group),
        low=min(bar.low for bar in group),
        close=group[-1].close,
        volume=volume,
        wap=sum(weight * bar.wap for weight, bar in zip(weights, group, strict=True)) / sum(weights),
        count=sum(bar.count for bar in group) if traded else -1,
    )
