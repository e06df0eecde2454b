"""Where market time stands in the exchange's session."""

from __future__ import annotations

from bifrost.calendar import TradingCalendar

from ..view import SessionView


def session_view(market_s: float | None, calendar: TradingCalendar) -> SessionView:
    """The session at ``market_s`` (epoch seconds of the market's clock; None while it is unknown: not in session)."""
    if market_s is None:
        return SessionView(False, None, None, calendar.always_open)
    if calendar.always_open:
        return SessionView(True, None, None, True)
    session = calendar.session_at_s(market_s)
    if session is not None:
        return SessionView(True, session.open_s, session.close_s, False)
    open_s = calendar.next_open_s(market_s)
    return SessionView(False, open_s, None, False)
