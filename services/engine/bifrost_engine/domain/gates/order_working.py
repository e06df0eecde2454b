"""order_working: one order at a time (not E0); pacing while it is within its time-outs, a fault beyond."""

from __future__ import annotations

from ..view import GateKind, GateResult, View
from ..words import ExecutionState
from .answer import failed, passed

NAME = "order_working"


def order_working(view: View) -> GateResult:
    execution, order = view.dimensions.execution, view.order
    if execution is ExecutionState.IDLE:
        return passed(NAME, "E0", "E0")
    if order is None:
        return failed(NAME, str(execution), "E0", f"execution {execution}, order machine in {view.hedge_state}")
    kind = GateKind.PACING if order.within_timeouts else GateKind.BLOCKING
    late = "" if order.within_timeouts else ", longer than its time-out"
    reason = (
        f"order {order.order_ref} in {view.hedge_state} for {order.age_s:.1f} s{late}, "
        f"{order.signed_remaining:+d} shares open"
    )
    return failed(NAME, str(execution), "E0", reason, kind)
