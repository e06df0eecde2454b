"""Combinations: priced from their legs, filled leg by leg in the right ratio."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bifrost_simulator.api import ComboLeg, Contract, ContractQuery, OrderRequest, OrderStatus

from tests.simulator.world_support import CLIENT, STOCK, Stage, refused, request, scenario_file


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(scenario_file(tmp_path))


def option(stage: Stage, strike: float, right: str = "C") -> Contract:
    query = ContractQuery(symbol="NVDA", sec_type="OPT", expiry="20260605", strike=strike, right=right)
    return stage.world.qualify(query)


def bag(*legs: tuple[Contract, int, str]) -> ContractQuery:
    given = tuple(ComboLeg(contract.con_id, ratio, action, "SMART") for contract, ratio, action in legs)
    return ContractQuery(symbol="NVDA", sec_type="BAG", exchange="SMART", currency="USD", combo_legs=given)


def vertical(stage: Stage) -> ContractQuery:
    return bag((option(stage, 140.0), 1, "BUY"), (option(stage, 145.0), 1, "SELL"))


def order(query: ContractQuery, action: str, quantity: float, limit: float | None = None) -> OrderRequest:
    return replace(request(action, quantity, limit), contract=query)


def test_a_spread_costs_what_its_legs_cost(stage: Stage) -> None:
    world = stage.world
    world.clock.paused = True
    long, short = option(stage, 140.0), option(stage, 145.0)
    world.subscribe(CLIENT, 1, vertical(stage))
    world.place_order(CLIENT, 1, order(vertical(stage), "BUY", 3))
    stage.live(1.0)
    ask, bid = world.board.quote(long.con_id).ask, world.board.quote(short.con_id).bid
    whole, first, second = stage.heard.executions
    assert whole.contract.sec_type == "BAG" and whole.price == pytest.approx(ask - bid)
    assert [(x.contract.con_id, x.side, x.quantity, x.price) for x in (first, second)] == [
        (long.con_id, "BOT", 3.0, ask),
        (short.con_id, "SLD", 3.0, bid),
    ]
    assert len({x.exec_id for x in (whole, first, second)}) == 3
    assert {x.perm_id for x in (whole, first, second)} == {whole.perm_id}
    assert {p.contract.con_id: p.quantity for p in world.positions()} == {long.con_id: 3.0, short.con_id: -3.0}
    commissions = [arguments[1] for arguments in stage.heard.of("commission")]
    assert {one.exec_id for one in commissions} == {first.exec_id, second.exec_id}, "the legs have the money"
    fees = sum(one.commission for one in commissions)
    assert world.settlement.accounts["DU1234567"].cash == pytest.approx(1_000_000 - 300 * (ask - bid) - fees)


def test_a_covered_call_is_quoted_per_share(stage: Stage) -> None:
    world = stage.world
    world.clock.paused = True
    call = option(stage, 140.0)
    covered = bag((world.universe.stock, 100, "BUY"), (call, 1, "SELL"))
    world.place_order(CLIENT, 1, order(covered, "BUY", 1))
    stage.live(1.0)
    spot, premium = world.board.quote(world.universe.stock.con_id).ask, world.board.quote(call.con_id).bid
    assert stage.heard.executions[0].price == pytest.approx(spot - premium)
    assert {p.contract.sec_type: p.quantity for p in world.positions()} == {"STK": 100.0, "OPT": -1.0}


def test_a_combination_waits_for_its_net_price_and_sells_at_the_other_side(stage: Stage) -> None:
    world = stage.world
    world.place_order(CLIENT, 1, order(vertical(stage), "BUY", 2, 0.05))
    stage.live(1.0)
    assert stage.heard.executions == []
    world.place_order(CLIENT, 1, order(vertical(stage), "BUY", 2, 4.5))
    assert stage.until_done(1).avg_fill_price <= 4.5
    world.place_order(CLIENT, 2, order(vertical(stage), "SELL", 2, 0.05))
    assert stage.until_done(2).status is OrderStatus.FILLED
    assert world.positions() == ()


def test_a_credit_has_a_negative_price(stage: Stage) -> None:
    credit = bag((option(stage, 145.0), 1, "BUY"), (option(stage, 140.0), 1, "SELL"))
    stage.world.place_order(CLIENT, 1, order(credit, "BUY", 1, -0.05))
    done = stage.until_done(1)
    assert done.status is OrderStatus.FILLED and done.avg_fill_price < 0


def test_a_big_combination_fills_over_time_in_its_ratio(stage: Stage) -> None:
    ratio = bag((option(stage, 140.0), 1, "BUY"), (option(stage, 145.0), 2, "SELL"))
    stage.world.place_order(CLIENT, 1, order(ratio, "BUY", 60))
    stage.until_done(1)
    fills = [x for x in stage.heard.executions if x.contract.sec_type == "BAG"]
    assert len(fills) > 1 and sum(x.quantity for x in fills) == 60
    assert {p.contract.strike: p.quantity for p in stage.world.positions()} == {140.0: 60.0, 145.0: -120.0}
    last = [x for x in stage.heard.executions if x.contract.strike == 145.0][-1]
    assert last.cumulative == 120.0


def test_a_combination_streams_its_quote(stage: Stage) -> None:
    stage.world.subscribe(CLIENT, 7, vertical(stage))
    stage.live(2.0)
    prices = {tick.tick_type: tick.price for tick in stage.heard.ticks_of(7) if hasattr(tick, "price")}
    long, short = (stage.world.board.quote(option(stage, strike).con_id) for strike in (140.0, 145.0))
    assert prices[1] == pytest.approx(long.bid - short.ask, abs=0.3) and prices[1] < prices[2]
    stage.world.unsubscribe(CLIENT, 7)
    assert option(stage, 145.0).con_id not in stage.world.board.watched()


def test_what_if_of_a_spread_knows_its_legs(stage: Stage) -> None:
    stage.world.place_order(CLIENT, 1, replace(order(vertical(stage), "BUY", 10), what_if=True))
    ((_, _, state),) = stage.heard.of("what_if")
    assert state.init_margin_change > 0, "the short leg needs margin: spreads get no relief here"
    assert state.commission == pytest.approx(13.0)


def test_a_short_option_needs_margin(stage: Stage) -> None:
    call = ContractQuery(con_id=option(stage, 140.0).con_id)
    stage.world.place_order(CLIENT, 1, replace(order(call, "SELL", 1), what_if=True))
    ((_, _, state),) = stage.heard.of("what_if")
    assert state.init_margin_change == pytest.approx(0.2 * 140 * 100 + 100 * 5.5, rel=0.2)


@pytest.mark.parametrize("case", ["one", "twice", "unknown", "action", "ratio", "type", "tick", "half"])
def test_combinations_that_cannot_be(stage: Stage, case: str) -> None:
    call, put = option(stage, 140.0), option(stage, 140.0, "P")
    nobody = replace(call, con_id=77)
    wanted = {
        "one": (order(bag((call, 1, "BUY")), "BUY", 1), 321),
        "twice": (order(bag((call, 1, "BUY"), (call, 1, "SELL")), "BUY", 1), 321),
        "unknown": (order(bag((call, 1, "BUY"), (nobody, 1, "SELL")), "BUY", 1), 200),
        "action": (order(bag((call, 1, "HOLD"), (put, 1, "BUY")), "BUY", 1), 321),
        "ratio": (order(bag((call, 0, "BUY"), (put, 1, "BUY")), "BUY", 1), 321),
        "type": (replace(order(vertical(stage), "BUY", 1), order_type="STP", aux_price=1.0), 387),
        "tick": (order(vertical(stage), "BUY", 1, 1.005), 110),
        "half": (order(vertical(stage), "BUY", 1.5), 201),
    }[case]
    assert refused(stage.world.place_order, CLIENT, 1, wanted[0]).code == wanted[1]
    assert stage.world.open_orders(None) == ()


def test_a_combination_survives_a_restart(tmp_path: Path) -> None:
    file, state = scenario_file(tmp_path), tmp_path / "state"
    first = Stage(file, state)
    first.world.place_order(CLIENT, 1, order(vertical(first), "BUY", 2))
    first.until_done(1)
    first.world.place_order(CLIENT, 2, order(vertical(first), "SELL", 2, 50.0))
    first.live(1.0)
    kept = first.world.executions
    again = Stage(file, state)
    from bifrost_simulator.api import ExecutionFilter

    assert again.world.executions(ExecutionFilter()) == kept(ExecutionFilter())
    (waiting,) = again.world.open_orders(CLIENT)
    assert waiting.contract.sec_type == "BAG" and len(waiting.contract.combo_legs) == 2
    again.world.place_order(CLIENT, 2, order(vertical(again), "SELL", 2))
    assert again.until_done(2).status is OrderStatus.FILLED and again.world.positions() == ()


def test_a_combination_has_no_history(stage: Stage) -> None:
    stage.world.subscribe(CLIENT, 1, STOCK)
    assert refused(stage.world.head_timestamp, vertical(stage), "TRADES", True).code == 162
