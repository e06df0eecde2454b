"""One call of `decide` under construction: the state so far and the effects so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .effects import Alert, Effect, FetchTruth, RecordTradingDay, Severity
from .evolve import evolve
from .state import OrderInFlight, Rules, State
from .words import Times, Trigger

#: An alert of the same code is not repeated within this time (wall seconds).
ALERT_REPEAT_S = 300.0
#: What stays true for days is said once in a trading day, and remembered this long (wall seconds).
ALERT_DAILY_S = 86400.0

#: After a failed reading of the broker's truth the next one waits this long (wall seconds).
TRUTH_RETRY_S = 2.0


class Turn:
    """Collects what one event changes. The state it started from is never touched."""

    def __init__(self, state: State, at: Times, rules: Rules) -> None:
        self.state = state
        self.at = at
        self.rules = rules
        self.effects: list[Effect] = []

    def emit(self, *effects: Effect) -> None:
        self.effects.extend(effects)

    def change(self, **fields: Any) -> None:
        self.state = evolve(self.state, **fields)

    def change_order(self, **fields: Any) -> OrderInFlight:
        """Change fields of the order in flight; there must be one."""
        order = self.state.order
        if order is None:
            raise ValueError(f"no order in flight to change: {sorted(fields)}")
        changed = replace(order, **fields)
        self.change(order=changed)
        return changed

    def change_day(self, **fields: Any) -> None:
        """Change the trading day and record its row: counters and latches survive a restart."""
        self.change(day=evolve(self.state.day, **fields))
        self.emit(RecordTradingDay(self.state.day.as_row()))

    def alert(
        self,
        severity: Severity,
        code: str,
        message: str,
        details: Mapping[str, object] | None = None,
        *,
        key: str = "",
        repeat_s: float = ALERT_REPEAT_S,
    ) -> None:
        """Raise an alert; the same ``code`` and ``key`` are held back for ``repeat_s`` wall seconds, a day at most."""
        name, now = f"{code}:{key}", self.at.wall_s
        last = self.state.alerted.get(name)
        if last is not None and now - last < repeat_s:
            return
        kept = {known: told_s for known, told_s in self.state.alerted.items() if now - told_s < ALERT_DAILY_S}
        self.change(alerted={**kept, name: now})
        self.emit(Alert(self.at, severity, code, message, details or {}))

    def ask_truth(self, trigger: Trigger) -> None:
        """Have the broker's truth read, unless it is being read or there is nobody to ask."""
        recon = self.state.recon
        if not self.state.link.up or not self.state.leading:
            return
        if recon.asked_s is not None and self.at.wall_s - recon.asked_s < self.rules.config.ib.connect_timeout * 2:
            return
        if recon.failed_s is not None and self.at.wall_s - recon.failed_s < TRUTH_RETRY_S:
            return
        self.change(recon=evolve(recon, asked_s=self.at.wall_s))
        self.emit(FetchTruth(trigger))
