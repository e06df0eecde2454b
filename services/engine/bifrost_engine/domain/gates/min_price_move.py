"""min_price_move: do not pay the spread for delta that a return of spot would undo (section 4.1).

Reference: spot S₀, net delta Δ₀ and gamma Γ₀ when the last order ended with fills.
"""

from __future__ import annotations

from ..execution.limits import at_least
from ..view import GateKind, GateResult, View
from .answer import failed, passed

NAME = "min_price_move"


def min_price_move(view: View) -> GateResult:
    least, last = view.config.gates.intent.hedge.min_price_move_pct, view.last_hedge
    if view.forced:
        return passed(NAME, None, least, "a forced hedge needs no move", GateKind.PACING)
    if last is None:
        return passed(NAME, None, least, "no earlier hedge to measure from", GateKind.PACING)
    if view.spot is None or view.net_delta_shares is None:
        return failed(NAME, None, least, "spot or net delta is not known", GateKind.PACING)
    move_pct = abs(view.spot / last.spot - 1.0) * 100.0
    # What would remain if spot went back: residues, option trades, time, volatility.
    lasting = abs(view.net_delta_shares - last.gamma_shares * (view.spot - last.spot))
    threshold = view.config.gates.state.delta.threshold_hedge_shares
    if at_least(move_pct, least):
        return passed(NAME, move_pct, least, kind=GateKind.PACING)
    if at_least(lasting, threshold):
        reason = f"{lasting:.1f} shares would remain if spot went back"
        return passed(NAME, move_pct, least, reason, GateKind.PACING)
    reason = (
        f"spot moved {move_pct:.3f} % since the last hedge at {last.spot:.2f}, at least {least:g} %; "
        f"{lasting:.1f} shares would remain if it went back, at least {threshold:g}"
    )
    return failed(NAME, move_pct, least, reason, GateKind.PACING)
