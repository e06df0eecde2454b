"""Sessions of the simulated market: the exchange calendar's, or every calendar date around the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from bifrost.calendar import TradingCalendar

NEW_YORK = ZoneInfo("America/New_York")
EXTENDED_OPEN_HOUR, EXTENDED_CLOSE_HOUR = 4, 20
_LOOK_DAYS = 14  # no exchange closes for two weeks on end


@dataclass(frozen=True, slots=True)
class MarketSession:
    """One session: its date in New York and its bounds in epoch seconds, ``open_s <= t < close_s``."""

    day: date
    open_s: float
    close_s: float

    def contains(self, market_s: float) -> bool:
        return self.open_s <= market_s < self.close_s


@lru_cache(maxsize=1)
def _exchange() -> TradingCalendar:
    return TradingCalendar()


def new_york_day(market_s: float) -> date:
    """Calendar date in New York of an epoch second."""
    return datetime.fromtimestamp(market_s, NEW_YORK).date()


def new_york_s(day: date, hour: int, minute: int = 0) -> float:
    """Epoch second of a New York wall time."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=NEW_YORK).timestamp()


class Hours:
    """When the market trades.

    ``always_open`` makes every calendar date in New York one session from midnight to midnight; `is_exchange_day` and
    `exchange_session` still speak of the exchange, because expiries follow it.
    """

    def __init__(self, always_open: bool = False) -> None:
        self.always_open = always_open
        self._cache: dict[date, MarketSession | None] = {}
        self._last_trading: dict[date, float] = {}

    def session(self, day: date) -> MarketSession | None:
        """The session of ``day``, None on a day without one."""
        if day not in self._cache:
            found = self._around_the_clock(day) if self.always_open else self.exchange_session(day)
            self._cache[day] = found
        return self._cache[day]

    def exchange_session(self, day: date) -> MarketSession | None:
        found = _exchange().session(day)
        return MarketSession(day, found.open_s, found.close_s) if found is not None else None

    def is_exchange_day(self, day: date) -> bool:
        return self.exchange_session(day) is not None

    def session_at(self, market_s: float) -> MarketSession | None:
        """The session that is open at ``market_s``, None when closed."""
        session = self.session(new_york_day(market_s))
        return session if session is not None and session.contains(market_s) else None

    def is_open(self, market_s: float) -> bool:
        return self.session_at(market_s) is not None

    def extended_at(self, market_s: float) -> MarketSession | None:
        """The day of a stock from 4:00 to 20:00 in New York around an exchange session; None at other times.

        A world that never closes has no hours outside its session.
        """
        day = new_york_day(market_s)
        if self.always_open or not self.is_exchange_day(day):
            return None
        whole = MarketSession(day, new_york_s(day, EXTENDED_OPEN_HOUR), new_york_s(day, EXTENDED_CLOSE_HOUR))
        return whole if whole.contains(market_s) else None

    def current_or_last(self, market_s: float) -> MarketSession:
        """The open session, else the one that closed last."""
        day = new_york_day(market_s)
        session = self.session(day)
        if session is not None and session.open_s <= market_s:
            return session
        return self.before(day)

    def before(self, day: date) -> MarketSession:
        """The last session before ``day``."""
        for back in range(1, _LOOK_DAYS):
            session = self.session(day - timedelta(days=back))
            if session is not None:
                return session
        raise ValueError(f"no session in the {_LOOK_DAYS} days before {day}")

    def after(self, day: date) -> MarketSession:
        """The first session after ``day``."""
        for ahead in range(1, _LOOK_DAYS):
            session = self.session(day + timedelta(days=ahead))
            if session is not None:
                return session
        raise ValueError(f"no session in the {_LOOK_DAYS} days after {day}")

    def next_open_s(self, market_s: float) -> float:
        """Epoch second of the next opening at or after ``market_s``."""
        session = self.session(new_york_day(market_s))
        if session is not None and session.open_s >= market_s:
            return session.open_s
        return self.after(new_york_day(market_s)).open_s

    def last_trading_s(self, expiry: date) -> float:
        """Close of the last exchange session on or before ``expiry`` (Saturday expiries before 2015 end on Friday)."""
        known = self._last_trading.get(expiry)
        if known is not None:
            return known
        for back in range(_LOOK_DAYS):
            session = self.exchange_session(expiry - timedelta(days=back))
            if session is not None:
                self._last_trading[expiry] = session.close_s
                return session.close_s
        raise ValueError(f"no session in the {_LOOK_DAYS} days before expiry {expiry}")

    def describe(self, market_s: float, days: int = 6) -> str:
        """IB's hours text: ``20260507:0930-20260507:1600;20260509:CLOSED`` from today on, New York wall time."""
        first = new_york_day(market_s)
        return ";".join(self._describe_day(first + timedelta(days=ahead)) for ahead in range(days))

    def _describe_day(self, day: date) -> str:
        session = self.session(day)
        if session is None:
            return f"{day:%Y%m%d}:CLOSED"
        start, end = (datetime.fromtimestamp(s, UTC).astimezone(NEW_YORK) for s in (session.open_s, session.close_s))
        return f"{start:%Y%m%d:%H%M}-{end:%Y%m%d:%H%M}"

    @staticmethod
    def _around_the_clock(day: date) -> MarketSession:
        return MarketSession(day, new_york_s(day, 0), new_york_s(day + timedelta(days=1), 0))
