"""Orders that follow the market, orders for the close, and what triggers a stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bifrost_simulator.api import ContractQuery, OrderStatus
from bifrost_simulator.broker.book import BookOrder
from bifrost_simulator.broker.following import is_hit
from bifrost_simulator.broker.order_types import TriggerMethod
from bifrost_simulator.market.base import Quote

from tests.simulator.world_support import CLIENT, Stage, refused, request, scenario_file

CALL = ContractQuery(symbol="NVDA", sec_type="OPT", expiry="20260605", strike=140.0, right="C", exchange="SMART")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A world that stands still unless a test moves it."""
    stage = Stage(scenario_file(tmp_path))
    stage.world.clock.paused = True
    return stage


def found(stage: Stage, order_id: int) -> BookOrder:
    order = stage.world.book.find(CLIENT, order_id)
    assert order is not None
    return order


def moved(stage: Stage, pct: float) -> Quote:
    """Move the market by ``pct`` percent and publish it; returns the stock's quote."""
    stage.world.inject("gap", {"pct": pct})
    stage.world.clock.step(1.0)  # the moment of the gap itself still shows the old price
    stage.live(1.0)
    return stock(stage)


def stock(stage: Stage) -> Quote:
    return stage.world.board.quote(stage.world.universe.stock.con_id)


def stop_of(stage: Stage, order_id: int) -> float:
    """The trailing stop as a client that asks for its open orders reads it."""
    (view,) = [order for order in stage.world.open_orders(CLIENT) if order.order_id == order_id]
    assert view.request.trail_stop_price is not None
    return view.request.trail_stop_price


def test_a_trailing_stop_follows_the_market_up_and_stays_when_it_falls(stage: Stage) -> None:
    stage.order(1, "SELL", 100, order_type="TRAIL", aux_price=2.0)
    stage.live(0.5)
    first = stop_of(stage, 1)
    assert first == pytest.approx(stock(stage).last - 2.0, abs=0.011)
    higher = moved(stage, 5)
    assert stop_of(stage, 1) == pytest.approx(higher.last - 2.0, abs=0.011) and stop_of(stage, 1) > first
    moved(stage, -0.5)
    assert stop_of(stage, 1) == pytest.approx(higher.last - 2.0, abs=0.011)
    assert found(stage, 1).status is OrderStatus.PRE_SUBMITTED and found(stage, 1).view().why_held == "trigger"
    fallen = moved(stage, -3)
    assert found(stage, 1).status is OrderStatus.FILLED
    assert stage.heard.executions[0].price == fallen.bid


def test_a_buyers_stop_trails_from_above_by_percent(stage: Stage) -> None:
    stage.order(1, "BUY", 100, order_type="TRAIL", trailing_percent=2.0)
    stage.live(0.5)
    assert stop_of(stage, 1) == pytest.approx(1.02 * stock(stage).last, abs=0.011)
    lower = moved(stage, -5)
    assert stop_of(stage, 1) == pytest.approx(1.02 * lower.last, abs=0.011)
    moved(stage, 3)
    assert found(stage, 1).status is OrderStatus.FILLED


def test_the_first_stop_may_be_given(stage: Stage) -> None:
    last = stock(stage).last
    given = round(last - 5.0, 2)
    stage.order(1, "SELL", 100, order_type="TRAIL", aux_price=5.5, trail_stop_price=given)
    stage.live(0.5)
    assert stop_of(stage, 1) == given, "nearer than the market would put it"
    stage.order(2, "SELL", 100, order_type="TRAIL", aux_price=1.0, trail_stop_price=given)
    stage.live(0.5)
    assert stop_of(stage, 2) == pytest.approx(last - 1.0, abs=0.011), "the market is farther than the distance"


@pytest.mark.parametrize("by", ["offset", "prices"])
def test_a_trailing_stop_limit_keeps_its_limit_at_a_distance(stage: Stage, by: str) -> None:
    last = stock(stage).last
    given: dict[str, Any] = {"attributes": {"lmtPriceOffset": 0.25}}
    if by == "prices":
        given = {"trail_stop_price": round(last - 2.0, 2), "limit_price": round(last - 2.25, 2)}
    order = replace(request("SELL", 100), order_type="TRAIL LIMIT", aux_price=2.0, **given)
    stage.world.place_order(CLIENT, 1, order)
    stage.live(0.5)
    moved(stage, 2)
    (view,) = stage.world.open_orders(CLIENT)
    assert view.request.limit_price == pytest.approx(stop_of(stage, 1) - 0.25)
    through = moved(stage, -5)
    assert found(stage, 1).status is OrderStatus.SUBMITTED and found(stage, 1).filled == 0
    assert through.bid < (found(stage, 1).view().request.limit_price or 0.0), "the market has gone through the limit"
    moved(stage, 5.2)
    assert found(stage, 1).status is OrderStatus.FILLED


def test_a_trailing_stop_survives_a_restart_where_it_stood(tmp_path: Path) -> None:
    file, state = scenario_file(tmp_path), tmp_path / "state"
    first = Stage(file, state)
    first.world.clock.paused = True
    first.order(1, "SELL", 100, order_type="TRAIL", aux_price=2.0)
    moved(first, 5)
    stood = stop_of(first, 1)
    again = Stage(file, state)
    assert stop_of(again, 1) == stood


def test_a_change_of_the_distance_begins_anew_and_another_change_does_not(stage: Stage) -> None:
    stage.order(1, "SELL", 100, order_type="TRAIL", aux_price=2.0)
    stage.live(0.5)
    high = moved(stage, 5)
    moved(stage, -1)
    stage.order(1, "SELL", 50, order_type="TRAIL", aux_price=2.0)
    stage.live(0.5)
    assert stop_of(stage, 1) == pytest.approx(high.last - 2.0, abs=0.011)
    stage.order(1, "SELL", 50, order_type="TRAIL", aux_price=3.0)
    stage.live(0.5)
    assert stop_of(stage, 1) == pytest.approx(stock(stage).last - 3.0, abs=0.011)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"order_type": "TRAIL"}, 321),
        ({"order_type": "TRAIL", "aux_price": 1.0, "trailing_percent": 1.0}, 321),
        ({"order_type": "TRAIL", "aux_price": -1.0}, 201),
        ({"order_type": "TRAIL", "trailing_percent": 100.0}, 201),
        ({"order_type": "TRAIL", "aux_price": 1.0, "trail_stop_price": 140.001}, 110),
        ({"order_type": "REL", "aux_price": -0.01}, 201),
        ({"order_type": "REL", "limit_price": 140.001}, 110),
        ({"order_type": "LOC"}, 201),
        ({"order_type": "MOC", "tif": "IOC"}, 321),
        ({"order_type": "MOC", "contract": CALL}, 387),
        (
            {"order_type": "TRAIL LIMIT", "aux_price": 1.0, "limit_price": 1.0, "attributes": {"lmtPriceOffset": 0.1}},
            321,
        ),
    ],
)
def test_what_is_refused(stage: Stage, changes: dict[str, Any], code: int) -> None:
    assert refused(stage.world.place_order, CLIENT, 1, replace(request("BUY", 100), **changes)).code == code
    assert stage.world.open_orders(None) == ()


def test_a_pegged_order_stands_at_the_touch_and_goes_with_it(stage: Stage) -> None:
    stage.order(1, "BUY", 100, order_type="REL", aux_price=0.0)
    stage.live(0.5)
    assert found(stage, 1).working_price == stock(stage).bid and found(stage, 1).is_open
    risen = moved(stage, 1)
    assert found(stage, 1).working_price == risen.bid and found(stage, 1).is_open
    fallen = moved(stage, -1)
    assert found(stage, 1).status is OrderStatus.FILLED, "the market came through the price where it stood"
    assert stage.heard.executions[0].price == fallen.ask


def test_a_cap_holds_a_pegged_order_back(stage: Stage) -> None:
    cap = round(stock(stage).bid - 1.0, 2)
    stage.order(1, "BUY", 100, cap, order_type="REL")
    stage.live(0.5)
    assert found(stage, 1).working_price == cap
    moved(stage, 3)
    assert found(stage, 1).working_price == cap
    stage.order(2, "BUY", 100, order_type="REL", aux_price=1.0)
    stage.live(1.0)
    assert found(stage, 2).status is OrderStatus.FILLED, "a dollar better than the bid reaches the ask"


def test_the_remainder_of_a_market_to_limit_order_is_a_limit_order(stage: Stage) -> None:
    shown = stock(stage)
    stage.order(1, "BUY", shown.ask_size + 300, order_type="MTL")
    stage.live(1.0)
    view = found(stage, 1).view()
    assert (view.filled, view.request.order_type, view.request.limit_price) == (shown.ask_size, "LMT", shown.ask)
    moved(stage, 2)
    assert found(stage, 1).filled == shown.ask_size, "it does not follow the market up"


# -- orders for the close


def at(folder: Path, start: str) -> Stage:
    return Stage(scenario_file(folder, always_open=False, start=start))


def closed(stage: Stage, minutes: float) -> None:
    stage.world.clock.step(60 * minutes)
    stage.live(0.3)


def test_orders_for_the_close_fill_at_the_closing_price_whatever_their_size(tmp_path: Path) -> None:
    stage = at(tmp_path, "2026-05-07 15:40:00")
    stage.order(1, "BUY", 4_000, order_type="MOC")
    stage.order(2, "SELL", 100, 1.0, order_type="LOC")
    stage.order(3, "SELL", 100, 200.0, order_type="LOC")
    stage.live(1.0)
    assert stage.heard.executions == [] and found(stage, 1).status is OrderStatus.SUBMITTED
    closed(stage, 21)
    close = stock(stage).last
    assert [(fill.order_id, fill.quantity, fill.price) for fill in stage.heard.executions] == [
        (1, 4_000, close),
        (2, 100, close),
    ]
    assert found(stage, 3).status is OrderStatus.CANCELLED, "the close was below its limit"


def test_too_late_for_the_close(tmp_path: Path) -> None:
    stage = at(tmp_path, "2026-05-07 15:51:00")
    assert refused(stage.world.place_order, CLIENT, 1, request("BUY", 100, order_type="MOC")).code == 201


def test_an_order_for_the_close_entered_at_night_waits_for_the_next_one(tmp_path: Path) -> None:
    stage = at(tmp_path, "2026-05-07 18:00:00")
    stage.order(1, "BUY", 100, order_type="MOC")
    closed(stage, 21 * 60)
    assert found(stage, 1).status is OrderStatus.SUBMITTED
    closed(stage, 60)
    fill = stage.heard.executions[0]
    assert (fill.quantity, fill.price) == (100, stock(stage).last)


def test_a_clock_that_jumps_over_the_close_finds_its_price(tmp_path: Path) -> None:
    stage = at(tmp_path, "2026-05-07 15:40:00")
    stage.order(1, "BUY", 100, order_type="MOC")
    closed(stage, 18 * 60)
    assert stage.heard.executions[0].price == stock(stage).close


def test_a_halted_stock_has_no_close(tmp_path: Path) -> None:
    stage = at(tmp_path, "2026-05-07 15:40:00")
    stage.order(1, "BUY", 100, order_type="MOC")
    stage.world.inject("quotes_stop", {})
    closed(stage, 21)
    assert found(stage, 1).status is OrderStatus.CANCELLED and stage.heard.executions == []


# -- triggers


def waiting(stage: Stage, method: int, action: str = "SELL", kind: str = "STP", trigger: float = 100.0) -> BookOrder:
    contract = stage.world.universe.stock
    order = request(action, 100, order_type=kind, aux_price=trigger, attributes={"triggerMethod": method})
    return BookOrder(CLIENT, 1, 1, contract, order, OrderStatus.PRE_SUBMITTED, 0.0)


@pytest.mark.parametrize(
    ("method", "quote", "hit"),
    [
        (TriggerMethod.LAST, Quote(bid=90, ask=91, last=101), False),
        (TriggerMethod.LAST, Quote(bid=110, ask=111, last=100), True),
        (TriggerMethod.DEFAULT, Quote(bid=110, ask=111, last=100), True),
        (TriggerMethod.BID_ASK, Quote(bid=99, ask=101, last=90), False),
        (TriggerMethod.BID_ASK, Quote(bid=99, ask=100, last=110), True),
        (TriggerMethod.LAST_OR_BID_ASK, Quote(bid=99, ask=101, last=100), True),
        (TriggerMethod.LAST_OR_BID_ASK, Quote(bid=99, ask=101, last=101), False),
        (TriggerMethod.MIDPOINT, Quote(bid=99, ask=101, last=110), True),
        (TriggerMethod.MIDPOINT, Quote(bid=99.5, ask=101, last=90), False),
        (TriggerMethod.MIDPOINT, Quote(ask=90), False),
    ],
)
def test_each_trigger_method_looks_where_it_says(stage: Stage, method: int, quote: Quote, hit: bool) -> None:
    assert is_hit(waiting(stage, method), quote) is hit


def test_double_methods_want_two_in_a_row(stage: Stage) -> None:
    order = waiting(stage, TriggerMethod.DOUBLE_BID_ASK)
    below, above = Quote(ask=99, version=1), Quote(ask=101, version=2)
    assert not is_hit(order, below) and not is_hit(order, below), "one publication is one, however often it is read"
    assert not is_hit(order, above) and not is_hit(order, replace(below, version=3))
    assert is_hit(order, replace(below, version=4))
    trades = waiting(stage, TriggerMethod.DOUBLE_LAST)
    assert not is_hit(trades, Quote(last=99, last_time_s=1)) and is_hit(trades, Quote(last=99, last_time_s=2))


def test_an_if_touched_order_waits_for_the_other_side(stage: Stage) -> None:
    touched = waiting(stage, TriggerMethod.BID_ASK, kind="MIT")
    assert not is_hit(touched, Quote(bid=99, ask=101)) and is_hit(touched, Quote(bid=100, ask=101))


def test_a_stop_on_an_option_believes_two_quotes_and_no_old_trade(stage: Stage) -> None:
    con_id = stage.world.qualify(CALL).con_id
    stage.order(1, "BUY", 5, contract=CALL)
    stage.live(1.0)
    ask = stage.world.board.quote(con_id).ask
    stage.order(2, "SELL", 5, contract=CALL, order_type="STP", aux_price=round(ask + 5, 2))
    stage.live(2.0)
    assert found(stage, 2).status is OrderStatus.PRE_SUBMITTED, "the market stands still: there is no second quote"
    stage.world.clock.paused = False
    assert stage.until_done(2).status is OrderStatus.FILLED
