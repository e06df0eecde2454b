"""below_min_size: an order of a few shares costs more than it hedges."""

from __future__ import annotations

from ..view import GateKind, GateResult, View
from .answer import failed, passed

NAME = "below_min_size"


def below_min_size(view: View) -> GateResult:
    size, least = abs(view.order_shares), view.config.gates.intent.hedge.min_hedge_shares
    if size < least:
        return failed(NAME, size, least, f"order of {size} shares, at least {least}", GateKind.PACING)
    return passed(NAME, size, least, kind=GateKind.PACING)
