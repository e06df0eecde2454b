"""cooldown: market time since the last own fill; residues and forced hedges need not wait."""

from __future__ import annotations

from ..view import GateKind, GateResult, View
from .answer import failed, passed

NAME = "cooldown"


def cooldown(view: View) -> GateResult:
    wait_s, filled_s, now_s = view.config.gates.intent.hedge.cooldown_seconds, view.last_fill_s, view.at.market_s
    if filled_s is None or now_s is None:
        return passed(NAME, None, wait_s, "no fill to wait after", GateKind.PACING)
    elapsed_s = now_s - filled_s
    if view.forced:
        return passed(NAME, elapsed_s, wait_s, "a forced hedge does not wait", GateKind.PACING)
    if view.last_hedge is not None and view.last_hedge.residue:
        return passed(NAME, elapsed_s, wait_s, "the rest of a capped or partial order does not wait", GateKind.PACING)
    # A fill later than now is a clock that went back: recorded as clock_regression, and no reason to wait.
    if 0 <= elapsed_s < wait_s:
        left_s = wait_s - elapsed_s
        reason = f"{elapsed_s:.1f} s since the last fill, cooldown {wait_s:g} s"
        return failed(NAME, elapsed_s, wait_s, reason, GateKind.PACING, left_s)
    return passed(NAME, elapsed_s, wait_s, kind=GateKind.PACING)
