"""The six dimensions of one evaluation (engine.md section 2)."""

from __future__ import annotations

from bifrost.config import Config

from .machines.hedge import HedgeState
from .words import (
    DeltaState,
    Dimensions,
    ExecutionState,
    HealthState,
    LiquidityState,
    MarketState,
    OptionState,
)


def option_state(legs_count: int, gamma_shares: float | None, spot: float | None, previous: OptionState) -> OptionState:
    """O: sign of portfolio gamma; |gamma| < 1e-9·spot keeps the last value (O1 at first)."""
    raise NotImplementedError


def delta_state(net_delta_shares: float | None, config: Config) -> DeltaState:
    """D of net delta in shares; None (invalid greeks) is D4."""
    raise NotImplementedError


def execution_state(link_usable: bool, hedge: HedgeState, retry_left: bool) -> ExecutionState:
    """E. ``link_usable`` is False with the socket down or 1100 standing."""
    raise NotImplementedError


def health_state(
    delta: DeltaState,
    *,
    breaker_latched: bool,
    data_lag_ms: float | None,
    in_session: bool,
    config: Config,
) -> HealthState:
    """S, first match in the order S3, S1, S2."""
    raise NotImplementedError


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
    raise NotImplementedError
