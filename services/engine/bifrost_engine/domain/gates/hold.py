"""hold: a flatten latched hedging off; only resume clears it."""

from __future__ import annotations

from ..view import GateResult, View
from .answer import failed, passed

NAME = "hold"


def hold(view: View) -> GateResult:
    if view.hold:
        return failed(NAME, view.hold, "none", f"hold: {view.hold} latched hedging off; resume clears it")
    return passed(NAME, "none", "none")
