"""order_rate: orders sent in the last minute of wall time."""

from __future__ import annotations

from ..view import GateKind, GateResult, View
from .answer import failed, passed

NAME = "order_rate"
MINUTE_S = 60.0


def order_rate(view: View) -> GateResult:
    most = view.config.gates.guard.risk.max_orders_per_minute
    sent = sorted(time_s for time_s in view.order_times_s if view.at.wall_s - time_s < MINUTE_S)
    if len(sent) >= most:
        left_s = sent[len(sent) - most] + MINUTE_S - view.at.wall_s
        reason = f"{len(sent)} orders in the last minute, at most {most}"
        return failed(NAME, len(sent), most, reason, GateKind.PACING, left_s)
    return passed(NAME, len(sent), most, kind=GateKind.PACING)
