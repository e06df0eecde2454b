"""Days, weeks and months of trading days; a trading day rolls at 00:00 New York of each session date."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from bifrost.calendar import NEW_YORK, TradingCalendar

_MOST_DAYS = 366 * 30


class StatsError(ValueError):
    """A question that has no answer; the message says what would have one."""


class By(StrEnum):
    """Length of a period."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Period:
    """Consecutive trading days.

    Attributes
    ----------
    name : str
        ``2026-03-09``, ``2026-W11`` (ISO week) or ``2026-03``.
    start_s, stop_s : float
        00:00 New York of the first trading day, and of the first one after the period, epoch seconds.
    days : tuple of date
        Its trading days.
    half_days : int
        How many of them close early.
    """

    name: str
    start_s: float
    stop_s: float
    days: tuple[date, ...]
    half_days: int


@dataclass(frozen=True, slots=True)
class Window:
    """The trading days asked for, cut into periods."""

    first: date
    last: date
    by: By
    periods: tuple[Period, ...]
    calendar: TradingCalendar

    @property
    def start_s(self) -> float:
        return self.periods[0].start_s

    @property
    def stop_s(self) -> float:
        return self.periods[-1].stop_s

    def index_at(self, ts_s: float) -> int | None:
        """Which period an instant of the market belongs to, None when to none."""
        if not self.start_s <= ts_s < self.stop_s:
            return None
        return bisect_right([period.start_s for period in self.periods], ts_s) - 1

    def index_of(self, day: date) -> int | None:
        """Which period a trading day belongs to."""
        for index, period in enumerate(self.periods):
            if period.days[0] <= day <= period.days[-1]:
                return index
        return None


def window(first: date, last: date, by: By, calendar: TradingCalendar) -> Window:
    """The periods from ``first`` to ``last``, both included; periods at the ends hold only the days asked for.

    Raises
    ------
    StatsError
        When ``last`` is before ``first``, or no trading day lies between them.
    """
    if last < first:
        raise StatsError(f"--to {last} is before --from {first}: write the earlier date first")
    if (last - first).days > _MOST_DAYS:
        raise StatsError(f"{first} to {last} is longer than thirty years: ask for a shorter span")
    days = _trading_days(first, last, calendar)
    if not days:
        raise StatsError(f"{first} to {last} holds no trading day: weekends and holidays belong to the day before them")
    groups: dict[str, list[date]] = {}
    for day in days:
        groups.setdefault(_name(day, by), []).append(day)
    after = _next_trading_day(days[-1], calendar)
    starts = [group[0] for group in groups.values()] + [after]
    periods = tuple(
        Period(name, _midnight_s(group[0]), _midnight_s(starts[index + 1]), tuple(group), _half_days(group, calendar))
        for index, (name, group) in enumerate(groups.items())
    )
    return Window(first, last, by, periods, calendar)


def _trading_days(first: date, last: date, calendar: TradingCalendar) -> list[date]:
    if calendar.always_open:
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [session.day for session in calendar.sessions_between(first, last)]


def _next_trading_day(day: date, calendar: TradingCalendar) -> date:
    if calendar.always_open:
        return day + timedelta(days=1)
    return calendar.sessions_between(day + timedelta(days=1), day + timedelta(days=15))[0].day


def _half_days(days: Sequence[date], calendar: TradingCalendar) -> int:
    if calendar.always_open:
        return 0
    return sum(1 for day in days if (session := calendar.session(day)) is not None and session.early_close)


def _name(day: date, by: By) -> str:
    if by is By.MONTH:
        return f"{day:%Y-%m}"
    if by is By.WEEK:
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    return day.isoformat()


def _midnight_s(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp()
