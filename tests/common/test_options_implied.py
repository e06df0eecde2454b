"""Implied volatility: there and back to eight digits, or an error that says why not."""

from __future__ import annotations

import itertools

import pytest
from bifrost.options import NoImpliedVolatility, implied_volatility, intrinsic_value, option_greeks
from bifrost.options.implied import LEAST_VEGA
from hypothesis import given, settings
from hypothesis import strategies as st

STRIKES = (60.0, 85.0, 95.0, 100.0, 105.0, 120.0, 160.0)
VOLS = (0.05, 0.1, 0.2, 0.35, 0.6, 1.0, 2.0)


def round_trip(strike: float, t: float, rate: float, q: float, vol: float, right: str, american: bool) -> bool:
    """Whether the volatility came back; a price that does not show it must be refused, never guessed."""
    figures = option_greeks(100.0, strike, t, rate, q, vol, right, american)
    exercised = american and figures.price <= intrinsic_value(100.0, strike, right)
    if exercised or figures.price <= 0.0 or figures.vega < 0.999 * LEAST_VEGA * max(100.0, strike):
        with pytest.raises(NoImpliedVolatility):
            implied_volatility(figures.price, 100.0, strike, t, rate, q, right, american)
        return False
    if figures.vega > 1.001 * LEAST_VEGA * max(100.0, strike):
        solved = implied_volatility(figures.price, 100.0, strike, t, rate, q, right, american)
        assert solved == pytest.approx(vol, abs=1e-8), (strike, t, rate, q, vol, right)
    return True


@pytest.mark.parametrize("right", ["C", "P"])
@pytest.mark.parametrize("t", [2 / 365, 28 / 365, 1.0])
def test_european_round_trip_over_a_grid(t: float, right: str) -> None:
    came_back = [
        round_trip(strike, t, 0.04, q, vol, right, american=False)
        for strike, vol, q in itertools.product(STRIKES, VOLS, (0.0, 0.02))
    ]
    assert sum(came_back) > 0.4 * len(came_back)


@pytest.mark.parametrize(("right", "q"), [("P", 0.0), ("P", 0.02), ("C", 0.05)])
@pytest.mark.parametrize("t", [2 / 365, 28 / 365, 1.0])
def test_american_round_trip_over_a_grid(t: float, right: str, q: float) -> None:
    came_back = [
        round_trip(strike, t, 0.04, q, vol, right, american=True) for strike, vol in itertools.product(STRIKES, VOLS)
    ]
    assert sum(came_back) > 0.3 * len(came_back)


@pytest.mark.parametrize(("strike", "right"), [(95.0, "C"), (100.0, "C"), (100.0, "P"), (104.0, "P")])
def test_round_trip_with_discrete_dividends(strike: float, right: str) -> None:
    dividends = ((0.05, 0.4),)
    price = option_greeks(100.0, strike, 0.1, 0.05, 0.0, 0.27, right, dividends=dividends).price
    solved = implied_volatility(price, 100.0, strike, 0.1, 0.05, 0.0, right, dividends=dividends)
    assert solved == pytest.approx(0.27, abs=1e-8)


@settings(max_examples=60, deadline=None)
@given(
    strike=st.floats(70, 140),
    days=st.integers(1, 400),
    vol=st.floats(0.05, 1.5),
    right=st.sampled_from("CP"),
    american=st.booleans(),
)
def test_round_trip_or_refusal_anywhere(strike: float, days: int, vol: float, right: str, american: bool) -> None:
    round_trip(strike, days / 365, 0.04, 0.0, vol, right, american)


@pytest.mark.parametrize(
    ("price", "strike", "right", "american", "words"),
    [
        (0.0, 90.0, "C", True, "above zero"),
        (float("nan"), 90.0, "C", True, "above zero"),
        (float("inf"), 90.0, "C", True, "above zero"),
        (9.0, 90.0, "C", True, "not above its exercise value"),
        (100.5, 90.0, "C", True, "lies outside"),
        (10.0, 110.0, "P", True, "not above its exercise value"),
        (109.9, 110.0, "P", True, "lies outside"),
        (10.0, 90.0, "C", False, "lies outside"),
    ],
)
def test_a_price_beyond_reach_is_refused_with_its_numbers(
    price: float, strike: float, right: str, american: bool, words: str
) -> None:
    with pytest.raises(NoImpliedVolatility, match=words):
        implied_volatility(price, 100.0, strike, 0.1, 0.05, 0.0, right, american)


@pytest.mark.parametrize(("strike", "right"), [(20.0, "C"), (300.0, "P")])
def test_where_vega_vanishes_the_answer_is_an_error(strike: float, right: str) -> None:
    """Deep in the money every volatility up to 100 % gives the same double: a number would be made up."""
    prices = {option_greeks(100.0, strike, 0.02, 0.05, 0.0, vol, right, False).price for vol in (0.1, 0.3, 0.6)}
    assert len(prices) == 1
    with pytest.raises(NoImpliedVolatility, match=r"does not show the volatility|lies outside"):
        implied_volatility(prices.pop(), 100.0, strike, 0.02, 0.05, 0.0, right, False)
