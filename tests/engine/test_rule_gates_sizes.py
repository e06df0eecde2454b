"""Pacing, sizes and prices: the whole answer at the limit and one step either side (engine.md section 4.1)."""

from __future__ import annotations

import pytest
from bifrost_engine.domain.words import OrderType

from tests.engine.gate_cases import RISK, Case, at, check, names, pacing, working
from tests.engine.rule_builders import NOON, config_with, last_hedge, view

SPREAD = config_with({RISK + "max_spread_pct": 0.3})
NOTIONAL = config_with({RISK + "max_notional": 12000.0})
RECENT, RESIDUE = NOON - 10.0, last_hedge(residue=True)
JUST_ENDED = last_hedge(market_s=NOON)
PACE = (
    pacing("below_min_size", view(order_shares=10), True, 10, 10),
    pacing("below_min_size", view(order_shares=11), True, 11, 10),
    pacing("below_min_size", view(order_shares=-10), True, 10, 10),
    pacing("below_min_size", view(order_shares=9), False, 9, 10, "order of 9 shares, at least 10"),
    pacing("below_min_size", view(order_shares=-9), False, 9, 10, "order of 9 shares, at least 10"),
    pacing("cooldown", view(), True, None, 60.0, "no fill to wait after"),
    pacing("cooldown", view(last_fill_s=RECENT, at=at(market_s=None)), True, None, 60.0, "no fill to wait after"),
    pacing("cooldown", view(last_fill_s=NOON), False, 0.0, 60.0, "0.0 s since", 60.0),
    pacing("cooldown", view(last_fill_s=RECENT), False, 10.0, 60.0, "10.0 s since the last fill", 50.0),
    pacing("cooldown", view(last_fill_s=NOON - 59.5), False, 59.5, 60.0, "59.5 s since", 0.5),
    pacing("cooldown", view(last_fill_s=NOON - 60.0), True, 60.0, 60.0),
    pacing("cooldown", view(last_fill_s=NOON + 0.5), True, -0.5, 60.0),
    pacing("cooldown", view(last_fill_s=RECENT, forced=True), True, 10.0, 60.0, "a forced hedge does not wait"),
    # The order that the fill belongs to ended just now, or long ago, or never: the fill counts.
    pacing("cooldown", view(last_fill_s=RECENT, last_hedge=JUST_ENDED), False, 10.0, 60.0, "10.0 s", 50.0),
    pacing("cooldown", view(last_fill_s=NOON - 61.0, last_hedge=JUST_ENDED), True, 61.0, 60.0),
    pacing("cooldown", view(last_fill_s=RECENT, last_hedge=RESIDUE), True, 10.0, 60.0, "the rest of a capped"),
    pacing("cooldown", view(last_hedge=JUST_ENDED), True, None, 60.0, "no fill to wait after"),
    pacing("order_rate", view(), True, 0, 10),
    pacing("order_rate", view(order_times_s=(NOON,) * 9), True, 9, 10),
    pacing("order_rate", view(order_times_s=(NOON - 60.0, *(NOON,) * 9)), True, 9, 10),
    pacing("order_rate", view(order_times_s=(*(NOON,) * 9, NOON - 59.5)), False, 10, 10, "10 orders in the last", 0.5),
    pacing("order_rate", view(order_times_s=(NOON - 50.0, *(NOON - 20.0,) * 10)), False, 11, 10, "11 orders", 40.0),
    Case("max_daily_hedge_count", view(hedges_today=49), True, 49, 50),
    Case("max_daily_hedge_count", view(hedges_today=50), False, 50, 50, "50 hedges today, at most 50"),
    Case("max_daily_hedge_count", view(hedges_today=51), False, 51, 50, "51 hedges today, at most 50"),
)
HOLDING = {"stock_in_scope": -1900.0, "order": working(20)}
SIZE = (
    Case("max_position_shares", view(stock_in_scope=1880.0, order_shares=120), True, 2000.0, 2000),
    Case("max_position_shares", view(stock_in_scope=1881.0, order_shares=120), False, 2001.0, 2000, "+2001 shares"),
    Case("max_position_shares", view(stock_in_scope=-1880.0), True, -2000.0, 2000),
    Case("max_position_shares", view(stock_in_scope=-1881.0), False, -2001.0, 2000, "-2001 shares"),
    Case("max_position_shares", view(**HOLDING), True, -2000.0, 2000),
    Case("max_position_shares", view(**HOLDING, order_shares=-121), False, -2001.0, 2000, "-2001 shares"),
    Case("max_position_shares", view(stock_in_scope=3000.0), True, 2880.0, 2000),
    # From long to as much short: not larger than now, but a step further would be.
    Case("max_position_shares", view(stock_in_scope=2100.0, order_shares=-4200), True, -2100.0, 2000),
    Case("max_position_shares", view(stock_in_scope=2100.0, order_shares=-4201), False, -2101.0, 2000, "-2101"),
    Case("max_notional", view(), True, None, None, "no limit set"),
    Case("max_notional", view(NOTIONAL), True, 12000.0, 12000.0),
    Case("max_notional", view(NOTIONAL, order_shares=-121), False, 12100.0, 12000.0, "worth 12,100 USD"),
    Case("max_notional", view(NOTIONAL, spot=100.01), False, 12001.2, 12000.0, "at most 12,000 USD"),
    Case("max_notional", view(NOTIONAL, spot=None), False, None, 12000.0, "no spot price"),
    Case("max_notional", view(NOTIONAL, stock_in_scope=500.0), True, 38000.0, 12000.0),
    Case("max_notional", view(NOTIONAL, order=working(-1)), False, 12100.0, 12000.0, "worth 12,100 USD"),
    Case("buying_power", view(order_shares=120, buying_power=12001.2), True, 12001.2, 12001.2),
    Case("buying_power", view(order_shares=120, buying_power=12001.0), False, 12001.2, 12001.0, "needs 12,001.20 USD"),
    Case("buying_power", view(buying_power=11998.8), True, 11998.8, 11998.8),
    Case("buying_power", view(buying_power=11998.0), False, 11998.8, 11998.0, "needs 11,998.80 USD"),
    Case("buying_power", view(limit_price=99.0, buying_power=11880.0), True, 11880.0, 11880.0),
    Case("buying_power", view(limit_price=99.0, buying_power=11879.0), False, 11880.0, 11879.0, "needs 11,880.00"),
    Case(
        "buying_power",
        view(stock_in_scope=-80.0, order_shares=-20, limit_price=100.0, buying_power=2000.0),
        True,
        2000.0,
        2000.0,
    ),
    Case(
        "buying_power",
        view(stock_in_scope=80.0, order_shares=20, limit_price=100.0, buying_power=1999.0),
        False,
        2000.0,
        1999.0,
        "needs 2,000.00 USD",
    ),
    Case("buying_power", view(stock_in_scope=-500.0, order_shares=120, buying_power=0.0), True, 0.0, 0.0, "does not"),
    # From 60 short to 60 long is no larger position.
    Case("buying_power", view(stock_in_scope=-60.0, order_shares=120, buying_power=0.0), True, 0.0, 0.0, "does not"),
    Case("buying_power", view(buying_power=None), True, "unknown", None, "unknown"),
    Case("buying_power", view(bid=None), True, "unknown", 1_000_000.0, "unknown"),
    Case("shortable", view(shortable_shares=120.0), True, 120.0, 120.0),
    Case("shortable", view(shortable_shares=119.0), False, 120.0, 119.0, "needs 120 shares to borrow, 119 available"),
    Case("shortable", view(shortable_shares=None), True, "unknown", None, "unknown"),
    Case("shortable", view(order_shares=120, shortable_shares=0.0), True, 0, 0.0, "does not enlarge a short"),
    Case("shortable", view(stock_in_scope=120.0, shortable_shares=0.0), True, 0, 0.0, "does not enlarge a short"),
    Case("shortable", view(stock_in_scope=-500.0, order_shares=120, shortable_shares=0.0), True, 0, 0.0, "does not"),
    Case("shortable", view(stock_in_scope=-500.0, shortable_shares=120.0), True, 120.0, 120.0),
    Case("shortable", view(stock_in_scope=-500.0, shortable_shares=119.0), False, 120.0, 119.0, "needs 120"),
    Case("shortable", view(stock_in_scope=50.0, shortable_shares=70.0), True, 70.0, 70.0),
    Case("shortable", view(stock_in_scope=50.0, shortable_shares=69.0), False, 70.0, 69.0, "needs 70"),
    Case("shortable", view(stock_in_scope=60.0, shortable_shares=0.0), True, 0, 0.0, "does not enlarge"),
    Case("shortable", view(order=working(-30), shortable_shares=149.0), False, 150.0, 149.0, "needs 150"),
)
LAST = last_hedge()
COLLAR = "of a second ago, at most 1 %"
PRICE = (
    Case("spread_too_wide", view(), True, 0.02, None, "no limit set"),
    Case("spread_too_wide", view(SPREAD, spread_pct=0.3), True, 0.3, 0.3),
    Case("spread_too_wide", view(SPREAD, spread_pct=0.299), True, 0.299, 0.3),
    Case("spread_too_wide", view(SPREAD, spread_pct=0.301), False, 0.301, 0.3, "spread 0.301 %, at most 0.3 %"),
    Case("spread_too_wide", view(SPREAD, spread_pct=None), False, None, 0.3, "no valid two-sided quote"),
    pacing("min_price_move", view(), True, None, 0.2, "no earlier hedge"),
    pacing("min_price_move", view(last_hedge=LAST, forced=True), True, None, 0.2, "a forced hedge needs no move"),
    pacing("min_price_move", view(last_hedge=LAST, spot=None), False, None, 0.2, "not known"),
    pacing("min_price_move", view(last_hedge=LAST, net_delta_shares=None), False, None, 0.2, "not known"),
    pacing("min_price_move", view(last_hedge=LAST, spot=100.2, net_delta_shares=16.0), True, 0.2, 0.2),
    pacing("min_price_move", view(last_hedge=LAST, spot=99.8, net_delta_shares=-16.0), True, 0.2, 0.2),
    pacing("min_price_move", view(last_hedge=LAST, spot=100.3, net_delta_shares=24.0), True, 0.3, 0.2),
    pacing(
        "min_price_move",
        view(last_hedge=LAST, spot=100.1, net_delta_shares=33.0),
        True,
        0.1,
        0.2,
        "25.0 shares would remain if spot went back",
    ),
    pacing(
        "min_price_move",
        view(last_hedge=LAST, spot=100.1, net_delta_shares=32.9),
        False,
        0.1,
        0.2,
        "spot moved 0.100 % since the last hedge at 100.00, at least 0.2 %; 24.9 shares would remain",
    ),
    pacing("min_price_move", view(last_hedge=LAST, spot=99.9, net_delta_shares=-33.0), True, 0.1, 0.2, "25.0 shares"),
    pacing("price_collar", view(), True, 0.01, 1.0),
    pacing("price_collar", view(bid=99.0), True, 1.0, 1.0),
    pacing("price_collar", view(bid=98.99), False, 1.01, 1.0, f"price 98.99 is 1.01 % from the mid 100.00 {COLLAR}"),
    pacing("price_collar", view(order_shares=120, ask=101.0), True, 1.0, 1.0),
    pacing("price_collar", view(order_shares=120, ask=101.01), False, 1.01, 1.0, "price 101.01 is 1.01 %"),
    pacing("price_collar", view(order_shares=1, ask=101.01), False, 1.01, 1.0, "price 101.01 is 1.01 %"),
    pacing("price_collar", view(order_type=OrderType.LIMIT, limit_price=101.0), True, 1.0, 1.0),
    pacing("price_collar", view(order_type=OrderType.LIMIT, limit_price=101.01), False, 1.01, 1.0, "price 101.01"),
    pacing("price_collar", view(bid=None), False, None, 1.0, "no price for the order"),
    pacing("price_collar", view(mid_1s_ago=None), False, None, 1.0, "no earlier mid"),
    pacing("price_collar", view(bid=None, mid_1s_ago=None), False, None, 1.0, "no price for the order"),
    pacing("price_collar", view(bid=None, limit_price=100.0), True, 0.0, 1.0),
    pacing("must_reduce_delta", view(), True, 0.0, 120.0),
    pacing("must_reduce_delta", view(net_delta_shares=60.5), True, 59.5, 60.5),
    pacing("must_reduce_delta", view(net_delta_shares=60.0), False, 60.0, 60.0, "would go from 60.0 to 60.0 shares"),
    pacing("must_reduce_delta", view(net_delta_shares=-60.5, order_shares=120), True, 59.5, 60.5),
    pacing("must_reduce_delta", view(net_delta_shares=-60.0, order_shares=120), False, 60.0, 60.0, "would go from 60"),
    pacing("must_reduce_delta", view(net_delta_shares=111.0, order=working(-50)), True, 59.0, 61.0),
    pacing("must_reduce_delta", view(net_delta_shares=110.0, order=working(-50)), False, 60.0, 60.0, "from 60.0 to 60"),
    pacing("must_reduce_delta", view(net_delta_shares=None), False, None, None, "net delta is not known"),
)
CASES = (*PACE, *SIZE, *PRICE)


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_the_whole_answer_at_the_limit_and_one_step_either_side(case: Case) -> None:
    check(case)
