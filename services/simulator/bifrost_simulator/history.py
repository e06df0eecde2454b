"""Historical bars, keepUpToDate streams and five-second bars from the world's own tape."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bifrost.contract import ContractKey

from bifrost_simulator.api import Bar, BarSeries, BrokerError, HistoricalRequest
from bifrost_simulator.events import Dispatcher
from bifrost_simulator.hours import NEW_YORK, Hours, new_york_day
from bifrost_simulator.market.base import Market, RawBar
from bifrost_simulator.past_bars import (
    HISTORICAL_VOLATILITY,
    POINTS_A_STEP,
    POINTS_AT_ONCE,
    DayBars,
    PastBars,
    bars_between,
    merged,
)

NO_DATA, VALIDATION = 162, 321
KEEP_EVERY_WALL_S = 1.0
REAL_TIME_BAR_S = 5.0
MAX_BARS = 50_000
SMALL_BAR_S, LONG_WINDOW_S, LONG_LIMIT = 30.0, 600.0, 60
BURST_WINDOW_S, BURST_LIMIT, SAME_WINDOW_S = 2.0, 6, 15.0

BAR_SIZES = {
    "1 secs": 1.0, "5 secs": 5.0, "10 secs": 10.0, "15 secs": 15.0, "30 secs": 30.0,
    "1 min": 60.0, "2 mins": 120.0, "3 mins": 180.0, "5 mins": 300.0, "10 mins": 600.0,
    "15 mins": 900.0, "20 mins": 1200.0, "30 mins": 1800.0,
    "1 hour": 3600.0, "2 hours": 7200.0, "3 hours": 10800.0, "4 hours": 14400.0, "8 hours": 28800.0,
    "1 day": 86400.0,
}  # fmt: skip
_ALIASES = {
    "1 sec": "1 secs", "1 mins": "1 min", "1 hours": "1 hour", "1D": "1 day", "1 D": "1 day", "1 days": "1 day",
    "1W": "1 week", "1 W": "1 week", "1M": "1 month", "1 M": "1 month",
}  # fmt: skip
LONG_BARS: dict[str, Callable[[date], object]] = {
    "1 week": lambda day: day.isocalendar()[:2],
    "1 month": lambda day: (day.year, day.month),
}
"""Bars longer than a day, and what their days have in common."""
WHATS = {
    "TRADES": "TRADES",
    "ADJUSTED_LAST": "TRADES",
    "MIDPOINT": "MIDPOINT",
    "BID": "BID",
    "ASK": "ASK",
    "BID_ASK": "BID_ASK",
    "HISTORICAL_VOLATILITY": HISTORICAL_VOLATILITY,
    "OPTION_IMPLIED_VOLATILITY": "OPTION_IMPLIED_VOLATILITY",
}
_OF_STOCKS = frozenset({HISTORICAL_VOLATILITY, "OPTION_IMPLIED_VOLATILITY"})
_DURATION = re.compile(r"(\d+) ([SDWMY])")
_END = re.compile(r"(\d{8})[ -]+(\d{2}:\d{2}:\d{2})(?: (.+))?")
_DAYS = {"W": 7, "M": 30, "Y": 365}


def _invalid(cause: str) -> BrokerError:
    return BrokerError(VALIDATION, f"Error validating request:-'bO' : cause - {cause}")


@dataclass(slots=True)
class _Stream:
    client_id: int
    req_id: int
    key: ContractKey
    bar_s: float
    what: str
    last_start_s: float
    sent: RawBar | None = None


@dataclass(slots=True)
class _Job:
    """A request of bars, waiting or at work. ``span_s`` is its first and last epoch second."""

    client_id: int
    req_id: int
    key: ContractKey
    request: HistoricalRequest
    name: str
    what: str
    bar_s: float
    span_s: tuple[float, float]
    work: PastBars


class HistoryPacing:
    """IB's limits on requests for small bars: sixty in ten minutes, six of a contract in two seconds, none twice.

    Bars above thirty seconds are not counted. Times are wall seconds.
    """

    def __init__(self) -> None:
        self.enabled = True
        self._asked: deque[tuple[float, int, ContractKey, HistoricalRequest]] = deque()

    def check(self, client_id: int, key: ContractKey, request: HistoricalRequest, bar_s: float, wall_s: float) -> None:
        """Raise 162 for a violation, else count the request."""
        if not self.enabled or bar_s > SMALL_BAR_S:
            return
        while self._asked and wall_s - self._asked[0][0] >= LONG_WINDOW_S:
            self._asked.popleft()
        mine = [row for row in self._asked if row[1] == client_id]
        burst = sum(1 for asked_s, _, same, _ in mine if same == key and wall_s - asked_s < BURST_WINDOW_S)
        again = any(asked == request and wall_s - asked_s < SAME_WINDOW_S for asked_s, _, _, asked in mine)
        if len(mine) >= LONG_LIMIT or burst >= BURST_LIMIT or again:
            raise BrokerError(
                NO_DATA, "Historical Market Data Service error message:Historical data request pacing violation"
            )
        self._asked.append((wall_s, client_id, key, request))


class History:
    """Answers bar requests and keeps those that stay up to date going."""

    def __init__(self, market: Market, hours: Hours, dispatcher: Dispatcher) -> None:
        self._market = market
        self._hours = hours
        self._out = dispatcher
        self._kept: dict[tuple[int, int], _Stream] = {}
        self._real_time: dict[tuple[int, int], _Stream] = {}
        self._jobs: dict[tuple[int, int], _Job] = {}
        self._credit: float = POINTS_AT_ONCE
        self._days: DayBars = {}
        self._next_wall_s = 0.0
        self._wall_s = 0.0
        self.pacing = HistoryPacing()

    def request(
        self, client_id: int, req_id: int, key: ContractKey, request: HistoricalRequest, now_s: float
    ) -> BarSeries | None:
        """Bars oldest first; None when they take longer and come by `Dispatcher.historical_bars`.

        Raises 162 when the tape has none and 321 for what cannot be asked.
        """
        name = _ALIASES.get(request.bar_size.strip(), request.bar_size.strip())
        what = _checked(name, key, request)
        bar_s = BAR_SIZES.get(name, 86400.0)
        end_s = min(now_s, parse_end(request.end)) if request.end else now_s
        start_s = max(self._start(request.duration, end_s), self.head_s(now_s))
        if (end_s - start_s) / bar_s > MAX_BARS:
            raise BrokerError(NO_DATA, "Historical Market Data Service error message:Time length exceed max.")
        self.pacing.check(client_id, key, request, bar_s, self._wall_s)
        work = PastBars(self._market, self._hours, self._days, key, what, bar_s, start_s, end_s)
        job = _Job(client_id, req_id, key, request, name, what, bar_s, (start_s, end_s), work)
        # Many requests in one step share what may be done at once; the rest of them waits for the next steps.
        self._credit = work.work(self._credit)
        if work.is_done:
            return self._answer(job)
        self._jobs[client_id, req_id] = job
        return None

    def _answer(self, job: _Job) -> BarSeries:
        """What a request gets; keeps its bars going when it asked for that."""
        raw = job.work.bars()
        if job.name in LONG_BARS:
            raw = merged(raw, LONG_BARS[job.name])
        if not raw:
            raise BrokerError(NO_DATA, "Historical Market Data Service error message:HMDS query returned no data")
        if job.request.keep_up_to_date:
            self._kept[job.client_id, job.req_id] = _Stream(
                job.client_id, job.req_id, job.key, job.bar_s, job.what, raw[-1].start_s, raw[-1]
            )
        start, end = (datetime.fromtimestamp(moment, UTC) for moment in job.span_s)
        return BarSeries(start, end, tuple(_bar(one, job.bar_s) for one in raw))

    def _work(self) -> None:
        """Go on with the requests that wait, a step each in turn."""
        self._credit = POINTS_AT_ONCE
        if not self._jobs:
            return
        owner = next(iter(self._jobs))
        job = self._jobs.pop(owner)
        job.work.work(POINTS_A_STEP)
        if not job.work.is_done:
            self._jobs[owner] = job
            return
        try:
            series = self._answer(job)
        except BrokerError as error:
            self._out.error(job.client_id, job.req_id, error)
        else:
            self._out.historical_bars(job.client_id, job.req_id, series, job.request.keep_up_to_date)

    def cancel(self, client_id: int, req_id: int) -> None:
        waiting = self._jobs.pop((client_id, req_id), None)
        if self._kept.pop((client_id, req_id), None) is None or waiting is not None:
            raise BrokerError(
                NO_DATA, "Historical Market Data Service error message:API historical data query cancelled"
            )

    def start_real_time(self, client_id: int, req_id: int, key: ContractKey, what: str, now_s: float) -> None:
        kind = WHATS.get(what.upper())
        if kind is None or kind in _OF_STOCKS:
            raise _invalid(f"Invalid whatToShow '{what}'.")
        begin = now_s - now_s % REAL_TIME_BAR_S
        self._real_time[client_id, req_id] = _Stream(client_id, req_id, key, REAL_TIME_BAR_S, kind, begin)

    def cancel_real_time(self, client_id: int, req_id: int) -> None:
        if self._real_time.pop((client_id, req_id), None) is None:
            raise BrokerError(300, f"Can't find EId with tickerId:{req_id}")

    def drop_client(self, client_id: int) -> None:
        for owned in (self._kept, self._real_time, self._jobs):
            for key in [key for key in owned if key[0] == client_id]:
                owned.pop(key)

    def drop_all(self) -> None:
        self._jobs.clear()
        self._kept.clear()
        self._real_time.clear()

    def head_s(self, now_s: float) -> float:
        """Epoch second of the first bar that can be asked for: a year before now, at an opening."""
        day = new_york_day(now_s) - timedelta(days=365)
        return self._hours.after(day).open_s

    def step(self, wall_s: float, now_s: float) -> None:
        """Continue the streams."""
        self._wall_s = wall_s
        self._work()
        if wall_s < self._next_wall_s or not (self._kept or self._real_time):
            return
        self._next_wall_s = wall_s + KEEP_EVERY_WALL_S
        for stream in self._kept.values():
            for raw in bars_between(self._market, stream.key, stream.last_start_s, now_s, stream.bar_s, stream.what):
                if raw != stream.sent:
                    stream.sent, stream.last_start_s = raw, raw.start_s
                    self._out.bar(stream.client_id, stream.req_id, _bar(raw, stream.bar_s))
        done_s = now_s - now_s % REAL_TIME_BAR_S
        for stream in self._real_time.values():
            for raw in bars_between(self._market, stream.key, stream.last_start_s, done_s, stream.bar_s, stream.what):
                self._out.real_time_bar(stream.client_id, stream.req_id, _bar(raw, stream.bar_s))
            stream.last_start_s = max(stream.last_start_s, done_s)

    def _start(self, duration: str, end_s: float) -> float:
        match = _DURATION.fullmatch(duration.strip())
        if match is None or int(match.group(1)) == 0:
            raise _invalid(f"Invalid duration '{duration}': write a number and S, D, W, M or Y.")
        number, unit = int(match.group(1)), match.group(2)
        if unit == "S":
            return end_s - number
        if unit != "D":
            return end_s - number * _DAYS[unit] * 86400.0
        session = self._hours.current_or_last(end_s)
        for _ in range(min(number, 400) - 1):
            session = self._hours.before(session.day)
        return session.open_s


def _checked(name: str, key: ContractKey, request: HistoricalRequest) -> str:
    """What kind of bars is meant; raises 321 for what cannot be asked."""
    if name not in BAR_SIZES and name not in LONG_BARS:
        sizes = ", ".join((*BAR_SIZES, *LONG_BARS))
        raise _invalid(f"Invalid bar size '{request.bar_size}'. Legal ones are: {sizes}.")
    what = WHATS.get(request.what_to_show.upper())
    if what is None or (what in _OF_STOCKS and key.is_option):
        raise _invalid(f"Invalid whatToShow '{request.what_to_show}'. Legal ones are: {', '.join(WHATS)}.")
    if what == HISTORICAL_VOLATILITY and name != "1 day":
        raise _invalid("Historical volatility comes in bars of 1 day.")
    if request.keep_up_to_date and request.end:
        raise _invalid("End date and time must be empty when bars are to be kept up to date.")
    if request.keep_up_to_date and (name in LONG_BARS or what == HISTORICAL_VOLATILITY):
        raise _invalid(f"Bars of {name} of {what} are not kept up to date.")
    return what


def parse_end(text: str) -> float:
    """Epoch second of ``20260507 16:00:00 US/Eastern`` (zone optional, New York) or ``20260507-20:00:00`` (UTC)."""
    match = _END.fullmatch(text.strip())
    if match is None:
        raise _invalid(f"Invalid date, time, or time-zone entered: {text!r}; yyyymmdd hh:mm:ss xxx is right.")
    day, clock, zone_name = match.groups()
    try:
        zone = ZoneInfo(zone_name) if zone_name else (ZoneInfo("UTC") if "-" in text else NEW_YORK)
        moment = datetime.strptime(f"{day} {clock}", "%Y%m%d %H:%M:%S").replace(tzinfo=zone)
    except (ValueError, ZoneInfoNotFoundError):
        raise _invalid(f"Invalid date, time, or time-zone entered: {text!r}.") from None
    return moment.timestamp()


def _bar(raw: RawBar, bar_s: float) -> Bar:
    start = datetime.fromtimestamp(raw.start_s, UTC)
    return Bar(
        start=start.astimezone(NEW_YORK).date() if bar_s >= 86400 else start,
        open=round(raw.open, 4),
        high=round(raw.high, 4),
        low=round(raw.low, 4),
        close=round(raw.close, 4),
        volume=raw.volume,
        wap=round(raw.wap, 4),
        count=raw.count,
    )
