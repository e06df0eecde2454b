"""price_collar: the price of the order must be near the mid of one second ago."""

from __future__ import annotations

from ..execution.limits import above
from ..view import GateKind, GateResult, View
from .answer import failed, order_price, passed

NAME = "price_collar"


def price_collar(view: View) -> GateResult:
    most, price, mid = view.config.gates.guard.risk.price_collar_pct, order_price(view), view.mid_1s_ago
    if price is None or mid is None:
        missing = "no price for the order" if price is None else "no earlier mid to compare with"
        return failed(NAME, None, most, missing, GateKind.PACING)
    distance_pct = abs(price / mid - 1.0) * 100.0
    if above(distance_pct, most):
        reason = f"price {price:.2f} is {distance_pct:.2f} % from the mid {mid:.2f} of a second ago, at most {most:g} %"
        return failed(NAME, distance_pct, most, reason, GateKind.PACING)
    return passed(NAME, distance_pct, most, kind=GateKind.PACING)
