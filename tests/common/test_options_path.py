"""Figures at many moments at once are those of one moment after the other, or not sure."""

from __future__ import annotations

import numpy as np
import pytest
from bifrost.options import book_greeks
from bifrost.options.path import follows, path_figures


@pytest.mark.parametrize(("rate", "dividend_yield"), [(0.05, 0.0), (0.05, 0.02), (0.02, 0.06)])
def test_each_element_is_what_the_book_says_alone(rate: float, dividend_yield: float) -> None:
    chance, count = np.random.default_rng(7), 250
    spot, strike = chance.uniform(70.0, 140.0, count), chance.choice((90.0, 100.0, 110.0), count)
    years, vol = chance.uniform(0.005, 2.0, count), chance.uniform(0.1, 0.9, count)
    sign = np.where(chance.random(count) < 0.5, 1.0, -1.0) if dividend_yield else np.full(count, -1.0)
    assert follows(True, rate, dividend_yield) and follows(False, rate, dividend_yield)
    found = path_figures(spot, strike, years, rate, dividend_yield, vol, sign)
    assert found.sure.mean() > 0.9
    for at in np.flatnonzero(found.sure).tolist():
        right = "C" if sign[at] > 0 else "P"
        one = slice(at, at + 1)
        alone = book_greeks(spot[at], strike[one], years[one], rate, dividend_yield, vol[one], [right]).leg(0)
        for name in ("price", "delta", "gamma", "vega", "theta_year"):
            assert getattr(found, name)[at] == pytest.approx(getattr(alone, name), rel=1e-11, abs=1e-11), (at, name)


def test_without_vegas_the_rest_is_the_same() -> None:
    arrays = (np.linspace(80.0, 120.0, 40), np.full(40, 100.0), np.linspace(0.02, 1.5, 40))
    vol, sign = np.linspace(0.15, 0.6, 40), np.full(40, -1.0)
    whole = path_figures(*arrays, 0.05, 0.0, vol, sign)
    short = path_figures(*arrays, 0.05, 0.0, vol, sign, vegas=False)
    for name in ("price", "delta", "gamma", "theta_year", "sure"):
        assert (getattr(whole, name) == getattr(short, name)).all()


def test_where_exercise_is_a_matter_of_rounding_it_is_not_sure() -> None:
    """Deep in the money the holder exercises at once: delta −1, sure; at the boundary itself nobody can say."""
    strike, years, vol, sign = (np.array([value]) for value in (100.0, 0.5, 0.3, -1.0))
    low, high = 50.0, 100.0
    for _ in range(80):
        middle = (low + high) / 2
        held = book_greeks(middle, strike, years, 0.05, 0.0, vol, ["P"]).delta[0] > -1.0
        low, high = (low, middle) if held else (middle, high)
    deep = path_figures(np.array([low - 1.0]), strike, years, 0.05, 0.0, vol, sign)
    edge = path_figures(np.array([low]), strike, years, 0.05, 0.0, vol, sign)
    assert deep.sure[0] and deep.delta[0] == -1.0 and deep.price[0] == pytest.approx(101.0 - low)
    assert not edge.sure[0]
