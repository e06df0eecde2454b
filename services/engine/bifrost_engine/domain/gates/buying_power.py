"""buying_power: only orders that enlarge the position; a value the broker has not told passes as unknown."""

from __future__ import annotations

from ..execution.limits import above
from ..view import GateResult, View
from .answer import enlarges, failed, order_price, passed, position_after

NAME = "buying_power"


def buying_power(view: View) -> GateResult:
    available = view.buying_power
    if not enlarges(view):
        return passed(NAME, 0.0, available, "the order does not enlarge the position")
    price = order_price(view)
    if available is None or price is None:
        return passed(NAME, "unknown", available, "unknown")
    needed = (abs(position_after(view)) - abs(view.stock_in_scope)) * price
    if above(needed, available):
        reason = f"needs {needed:,.2f} USD, buying power {available:,.2f} USD"
        return failed(NAME, needed, available, reason)
    return passed(NAME, needed, available)
