"""When an order may work and when it ends: time in force, good-after time, trading outside the session."""

from __future__ import annotations

from bifrost_simulator.api import BrokerError, Contract, OrderRequest
from bifrost_simulator.broker.order_types import ORDER_TYPES, OrderType
from bifrost_simulator.history import parse_end
from bifrost_simulator.hours import Hours, MarketSession, new_york_day

BAD_DATE = 391
OPENING_S = 60.0
"""An OPG order takes part in the first minute of a session; what is left of it then is cancelled."""
CLOSE_CUTOFF_S = 600.0
"""Orders for the close are taken until ten minutes before it (New York Stock Exchange rule 7.35B)."""


def moment(text: str, name: str) -> float | None:
    """Epoch second of ``20260507 16:00:00 US/Eastern`` or ``20260507-20:00:00``; None for a date without a time."""
    stripped = text.strip()
    if len(stripped) == 8 and stripped.isdigit():
        return None
    try:
        return parse_end(stripped)
    except BrokerError:
        raise BrokerError(
            BAD_DATE,
            "The date, time, or time-zone entered is invalid. The correct format is yyyymmdd hh:mm:ss xxx where "
            f"yyyymmdd and xxx are optional. {name}: {text!r}.",
        ) from None


class Windows:
    """The hours of orders, by the hours of the market."""

    def __init__(self, hours: Hours) -> None:
        self._hours = hours

    def works_outside(self, request: OrderRequest, contract: Contract) -> bool:
        """True for stock orders with a limit that ask for it; IB ignores the attribute on all others."""
        limited = _kind(request).needs_limit and not _kind(request).at_close
        return request.outside_rth and limited and contract.sec_type == "STK" and not self._hours.always_open

    def session(self, request: OrderRequest, contract: Contract, now_s: float, placed_s: float) -> MarketSession | None:
        """The hours in which the order may work now; None while it has to wait."""
        session = self._hours.session_at(now_s)
        if session is None and self.works_outside(request, contract):
            session = self._hours.extended_at(now_s)
        if session is not None and request.tif == "OPG":
            opening = session.open_s <= now_s < session.open_s + OPENING_S
            return session if opening and placed_s <= session.open_s else None
        return session

    def starts_s(self, request: OrderRequest) -> float:
        """Epoch second before which the order does not work."""
        if not request.good_after_time:
            return 0.0
        start = moment(request.good_after_time, "goodAfterTime")
        return start if start is not None else self._day_bounds(request.good_after_time)[0]

    def ends_s(self, request: OrderRequest, contract: Contract, now_s: float) -> float:
        """Epoch second at which the order is cancelled; 0 when it lasts until cancelled."""
        if _kind(request).at_close:
            return self._day_end_s(False, max(now_s, self.starts_s(request)))
        if request.tif == "GTC":
            return 0.0
        if request.tif == "GTD":
            end = moment(request.good_till_date, "goodTillDate")
            return end if end is not None else self._day_bounds(request.good_till_date)[1]
        begins = max(now_s, self.starts_s(request))
        if request.tif == "OPG":
            return self._hours.next_open_s(begins) + OPENING_S
        return self._day_end_s(self.works_outside(request, contract), begins)

    def is_past_cutoff(self, request: OrderRequest, now_s: float) -> bool:
        """True for an order for the close that comes too late for the session that is open."""
        session = self._hours.session_at(now_s)
        return _kind(request).at_close and session is not None and now_s >= session.close_s - CLOSE_CUTOFF_S

    def _day_end_s(self, outside: bool, begins_s: float) -> float:
        extended = self._hours.extended_at(begins_s) if outside else None
        if extended is not None:
            return extended.close_s
        session = self._hours.session_at(begins_s)
        if session is None:
            opens = self._hours.next_open_s(begins_s)
            session = self._hours.session_at(opens)
            assert session is not None, "an opening lies inside its session"
        if not outside:
            return session.close_s
        whole = self._hours.extended_at(session.open_s)
        return whole.close_s if whole is not None else session.close_s

    def _day_bounds(self, text: str) -> tuple[float, float]:
        """First and last moment of the session of a date, or of the date's noon where there is none."""
        noon = parse_end(f"{text.strip()} 12:00:00")
        session = self._hours.session(new_york_day(noon))
        return (session.open_s, session.close_s) if session is not None else (noon, noon)


def _kind(request: OrderRequest) -> OrderType:
    return ORDER_TYPES[request.order_type]
