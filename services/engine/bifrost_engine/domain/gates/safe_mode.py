"""safe_mode: no new hedge while the feed, the quote, the greeks, the broker or the trading machine is not safe."""

from __future__ import annotations

from ..machines.trading import TradingState
from ..view import GateResult, View
from ..words import ExecutionState, HealthState, LiquidityState, MarketState
from .answer import failed, passed

NAME = "safe_mode"


def safe_mode(view: View) -> GateResult:
    for cause, why in _causes(view):
        return failed(NAME, f"{NAME}:{cause}", "none", f"{NAME}:{cause}: {why}")
    return passed(NAME, "none", "none")


def _causes(view: View) -> list[tuple[str, str]]:
    """Every cause that holds, the deepest first, with its numbers."""
    dims, limits = view.dimensions, view.config.gates.state
    spread = "no valid spread" if view.spread_pct is None else f"spread {view.spread_pct:.3f} %"
    lag = "data lag unknown" if view.data_lag_ms is None else f"data lag {view.data_lag_ms:.0f} ms"
    rules = (
        (dims.execution is ExecutionState.DISCONNECTED, "E3", "no connection to IB"),
        (dims.execution is ExecutionState.BROKER_ERROR, "E4", "the last hedge failed and no retry is left"),
        (dims.market is MarketState.STALE, "M5", view.stale_cause or "the market is stale"),
        (dims.health is HealthState.GREEKS_BAD, "S1", view.greeks_reason or "greeks are invalid"),
        (dims.health is HealthState.RISK_HALT, "S3", view.breaker_reason or "the circuit breaker is latched"),
        (dims.health is HealthState.DATA_LAG, "S2", f"{lag}, limit {limits.system.data_lag_threshold_ms:.0f} ms"),
        (dims.liquidity is LiquidityState.NO_QUOTE, "L3", "no valid two-sided quote"),
        (
            dims.liquidity is LiquidityState.EXTREME_WIDE,
            "L2",
            f"{spread}, limit {limits.liquidity.extreme_spread_pct:g} %",
        ),
        (view.trading_state is TradingState.SAFE, "trading=SAFE", view.safe_cause or "the cause has just gone"),
    )
    return [(cause, why) for holds, cause, why in rules if holds]
