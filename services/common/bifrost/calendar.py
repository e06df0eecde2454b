"""Sessions, half days, holidays, trading days and time to expiry, by the exchange's calendar in New York.

Sessions are computed once for a span of years and looked up by bisection, so that a question about a tick costs about a
microsecond. Each question comes in two forms: aware datetimes, and epoch seconds (``*_s``) for the hot path.
"""

from __future__ import annotations

import threading
import warnings
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
SECONDS_A_YEAR = 365.0 * 86400.0
_FIRST_YEAR = 2004
_YEARS_AHEAD = 3
_ALWAYS_OPEN_CLOSE_H = 16


class CalendarError(ValueError):
    """A day outside the calendar, or a naive moment."""


@dataclass(frozen=True, slots=True)
class Session:
    """One session of the exchange.

    Attributes
    ----------
    day : date
        New York date.
    open_utc, close_utc : datetime
        Aware UTC; the open is inside, the close is not.
    early_close : bool
        True on half days.
    """

    day: date
    open_utc: datetime
    close_utc: datetime
    early_close: bool

    @property
    def open_s(self) -> float:
        return self.open_utc.timestamp()

    @property
    def close_s(self) -> float:
        return self.close_utc.timestamp()


class _Book:
    """The sessions of a span of years as sorted lists."""

    def __init__(self, exchange: str, first: date, last: date) -> None:
        import exchange_calendars

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas' deprecations inside the library are not ours to log
            calendar = exchange_calendars.get_calendar(exchange, start=first.isoformat(), end=last.isoformat())
        opens = [stamp.to_pydatetime().astimezone(UTC) for stamp in calendar.opens]
        closes = [stamp.to_pydatetime().astimezone(UTC) for stamp in calendar.closes]
        early = {stamp.date() for stamp in calendar.early_closes}
        days = [stamp.date() for stamp in calendar.sessions]
        self.first, self.last = first, last
        self.days: list[date] = days
        self.sessions = [
            Session(day, open_, close, day in early) for day, open_, close in zip(days, opens, closes, strict=True)
        ]
        self.by_day = {session.day: session for session in self.sessions}
        self.opens_s = [session.open_s for session in self.sessions]
        self.closes_s = [session.close_s for session in self.sessions]
        midnights = [datetime(day.year, day.month, day.day, tzinfo=NEW_YORK) for day in days]
        self.midnights_s = [midnight.timestamp() for midnight in midnights]


_books: dict[str, _Book] = {}
_books_lock = threading.Lock()


def _book(exchange: str, year: int) -> _Book:
    book = _books.get(exchange)
    if book is not None and book.first.year <= year <= book.last.year:
        return book
    with _books_lock:
        book = _books.get(exchange)
        if book is None or not book.first.year <= year <= book.last.year:
            first = min(_FIRST_YEAR, year - 1, *([book.first.year] if book else []))
            last = max(datetime.now(UTC).year + _YEARS_AHEAD, year + 1, *([book.last.year] if book else []))
            try:
                book = _Book(exchange, date(first, 1, 1), date(last, 12, 31))
            except Exception as error:
                raise CalendarError(f"no calendar {exchange!r} for {first} to {last}: {error}") from error
            _books[exchange] = book
    return book


class TradingCalendar:
    """Questions about sessions and expiry.

    Parameters
    ----------
    exchange : str
        Name known to ``exchange_calendars``; XNYS is New York.
    always_open : bool
        A simulated market that never closes: every moment is in session, every calendar date is a trading day.
    """

    def __init__(self, exchange: str = "XNYS", always_open: bool = False) -> None:
        self.exchange = exchange
        self.always_open = always_open

    def session(self, day: date) -> Session | None:
        """The exchange's session on a New York date, None on a holiday or weekend."""
        return _book(self.exchange, day.year).by_day.get(day)

    def session_at(self, moment: datetime) -> Session | None:
        """The exchange's session that contains ``moment``, whatever ``always_open`` says."""
        return self.session_at_s(_epoch(moment))

    def session_at_s(self, epoch_s: float) -> Session | None:
        book = self._book_at(epoch_s)
        index = bisect_right(book.opens_s, epoch_s) - 1
        if index < 0 or epoch_s >= book.closes_s[index]:
            return None
        return book.sessions[index]

    def is_open(self, moment: datetime, open_delay_s: float = 0.0, close_guard_s: float = 0.0) -> bool:
        """Whether ``moment`` lies from open + ``open_delay_s`` to close − ``close_guard_s``."""
        return self.is_open_s(_epoch(moment), open_delay_s, close_guard_s)

    def is_open_s(self, epoch_s: float, open_delay_s: float = 0.0, close_guard_s: float = 0.0) -> bool:
        if self.always_open:
            return True
        book = self._book_at(epoch_s)
        index = bisect_right(book.opens_s, epoch_s) - 1
        if index < 0:
            return False
        return book.opens_s[index] + open_delay_s <= epoch_s < book.closes_s[index] - close_guard_s

    def next_open(self, moment: datetime) -> datetime:
        """The first open at or after ``moment``; ``moment`` itself when it is always open."""
        if self.always_open:
            return moment
        epoch_s = _epoch(moment)
        book = self._book_at(epoch_s, ahead=True)
        index = bisect_right(book.opens_s, epoch_s - 1e-6)
        if index >= len(book.sessions):
            raise CalendarError(f"no session after {moment.isoformat()} in calendar {self.exchange}")
        return book.sessions[index].open_utc

    def next_open_s(self, epoch_s: float) -> float:
        return self.next_open(datetime.fromtimestamp(epoch_s, UTC)).timestamp()

    def previous_session(self, day: date) -> Session:
        """The last session before a New York date."""
        return self._session_on_or_before(day - timedelta(days=1))

    def sessions_between(self, first: date, last: date) -> list[Session]:
        """The sessions from ``first`` to ``last``, both included."""
        _book(self.exchange, first.year)
        book = _book(self.exchange, last.year)
        lower = bisect_right(book.days, first - timedelta(days=1))
        return book.sessions[lower : bisect_right(book.days, last)]

    def trading_day(self, moment: datetime) -> date:
        """The trading day of ``moment``: it rolls at 00:00 New York of each session date (engine.md section 5).

        Nights and weekends after a session belong to it; with ``always_open`` it is the calendar date.
        """
        return self.trading_day_s(_epoch(moment))

    def trading_day_s(self, epoch_s: float) -> date:
        if self.always_open:
            return datetime.fromtimestamp(epoch_s, NEW_YORK).date()
        book = self._book_at(epoch_s)
        index = bisect_right(book.midnights_s, epoch_s) - 1
        if index < 0:
            raise CalendarError(f"no trading day at {epoch_s:.0f} in calendar {self.exchange}")
        return book.days[index]

    def last_trading_moment(self, expiry: date) -> datetime:
        """Close of the last session on or before ``expiry`` (engine.md, "Expiry and T").

        Saturday expiries before 2015 mean Friday; half days their early close. With ``always_open`` every day has a
        session, so it is 16:00 New York of the expiry date itself.
        """
        if self.always_open:
            close = datetime(expiry.year, expiry.month, expiry.day, _ALWAYS_OPEN_CLOSE_H, tzinfo=NEW_YORK)
            return close.astimezone(UTC)
        return self._session_on_or_before(expiry).close_utc

    def last_trading_moment_s(self, expiry: date) -> float:
        return self.last_trading_moment(expiry).timestamp()

    def years_to_expiry(self, moment: datetime, expiry: date) -> float:
        """T in years of 365 days, from ``moment`` to the last trading moment; negative after it."""
        return self.years_to_expiry_s(_epoch(moment), expiry)

    def years_to_expiry_s(self, epoch_s: float, expiry: date) -> float:
        return (self.last_trading_moment_s(expiry) - epoch_s) / SECONDS_A_YEAR

    def dte(self, moment: datetime, expiry: date) -> int:
        """Calendar days in New York from the date of ``moment`` to the contract's expiry date."""
        return (expiry - new_york(moment).date()).days

    def dte_s(self, epoch_s: float, expiry: date) -> int:
        return (expiry - datetime.fromtimestamp(epoch_s, NEW_YORK).date()).days

    def new_york(self, moment: datetime) -> datetime:
        """``moment`` as New York wall time."""
        return new_york(moment)

    def _session_on_or_before(self, day: date) -> Session:
        book = _book(self.exchange, day.year)
        index = bisect_right(book.days, day) - 1
        if index < 0:
            raise CalendarError(f"no session on or before {day} in calendar {self.exchange}")
        return book.sessions[index]

    def _book_at(self, epoch_s: float, ahead: bool = False) -> _Book:
        used = _books.get(self.exchange)
        if used is not None and used.opens_s[0] <= epoch_s < used.closes_s[-1] - (31 * 86400 if ahead else 0):
            return used
        year = datetime.fromtimestamp(epoch_s, NEW_YORK).year
        return _book(self.exchange, year + 1 if ahead else year)


def new_york(moment: datetime) -> datetime:
    """An aware ``moment`` as New York wall time."""
    _epoch(moment)
    return moment.astimezone(NEW_YORK)


def _epoch(moment: datetime) -> float:
    if moment.tzinfo is None:
        raise CalendarError(f"a moment needs a zone, got {moment.isoformat()}")
    return moment.timestamp()
