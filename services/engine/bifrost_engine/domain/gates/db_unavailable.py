"""db_unavailable: no new risk without the database that remembers it."""

from __future__ import annotations

from ..view import GateResult, View
from .answer import failed, passed

NAME = "db_unavailable"


def db_unavailable(view: View) -> GateResult:
    if not view.database_available:
        cause = view.database_reason or "no connection"
        return failed(NAME, "unavailable", "available", f"the engine cannot reach the database: {cause}")
    return passed(NAME, "available", "available")
