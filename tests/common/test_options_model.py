"""The option model: a few published values, greeks as derivatives of the price, books, inputs it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from bifrost.options import (
    ModelError,
    book_greeks,
    exercise_matters,
    option_greeks,
)
from bifrost.options.normal import cdf, pdf


def european(spot: float, strike: float, t: float, r: float, q: float, vol: float, right: str) -> object:
    return option_greeks(spot, strike, t, r, q, vol, right, american=False)


# Hull, Options, Futures, and Other Derivatives: example 15.6 (S 42, K 40, r 10 %, σ 20 %, six months) and the greek
# letters of chapter 19 (S 49, K 50, r 5 %, σ 20 %, 20 weeks). Haug, Complete Guide, chapter 1.
PUBLISHED = [
    ((42, 40, 0.5, 0.10, 0.0, 0.20, "C"), "price", 4.76, 5e-3),
    ((42, 40, 0.5, 0.10, 0.0, 0.20, "P"), "price", 0.81, 5e-3),
    ((49, 50, 0.3846, 0.05, 0.0, 0.20, "C"), "price", 2.40, 5e-3),
    ((49, 50, 0.3846, 0.05, 0.0, 0.20, "C"), "delta", 0.522, 5e-4),
    ((49, 50, 0.3846, 0.05, 0.0, 0.20, "C"), "gamma", 0.066, 5e-4),
    ((49, 50, 0.3846, 0.05, 0.0, 0.20, "C"), "vega", 12.1, 5e-2),
    ((49, 50, 0.3846, 0.05, 0.0, 0.20, "C"), "theta_year", -4.31, 5e-3),
    ((49, 50, 0.3846, 0.05, 0.0, 0.20, "C"), "rho", 8.91, 5e-3),
    ((60, 65, 0.25, 0.08, 0.0, 0.30, "C"), "price", 2.1334, 5e-5),
    ((100, 95, 0.5, 0.10, 0.05, 0.20, "P"), "price", 2.4648, 5e-5),
    ((930, 900, 2 / 12, 0.08, 0.03, 0.20, "C"), "price", 51.83, 5e-3),
]


@pytest.mark.parametrize(("inputs", "figure", "value", "tolerance"), PUBLISHED)
def test_published_values(inputs: tuple, figure: str, value: float, tolerance: float) -> None:
    assert getattr(european(*inputs), figure) == pytest.approx(value, abs=tolerance)


# Hull, chapter "Basic numerical procedures": American put S 50, K 50, r 10 %, σ 40 %, five months, 4.278 by control
# variate. Haug, chapter "American options", table of Barone-Adesi–Whaley calls with strike 100, r = q = 10 %: its
# quadratic approximation is good to a few cents at half a year.
AMERICAN = [
    ((50, 50, 5 / 12, 0.10, 0.0, 0.40, "P"), 4.278, 7e-3),
    ((100, 100, 0.1, 0.10, 0.10, 0.15, "C"), 1.8770, 2e-3),
    ((100, 100, 0.1, 0.10, 0.10, 0.35, "C"), 4.3777, 2e-3),
    ((110, 100, 0.5, 0.10, 0.10, 0.25, "C"), 13.0170, 3e-2),
    ((90, 100, 0.5, 0.10, 0.10, 0.35, "C"), 5.0063, 4e-2),
]


@pytest.mark.parametrize(("inputs", "value", "tolerance"), AMERICAN)
def test_published_american_values(inputs: tuple, value: float, tolerance: float) -> None:
    assert option_greeks(*inputs).price == pytest.approx(value, abs=tolerance)


def test_dividends_after_expiry_do_not_count() -> None:
    plain = option_greeks(100.0, 100.0, 0.1, 0.05, 0.0, 0.3, "P")
    later = option_greeks(100.0, 100.0, 0.1, 0.05, 0.0, 0.3, "P", dividends=((0.2, 5.0),))
    assert later.price == pytest.approx(plain.price)
    with_one = option_greeks(100.0, 100.0, 0.1, 0.05, 0.0, 0.3, "P", dividends=((0.05, 5.0),))
    assert with_one.price > plain.price + 2


@pytest.mark.parametrize(
    ("american", "right", "dividends"),
    [
        (False, "C", ()),
        (False, "P", ()),
        (True, "P", ()),
        (True, "C", ((0.2, 1.5),)),
        (True, "P", ((0.2, 1.5),)),
    ],
)
def test_greeks_are_the_derivatives_of_the_price(american: bool, right: str, dividends: tuple) -> None:
    def price(spot: float = 100.0, t: float = 0.4, r: float = 0.05, vol: float = 0.3) -> float:
        # Time passing brings the dividends nearer as well.
        moved = tuple((when - (0.4 - t), amount) for when, amount in dividends)
        return option_greeks(spot, 103.0, t, r, 0.0, vol, right, american, moved).price

    figures = option_greeks(100.0, 103.0, 0.4, 0.05, 0.0, 0.3, right, american, dividends)
    assert figures.delta == pytest.approx((price(spot=100.5) - price(spot=99.5)) / 1.0, abs=2e-3)
    assert figures.gamma == pytest.approx(price(spot=101.0) - 2 * price() + price(spot=99.0), abs=2e-3)
    assert figures.vega == pytest.approx((price(vol=0.31) - price(vol=0.29)) / 0.02, rel=1e-2)
    assert figures.rho == pytest.approx((price(r=0.055) - price(r=0.045)) / 0.01, rel=2e-2, abs=0.2)
    assert figures.theta_year == pytest.approx((price(t=0.39) - price(t=0.41)) / 0.02, rel=3e-2, abs=0.1)
    assert figures.theta_day == figures.theta_year / 365


def test_book_equals_its_legs() -> None:
    strikes, years = np.array([90.0, 100.0, 100.0, 140.0]), np.array([0.05, 0.1, 0.4, 0.1])
    vols, rights = np.array([0.2, 0.3, 0.4, 0.3]), ["C", "P", "C", "P"]
    book = book_greeks(100.0, strikes, years, 0.05, 0.01, vols, rights)
    for index, right in enumerate(rights):
        leg = option_greeks(100.0, strikes[index], years[index], 0.05, 0.01, vols[index], right)
        for name in ("price", "delta", "gamma", "vega", "theta_year", "rho"):
            assert getattr(book.leg(index), name) == pytest.approx(getattr(leg, name), abs=1e-12)


def test_whole_numbers_give_the_same_as_floats() -> None:
    assert option_greeks(100, 80, 1, 0.05, 0.06, 0.1, "C") == option_greeks(100.0, 80.0, 1.0, 0.05, 0.06, 0.1, "C")


def test_deep_in_the_money_put_is_its_exercise_value() -> None:
    figures = option_greeks(50.0, 150.0, 0.5, 0.05, 0.0, 0.2, "P")
    assert (figures.price, figures.delta, figures.gamma, figures.vega) == (100.0, -1.0, 0.0, 0.0)


def test_call_without_dividends_is_european_exactly() -> None:
    assert not exercise_matters(True, 0.05, 0.0) and exercise_matters(False, 0.05, 0.0)
    assert exercise_matters(True, 0.05, 0.02) and exercise_matters(True, 0.05, 0.0, ((0.1, 1.0),))
    assert option_greeks(100.0, 90.0, 0.3, 0.05, 0.0, 0.4, "C") == european(100.0, 90.0, 0.3, 0.05, 0.0, 0.4, "C")


BAD = {
    "spot": [0.0, -1.0, math.nan, math.inf],
    "strike": [0.0, math.nan],
    "t_years": [0.0, -0.1, math.nan],
    "iv_annual": [0.0, -0.2, 11.0, math.nan],
    "rate": [math.nan, 2.0],
    "dividend_yield": [math.inf],
    "right": ["X", "", "c"],
    "dividends": [((math.nan, 1.0),), ((0.1, -1.0),), ((0.05, 200.0),)],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_bad_inputs_raise_and_name_themselves(name: str, value: object) -> None:
    names = ("spot", "strike", "t_years", "rate", "dividend_yield", "iv_annual", "right")
    inputs: dict = dict(zip(names, (100.0, 100.0, 0.1, 0.05, 0.0, 0.3, "P"), strict=True))
    with pytest.raises(ModelError, match=name.rstrip("s")):
        option_greeks(**{**inputs, name: value})


def test_bad_leg_of_a_book_is_named() -> None:
    good = np.array([100.0, 110.0])
    years, vols = np.array([0.1, 0.1]), np.array([0.3, np.nan])
    with pytest.raises(ModelError, match=r"iv_annual nan of leg 1"):
        book_greeks(100.0, good, years, 0.05, 0.0, vols, ["C", "P"])
    with pytest.raises(ModelError, match="disagree in number"):
        book_greeks(100.0, good, years, 0.05, 0.0, vols, ["C"])


def test_normal_distribution_to_double_precision() -> None:
    points = np.linspace(-38.5, 38.5, 4001)
    exact = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in points])
    assert np.max(np.abs(cdf(points) - exact)) < 1e-15
    assert pdf(np.array([0.0]))[0] == pytest.approx(0.3989422804014327, abs=1e-16)
