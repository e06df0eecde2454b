"""reset_window: IB resets its servers nightly (wall time, New York); a simulated gateway has no such window."""

from __future__ import annotations

from datetime import UTC, datetime

from bifrost.config import ClockSource

from ..view import GateResult, View
from .answer import failed, passed

NAME = "reset_window"


def reset_window(view: View) -> GateResult:
    windows = view.config.ib.reset_windows
    limit = ", ".join(str(window) for window in windows) or "none"
    if view.session.always_open or view.config.clock.source is ClockSource.SIMULATOR:
        return passed(NAME, "simulated gateway", limit)
    now = datetime.fromtimestamp(view.at.wall_s, UTC)
    for window in windows:
        if window.contains(now):
            return failed(NAME, str(window), limit, f"IB resets its servers {window} New York time")
    return passed(NAME, "outside", limit)
