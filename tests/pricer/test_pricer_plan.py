"""Which contracts stream: within the budget, the important first, and without moving lines about."""

from __future__ import annotations

import pytest
from bifrost.contract import ContractKey, parse_contract_key
from bifrost_pricer.domain.plan import plan_lines, underlyings_of

STOCK = parse_contract_key("NVDA|STK|||")


def option(strike: int, symbol: str = "NVDA") -> ContractKey:
    return parse_contract_key(f"{symbol}|OPT|20260320|{strike}|C")


OPTIONS = [option(strike) for strike in range(100, 150)]


def test_everything_streams_while_it_fits() -> None:
    plan = plan_lines([*OPTIONS, STOCK], [STOCK], 51)
    assert plan.stream[0] == STOCK
    assert set(plan.stream) == {STOCK, *OPTIONS}
    assert (plan.rotate, plan.snapshots_at_once) == ((), 0)


@pytest.mark.parametrize("budget", [50, 20, 8, 2, 1])
def test_above_the_budget_the_rest_rotates_and_snapshots_have_lines_left(budget: int) -> None:
    plan = plan_lines(OPTIONS, [STOCK], budget)
    assert len(plan.stream) + plan.snapshots_at_once <= max(budget, 1)
    assert plan.snapshots_at_once >= 1
    assert {*plan.stream, *plan.rotate} == {STOCK, *OPTIONS}
    assert not set(plan.stream) & set(plan.rotate)
    if budget > 1:
        assert plan.stream[0] == STOCK


def test_the_engines_legs_stream_before_the_others() -> None:
    legs = [option(148), option(149)]
    plan = plan_lines(OPTIONS, [STOCK, *legs], 10)
    assert plan.stream[:3] == (STOCK, *legs)


def test_what_streams_keeps_its_line() -> None:
    now = [option(140), option(141), option(142)]
    plan = plan_lines(OPTIONS, [STOCK], 8, streaming=now)
    assert set(now) <= set(plan.stream)
    again = plan_lines(OPTIONS, [STOCK], 8, streaming=plan.stream)
    assert set(again.stream) == set(plan.stream)


def test_more_important_ones_than_lines() -> None:
    plan = plan_lines([], OPTIONS, 12)
    assert plan.stream == tuple(OPTIONS[:9])
    assert plan.rotate == tuple(OPTIONS[9:])


def test_underlyings_of_held_options_the_configured_first() -> None:
    keys = underlyings_of("NVDA", [option(1, "TWX"), option(1, "AAPL"), option(2), parse_contract_key("IBM|STK|||")])
    assert [key.symbol for key in keys] == ["NVDA", "AAPL", "TWX"]
    assert all(key.is_stock for key in keys)
