"""max_daily_hedge_count: orders sent this trading day, not reprices, not rejects."""

from __future__ import annotations

from ..view import GateResult, View
from .answer import failed, passed

NAME = "max_daily_hedge_count"


def max_daily_hedge_count(view: View) -> GateResult:
    most = view.config.gates.guard.risk.max_daily_hedge_count
    if view.hedges_today >= most:
        return failed(NAME, view.hedges_today, most, f"{view.hedges_today} hedges today, at most {most}")
    return passed(NAME, view.hedges_today, most)
