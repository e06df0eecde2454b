"""Sessions, half days, holidays, trading days, expiry: New York whatever the host's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from bifrost.calendar import CalendarError, TradingCalendar

NY = ZoneInfo("America/New_York")
XNYS = TradingCalendar()


def ny(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=NY)


def test_a_plain_session() -> None:
    session = XNYS.session(date(2014, 6, 5))
    assert session is not None
    assert (session.open_utc, session.close_utc) == (
        datetime(2014, 6, 5, 13, 30, tzinfo=UTC),
        datetime(2014, 6, 5, 20, 0, tzinfo=UTC),
    )
    assert not session.early_close


@pytest.mark.parametrize(
    "day", [date(2026, 1, 1), date(2026, 4, 3), date(2026, 7, 3), date(2026, 7, 4), date(2025, 1, 9)]
)
def test_no_session_on_holidays_and_weekends(day: date) -> None:
    assert XNYS.session(day) is None


@pytest.mark.parametrize("day", [date(2025, 11, 28), date(2025, 12, 24), date(2025, 7, 3)])
def test_half_days_close_at_one(day: date) -> None:
    session = XNYS.session(day)
    assert session is not None and session.early_close
    assert session.close_utc.astimezone(NY).time().isoformat() == "13:00:00"


def test_is_open_at_the_edges_and_margins() -> None:
    opening, closing = ny(2026, 5, 7, 9, 30), ny(2026, 5, 7, 16)
    second = timedelta(seconds=1)
    assert [XNYS.is_open(moment) for moment in (opening - second, opening, closing - second, closing)] == [
        False,
        True,
        True,
        False,
    ]
    margins = {"open_delay_s": 5, "close_guard_s": 30}
    inside = [opening + 4 * second, opening + 5 * second, closing - 31 * second, closing - 30 * second]
    assert [XNYS.is_open(moment, **margins) for moment in inside] == [False, True, True, False]
    assert not XNYS.is_open(ny(2025, 11, 28, 12, 59, 45), close_guard_s=30)


def test_summer_time_moves_the_open_in_utc() -> None:
    before, after = XNYS.session(date(2026, 3, 6)), XNYS.session(date(2026, 3, 9))
    assert before is not None and after is not None
    assert (before.open_utc.hour, after.open_utc.hour) == (14, 13)
    assert XNYS.dte(datetime(2026, 3, 9, 3, 30, tzinfo=UTC), date(2026, 3, 9)) == 1  # still Sunday in New York
    assert XNYS.dte(datetime(2026, 3, 9, 4, 30, tzinfo=UTC), date(2026, 3, 9)) == 0


def test_trading_day_rolls_at_midnight_of_each_session_date() -> None:
    assert XNYS.trading_day(ny(2026, 1, 2, 0, 0)) == date(2026, 1, 2)
    assert XNYS.trading_day(ny(2026, 1, 1, 12)) == date(2025, 12, 31)  # a holiday belongs to the session before
    assert XNYS.trading_day(ny(2026, 1, 4, 23, 59)) == date(2026, 1, 2)  # Sunday night
    assert XNYS.trading_day(ny(2026, 1, 5, 0, 0)) == date(2026, 1, 5)
    always = TradingCalendar(always_open=True)
    assert always.trading_day(ny(2026, 1, 4, 12)) == date(2026, 1, 4)


def test_next_open() -> None:
    assert XNYS.next_open(ny(2026, 7, 2, 17)) == ny(2026, 7, 6, 9, 30)
    assert XNYS.next_open(ny(2026, 5, 7, 9, 30)) == ny(2026, 5, 7, 9, 30)
    assert XNYS.next_open(ny(2026, 5, 7, 9, 30, 1)) == ny(2026, 5, 8, 9, 30)
    moment = ny(2026, 5, 9, 12)
    assert TradingCalendar(always_open=True).next_open(moment) == moment


@pytest.mark.parametrize(
    ("expiry", "last"),
    [
        (date(2014, 7, 19), ny(2014, 7, 18, 16)),  # Saturday expiry before 2015
        (date(2026, 6, 18), ny(2026, 6, 18, 16)),
        (date(2025, 11, 28), ny(2025, 11, 28, 13)),  # half day
        (date(2026, 4, 3), ny(2026, 4, 2, 16)),  # Good Friday
    ],
)
def test_last_trading_moment(expiry: date, last: datetime) -> None:
    assert XNYS.last_trading_moment(expiry) == last


def test_years_and_days_to_expiry() -> None:
    expiry = date(2014, 7, 19)
    assert XNYS.dte(ny(2014, 6, 5, 10), expiry) == 44
    assert XNYS.years_to_expiry(ny(2014, 7, 17, 16), expiry) == pytest.approx(1 / 365, abs=1e-12)
    assert XNYS.years_to_expiry(ny(2014, 7, 18, 16, 0, 1), expiry) < 0


def test_always_open_has_a_moment_for_every_expiry() -> None:
    always = TradingCalendar(always_open=True)
    assert always.last_trading_moment(date(2026, 6, 6)) == ny(2026, 6, 6, 16)
    assert always.is_open(ny(2026, 6, 6, 3), 5, 30)
    assert always.session_at(ny(2026, 6, 6, 3)) is None


def test_epoch_forms_agree_with_datetimes() -> None:
    moment = ny(2025, 11, 27, 11)
    for _ in range(40):
        moment += timedelta(hours=3, minutes=7)
        seconds = moment.timestamp()
        assert XNYS.is_open_s(seconds, 5, 30) == XNYS.is_open(moment, 5, 30)
        assert XNYS.trading_day_s(seconds) == XNYS.trading_day(moment)
        assert XNYS.session_at_s(seconds) == XNYS.session_at(moment)
        assert XNYS.next_open_s(seconds) == XNYS.next_open(moment).timestamp()
        assert XNYS.dte_s(seconds, date(2025, 12, 19)) == XNYS.dte(moment, date(2025, 12, 19))


def test_neighbouring_sessions() -> None:
    assert XNYS.previous_session(date(2026, 1, 5)).day == date(2026, 1, 2)
    between = XNYS.sessions_between(date(2025, 12, 31), date(2026, 1, 5))
    assert [session.day for session in between] == [date(2025, 12, 31), date(2026, 1, 2), date(2026, 1, 5)]


def test_naive_moments_and_unknown_calendars_are_refused() -> None:
    with pytest.raises(CalendarError, match="needs a zone"):
        XNYS.is_open(ny(2026, 5, 7, 10).replace(tzinfo=None))
    with pytest.raises(CalendarError, match="XXXX"):
        TradingCalendar("XXXX").session(date(2026, 5, 7))
