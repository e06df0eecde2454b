"""max_notional: the resulting position in dollars, if a limit is set; an order that shrinks the position passes."""

from __future__ import annotations

from ..execution.limits import above
from ..view import GateResult, View
from .answer import enlarges, failed, passed, position_after

NAME = "max_notional"


def max_notional(view: View) -> GateResult:
    most = view.config.gates.guard.risk.max_notional
    if most is None:
        return passed(NAME, None, None, "no limit set")
    if view.spot is None:
        return failed(NAME, None, most, "no spot price to value the position with")
    notional = abs(position_after(view)) * view.spot
    if above(notional, most) and enlarges(view):
        return failed(NAME, notional, most, f"position would be worth {notional:,.0f} USD, at most {most:,.0f} USD")
    return passed(NAME, notional, most)
