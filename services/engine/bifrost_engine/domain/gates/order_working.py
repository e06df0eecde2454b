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
        return failed(NAME, str(execution), "E0", _without_order(view))
    kind = GateKind.PACING if order.within_timeouts else GateKind.BLOCKING
    late = "" if order.within_timeouts else ", longer than its time-out"
    reason = (
        f"order {order.order_ref} in {view.hedge_state} for {order.age_s:.1f} s{late}, "
        f"{order.signed_remaining:+d} shares open"
    )
    return failed(NAME, str(execution), "E0", reason, kind)


def _without_order(view: View) -> str:
    match view.dimensions.execution:
        case ExecutionState.DISCONNECTED:
            return "no order can be sent: no connection to IB (E3)"
        case ExecutionState.BROKER_ERROR:
            return "no order can be sent: the last hedge failed and no retry is left (E4)"
    return f"the last order is not cleared up yet: order machine in {view.hedge_state}"
