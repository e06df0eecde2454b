"""Every fault, as the client hears it and as the broker knows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from bifrost_simulator.api import ExecutionFilter, OrderStatus
from bifrost_simulator.faults import REGISTRY, BadParameters, UnknownFault

from tests.simulator.world_support import CLIENT, STOCK, Stage, refused, request, scenario_file


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(scenario_file(tmp_path))


def test_the_catalogue_of_this_stage_is_there() -> None:
    assert {
        "disconnect",
        "connectivity_lost_1100",
        "restored_1101",
        "restored_1102",
        "order_rejected_201",
        "ack_lost",
        "fill_partial",
        "quotes_stop",
    } <= set(REGISTRY)
    assert all((kind.__doc__ or "").strip() for kind in REGISTRY.values()), "each says what it does"


def test_an_unknown_fault_names_the_known_ones_and_bad_parameters_are_named(stage: Stage) -> None:
    with pytest.raises(UnknownFault, match=r"ack_lost.*quotes_stop"):
        stage.world.inject("earthquake", {})
    with pytest.raises(BadParameters, match="fraction"):
        stage.world.inject("fill_partial", {"fraction": 2})
    with pytest.raises(BadParameters, match="colour"):
        stage.world.inject("quotes_stop", {"colour": "red"})
    assert stage.world.faults.active == ()


def test_disconnect_drops_the_sockets_and_keeps_the_orders(stage: Stage) -> None:
    stage.order(1, "BUY", 100, 100.0)
    stage.world.inject("disconnect", {"client_id": CLIENT})
    assert stage.heard.of("drop") == [(CLIENT, "fault disconnect")]
    stage.world.client_disconnected(CLIENT)
    assert [order.order_id for order in stage.world.open_orders(CLIENT)] == [1]


def test_while_connectivity_is_lost_nothing_passes_and_the_broker_works_on(stage: Stage) -> None:
    stage.world.subscribe(CLIENT, 900, STOCK)
    stage.order(1, "BUY", 100)
    stage.heard.clear()
    stage.world.inject("connectivity_lost_1100", {})
    stage.order(2, "BUY", 200)
    stage.live(3.0)
    assert stage.heard.errors == [1100]
    assert {name for name, _ in stage.heard.events} <= {"error", "flush"}
    working = stage.world.book.find(CLIENT, 1)
    assert working is not None and working.status is OrderStatus.FILLED
    assert stage.world.book.find(CLIENT, 2) is None, "what the client sent waits at the gateway"
    stage.heard.clear()
    stage.world.inject("restored_1102", {})
    assert stage.heard.errors == [1102]
    assert [fill.order_id for fill in stage.heard.executions] == [1]
    assert stage.until_done(2).status is OrderStatus.FILLED
    stage.live(1.0)
    assert stage.heard.ticks_of(900), "market data goes on"
    assert stage.world.faults.active == ()


def test_1101_loses_the_subscriptions(stage: Stage) -> None:
    stage.world.subscribe(CLIENT, 900, STOCK)
    stage.world.inject("connectivity_lost_1100", {})
    stage.heard.clear()
    stage.world.inject("restored_1101", {})
    stage.live(2.0)
    assert stage.heard.errors == [1101]
    assert stage.heard.ticks_of(900) == []
    stage.world.subscribe(CLIENT, 900, STOCK)
    stage.live(1.0)
    assert stage.heard.ticks_of(900)


@pytest.mark.parametrize(("restore", "code", "ticks"), [("1102", 1102, True), ("1101", 1101, False)])
def test_a_cut_of_a_given_length_ends_by_itself(stage: Stage, restore: str, code: int, ticks: bool) -> None:
    stage.world.subscribe(CLIENT, 900, STOCK)
    stage.world.inject("connectivity_lost_1100", {"duration_s": 2, "restore": restore})
    stage.live(1.5)
    assert stage.heard.errors == [1100]
    assert [error.code for error in stage.world.notices()] == [1100], "who connects meanwhile is told"
    stage.live(1.0)
    assert stage.heard.errors == [1100, code]
    stage.heard.clear()
    stage.live(1.0)
    assert bool(stage.heard.ticks_of(900)) is ticks
    assert [error.code for error in stage.world.notices()] == [2104, 2106, 2158]


def test_a_reject_that_waited_at_the_gateway_arrives_as_an_error(stage: Stage) -> None:
    stage.world.inject("connectivity_lost_1100", {})
    stage.order(1, "BUY", 1e9)
    stage.world.cancel_order(CLIENT, 55)
    stage.world.inject("restored_1102", {})
    assert stage.heard.errors == [1100, 1102, 201, 10147]


def test_orders_are_rejected_as_often_as_told(stage: Stage) -> None:
    stage.world.inject("order_rejected_201", {"count": 2, "reason": "no margin", "order_ref": "BF"})
    stage.order(1, "BUY", 100, order_ref="other")
    error = refused(stage.world.place_order, CLIENT, 2, request("BUY", 100, order_ref="BFA"))
    assert error.code == 201 and "no margin" in error.text
    assert refused(stage.world.place_order, CLIENT, 3, request("BUY", 100, order_ref="BFB")).code == 201
    stage.live(0.1)
    stage.order(4, "BUY", 100, order_ref="BFC")
    assert stage.world.book.find(CLIENT, 2) is None
    assert stage.world.faults.active == ()


def test_a_lost_acknowledgement_hides_the_order_until_asked(stage: Stage) -> None:
    stage.world.inject("ack_lost", {})
    stage.order(1, "BUY", 100, order_ref="BFA")
    stage.live(3.0)
    kinds = ("open_order", "order_status", "execution", "commission", "error")
    assert not [name for name, _ in stage.heard.events if name in kinds]
    assert stage.heard.of("position"), "the position is true for everybody"
    ((fill, commission),) = stage.world.executions(ExecutionFilter())
    assert fill.order_ref == "BFA" and commission is not None and commission.commission == 1.0
    stage.order(2, "BUY", 100, 100.0)
    assert stage.heard.statuses == [OrderStatus.PRE_SUBMITTED, OrderStatus.SUBMITTED], "one order was meant"


def test_a_hidden_order_speaks_again_once_it_was_asked_for(stage: Stage) -> None:
    stage.world.inject("ack_lost", {})
    stage.order(1, "BUY", 100, 100.0)
    assert stage.heard.statuses == []
    assert [order.status for order in stage.world.open_orders(CLIENT)] == [OrderStatus.SUBMITTED]
    stage.world.cancel_order(CLIENT, 1)
    assert stage.heard.statuses == [OrderStatus.CANCELLED]


def test_a_partial_fill_holds(stage: Stage) -> None:
    stage.world.inject("fill_partial", {"fraction": 0.25})
    stage.order(1, "BUY", 400)
    stage.live(10.0)
    order = stage.world.book.find(CLIENT, 1)
    assert order is not None and (order.filled, order.status) == (100, OrderStatus.SUBMITTED)
    stage.world.cancel_order(CLIENT, 1)
    stage.order(2, "BUY", 400)
    assert stage.until_done(2).filled == 400, "the fault was for one order"
    assert stage.world.faults.active == ()


def test_a_partial_fill_is_followed_by_the_rest(stage: Stage) -> None:
    stage.world.inject("fill_partial", {"shares": 30, "then": "rest", "rest_after_s": 3})
    stage.order(1, "BUY", 100)
    stage.live(2.0)
    order = stage.world.book.find(CLIENT, 1)
    assert order is not None and order.filled == 30
    assert stage.until_done(1).status is OrderStatus.FILLED
    assert [fill.quantity for fill in stage.heard.executions] == [30, 70]


def test_a_partial_fill_is_followed_by_a_cancel(stage: Stage) -> None:
    stage.world.inject("fill_partial", {"shares": 30, "then": "cancel"})
    stage.order(1, "BUY", 100)
    order = stage.until_done(1)
    assert (order.status, order.filled) == (OrderStatus.CANCELLED, 30)
    assert 202 in stage.heard.errors


def test_nothing_at_all_may_fill(stage: Stage) -> None:
    stage.world.inject("fill_partial", {"shares": 0})
    stage.order(1, "BUY", 100)
    stage.live(5.0)
    assert stage.heard.executions == []


def test_quotes_stop_and_come_back(stage: Stage) -> None:
    stage.world.subscribe(CLIENT, 900, STOCK)
    stage.world.inject("quotes_stop", {"duration_s": 3, "sec_type": "STK"})
    stage.heard.clear()
    stage.order(1, "BUY", 100)
    stage.live(2.5)
    assert stage.heard.ticks_of(900) == []
    assert stage.heard.executions == [], "nothing is matched on what is not published"
    stage.live(2.0)
    assert stage.heard.ticks_of(900)
    assert stage.until_done(1).status is OrderStatus.FILLED


def test_quotes_of_one_contract_stop(stage: Stage) -> None:
    stage.world.subscribe(CLIENT, 900, STOCK)
    stage.world.inject("quotes_stop", {"contract_key": "NVDA|OPT|20260605|140|C"})
    stage.heard.clear()
    stage.live(1.0)
    assert stage.heard.ticks_of(900)
    assert stage.world.faults.clear(stage.world, "quotes_stop") == 1


def test_a_scenario_scripts_its_faults(tmp_path: Path) -> None:
    faults = [
        {"at": "10:00:05", "name": "quotes_stop", "duration_s": 1},
        {"at": 2, "name": "order_rejected_201", "reason": "scripted"},
    ]
    stage = Stage(scenario_file(tmp_path, faults=faults))
    stage.live(1.0)
    assert stage.world.faults.active == ()
    stage.live(1.5)
    assert [fault.name for fault in stage.world.faults.active] == ["order_rejected_201"]
    stage.live(3.0)
    assert {fault.name for fault in stage.world.faults.active} == {"order_rejected_201", "quotes_stop"}
    stage.live(2.0)
    assert [fault.name for fault in stage.world.faults.active] == ["order_rejected_201"]
