"""no_quote: the operator's flatten needs a valid two-sided quote (not L3), however wide."""

from __future__ import annotations

from ..view import GateResult, View
from ..words import LiquidityState
from .answer import failed, passed

NAME = "no_quote"


def no_quote(view: View) -> GateResult:
    if view.dimensions.liquidity is LiquidityState.NO_QUOTE:
        return failed(NAME, "L3", "two-sided quote", "no valid two-sided quote")
    return passed(NAME, str(view.dimensions.liquidity), "two-sided quote")
