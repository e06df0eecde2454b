"""no_legs: nothing to hedge without managed option legs (O0)."""

from __future__ import annotations

from ..view import GateResult, View
from .answer import failed, passed

NAME = "no_legs"


def no_legs(view: View) -> GateResult:
    if view.legs_count == 0:
        return failed(NAME, 0, 1, "no managed option legs")
    return passed(NAME, view.legs_count, 1)
