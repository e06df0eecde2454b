"""circuit_breaker: the daily loss limit has latched; `forced_only` still lets D3 through (section 5)."""

from __future__ import annotations

from bifrost.config import OnBreaker

from ..view import GateResult, View
from ..words import DeltaState
from .answer import failed, passed

NAME = "circuit_breaker"


def circuit_breaker(view: View) -> GateResult:
    if not view.breaker_reason:
        return passed(NAME, "open", "open")
    mode = view.config.gates.guard.risk.on_breaker
    if mode is OnBreaker.FORCED_ONLY and view.dimensions.delta is DeltaState.FORCE_HEDGE:
        return passed(NAME, "latched", str(mode), f"latched ({view.breaker_reason}), but D3 passes under forced_only")
    return failed(
        NAME, "latched", str(mode), f"{view.breaker_reason}; reset_breaker or the next trading day releases it"
    )
