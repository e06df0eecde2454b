"""The list of checks behind the verdict: what was looked at, what was seen, where the limit stands."""

from __future__ import annotations

from dataclasses import dataclass

from ..execution.limits import at_least
from ..machines.trading import TradingState
from ..view import GateKind, GateResult, View
from ..words import DeltaState, LiquidityState


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``causes`` are the words by which a red reason names it."""

    name: str
    good: bool
    observed: object
    limit: object
    reason: str
    causes: tuple[str, ...] = ()
    kind: GateKind = GateKind.BLOCKING
    remaining_s: float | None = None


def checks_of(
    view: View,
    gates: tuple[GateResult, ...],
    *,
    orphan_reason: str,
    next_retry_in_s: float | None,
    legs_problem: str,
    machines_problem: str,
) -> tuple[Check, ...]:
    """Checks of the whole engine, then one per gate (``gate:<name>``)."""
    return (
        *_process(view, next_retry_in_s),
        *_market(view),
        *_book(view, gates, orphan_reason, legs_problem),
        _machines(view, machines_problem),
        *(_gate(gate) for gate in gates),
    )


def _process(view: View, next_retry_in_s: float | None) -> tuple[Check, ...]:
    retry = f"; next try in {next_retry_in_s:.0f} s" if next_retry_in_s is not None else ""
    database = "" if view.database_available else view.database_reason or "no connection"
    return (
        Check("db", view.database_available, _word(view.database_available, "available"), "available", database),
        Check("lease", view.leading, _word(view.leading, "leading"), "leading", "" if view.leading else "standby"),
        Check(
            "ib",
            view.link_up,
            _word(view.link_up, "connected"),
            "connected",
            "" if view.link_up else f"IB is not connected{retry}",
            remaining_s=None if view.link_up else next_retry_in_s,
        ),
    )


def _market(view: View) -> tuple[Check, ...]:
    state = view.config.gates.state
    quoted = view.dimensions.liquidity in (LiquidityState.NORMAL, LiquidityState.WIDE)
    spread = "no valid two-sided quote" if view.spread_pct is None else f"spread {view.spread_pct:.3f} %"
    lag_ok = (
        view.data_lag_ms is None
        or not view.session.in_session
        or not at_least(view.data_lag_ms, state.system.data_lag_threshold_ms + 1e-6)
    )
    lag = "" if lag_ok or view.data_lag_ms is None else f"data lag {view.data_lag_ms:.0f} ms"
    return (
        Check(
            "market_data",
            not view.stale_cause and lag_ok,
            view.data_lag_ms,
            state.system.data_lag_threshold_ms,
            view.stale_cause or lag,
            ("safe",),
        ),
        Check(
            "quotes",
            quoted,
            view.spread_pct,
            state.liquidity.extreme_spread_pct,
            "" if quoted else spread,
            ("safe",),
        ),
    )


def _book(view: View, gates: tuple[GateResult, ...], orphan_reason: str, legs_problem: str) -> tuple[Check, ...]:
    valid = view.dimensions.delta is not DeltaState.INVALID
    volatility = "a leg is priced with the configured flat volatility" if view.flat_volatility else ""
    session = next((gate for gate in gates if gate.name == "outside_session"), None)
    limit = view.config.gates.state.delta.max_delta_limit
    exposed = view.net_delta_shares is not None and at_least(abs(view.net_delta_shares), limit)
    delta = f"net delta {view.net_delta_shares:+.0f} shares" if exposed and view.net_delta_shares is not None else ""
    blocked = any(not gate.passed and gate.kind is GateKind.BLOCKING for gate in gates)
    return (
        Check(
            "greeks",
            valid and not view.flat_volatility,
            _word(valid, "valid"),
            "valid",
            volatility if valid else view.greeks_reason,
            ("safe",),
        ),
        Check("delta", not (exposed and blocked), view.net_delta_shares, limit, delta if blocked else "", ("exposed",)),
        Check(
            "reconciliation",
            view.reconciled,
            _word(view.reconciled, "reconciled"),
            "reconciled",
            "" if view.reconciled else view.not_reconciled_reason or "positions not compared yet",
            ("not_reconciled",),
        ),
        Check(
            "session",
            session is None or session.passed,
            None if session is None else session.observed,
            None if session is None else session.limit,
            "" if session is None or session.passed else session.reason,
            remaining_s=None if session is None else session.remaining_s,
        ),
        Check(
            "breaker",
            not view.breaker_reason,
            "latched" if view.breaker_reason else "open",
            "open",
            view.breaker_reason,
            ("circuit_breaker",),
        ),
        Check(
            "orphan",
            not orphan_reason,
            view.own_shares if view.legs_count == 0 else 0.0,
            0.0,
            orphan_reason,
            ("orphan_hedge",),
        ),
        Check(
            "legs",
            view.legs_count > 0,
            view.legs_count,
            1,
            legs_problem if view.legs_count else "no managed option legs",
        ),
    )


def _machines(view: View, problem: str) -> Check:
    """SAFE is shown with its cause; PAUSE_COST is pacing and nothing to worry about."""
    order = view.order
    reason = problem
    if view.trading_state is TradingState.SAFE:
        reason = view.safe_cause or "SAFE: its cause has just gone"
    elif order is not None and order.unresolved:
        reason = f"order {order.order_ref} is UNKNOWN after {order.probes} probes"
    good = not reason and view.trading_state is not TradingState.PAUSE_LIQ
    if view.trading_state is TradingState.PAUSE_LIQ:
        reason = reason or "PAUSE_LIQ: the spread is too wide to hedge"
    observed = f"{view.trading_state}/{view.hedge_state}"
    return Check("machines", good, observed, None, reason, ("safe", "order_unresolved", "stopped"))


def _gate(gate: GateResult) -> Check:
    return Check(
        name=f"gate:{gate.name}",
        good=gate.passed,
        observed=gate.observed,
        limit=gate.limit,
        # A pacing gate never fails its check: that it gives a reason at all is how it says that it waits.
        reason="" if gate.passed and (gate.reason == "ok" or gate.kind is GateKind.PACING) else gate.reason,
        causes=(gate.name,),
        kind=gate.kind,
        remaining_s=gate.remaining_s,
    )


def _word(good: bool, word: str) -> str:
    return word if good else f"not {word}"
