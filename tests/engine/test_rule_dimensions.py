"""Every row of the table of dimensions (engine.md section 2), and sizing."""

from __future__ import annotations

import pytest
from bifrost_engine.domain.dimensions import classify, delta_state, execution_state, health_state, option_state
from bifrost_engine.domain.execution import sizing
from bifrost_engine.domain.machines.hedge import HedgeState
from bifrost_engine.domain.words import DeltaState, LiquidityState, MarketState, OptionState
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.rule_builders import config_with

CONFIG = config_with()
Option, D = OptionState, DeltaState


@pytest.mark.parametrize(
    ("legs", "gamma", "before", "expected"),
    [
        (0, 80.0, Option.LONG_GAMMA, Option.NONE),
        (2, 80.0, Option.NONE, Option.LONG_GAMMA),
        (2, -80.0, Option.LONG_GAMMA, Option.SHORT_GAMMA),
        (2, 0.99e-7, Option.SHORT_GAMMA, Option.SHORT_GAMMA),
        (2, -0.99e-7, Option.LONG_GAMMA, Option.LONG_GAMMA),
        (2, 1.01e-7, Option.SHORT_GAMMA, Option.LONG_GAMMA),
        (2, 1e-9 * 100.0, Option.SHORT_GAMMA, Option.LONG_GAMMA),
        (2, -1e-9 * 100.0, Option.LONG_GAMMA, Option.SHORT_GAMMA),
        (2, 0.0, Option.NONE, Option.LONG_GAMMA),
        (2, None, Option.SHORT_GAMMA, Option.SHORT_GAMMA),
        (2, None, Option.NONE, Option.LONG_GAMMA),
    ],
)
def test_option_state(legs: int, gamma: float | None, before: OptionState, expected: OptionState) -> None:
    """Spot 100: gamma below 1e-7 keeps the last value, so that legs never count as none."""
    assert option_state(legs, gamma, 100.0, before) is expected


def test_option_state_without_a_spot_keeps_the_last_value() -> None:
    assert option_state(2, 80.0, None, Option.SHORT_GAMMA) is Option.SHORT_GAMMA


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        (None, D.INVALID), (0.0, D.IN_BAND), (10.0, D.IN_BAND), (-10.0, D.IN_BAND), (10.01, D.MINOR),
        (24.99, D.MINOR), (25.0, D.HEDGE_NEEDED), (-25.0, D.HEDGE_NEEDED), (499.99, D.HEDGE_NEEDED),
        (500.0, D.FORCE_HEDGE), (-500.0, D.FORCE_HEDGE),
    ],
)  # fmt: skip
def test_delta_state(delta: float | None, expected: DeltaState) -> None:
    assert delta_state(delta, CONFIG) is expected


@pytest.mark.parametrize("hedge", list(HedgeState))
def test_execution_state(hedge: HedgeState) -> None:
    assert execution_state(False, hedge, True) == "E3"
    expected = {HedgeState.EXEC_IDLE: "E0", HedgeState.FILLED: "E0", HedgeState.PARTIAL: "E2"}.get(hedge, "E1")
    assert execution_state(True, hedge, True) == expected
    assert execution_state(True, hedge, False) == ("E4" if hedge is HedgeState.FAIL else expected)


@pytest.mark.parametrize(
    ("delta", "latched", "lag_ms", "session", "mode", "expected"),
    [
        (D.HEDGE_NEEDED, True, 0.0, True, "halt", "S3"),
        (D.FORCE_HEDGE, True, 0.0, True, "halt", "S3"),
        (D.HEDGE_NEEDED, True, 0.0, True, "forced_only", "S3"),
        (D.FORCE_HEDGE, True, 0.0, True, "forced_only", "S0"),
        (D.INVALID, True, 0.0, True, "halt", "S3"),
        (D.INVALID, False, 5000.0, True, "halt", "S1"),
        (D.IN_BAND, False, 1000.0, True, "halt", "S0"),
        (D.IN_BAND, False, 1000.1, True, "halt", "S2"),
        (D.IN_BAND, False, 1000.1, False, "halt", "S0"),
        (D.IN_BAND, False, None, True, "halt", "S0"),
    ],
)
def test_health_state(
    delta: DeltaState, latched: bool, lag_ms: float | None, session: bool, mode: str, expected: str
) -> None:
    config = config_with({"gates.guard.risk.on_breaker": mode})
    state = health_state(delta, breaker_latched=latched, data_lag_ms=lag_ms, in_session=session, config=config)
    assert state == expected


def test_classify_puts_all_six_together() -> None:
    dimensions = classify(
        legs_count=2,
        gamma_shares=-3.0,
        spot=100.0,
        net_delta_shares=None,
        previous_option=Option.LONG_GAMMA,
        market=MarketState.GAP,
        liquidity=LiquidityState.WIDE,
        link_usable=True,
        hedge=HedgeState.UNKNOWN,
        retry_left=True,
        breaker_latched=False,
        data_lag_ms=1.0,
        in_session=True,
        config=CONFIG,
    )
    assert str(dimensions) == "O2 D4 M4 L1 E1 S1"


@pytest.mark.parametrize(
    ("net_delta", "shares"), [(0.5, 0), (1.5, -2), (2.5, -2), (-0.5, 0), (-1.5, 2), (-2.5, 2), (119.6, -120)]
)
def test_need_rounds_half_to_even(net_delta: float, shares: int) -> None:
    assert sizing.need(net_delta) == shares


@settings(max_examples=60, deadline=None)
@given(need=st.integers(-100_000, 100_000))
def test_order_size_keeps_side_and_cap(need: int) -> None:
    """INV-O9."""
    size = sizing.order_size(need, CONFIG)
    assert abs(size) == min(abs(need), 500)
    assert size * need >= 0


@pytest.mark.parametrize(
    ("delta", "limit", "expected"),
    [(499.9, None, False), (500.0, None, True), (-500.0, None, True), (99.9, 100.0, False), (-100.0, 100.0, True),
     (None, 100.0, False)],
)  # fmt: skip
def test_forced(delta: float | None, limit: float | None, expected: bool) -> None:
    assert sizing.forced(delta, config_with({"gates.guard.risk.max_net_delta_shares": limit})) is expected
