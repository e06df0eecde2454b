"""Brackets and one-cancels-all groups: who waits for whom, and who ends with whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bifrost_simulator.api import OrderStatus
from bifrost_simulator.broker.book import BookOrder

from tests.simulator.world_support import CLIENT, Stage, refused, request, scenario_file


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    stage = Stage(scenario_file(tmp_path))
    stage.world.clock.paused = True
    return stage


def found(stage: Stage, order_id: int) -> BookOrder:
    order = stage.world.book.find(CLIENT, order_id)
    assert order is not None, f"order {order_id} is not in the book"
    return order


def stop(stage: Stage, order_id: int, quantity: float, **changes: Any) -> None:
    stage.order(order_id, "SELL", quantity, order_type="STP", aux_price=90.0, **changes)


def bracket(stage: Stage, quantity: float = 100, limit: float = 100.0) -> None:
    """A buyer far from the market with a target and a stop; the last one transmits."""
    stage.order(1, "BUY", quantity, limit, transmit=False)
    stage.order(2, "SELL", quantity, 180.0, parent_id=1, transmit=False)
    stop(stage, 3, quantity, parent_id=1)


def bought(stage: Stage) -> None:
    """Let the parent of the bracket fill."""
    parent = found(stage, 1)
    stage.world.place_order(CLIENT, 1, request("BUY", parent.request.quantity, 150.0))
    stage.world.clock.paused = False
    stage.until_done(1)
    stage.world.clock.paused = True


def statuses(stage: Stage, *order_ids: int) -> list[OrderStatus]:
    return [found(stage, order_id).status for order_id in order_ids]


def test_a_family_is_held_until_its_last_member_transmits(stage: Stage) -> None:
    stage.order(1, "BUY", 100, 150.0, transmit=False)
    stage.order(2, "SELL", 100, 180.0, parent_id=1, transmit=False)
    stage.live(1.0)
    assert statuses(stage, 1, 2) == [OrderStatus.PENDING_SUBMIT] * 2
    assert stage.heard.executions == [] and len(stage.world.open_orders(CLIENT)) == 2
    stop(stage, 3, 100, parent_id=1)
    assert statuses(stage, 1, 2, 3) == [OrderStatus.SUBMITTED, OrderStatus.PRE_SUBMITTED, OrderStatus.PRE_SUBMITTED]
    assert [found(stage, number).view().why_held for number in (1, 2, 3)] == ["", "child", "child,trigger"]


def test_children_begin_when_the_parent_has_filled(stage: Stage) -> None:
    bracket(stage)
    stage.live(1.0)
    assert statuses(stage, 2, 3) == [OrderStatus.PRE_SUBMITTED] * 2
    bought(stage)
    assert statuses(stage, 1, 2, 3) == [OrderStatus.FILLED, OrderStatus.SUBMITTED, OrderStatus.PRE_SUBMITTED]
    assert found(stage, 3).view().why_held == "trigger"
    group = str(found(stage, 1).perm_id)
    assert [(found(stage, n).request.oca_group, found(stage, n).request.oca_type) for n in (2, 3)] == [(group, 3)] * 2


def test_children_of_a_part_of_the_parent_go_on_waiting(stage: Stage) -> None:
    shown = stage.world.board.quote(stage.world.universe.stock.con_id).ask_size
    bracket(stage, quantity=shown + 100, limit=150.0)
    stage.live(1.0)
    assert found(stage, 1).filled == shown and found(stage, 1).is_open
    assert found(stage, 2).waits_for_parent


def test_one_child_fills_and_the_other_is_cancelled(stage: Stage) -> None:
    bracket(stage)
    bought(stage)
    stage.world.place_order(CLIENT, 2, request("SELL", 100, 130.0, parent_id=1))
    stage.world.clock.paused = False
    assert stage.until_done(2).status is OrderStatus.FILLED
    assert statuses(stage, 3) == [OrderStatus.CANCELLED]
    assert [p.quantity for p in stage.world.positions() if p.contract.sec_type == "STK"] == []


def test_a_cancelled_parent_takes_its_children_along(stage: Stage) -> None:
    bracket(stage)
    stage.heard.clear()
    stage.world.cancel_order(CLIENT, 1)
    assert statuses(stage, 1, 2, 3) == [OrderStatus.CANCELLED] * 3
    assert stage.heard.errors == [202, 202, 202]
    assert stage.heard.statuses == [OrderStatus.CANCELLED] * 3, "each is told once"


def test_a_held_order_that_is_cancelled_never_reached_the_broker(stage: Stage) -> None:
    stage.order(1, "BUY", 100, 100.0, transmit=False)
    stage.world.cancel_order(CLIENT, 1)
    assert statuses(stage, 1) == [OrderStatus.API_CANCELLED]


def test_a_child_needs_a_parent(stage: Stage) -> None:
    assert refused(stage.world.place_order, CLIENT, 5, request("SELL", 100, 180.0, parent_id=4)).code == 10006
    stage.order(1, "BUY", 100, 100.0)
    assert refused(stage.world.place_order, 2, 5, request("SELL", 100, 180.0, parent_id=1)).code == 10006
    stage.world.cancel_order(CLIENT, 1)
    assert refused(stage.world.place_order, CLIENT, 5, request("SELL", 100, 180.0, parent_id=1)).code == 10006


def test_a_child_of_a_filled_parent_works_at_once(stage: Stage) -> None:
    stage.order(1, "BUY", 100)
    stage.world.clock.paused = False
    stage.until_done(1)
    stage.order(2, "SELL", 100, 180.0, parent_id=1)
    assert statuses(stage, 2) == [OrderStatus.SUBMITTED]
    assert found(stage, 2).view().parent_perm_id == found(stage, 1).perm_id


@pytest.mark.parametrize(("oca_type", "left"), [(1, 0.0), (2, 300.0), (3, 300.0)])
def test_a_partial_fill_cancels_or_reduces_the_group(stage: Stage, oca_type: int, left: float) -> None:
    shown = stage.world.board.quote(stage.world.universe.stock.con_id).ask_size
    group = {"oca_group": "G", "oca_type": oca_type}
    stage.order(1, "BUY", shown + 300, 150.0, **group)
    stage.order(2, "BUY", shown + 300, 100.0, **group)
    stage.world.place_order(2, 3, request("BUY", 500, 100.0, **group))
    stage.live(1.0)
    assert found(stage, 1).filled == shown
    other = found(stage, 2)
    assert other.is_open == (left > 0)
    assert not left or other.request.quantity == left
    foreign = stage.world.book.find(2, 3)
    assert foreign is not None and foreign.is_open and foreign.request.quantity == 500, "a group is its client's own"


def test_a_group_never_fills_more_than_one_member(stage: Stage) -> None:
    group = {"oca_group": "G", "oca_type": 3}
    for order_id in (1, 2, 3):
        stage.order(order_id, "BUY", 1000, 150.0, **group)
    stage.world.clock.paused = False
    for order_id in (1, 2, 3):
        stage.until_done(order_id)
    assert sum(fill.quantity for fill in stage.heard.executions) <= 1000
    assert any(found(stage, order_id).filled for order_id in (1, 2, 3))


def test_a_member_that_is_cancelled_ends_the_group(stage: Stage) -> None:
    for order_id in (1, 2):
        stage.order(order_id, "BUY", 100, 100.0, oca_group="G", oca_type=1)
    stage.world.cancel_order(CLIENT, 1)
    assert statuses(stage, 1, 2) == [OrderStatus.CANCELLED] * 2


def test_a_group_that_has_filled_is_closed_and_none_is_changed(stage: Stage) -> None:
    stage.order(1, "BUY", 100, 150.0, oca_group="G", oca_type=1)
    stage.order(9, "BUY", 100, 100.0, oca_group="H", oca_type=1)
    changed = request("BUY", 100, 101.0, oca_group="OTHER", oca_type=1)
    assert refused(stage.world.place_order, CLIENT, 9, changed).code == 10326
    stage.live(1.0)
    assert statuses(stage, 1) == [OrderStatus.FILLED]
    late = request("BUY", 100, 100.0, oca_group="G", oca_type=1)
    assert refused(stage.world.place_order, CLIENT, 2, late).code == 10326


def test_a_bracket_survives_a_restart(tmp_path: Path) -> None:
    file, state = scenario_file(tmp_path), tmp_path / "state"
    first = Stage(file, state)
    bracket(first)
    again = Stage(file, state)
    assert found(again, 2).waits_for_parent and found(again, 2).parent_perm_id == found(again, 1).perm_id
    bought(again)
    assert statuses(again, 1, 2, 3) == [OrderStatus.FILLED, OrderStatus.SUBMITTED, OrderStatus.PRE_SUBMITTED]
