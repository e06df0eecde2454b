"""halted: the exchange has halted the stock (tick 49)."""

from __future__ import annotations

from ..view import GateResult, View
from .answer import failed, passed

NAME = "halted"


def halted(view: View) -> GateResult:
    if view.halted:
        return failed(NAME, "halted", "trading", f"{view.config.symbol} is halted")
    return passed(NAME, "trading", "trading")
