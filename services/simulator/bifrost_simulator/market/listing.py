"""Which options a made market lists: weekly and monthly expiries, strikes around spot."""

from __future__ import annotations

from datetime import date, timedelta

from bifrost_simulator.hours import Hours

WEEKLY_DAYS = 63
MONTHLY_DAYS = 200
JANUARY_DAYS = 760
STRIKES_EACH_SIDE = 20
_FRIDAY = 4


def expiries_listed(day: date, hours: Hours) -> tuple[date, ...]:
    """Expiries listed on ``day``: Fridays of nine weeks, third Fridays of half a year, Januaries of two years.

    A Friday on which the exchange is closed gives way to its last session before.
    """
    found = set()
    friday = day + timedelta(days=(_FRIDAY - day.weekday()) % 7)
    while (friday - day).days <= JANUARY_DAYS:
        ahead = (friday - day).days
        third = 15 <= friday.day <= 21
        if ahead <= WEEKLY_DAYS or (third and (ahead <= MONTHLY_DAYS or friday.month == 1)):
            found.add(_session_on_or_before(friday, hours))
        friday += timedelta(days=7)
    return tuple(sorted(expiry for expiry in found if expiry >= day))


def _session_on_or_before(day: date, hours: Hours) -> date:
    while not hours.is_exchange_day(day):
        day -= timedelta(days=1)
    return day


def strike_step(spot: float) -> float:
    """Dollars between strikes by the level of the underlying."""
    for below, step in ((5.0, 0.5), (25.0, 0.5), (100.0, 1.0), (200.0, 2.5), (1000.0, 5.0)):
        if spot < below:
            return step
    return 10.0


def strikes_around(spot: float, step: float, each_side: int = STRIKES_EACH_SIDE) -> tuple[float, ...]:
    """Multiples of ``step`` nearest to ``spot``, all above zero."""
    middle = round(spot / step)
    return tuple(round(n * step, 4) for n in range(middle - each_side, middle + each_side + 1) if n > 0)
