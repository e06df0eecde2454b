"""not_reconciled: no new risk before the ledger and the broker's positions agree."""

from __future__ import annotations

from ..view import GateResult, View
from .answer import failed, passed

NAME = "not_reconciled"


def not_reconciled(view: View) -> GateResult:
    if not view.reconciled:
        cause = view.not_reconciled_reason or "the broker's positions have not been compared yet"
        return failed(NAME, "not reconciled", "reconciled", cause)
    return passed(NAME, "reconciled", "reconciled")
