"""suspended: the operator has stopped new hedges; a state that cannot be read counts as suspended."""

from __future__ import annotations

from ..view import GateResult, View
from .answer import failed, passed

NAME = "suspended"


def suspended(view: View) -> GateResult:
    if not view.suspension_known:
        return failed(NAME, "unknown", "running", "suspension cannot be read from the database: taken as suspended")
    if view.suspended:
        return failed(NAME, "suspended", "running", "suspended by the operator: resume to hedge again")
    return passed(NAME, "running", "running")
