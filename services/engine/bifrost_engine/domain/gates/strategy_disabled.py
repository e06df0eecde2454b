"""strategy_disabled: the configuration switches the strategy off."""

from __future__ import annotations

from ..view import GateResult, View
from .answer import failed, passed

NAME = "strategy_disabled"


def strategy_disabled(view: View) -> GateResult:
    if not view.config.strategy_enabled:
        return failed(NAME, "disabled", "enabled", "strategy_enabled is false in the configuration")
    return passed(NAME, "enabled", "enabled")
