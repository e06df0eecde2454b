"""The simulator's option model against published tables and QuantLib."""

from __future__ import annotations

import numpy as np
import pytest
import QuantLib as ql
from bifrost.contract import contract_key
from bifrost_simulator.market.base import ModelInputs, Quote
from bifrost_simulator.market.greeks import OptionModel, single_implied, single_value
from bifrost_simulator.market.tree import TreeResult, tree_values

TOLERANCE_USD, TOLERANCE = 0.006, 0.001  # 51 steps exercise at 51 moments only: deep puts are a little cheap


def value(
    spot: float, strike: float, years: float, rate: float, sigma: float, call: bool, *, american: bool = True
) -> TreeResult:
    return tree_values(
        np.array([spot]), np.array([strike]), np.array([years]), rate, 0.0, np.array([sigma]), np.array([call]),
        american=american,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spot", "strike", "years", "rate", "sigma", "call", "american", "price"),
    [
        # Hull, Options, Futures and Other Derivatives: example 15.6 (European 4.76 and 0.81).
        (42, 40, 0.5, 0.10, 0.20, True, False, 4.7594),
        (42, 40, 0.5, 0.10, 0.20, False, False, 0.8086),
        # Hull, chapter 21: American put, five months, converged value 4.283.
        (50, 50, 5 / 12, 0.10, 0.40, False, True, 4.283),
        # Longstaff and Schwartz (2001), table 1: American puts by finite differences.
        (36, 40, 1.0, 0.06, 0.20, False, True, 4.478),
        (40, 40, 1.0, 0.06, 0.20, False, True, 2.314),
        (44, 40, 1.0, 0.06, 0.20, False, True, 1.110),
        (36, 40, 2.0, 0.06, 0.40, False, True, 8.508),
        (44, 40, 2.0, 0.06, 0.40, False, True, 5.647),
    ],
)
def test_values_of_published_tables(
    spot: float, strike: float, years: float, rate: float, sigma: float, call: bool, american: bool, price: float
) -> None:
    mine = value(spot, strike, years, rate, sigma, call, american=american)
    assert mine.price[0] == pytest.approx(price, abs=TOLERANCE_USD, rel=TOLERANCE)


def _quantlib(spot: float, strike: float, days: int, rate: float, sigma: float, call: bool) -> ql.VanillaOption:
    today = ql.Date(7, 5, 2026)
    ql.Settings.instance().evaluationDate = today
    count = ql.Actual365Fixed()
    process = ql.BlackScholesProcess(
        ql.QuoteHandle(ql.SimpleQuote(spot)),
        ql.YieldTermStructureHandle(ql.FlatForward(today, rate, count)),
        ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), sigma, count)),
    )
    kind = ql.Option.Call if call else ql.Option.Put
    option = ql.VanillaOption(ql.PlainVanillaPayoff(kind, strike), ql.AmericanExercise(today, today + days))
    option.setPricingEngine(ql.BinomialVanillaEngine(process, "lr", 801))
    return option


@pytest.mark.parametrize("strike", [112.0, 130.0, 140.0, 150.0, 170.0])
@pytest.mark.parametrize("days", [8, 30, 200])
@pytest.mark.parametrize("call", [True, False])
def test_values_and_greeks_agree_with_quantlib(strike: float, days: int, call: bool) -> None:
    mine = value(140.0, strike, days / 365, 0.05, 0.35, call)
    peer = _quantlib(140.0, strike, days, 0.05, 0.35, call)
    assert mine.price[0] == pytest.approx(peer.NPV(), abs=TOLERANCE_USD, rel=TOLERANCE)
    assert mine.delta[0] == pytest.approx(peer.delta(), abs=0.004)
    intrinsic = max(0.0, (140.0 - strike) if call else (strike - 140.0))
    if mine.price[0] > intrinsic + 0.1:  # at the exercise boundary gamma jumps, and every tree sees it elsewhere
        assert mine.gamma[0] == pytest.approx(peer.gamma(), abs=0.0012)


def test_an_expired_option_is_worth_its_intrinsic_value() -> None:
    assert value(140.0, 130.0, 0.0, 0.05, 0.35, True).price[0] == 10.0
    assert value(140.0, 130.0, 0.0, 0.05, 0.35, True).delta[0] == 1.0
    assert value(140.0, 130.0, 0.0, 0.05, 0.35, False).price[0] == 0.0


@pytest.mark.parametrize("years", [1e-9, 1e-5, 1e-3, 0.1, 2.0])
@pytest.mark.parametrize("sigma", [0.005, 0.03, 0.35, 5.0])
@pytest.mark.parametrize("strike", [1.0, 70.0, 139.99, 140.0, 200.0, 2000.0])
def test_every_corner_has_a_finite_value_within_its_bounds(years: float, sigma: float, strike: float) -> None:
    for call in (True, False):
        found = value(140.0, strike, years, 0.05, sigma, call)
        intrinsic = max(0.0, (140.0 - strike) if call else (strike - 140.0))
        highest = 140.0 if call else strike
        assert intrinsic - 1e-6 <= found.price[0] <= highest + 1e-6
        assert -1.0001 <= found.delta[0] <= 1.0001
        assert np.isfinite(found.gamma[0]) and found.gamma[0] >= 0
        assert np.isfinite(found.theta_year[0])


def test_far_from_the_strike_a_call_is_worth_its_discounted_intrinsic_value() -> None:
    assert value(140.0, 70.0, 1.0, 0.05, 0.03, True).price[0] == pytest.approx(140 - 70 * np.exp(-0.05), abs=1e-6)


def test_the_volatility_of_a_price_gives_that_price_back() -> None:
    key = contract_key("NVDA", "OPT", "20260605", 140, "P")
    inputs = ModelInputs(139.0, 0.08, 0.05, 0.0, None)
    for sigma in (0.08, 0.35, 1.4):
        price = single_value(key, inputs, sigma).price
        found = single_implied(key, inputs, price)
        assert found is not None
        assert single_value(key, inputs, found).price == pytest.approx(price, abs=2e-4)


def test_no_volatility_gives_a_price_below_intrinsic() -> None:
    key = contract_key("NVDA", "OPT", "20260605", 140, "P")
    assert single_implied(key, ModelInputs(120.0, 0.08, 0.05, 0.0, None), 19.0) is None


def test_a_contract_without_a_quote_keeps_its_last_volatility_and_an_unknown_one_has_no_model() -> None:
    key = contract_key("NVDA", "OPT", "20260605", 140, "C")
    inputs, model = ModelInputs(140.0, 0.08, 0.05, 0.0, None), OptionModel()
    assert model.compute([key], [inputs], [Quote()]) == [None]
    first = model.compute([key], [inputs], [Quote(bid=5.7, ask=5.8)])[0]
    later = model.compute([key], [inputs], [Quote()])[0]
    assert first is not None and later is not None
    assert first.price == pytest.approx(5.75, abs=0.001)
    assert later.iv_annual == first.iv_annual
    assert later.bid_iv is None
