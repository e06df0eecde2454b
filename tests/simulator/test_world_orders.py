"""Orders: their life, what is refused, and how they fill against the published touch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bifrost_simulator.api import ContractQuery, OrderStatus, PriceTick, TickType
from bifrost_simulator.broker.order_states import TRANSITIONS, ImpossibleTransition, OrderEvent, next_status

from tests.simulator.world_support import ACCOUNT, CLIENT, STOCK, Stage, refused, request, scenario_file

CALL = ContractQuery(symbol="NVDA", sec_type="OPT", expiry="20260605", strike=140.0, right="C", exchange="SMART")
CLOSED = {"always_open": False, "start": "2026-05-07 17:00:00"}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(scenario_file(tmp_path))


def test_a_market_order_lives_through_the_statuses_clients_need(stage: Stage) -> None:
    stage.order(1, "BUY", 100, order_ref="BFX")
    assert stage.heard.statuses == [OrderStatus.PRE_SUBMITTED, OrderStatus.SUBMITTED]
    order = stage.until_done(1)
    stage.live(0.5)
    names = [
        name for name, _ in stage.heard.events if name in ("open_order", "order_status", "execution", "commission")
    ]
    first_fill = names.index("execution")
    assert names[:first_fill] == ["open_order", "order_status"] * 2, "permId must be known before any fill"
    assert names[-1] == "commission"
    assert order.status is OrderStatus.FILLED and order.filled == 100 and order.remaining == 0
    fill = stage.heard.executions[0]
    assert (fill.order_ref, fill.client_id, fill.order_id, fill.side) == ("BFX", CLIENT, 1, "BOT")
    assert fill.exec_id == "0000e0d5.6a100001.01.01"


def test_fills_are_at_the_published_touch_up_to_the_displayed_size(stage: Stage) -> None:
    """Every fill is at the newest published ask, and none is larger than what was displayed there."""
    stage.world.subscribe(CLIENT, 900, STOCK)
    stage.order(1, "BUY", 5000)
    stage.until_done(1)
    ask, size = 0.0, 0.0
    for name, arguments in stage.heard.events:
        if name == "ticks":
            for tick in arguments[2]:
                if isinstance(tick, PriceTick) and tick.tick_type is TickType.ASK:
                    ask = tick.price
                if getattr(tick, "tick_type", None) in (TickType.ASK, TickType.ASK_SIZE):
                    size = tick.size
        elif name == "execution":
            fill = arguments[1]
            assert fill.price == ask
            assert fill.quantity <= size
    assert len(stage.heard.executions) > 2, "an order larger than the touch fills in parts"
    assert sum(fill.quantity for fill in stage.heard.executions) == 5000


def test_size_taken_by_one_order_is_not_there_for_the_next(stage: Stage) -> None:
    stage.world.clock.paused = True
    shown = stage.world.board.quote(stage.world.universe.stock.con_id).ask_size
    stage.order(1, "BUY", shown - 100)
    stage.order(2, "BUY", 500)
    stage.live(1.0)
    first, second = (stage.world.book.find(CLIENT, number) for number in (1, 2))
    assert first is not None and first.filled == shown - 100
    assert second is not None and second.filled == 100, "the market stands still, so nothing comes back"


def test_a_limit_order_waits_for_its_price(stage: Stage) -> None:
    quote = stage.world.board.quote(stage.world.universe.stock.con_id)
    stage.order(1, "BUY", 100, round(quote.bid - 5, 2))
    stage.live(2.0)
    assert stage.heard.executions == []
    changed = request("BUY", 100, round(quote.ask + 1, 2))
    stage.world.place_order(CLIENT, 1, changed)
    order = stage.until_done(1)
    assert order.avg_fill_price <= quote.ask + 1
    assert order.request.limit_price == changed.limit_price


def test_a_limit_is_never_passed(stage: Stage) -> None:
    stage.world.clock.set_speed(60)
    quote = stage.world.board.quote(stage.world.universe.stock.con_id)
    limit = round(quote.bid + 0.01, 2)
    stage.order(1, "BUY", 3000, limit)
    stage.live(20.0)
    assert all(fill.price <= limit for fill in stage.heard.executions)


def test_cancel_tells_the_status_first_and_then_202(stage: Stage) -> None:
    stage.order(1, "BUY", 100, 100.0)
    stage.heard.clear()
    stage.world.cancel_order(CLIENT, 1)
    assert [name for name, _ in stage.heard.events] == ["order_status", "error", "flush"]
    assert stage.heard.statuses == [OrderStatus.CANCELLED] and stage.heard.errors == [202]
    assert [order.status for order in stage.world.completed_orders(False)] == [OrderStatus.CANCELLED]
    assert refused(stage.world.cancel_order, CLIENT, 1).code == 10148
    assert refused(stage.world.cancel_order, CLIENT, 77).code == 10147
    assert refused(stage.world.cancel_order, CLIENT + 1, 1).code == 10147, "another client does not own it"


def test_global_cancel_ends_everybodys_orders(stage: Stage) -> None:
    stage.order(1, "BUY", 100, 100.0)
    stage.world.place_order(2, 1, request("BUY", 100, 101.0))
    stage.world.global_cancel(CLIENT)
    assert stage.world.open_orders(None) == ()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity": 0.0}, 201),
        ({"quantity": -5.0}, 201),
        ({"account": "DU999"}, 321),
        ({"action": "HOLD"}, 321),
        ({"tif": ""}, 321),
        ({"tif": "TODAY"}, 321),
        ({"order_type": "XYZ"}, 387),
        ({"order_type": "LMT", "limit_price": None}, 201),
        ({"order_type": "LMT", "limit_price": 140.005}, 110),
        ({"order_type": "STP", "aux_price": None}, 201),
        ({"quantity": 1e9}, 201),
        ({"contract": replace(STOCK, symbol="NOPE")}, 200),
        ({"contract": ContractQuery(symbol="NVDA", sec_type="OPT")}, 200),
        ({"contract": CALL, "quantity": 1.5}, 201),
        ({"quantity": 1.5}, 10243),
    ],
)
def test_what_is_refused(stage: Stage, changes: dict[str, object], code: int) -> None:
    error = refused(stage.world.place_order, CLIENT, 1, replace(request("BUY", 100), **changes))
    assert error.code == code
    assert stage.world.open_orders(None) == ()
    assert stage.heard.executions == []


@pytest.mark.parametrize(("price", "good"), [(2.99, True), (2.991, False), (3.05, True), (3.01, False)])
def test_option_prices_follow_the_market_rule(stage: Stage, price: float, good: bool) -> None:
    order = replace(request("BUY", 1, price), contract=CALL)
    if good:
        stage.world.place_order(CLIENT, 1, order)
        assert stage.world.open_orders(CLIENT)[0].request.limit_price == price
    else:
        assert refused(stage.world.place_order, CLIENT, 1, order).code == 110


def test_a_modify_must_fit_the_original(stage: Stage) -> None:
    stage.order(1, "BUY", 100, 100.0)
    assert refused(stage.world.place_order, CLIENT, 1, request("SELL", 100, 100.0)).code == 105
    stage.order(1, "BUY", 200, 100.5)
    assert stage.world.open_orders(CLIENT)[0].request.quantity == 200
    stage.order(2, "BUY", 100)
    stage.until_done(2)
    assert refused(stage.world.place_order, CLIENT, 2, request("BUY", 300)).code == 104
    stage.world.cancel_order(CLIENT, 1)
    assert refused(stage.world.place_order, CLIENT, 1, request("BUY", 300, 100.0)).code == 103


def test_out_of_the_session_an_order_waits_with_399(tmp_path: Path) -> None:
    stage = Stage(scenario_file(tmp_path, **CLOSED))
    stage.order(1, "BUY", 100)
    assert stage.heard.statuses == [OrderStatus.PRE_SUBMITTED] and stage.heard.errors == [399]
    stage.live(2.0)
    assert stage.heard.executions == []
    stage.world.clock.step(16.6 * 3600)
    order = stage.until_done(1)
    assert order.status is OrderStatus.FILLED
    assert stage.world.hours.is_open(stage.heard.executions[0].time.timestamp())


def test_a_day_order_ends_with_its_session(tmp_path: Path) -> None:
    stage = Stage(scenario_file(tmp_path, always_open=False, start="2026-05-07 15:59:30"))
    stage.order(1, "BUY", 100, 100.0)
    stage.order(2, "BUY", 100, 100.0, tif="GTC")
    stage.world.clock.step(60)
    stage.live(0.2)
    day, kept = (stage.world.book.find(CLIENT, number) for number in (1, 2))
    assert day is not None and day.status is OrderStatus.CANCELLED
    assert kept is not None and kept.is_open


def test_immediate_orders_never_rest(stage: Stage) -> None:
    stage.world.clock.paused = True
    shown = stage.world.board.quote(stage.world.universe.stock.con_id).ask_size
    stage.order(1, "BUY", shown + 700, tif="IOC")
    stage.order(2, "BUY", shown + 700, tif="FOK")
    stage.live(1.0)
    some, none = (stage.world.book.find(CLIENT, number) for number in (1, 2))
    assert some is not None and some.filled == shown and some.status is OrderStatus.CANCELLED
    assert none is not None and none.filled == 0 and none.status is OrderStatus.CANCELLED


def test_a_stop_sleeps_until_the_market_trades_there(stage: Stage) -> None:
    quote = stage.world.board.quote(stage.world.universe.stock.con_id)
    stage.order(1, "SELL", 100, order_type="STP", aux_price=round(quote.last - 0.15, 2))
    assert stage.heard.statuses == [OrderStatus.PRE_SUBMITTED]
    stage.world.clock.set_speed(60)
    stage.live(0.5)
    order = stage.world.book.find(CLIENT, 1)
    for _ in range(600):
        if order is not None and not order.is_open:
            break
        stage.live(0.5)
    assert order is not None and order.status is OrderStatus.FILLED
    assert order.average_price <= quote.last - 0.10


def test_what_if_answers_and_places_nothing(stage: Stage) -> None:
    stage.order(1, "BUY", 100, what_if=True)
    ((client, order, state),) = stage.heard.of("what_if")
    assert client == CLIENT and order.order_id == 1
    assert state.init_margin_change == pytest.approx(0.5 * 100 * 140, rel=0.01)
    assert state.init_margin_after == pytest.approx(state.init_margin_before + state.init_margin_change)
    assert state.commission == 1.0
    assert stage.world.open_orders(None) == () and stage.heard.statuses == []


def test_a_bracket_parent_waits_for_transmit(stage: Stage) -> None:
    stage.order(1, "BUY", 100, transmit=False)
    stage.live(1.0)
    assert stage.heard.executions == []
    stage.order(1, "BUY", 100, transmit=True)
    assert stage.until_done(1).status is OrderStatus.FILLED


def test_the_human_at_tws_trades_the_same_account(stage: Stage) -> None:
    stage.world.place_manual(request("SELL", 100))
    stage.live(2.0)
    (fill,) = stage.heard.executions
    assert (fill.client_id, fill.order_id, fill.order_ref) == (0, 0, "")
    assert [p.quantity for p in stage.world.positions(ACCOUNT) if p.contract.sec_type == "STK"] == [-100]
    assert stage.world.completed_orders(True) == ()
    assert len(stage.world.completed_orders(False)) == 1


def test_client_zero_binds_manual_orders(stage: Stage) -> None:
    stage.world.place_manual(request("BUY", 100, 100.0))
    assert refused(stage.world.bind_manual_orders, 5, True).code == 321
    stage.world.bind_manual_orders(0, True)
    (order,) = stage.world.open_orders(0)
    assert order.order_id < 0
    stage.world.cancel_order(0, order.order_id)
    assert stage.world.open_orders(None) == ()


def test_order_ids_go_on_where_the_client_left_off(stage: Stage) -> None:
    stage.order(41, "BUY", 100, 100.0)
    assert stage.world.next_order_id(CLIENT) == 42
    assert stage.world.next_order_id(9) == 1


def test_an_order_that_is_done_never_changes_again() -> None:
    for status in OrderStatus:
        for event in OrderEvent:
            if status.is_done:
                assert (status, event) not in TRANSITIONS
                with pytest.raises(ImpossibleTransition):
                    next_status(status, event)
