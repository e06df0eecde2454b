"""earnings_blackout: no hedging around earnings; calendar days in New York, both ends included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bifrost.calendar import new_york

from ..view import GateResult, View
from .answer import failed, passed

NAME = "earnings_blackout"


def earnings_blackout(view: View) -> GateResult:
    rules = view.config.gates.strategy.earnings
    limit = f"-{rules.blackout_days_before} to +{rules.blackout_days_after} days"
    if not rules.dates:
        return passed(NAME, "no dates", limit)
    if view.at.market_s is None:
        return failed(NAME, "unknown", limit, "market time is not known yet")
    today = new_york(datetime.fromtimestamp(view.at.market_s, UTC)).date()
    for day in rules.dates:
        first = day - timedelta(days=rules.blackout_days_before)
        last = day + timedelta(days=rules.blackout_days_after)
        if first <= today <= last:
            reason = f"earnings on {day}: blackout {first} to {last}"
            if rules.allow_forced and view.forced:
                return passed(NAME, str(today), limit, f"{reason}; a forced hedge passes")
            return failed(NAME, str(today), limit, reason)
    return passed(NAME, str(today), limit)
