"""The option model against published tables, each value checked against QuantLib in the same test.

J. C. Hull, *Options, Futures, and Other Derivatives*; E. G. Haug, *The Complete Guide to Option Pricing Formulas*,
chapters 1 to 3; J. Huang, M. Subrahmanyam and G. Yu, "Pricing and hedging American options", Review of Financial
Studies 9 (1996), table 1, whose "true" values are binomial with 10,000 steps.
"""

from __future__ import annotations

import pytest
from bifrost.options import option_greeks

from tests.support import quantlib
from tests.support.quantlib import Case

# Haug, table of Black-76 values against Barone-Adesi–Whaley's: futures (r = q = 10 %), strike 100. European first,
# then their approximation of the American value. Rows: years, volatility, right; columns: futures price 90, 100, 110.
FUTURES = [
    (0.1, 0.15, "C", (0.0205, 1.8734, 9.9413), (0.0206, 1.8771, 10.0089)),
    (0.1, 0.25, "C", (0.3150, 3.1217, 10.3556), (0.3159, 3.1280, 10.3919)),
    (0.1, 0.35, "C", (0.9474, 4.3693, 11.1381), (0.9495, 4.3777, 11.1679)),
    (0.5, 0.15, "C", (0.8069, 4.0232, 10.5769), (0.8208, 4.0842, 10.8087)),
    (0.5, 0.25, "C", (2.7026, 6.6997, 12.7857), (2.7437, 6.8015, 13.0170)),
    (0.5, 0.35, "C", (4.9329, 9.3679, 15.3086), (5.0063, 9.5106, 15.5689)),
    (0.1, 0.15, "P", (9.9210, 1.8734, 0.0408), (10.0000, 1.8770, 0.0410)),
    (0.1, 0.25, "P", (10.2155, 3.1217, 0.4551), (10.2533, 3.1277, 0.4562)),
    (0.1, 0.35, "P", (10.8479, 4.3693, 1.2376), (10.8787, 4.3777, 1.2402)),
    (0.5, 0.15, "P", (10.3192, 4.0232, 1.0646), (10.5595, 4.0842, 1.0822)),
    (0.5, 0.25, "P", (12.2149, 6.6997, 3.2734), (12.4419, 6.8014, 3.3226)),
    (0.5, 0.35, "P", (14.4452, 9.3679, 5.7963), (14.6945, 9.5104, 5.8823)),
]


@pytest.mark.parametrize(("years", "vol", "right", "european", "american"), FUTURES)
def test_haug_futures_table(years: float, vol: float, right: str, european: tuple, american: tuple) -> None:
    for spot, plain, early in zip((90.0, 100.0, 110.0), european, american, strict=True):
        inputs = (spot, 100.0, years, 0.10, 0.10, vol, right)
        assert option_greeks(*inputs, american=False).price == pytest.approx(plain, abs=1e-4)
        # The published American values are an approximation, good to a few cents at half a year.
        price = option_greeks(*inputs).price
        assert price == pytest.approx(early, abs=0.01 if years < 0.2 else 0.05)
        # Whole days for QuantLib: a tenth of a year is 36.5 of them.
        case = Case(spot, 100.0, round(years * 365 + 0.1), 0.10, 0.10, vol, right)
        assert option_greeks(*case.inputs).price == pytest.approx(quantlib.american(case)[0], abs=2e-4)


# Huang, Subrahmanyam and Yu, table 1: puts on a spot of 40, r = 4.88 %, no dividends. Rows: volatility, strike;
# columns: one, four and seven months.
PUTS = [
    (0.2, 35, (0.0062, 0.2004, 0.4328)),
    (0.2, 40, (0.8522, 1.5798, 1.9904)),
    (0.2, 45, (5.0000, 5.0883, 5.2670)),
    (0.3, 35, (0.0774, 0.6975, 1.2198)),
    (0.3, 40, (1.3099, 2.4825, 3.1696)),
    (0.3, 45, (5.0597, 5.7056, 6.2436)),
    (0.4, 35, (0.2466, 1.3460, 2.1549)),
    (0.4, 40, (1.7681, 3.3874, 4.3526)),
    (0.4, 45, (5.2868, 6.5099, 7.3830)),
]


@pytest.mark.parametrize(("vol", "strike", "values"), PUTS)
def test_american_puts_of_huang_subrahmanyam_yu(vol: float, strike: float, values: tuple) -> None:
    for years, value in zip((0.0833, 0.3333, 0.5833), values, strict=True):
        assert option_greeks(40.0, strike, years, 0.0488, 0.0, vol, "P").price == pytest.approx(value, abs=4e-4)
        case = Case(40.0, strike, round(years * 365), 0.0488, 0.0, vol, "P")
        assert option_greeks(*case.inputs).price == pytest.approx(quantlib.american(case)[0], abs=1e-4)


# Haug, chapters 1 and 2, worked examples: cost of carry b = r − q.
EXAMPLES = [
    ((19.0, 19.0, 0.75, 0.10, 0.10, 0.28, "C"), "price", 1.7011, 5e-5),
    ((19.0, 19.0, 0.75, 0.10, 0.10, 0.28, "P"), "price", 1.7011, 5e-5),
    ((1.56, 1.6, 0.5, 0.06, 0.08, 0.12, "C"), "price", 0.0291, 5e-5),
    ((75.0, 70.0, 0.5, 0.10, 0.05, 0.35, "P"), "price", 4.0870, 5e-5),
    ((105.0, 100.0, 0.5, 0.10, 0.10, 0.36, "C"), "delta", 0.5946, 5e-5),
    ((105.0, 100.0, 0.5, 0.10, 0.10, 0.36, "P"), "delta", -0.3566, 5e-5),
    ((55.0, 60.0, 0.75, 0.10, 0.0, 0.30, "C"), "gamma", 0.0278, 5e-5),
    ((55.0, 60.0, 0.75, 0.10, 0.0, 0.30, "P"), "gamma", 0.0278, 5e-5),
    ((430.0, 405.0, 1 / 12, 0.07, 0.05, 0.20, "P"), "theta_year", -31.1924, 5e-4),
    ((72.0, 75.0, 1.0, 0.09, 0.0, 0.19, "C"), "rho", 38.7325, 5e-4),
]


@pytest.mark.parametrize(("inputs", "figure", "value", "tolerance"), EXAMPLES)
def test_haug_worked_examples(inputs: tuple, figure: str, value: float, tolerance: float) -> None:
    assert getattr(option_greeks(*inputs, american=False), figure) == pytest.approx(value, abs=tolerance)


def test_hull_european_call_with_two_dividends() -> None:
    """Hull: S 40, K 40, r 9 %, σ 30 %, six months, 0.50 USD after two and five months: 3.67."""
    dividends = ((2 / 12, 0.5), (5 / 12, 0.5))
    figures = option_greeks(40.0, 40.0, 0.5, 0.09, 0.0, 0.30, "C", american=False, dividends=dividends)
    assert figures.price == pytest.approx(3.67, abs=5e-3)


def test_roll_geske_whaley_call_with_one_dividend() -> None:
    """Haug, chapter 9: S 80, K 82, r 6 %, σ 30 %, four months, 4 USD after three: 4.3860."""
    figures = option_greeks(80.0, 82.0, 1 / 3, 0.06, 0.0, 0.30, "C", dividends=((0.25, 4.0),))
    # A dividend of 5 % is the tree's hard case: 101 levels are 1.4e-4 of spot low, 1,601 levels end at 4.3854.
    assert figures.price == pytest.approx(4.3860, abs=0.012)
    alive = option_greeks(80.0, 82.0, 1 / 3, 0.06, 0.0, 0.30, "C", american=False, dividends=((0.25, 4.0),))
    assert alive.price == pytest.approx(3.5107, abs=5e-4), "Haug's European value"
