"""One row: a mid, the last good price with its time, or the model; never an invented zero."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from bifrost.contract import parse_contract_key
from bifrost_pricer.domain.rows import (
    AGE_REFRESH_S,
    OptionValues,
    PriceRow,
    PriceSource,
    Quote,
    apply_quote,
    apply_values,
    differs,
    stand_in,
)

KEY = parse_contract_key("NVDA|OPT|20260320|140|C")
T0 = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
LATER = T0 + timedelta(seconds=30)
GOOD = PriceRow(KEY, last=2.0, bid=1.9, ask=2.1, mid=2.0, source=PriceSource.LIVE, quote_ts=T0, iv=0.3)


def quote(
    bid: float | None,
    ask: float | None,
    last: float | None = None,
    quote_ts: datetime | None = LATER,
    last_ts: datetime | None = None,
) -> Quote:
    return Quote(bid, ask, last, PriceSource.FROZEN, quote_ts, last_ts)


def test_mid_of_both_sides() -> None:
    row = apply_quote(GOOD, quote(1.0, 1.1, 1.05))
    assert (row.bid, row.ask, row.mid, row.last) == (1.0, 1.1, 1.05, 1.05)
    assert (row.source, row.quote_ts) == (PriceSource.FROZEN, LATER)


def test_a_quote_without_a_trade_keeps_the_last_trade() -> None:
    assert apply_quote(GOOD, quote(1.0, 1.2)).last == 2.0


@pytest.mark.parametrize(("bid", "ask", "last"), [(None, None, None), (1.0, None, None), (2.0, 1.0, 1.5)])
def test_without_a_quote_the_last_good_price_stays_with_its_time(
    bid: float | None, ask: float | None, last: float | None
) -> None:
    assert apply_quote(GOOD, quote(bid, ask, last)) == GOOD


def test_the_last_trade_stands_for_the_mid_with_the_time_of_the_trade() -> None:
    traded = LATER - timedelta(seconds=10)
    row = apply_quote(PriceRow(KEY), quote(None, 1.2, 1.1, last_ts=traded))
    assert (row.bid, row.ask, row.mid, row.quote_ts) == (None, 1.2, 1.1, traded)


def test_a_trade_older_than_the_price_we_have_says_less() -> None:
    assert apply_quote(GOOD, quote(None, None, 1.1, last_ts=T0 - timedelta(hours=1))) == GOOD


def test_values_that_are_missing_keep_what_was_known() -> None:
    row = apply_values(GOOD, OptionValues(None, 0.5, None, None, None, 140.0))
    assert (row.iv, row.delta, row.gamma, row.und_price) == (0.3, 0.5, None, 140.0)
    assert apply_values(GOOD, None) == GOOD


def test_the_models_price_is_marked() -> None:
    values = OptionValues(0.3, 0.5, 0.01, -0.1, 0.2, 141.0, price=2.34)
    row = stand_in(GOOD, values, LATER)
    assert (row.bid, row.ask, row.mid, row.source, row.quote_ts) == (None, None, 2.34, PriceSource.MODEL, LATER)
    assert (row.last, row.delta) == (2.0, 0.5)


@pytest.mark.parametrize("price", [None, 0.0, -1.0])
def test_a_model_without_a_price_stands_for_nothing(price: float | None) -> None:
    assert stand_in(GOOD, OptionValues(0.3, None, None, None, None, None, price), LATER) == GOOD


def test_what_is_worth_writing() -> None:
    assert differs(GOOD, None, 0)
    assert not differs(GOOD, GOOD, 1e9)
    for name in ("bid", "ask", "mid", "last", "iv", "delta", "gamma", "theta", "vega", "und_price"):
        assert differs(replace(GOOD, **{name: 7.0}), GOOD, 0), name
        assert differs(replace(GOOD, **{name: None}), replace(GOOD, **{name: 1.0}), 0), name
    assert differs(replace(GOOD, error="IB 354"), GOOD, 0)
    assert differs(replace(GOOD, source=PriceSource.MODEL), GOOD, 0)
    assert not differs(replace(GOOD, iv=0.3 + 1e-7), GOOD, 0)


def test_a_newer_time_alone_is_written_now_and_then() -> None:
    again = replace(GOOD, quote_ts=LATER)
    assert not differs(again, GOOD, AGE_REFRESH_S - 0.1)
    assert differs(again, GOOD, AGE_REFRESH_S)
