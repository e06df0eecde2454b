"""Hedging policies: each at its limit, and the Whalley–Wilmott band against its formula worked by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from bifrost_engine.domain.policies import (
    FixedBand,
    GammaScaledBand,
    Policy,
    PolicyError,
    Situation,
    TimeBased,
    WhalleyWilmott,
)
from hypothesis import given
from hypothesis import strategies as st

AT = Situation(market_s=1000.0, spot=100.0, option_delta_shares=40.0, gamma_shares=20.0)
ALL: tuple[Policy, ...] = (FixedBand(25), WhalleyWilmott(0.01, 0.0001), TimeBased(60), GammaScaledBand(0.5))


@pytest.mark.parametrize(
    ("policy", "delta", "shares"),
    [
        (FixedBand(25), 24.9, 0),
        (FixedBand(25), 25.0, -25),
        (FixedBand(25), -25.0, 25),
        (GammaScaledBand(1.0), 19.9, 0),  # 20 shares per dollar, one dollar of move
        (GammaScaledBand(1.0), 20.0, -20),
        (GammaScaledBand(0.1, least_shares=10), 9.9, 0),
        (GammaScaledBand(0.1, least_shares=10), 10.0, -10),
    ],
)
def test_bands_at_their_limit(policy: Policy, delta: float, shares: int) -> None:
    assert policy.shares(replace(AT, option_delta_shares=delta)) == shares


def test_two_bands_that_differ_have_two_names() -> None:
    """Books of shadow hedgers are kept by name."""
    names = {GammaScaledBand(0.25).name, GammaScaledBand(0.25, 5).name, GammaScaledBand(0.25, 20).name}
    assert names == {
        "gamma-scaled band, 0.25 % move",
        "gamma-scaled band, 0.25 % move, at least 5 shares",
        "gamma-scaled band, 0.25 % move, at least 20 shares",
    }


def test_whalley_wilmott_goes_to_the_nearer_edge_of_its_band() -> None:
    """(3/2 · 0.99 · 0.0001 · 100 · 20² / 0.001)^(1/3) = 5940^(1/3) = 18.11 shares."""
    policy, at = WhalleyWilmott(0.001, 0.0001), replace(AT, discount=0.99)
    assert policy.half_width_shares(at) == pytest.approx(18.1104, abs=1e-3)
    assert policy.shares(at) == -22 and policy.shares(replace(at, option_delta_shares=-40.0)) == 22
    assert policy.shares(replace(at, option_delta_shares=18.0)) == 0


def test_the_clock_alone_moves_a_time_based_hedger() -> None:
    policy = TimeBased(60)
    assert policy.shares(AT) == -40
    assert policy.shares(replace(AT, last_hedge_s=940.1)) == 0
    assert policy.shares(replace(AT, last_hedge_s=940.0)) == -40


@given(st.floats(-5000, 5000), st.floats(-500, 500), st.floats(1, 1000), st.floats(-5000, 5000))
def test_no_policy_ever_makes_the_delta_larger_or_turns_its_sign(
    delta: float, gamma: float, spot: float, own: float
) -> None:
    at = Situation(1000.0, spot, delta, gamma, own)
    for policy in ALL:
        after = at.net_delta_shares + policy.shares(at)
        assert abs(after) <= abs(at.net_delta_shares) + 0.5, policy.name
        assert after * at.net_delta_shares >= 0 or abs(after) <= 0.5, policy.name


@given(st.floats(0.0001, 1), st.floats(1.1, 100))
def test_more_fear_or_less_cost_narrows_the_band(aversion: float, more: float) -> None:
    width = WhalleyWilmott(aversion, 0.001).half_width_shares(AT)
    assert WhalleyWilmott(aversion * more, 0.001).half_width_shares(AT) == pytest.approx(width / math.cbrt(more))
    assert WhalleyWilmott(aversion, 0.001 * more).half_width_shares(AT) > width


@pytest.mark.parametrize("make", [FixedBand, TimeBased, GammaScaledBand, lambda value: WhalleyWilmott(value, 0.1)])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_parameter_that_makes_no_sense_is_refused(make: type[FixedBand], value: float) -> None:
    with pytest.raises(PolicyError, match="must be above zero"):
        make(value)
