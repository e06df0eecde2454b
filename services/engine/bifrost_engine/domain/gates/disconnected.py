"""disconnected: the operator's flatten needs a connection to IB (E3), whatever else safe mode says."""

from __future__ import annotations

from ..view import GateResult, View
from ..words import ExecutionState
from .answer import failed, passed

NAME = "disconnected"


def disconnected(view: View) -> GateResult:
    if view.dimensions.execution is ExecutionState.DISCONNECTED:
        return failed(NAME, "E3", "connected", "no connection to IB")
    return passed(NAME, "connected", "connected")
