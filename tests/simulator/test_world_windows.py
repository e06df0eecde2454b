"""When orders work and when they end: time in force, good-after time, outside the session, conditions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bifrost_simulator.api import OrderStatus
from bifrost_simulator.broker.book import BookOrder

from tests.simulator.world_support import CLIENT, STOCK, Stage, refused, request, scenario_file


def at(folder: Path, start: str, **changes: Any) -> Stage:
    """A world with the exchange's hours that begins at ``start`` in New York."""
    return Stage(scenario_file(folder, always_open=False, start=start, **changes))


def found(stage: Stage, order_id: int) -> BookOrder:
    order = stage.world.book.find(CLIENT, order_id)
    assert order is not None
    return order


def later(stage: Stage, minutes: float) -> None:
    stage.world.clock.step(60 * minutes)
    stage.live(0.3)


def ib_time(stage: Stage, minutes: float) -> str:
    """A moment from now as IB writes it in UTC."""
    moment = datetime.fromtimestamp(stage.world.clock.market_s, UTC) + timedelta(minutes=minutes)
    return f"{moment:%Y%m%d-%H:%M:%S}"


def test_a_good_till_date_order_ends_at_its_time(tmp_path: Path) -> None:
    stage = at(tmp_path, "2026-05-07 10:00:00")
    stage.order(1, "BUY", 100, 100.0, tif="GTD", good_till_date=ib_time(stage, 30))
    stage.order(2, "BUY", 100, 100.0, tif="GTD", good_till_date="20260511")
    later(stage, 29)
    assert found(stage, 1).is_open
    later(stage, 2)
    assert found(stage, 1).status is OrderStatus.CANCELLED
    later(stage, 24 * 60)
    assert found(stage, 2).is_open, "it lasts over nights until the close of its date"
    later(stage, 3 * 24 * 60 + 6 * 60)
    assert found(stage, 2).status is OrderStatus.CANCELLED


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"tif": "GTD"}, 321),
        ({"tif": "GTD", "good_till_date": "tomorrow"}, 391),
        ({"tif": "GTD", "good_till_date": "20260501"}, 201),
        ({"good_after_time": "25:00"}, 391),
    ],
)
def test_times_that_cannot_be(tmp_path: Path, changes: dict[str, Any], code: int) -> None:
    stage = at(tmp_path, "2026-05-07 10:00:00")
    assert refused(stage.world.place_order, CLIENT, 1, request("BUY", 100, 100.0, **changes)).code == code
    assert stage.world.open_orders(None) == ()


def test_a_good_after_time_order_sleeps_until_then(tmp_path: Path) -> None:
    stage = at(tmp_path, "2026-05-07 10:00:00")
    stage.order(1, "BUY", 100, good_after_time=ib_time(stage, 20))
    later(stage, 15)
    assert found(stage, 1).status is OrderStatus.PRE_SUBMITTED
    later(stage, 6)
    assert stage.until_done(1).status is OrderStatus.FILLED


def test_an_opening_order_takes_part_in_the_opening_alone(tmp_path: Path) -> None:
    stage = at(tmp_path, "2026-05-07 09:00:00")
    stage.order(1, "BUY", 100, tif="OPG")
    stage.order(2, "BUY", 100, 100.0, tif="OPG")
    later(stage, 30)
    stage.live(1.0)
    opened = stage.world.hours.current_or_last(stage.world.clock.market_s).open_s
    assert found(stage, 1).status is OrderStatus.FILLED
    assert stage.heard.executions[0].time.timestamp() - opened < 60
    later(stage, 1)
    assert found(stage, 2).status is OrderStatus.CANCELLED
    stage.order(3, "BUY", 100, tif="OPG")
    stage.live(1.0)
    assert found(stage, 3).status is OrderStatus.PRE_SUBMITTED, "too late for today: it waits for the next opening"


def test_a_day_stop_that_never_triggered_ends_with_its_session(tmp_path: Path) -> None:
    stage = at(tmp_path, "2026-05-07 15:50:00")
    stage.order(1, "SELL", 100, order_type="STP", aux_price=50.0)
    later(stage, 11)
    assert found(stage, 1).status is OrderStatus.CANCELLED


def test_outside_the_session_only_limits_that_ask_for_it_trade(tmp_path: Path) -> None:
    stage = at(tmp_path, "2026-05-07 17:00:00")
    stage.order(1, "BUY", 100, 150.0, outside_rth=True)
    stage.order(2, "BUY", 100, 150.0)
    stage.order(3, "BUY", 100, outside_rth=True)
    stage.live(1.0)
    assert found(stage, 1).status is OrderStatus.FILLED
    assert [found(stage, n).status for n in (2, 3)] == [OrderStatus.PRE_SUBMITTED] * 2
    assert stage.heard.errors == [399, 399, 2109], "IB ignores the attribute on a market order, and says so"


def test_a_big_order_outside_the_session_fills_over_time(tmp_path: Path) -> None:
    stage = at(tmp_path, "2026-05-07 17:00:00")
    stage.order(1, "BUY", 1_500, 150.0, outside_rth=True)
    stage.live(1.0)
    first = found(stage, 1).filled
    assert 0 < first < 1_500
    later(stage, 1.5)
    stage.live(0.5)
    assert found(stage, 1).filled > first
    later(stage, 3 * 60)
    assert found(stage, 1).status in (OrderStatus.FILLED, OrderStatus.CANCELLED), "at 20:00 the day is over"


def test_at_night_nothing_trades(tmp_path: Path) -> None:
    stage = at(tmp_path, "2026-05-07 21:00:00")
    stage.order(1, "BUY", 100, 150.0, outside_rth=True)
    stage.live(1.0)
    assert found(stage, 1).status is OrderStatus.PRE_SUBMITTED and stage.heard.errors == [399]


def condition(kind: int, **fields: Any) -> dict[str, Any]:
    return {"condType": kind, "conjunction": "a", "isMore": True, **fields}


def conditional(stage: Stage, *conditions: dict[str, Any], **attributes: Any) -> None:
    stage.order(1, "BUY", 100, attributes={"conditions": list(conditions), **attributes})


def test_an_order_waits_for_its_conditions(tmp_path: Path) -> None:
    stage = at(tmp_path, "2026-05-07 10:00:00")
    con_id = stage.world.universe.stock.con_id
    conditional(stage, condition(3, time=ib_time(stage, 10)), condition(1, price=1.0, conId=con_id, exch="SMART"))
    later(stage, 8)
    assert found(stage, 1).status is OrderStatus.PRE_SUBMITTED
    later(stage, 3)
    assert stage.until_done(1).status is OrderStatus.FILLED


@pytest.mark.parametrize(
    ("first", "join", "second", "fills"),
    [(True, "a", False, False), (True, "o", False, True), (False, "o", False, False), (True, "a", True, True)],
)
def test_conditions_are_joined_by_and_and_or(tmp_path: Path, first: bool, join: str, second: bool, fills: bool) -> None:
    stage = at(tmp_path, "2026-05-07 10:00:00")
    con_id = stage.world.universe.stock.con_id
    prices = [1.0 if holds else 1_000.0 for holds in (first, second)]
    one, other = (condition(1, price=price, conId=con_id, exch="SMART") for price in prices)
    conditional(stage, {**one, "conjunction": join}, other)
    stage.live(1.0)
    assert (found(stage, 1).status is OrderStatus.FILLED) == fills


@pytest.mark.parametrize(
    ("given", "fills"),
    [
        (condition(4, percent=50), True),
        (condition(4, percent=50, isMore=False), False),
        (condition(5, secType="STK", symbol="NVDA", exch="SMART"), False),
        (condition(6, volume=1), True),
        (condition(6, volume=2_000_000_000), False),
        (condition(7, changePercent=-50.0), True),
        (condition(7, changePercent=50.0), False),
    ],
)
def test_each_kind_of_condition(tmp_path: Path, given: dict[str, Any], fills: bool) -> None:
    stage = at(tmp_path, "2026-05-07 10:00:00")
    conditional(stage, {"conId": stage.world.universe.stock.con_id, **given})
    stage.live(1.0)
    assert (found(stage, 1).status is OrderStatus.FILLED) == fills


def test_an_execution_condition_hears_of_the_next_execution(tmp_path: Path) -> None:
    stage = at(tmp_path, "2026-05-07 10:00:00")
    conditional(stage, condition(5, secType="STK", symbol="NVDA", exch="SMART"))
    stage.world.place_order(2, 1, request("SELL", 10))
    stage.live(1.0)
    assert found(stage, 1).status is OrderStatus.FILLED


def test_conditions_may_cancel_instead(tmp_path: Path) -> None:
    stage = at(tmp_path, "2026-05-07 10:00:00")
    given = condition(3, time=ib_time(stage, 10))
    stage.order(1, "BUY", 100, 100.0, attributes={"conditions": [given], "conditionsCancelOrder": True})
    assert found(stage, 1).status is OrderStatus.SUBMITTED
    later(stage, 11)
    assert found(stage, 1).status is OrderStatus.CANCELLED


def test_a_condition_on_nothing_is_refused(tmp_path: Path) -> None:
    stage = at(tmp_path, "2026-05-07 10:00:00")
    unknown = request("BUY", 100, attributes={"conditions": [condition(1, price=1.0, conId=5, exch="SMART")]})
    assert refused(stage.world.place_order, CLIENT, 1, unknown).code == 200
    timeless = request("BUY", 100, attributes={"conditions": [condition(3, time="noon")]})
    assert refused(stage.world.place_order, CLIENT, 1, timeless).code == 391


def test_all_or_none_and_a_least_quantity(tmp_path: Path) -> None:
    stage = at(tmp_path, "2026-05-07 10:00:00")
    stage.world.clock.paused = True
    shown = stage.world.board.quote(stage.world.universe.stock.con_id).ask_size
    stage.order(1, "BUY", shown + 100, all_or_none=True)
    stage.order(2, "BUY", shown + 100, min_quantity=int(shown) + 50)
    stage.order(3, "BUY", shown + 100, min_quantity=10)
    stage.live(1.0)
    assert [found(stage, n).filled for n in (1, 2, 3)] == [0, 0, shown]


def test_orders_for_the_stock_are_watched_only_while_they_live(tmp_path: Path) -> None:
    """Every way an order can end gives back the quotes it needed."""
    stage = at(tmp_path, "2026-05-07 10:00:00")
    call = stage.world.universe.find(
        type(STOCK)(symbol="NVDA", sec_type="OPT", expiry="20260605", strike=140.0, right="C"),
        stage.world.clock.market_s,
    )[0]
    before = list(stage.world.board.watched())
    needs = {"conditions": [condition(1, price=1_000.0, conId=call.con_id, exch="SMART")]}
    stage.order(1, "BUY", 100, attributes=needs)
    assert call.con_id in stage.world.board.watched()
    stage.world.place_order(CLIENT, 1, request("BUY", 50, attributes=needs))
    stage.world.cancel_order(CLIENT, 1)
    assert stage.world.board.watched() == before
