"""live_not_allowed: a funded account needs both switches, and the gateway must be the right one (section 4.7)."""

from __future__ import annotations

from ..view import GateResult, View
from .answer import failed, passed

NAME = "live_not_allowed"


def live_not_allowed(view: View) -> GateResult:
    if view.live_orders_allowed:
        return passed(NAME, f"{view.mode} on {view.account}", "allowed")
    if view.simulated_account or view.config.gates.guard.risk.allow_live:
        cause = "this gateway's accounts are not those of the simulator whose clock is followed"
    else:
        cause = f"account {view.account or '?'} is not simulated: set gates.guard.risk.allow_live to trade it"
    return failed(NAME, f"{view.mode} on {view.account or '?'}", "paper, DU account or allow_live", cause)
