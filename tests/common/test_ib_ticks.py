"""From numbered ticks to a quote: what IB writes as -1, 0, NaN or size 0 is nobody there."""

from __future__ import annotations

import math

import pytest
from bifrost.contract import parse_contract_key
from bifrost.ib import MarketDataType
from bifrost.ib.ticks import LineState

STOCK = parse_contract_key("NVDA|STK|||")


def line() -> LineState:
    return LineState(STOCK)


def quoted(bid: float = 10.0, ask: float = 10.02, bid_size: float = 3, ask_size: float = 4) -> LineState:
    state = line()
    state.price(1, bid, bid_size, 100.0, 1.0)
    state.price(2, ask, ask_size, 100.0, 1.0)
    return state


def test_a_two_sided_quote() -> None:
    quote = quoted().quote()
    assert (quote.bid, quote.ask, quote.bid_size, quote.ask_size) == (10.0, 10.02, 3, 4)
    assert quote.mid == pytest.approx(10.01)
    assert quote.market_data_type is MarketDataType.LIVE
    assert (quote.arrived_s, quote.arrived_monotonic, quote.quote_arrived_monotonic) == (100.0, 1.0, 1.0)


@pytest.mark.parametrize("price", [-1.0, 0.0, math.nan, math.inf])
def test_no_price_is_none_and_so_is_its_size(price: float) -> None:
    quote = quoted(bid=price, bid_size=5).quote()
    assert quote.bid is None
    assert quote.bid_size is None
    assert not quote.two_sided
    assert quote.mid is None


def test_size_zero_means_nobody_there_until_a_size_comes() -> None:
    state = quoted(ask_size=0)
    assert state.quote().ask is None
    state.size(3, 2.0, 101.0, 2.0)
    assert state.quote().ask == 10.02


def test_locked_is_valid_and_crossed_is_not() -> None:
    assert quoted(bid=10.0, ask=10.0).quote().two_sided
    assert not quoted(bid=10.1, ask=10.0).quote().two_sided
    assert quoted(bid=10.1, ask=10.0).quote().mid is None


def test_delayed_ticks_are_quotes_of_a_delayed_line() -> None:
    state = line()
    state.price(66, 9.0, 1, 1.0, 1.0)
    state.price(67, 9.1, 1, 1.0, 1.0)
    state.size(69, 7, 1.0, 1.0)
    quote = state.quote()
    assert (quote.bid, quote.ask, quote.bid_size) == (9.0, 9.1, 7)
    assert quote.market_data_type is MarketDataType.DELAYED


def test_the_gateway_says_the_type() -> None:
    state = line()
    assert state.set_type(2)
    assert not state.set_type(9)
    state.price(1, 9.0, 1, 1.0, 1.0)
    assert state.quote().market_data_type is MarketDataType.FROZEN


def test_a_trade_is_told_once() -> None:
    state = quoted()
    state.price(4, 10.01, 100, 102.0, 3.0)
    first, second = state.quote(), state.quote()
    assert (first.last, first.last_size, first.traded) == (10.01, 100, True)
    assert (second.last, second.traded) == (10.01, False)
    assert first.quote_arrived_monotonic == 1.0
    assert first.arrived_monotonic == 3.0


@pytest.mark.parametrize(("value", "halted"), [(0.0, False), (1.0, True), (2.0, True), (-1.0, None)])
def test_halts(value: float, halted: bool | None) -> None:
    state = line()
    state.generic(49, value, 1.0, 1.0)
    assert state.quote().halted is halted


def test_shortable_close_and_last_time() -> None:
    state = line()
    state.generic(46, 3.0, 1.0, 1.0)
    state.size(89, 50_000, 1.0, 1.0)
    state.price(9, 9.5, 0, 1.0, 1.0)
    state.string(45, "1401975900", 1.0, 1.0)
    state.string(45, "not a time", 1.0, 1.0)
    quote = state.quote()
    assert (quote.shortable_level, quote.shortable_shares, quote.prev_close, quote.last_time_s) == (
        3.0,
        50_000,
        9.5,
        1_401_975_900,
    )


def test_only_the_model_computation_is_kept() -> None:
    state = line()
    state.option_model(10, 0.9, 0.9, 1.0, 0.1, 0.1, -0.1, 100.0, 1.0, 1.0)
    assert state.quote().model is None
    state.option_model(13, 0.35, 0.5, 1.2, 0.02, 0.11, -0.05, 100.0, 1.0, 2.0)
    model = state.quote().model
    assert model is not None
    assert (model.iv_annual, model.delta, model.und_price, model.arrived_monotonic) == (0.35, 0.5, 100.0, 2.0)


def test_what_ib_did_not_compute_is_none() -> None:
    state = line()
    state.option_model(13, -1.0, -2.0, -1.0, -2.0, -2.0, -2.0, -1.0, 1.0, 1.0)
    model = state.quote().model
    assert model is not None
    assert (
        model.iv_annual,
        model.delta,
        model.gamma,
        model.vega,
        model.theta,
        model.option_price,
        model.und_price,
    ) == ((None,) * 7)
