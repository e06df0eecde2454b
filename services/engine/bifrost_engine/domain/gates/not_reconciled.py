"""not_reconciled: no new risk before the ledger and the broker's positions agree, and none when that is long ago.

Hedges that follow each other faster than a comparison needs (engine.md section 4.6: nothing live, 5 s since the last
execution) would put it off for ever. Once it is overdue the next hedge waits until it was made.
"""

from __future__ import annotations

from ..view import GateKind, GateResult, View
from ..words import Purpose
from .answer import failed, passed

NAME = "not_reconciled"
#: A comparison that is due takes a few seconds: until then waiting for it is pacing, afterwards a fault (wall seconds).
PATIENCE_S = 15.0


def not_reconciled(view: View) -> GateResult:
    if not view.reconciled:
        cause = view.not_reconciled_reason or "the broker's positions have not been compared yet"
        return failed(NAME, "not reconciled", "reconciled", cause)
    late_s = view.comparison_late_s
    # An order under way is dealt with first, and an operator's flatten does not wait for its turn.
    if late_s is not None and view.order is None and view.purpose is not Purpose.FLATTEN:
        kind = GateKind.PACING if late_s < PATIENCE_S else GateKind.BLOCKING
        reason = f"{NAME}:comparison_due: the broker's positions are compared first, due for {late_s:.0f} s"
        return failed(NAME, "comparison due", "reconciled", reason, kind)
    return passed(NAME, "reconciled", "reconciled")
