"""outside_session: trade from open + `open_delay_s` to close − `close_guard_s`, half days included."""

from __future__ import annotations

from ..view import GateResult, View
from .answer import failed, passed

NAME = "outside_session"


def outside_session(view: View) -> GateResult:
    session, now_s = view.session, view.at.market_s
    rules = view.config.gates.strategy
    window = f"open + {rules.session.open_delay_s:g} s to close - {rules.session.close_guard_s:g} s"
    if now_s is None:
        return failed(NAME, "unknown", window, "market time is not known yet")
    if session.always_open or not rules.trading_hours_only:
        return passed(NAME, "always open" if session.always_open else "trading_hours_only off", window)
    opens_s = None if session.open_s is None else session.open_s + rules.session.open_delay_s
    if not session.in_session:
        wait_s = None if opens_s is None else max(0.0, opens_s - now_s)
        return failed(NAME, "closed", window, "the exchange is closed", remaining_s=wait_s)
    if opens_s is not None and now_s < opens_s:
        wait_s = opens_s - now_s
        return failed(NAME, "opening", window, f"{wait_s:.1f} s left of the opening delay", remaining_s=wait_s)
    if session.close_s is not None and now_s >= session.close_s - rules.session.close_guard_s:
        left_s = session.close_s - now_s
        return failed(NAME, "closing", window, f"{left_s:.1f} s to the close, guard {rules.session.close_guard_s:g} s")
    return passed(NAME, "open", window)
