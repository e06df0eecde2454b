"""The six dimensions of one evaluation (engine.md section 2)."""

from __future__ import annotations

from bifrost.config import Config, OnBreaker

from .execution.limits import above, at_least
from .machines.hedge import HedgeState
from .words import DeltaState, Dimensions, ExecutionState, HealthState, LiquidityState, MarketState, OptionState

#: |gamma| below this times spot has no sign.
_NO_GAMMA = 1e-9


def option_state(legs_count: int, gamma_shares: float | None, spot: float | None, previous: OptionState) -> OptionState:
    """O: sign of portfolio gamma; |gamma| < 1e-9·spot keeps the last value (O1 at first): legs never count as none."""
    if legs_count == 0:
        return OptionState.NONE
    if gamma_shares is None or spot is None or abs(gamma_shares) < _NO_GAMMA * spot:
        return OptionState.LONG_GAMMA if previous is OptionState.NONE else previous
    return OptionState.LONG_GAMMA if gamma_shares > 0 else OptionState.SHORT_GAMMA


def delta_state(net_delta_shares: float | None, config: Config) -> DeltaState:
    """D of net delta in shares; None (invalid greeks) is D4."""
    if net_delta_shares is None:
        return DeltaState.INVALID
    bands, size = config.gates.state.delta, abs(net_delta_shares)
    if not above(size, bands.epsilon_band):
        return DeltaState.IN_BAND
    if at_least(size, bands.max_delta_limit):
        return DeltaState.FORCE_HEDGE
    if at_least(size, bands.threshold_hedge_shares):
        return DeltaState.HEDGE_NEEDED
    return DeltaState.MINOR


def execution_state(link_usable: bool, hedge: HedgeState, retry_left: bool) -> ExecutionState:
    """E. ``link_usable`` is False with the socket down or 1100 standing: either way no order gets through."""
    if not link_usable:
        return ExecutionState.DISCONNECTED
    if hedge is HedgeState.FAIL and not retry_left:
        return ExecutionState.BROKER_ERROR
    if hedge is HedgeState.PARTIAL:
        return ExecutionState.PARTIAL_FILL
    if hedge in (HedgeState.EXEC_IDLE, HedgeState.FILLED):
        return ExecutionState.IDLE
    return ExecutionState.ORDER_WORKING


def health_state(
    delta: DeltaState, *, breaker_latched: bool, data_lag_ms: float | None, in_session: bool, config: Config
) -> HealthState:
    """S, first match in the order S3, S1, S2."""
    forced_passes = config.gates.guard.risk.on_breaker is OnBreaker.FORCED_ONLY and delta is DeltaState.FORCE_HEDGE
    if breaker_latched and not forced_passes:
        return HealthState.RISK_HALT
    if delta is DeltaState.INVALID:
        return HealthState.GREEKS_BAD
    if in_session and data_lag_ms is not None and above(data_lag_ms, config.gates.state.system.data_lag_threshold_ms):
        return HealthState.DATA_LAG
    return HealthState.OK


def classify(
    *,
    legs_count: int,
    gamma_shares: float | None,
    spot: float | None,
    net_delta_shares: float | None,
    previous_option: OptionState,
    market: MarketState,
    liquidity: LiquidityState,
    link_usable: bool,
    hedge: HedgeState,
    retry_left: bool,
    breaker_latched: bool,
    data_lag_ms: float | None,
    in_session: bool,
    config: Config,
) -> Dimensions:
    """All six. ``net_delta_shares`` None means that the greeks are invalid."""
    delta = delta_state(net_delta_shares, config)
    return Dimensions(
        option=option_state(legs_count, gamma_shares, spot, previous_option),
        delta=delta,
        market=market,
        liquidity=liquidity,
        execution=execution_state(link_usable, hedge, retry_left),
        health=health_state(
            delta, breaker_latched=breaker_latched, data_lag_ms=data_lag_ms, in_session=in_session, config=config
        ),
    )
