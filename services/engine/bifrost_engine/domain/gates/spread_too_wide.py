"""spread_too_wide: the operator's own limit on the spread, if set."""

from __future__ import annotations

from ..execution.limits import above
from ..view import GateResult, View
from .answer import failed, passed

NAME = "spread_too_wide"


def spread_too_wide(view: View) -> GateResult:
    most, spread = view.config.gates.guard.risk.max_spread_pct, view.spread_pct
    if most is None:
        return passed(NAME, spread, None, "no limit set")
    if spread is None:
        return failed(NAME, None, most, "no valid two-sided quote")
    if above(spread, most):
        return failed(NAME, spread, most, f"spread {spread:.3f} %, at most {most:g} %")
    return passed(NAME, spread, most)
