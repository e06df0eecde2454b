"""must_reduce_delta: the order has to shrink |Δ|, counting what is working."""

from __future__ import annotations

from ..view import GateKind, GateResult, View
from .answer import failed, passed, working_shares

NAME = "must_reduce_delta"


def must_reduce_delta(view: View) -> GateResult:
    if view.net_delta_shares is None:
        return failed(NAME, None, None, "net delta is not known", GateKind.PACING)
    before = view.net_delta_shares + working_shares(view)
    after = before + view.order_shares
    if abs(after) < abs(before):
        return passed(NAME, abs(after), abs(before), kind=GateKind.PACING)
    reason = f"|net delta| would go from {abs(before):.1f} to {abs(after):.1f} shares"
    return failed(NAME, abs(after), abs(before), reason, GateKind.PACING)
