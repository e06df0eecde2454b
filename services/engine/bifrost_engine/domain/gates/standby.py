"""standby: exactly one engine trades, the one that holds the lease."""

from __future__ import annotations

from ..view import GateResult, View
from .answer import failed, passed

NAME = "standby"


def standby(view: View) -> GateResult:
    if not view.leading:
        return failed(NAME, "standby", "leading", "this engine does not hold the lease")
    return passed(NAME, "leading", "leading")
