"""shortable: shares to borrow for an order that enlarges a short; a feed that does not say passes as unknown."""

from __future__ import annotations

from ..view import GateResult, View
from .answer import enlarges, failed, passed, position_after

NAME = "shortable"


def shortable(view: View) -> GateResult:
    available, after = view.shortable_shares, position_after(view)
    if after >= 0 or not enlarges(view):
        return passed(NAME, 0, available, "the order does not enlarge a short position")
    needed = min(0.0, view.stock_in_scope) - after
    if available is None:
        return passed(NAME, "unknown", None, "unknown")
    if needed > available:
        return failed(NAME, needed, available, f"needs {needed:g} shares to borrow, {available:g} available")
    return passed(NAME, needed, available)
