"""max_position_shares: fails only if the result exceeds the limit and is larger than the position is now."""

from __future__ import annotations

from ..view import GateResult, View
from .answer import enlarges, failed, passed, position_after

NAME = "max_position_shares"


def max_position_shares(view: View) -> GateResult:
    after, most = position_after(view), view.config.gates.guard.risk.max_position_shares
    if abs(after) > most and enlarges(view):
        return failed(NAME, after, most, f"position would be {after:+g} shares, at most {most} either way")
    return passed(NAME, after, most)
