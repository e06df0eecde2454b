"""The paper broker: fills against the quote as a market would, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import pytest
from bifrost.contract import contract_key
from bifrost_engine.app.paper import PaperBroker
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.words import Mode, OrderIntent, OrderType, Purpose, Quote, Side, Times, Trigger

STOCK = contract_key("NVDA", "STK")
AT = Times(10.0, 20.0)
T = TypeVar("T")


def intent(side: Side = Side.BUY, quantity: int = 100, limit: float | None = None) -> OrderIntent:
    kind = OrderType.MARKET if limit is None else OrderType.LIMIT
    return OrderIntent(
        "BF1", 1, "DU1", Mode.PAPER, STOCK, side, quantity, kind, limit, "DAY", Purpose.HEDGE, "D2", False, 140.0, AT
    )


class Bench:
    """A paper broker, the events it tells and the effects it passes on."""

    def __init__(self) -> None:
        self.events: list[ev.Event] = []
        self.passed: list[fx.BrokerEffect] = []
        self.paper = PaperBroker(self, self.events.append, self)

    def carry_out(self, effect: fx.BrokerEffect) -> None:
        self.passed.append(effect)

    def now(self) -> Times:
        return AT

    def quote(self, bid: float | None, ask: float | None, size: float = 500) -> None:
        quote = Quote(STOCK, bid, ask, size, size, None, 10.0)
        self.paper.watch(ev.QuotesChanged(AT, (quote,), 10.0, 10.0))

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def fills(self) -> list[tuple[float, float]]:
        return [(e.execution.signed_quantity, e.execution.price) for e in self.of(ev.ExecutionReported)]

    @property
    def statuses(self) -> list[tuple[str, float]]:
        return [(event.status, event.filled) for event in self.of(ev.OrderStatusReported)]


def test_a_buy_pays_the_ask_and_a_sale_gets_the_bid() -> None:
    for side, price in ((Side.BUY, 140.02), (Side.SELL, 140.0)):
        bench = Bench()
        bench.quote(140.0, 140.02)
        bench.paper.carry_out(fx.PlaceOrder(intent(side)))
        assert bench.fills == [(side.sign * 100, price)]
        assert bench.statuses == [("Submitted", 0), ("Filled", 100)]
        (fill,) = bench.of(ev.ExecutionReported)
        assert fill.execution.exec_id == "paper:BF1:1" and fill.execution.paper
        assert fill.execution.time_s == AT.market_s
        (cost,) = bench.of(ev.CommissionReported)
        assert (cost.exec_id, cost.commission) == ("paper:BF1:1", 1.0)


def test_a_fill_is_no_larger_than_the_size_shown() -> None:
    bench = Bench()
    bench.quote(140.0, 140.02, size=60)
    bench.paper.carry_out(fx.PlaceOrder(intent()))
    assert bench.statuses == [("Submitted", 0), ("Submitted", 60)]
    bench.quote(140.0, 140.03, size=60)
    assert bench.fills == [(60, 140.02), (40, 140.03)]
    assert [e.execution.exec_id for e in bench.of(ev.ExecutionReported)] == ["paper:BF1:1", "paper:BF1:2"]
    average = bench.of(ev.OrderStatusReported)[-1].avg_fill_price
    assert average is not None and abs(average - (60 * 140.02 + 40 * 140.03) / 100) < 1e-9


def test_the_least_and_the_most_of_a_commission_are_the_orders_not_each_fills() -> None:
    """IB's fixed schedule: half a cent a share, at least a dollar an order, at most 1 % of the order's value."""
    bench = Bench()
    bench.quote(140.0, 140.02, size=60)
    bench.paper.carry_out(fx.PlaceOrder(intent(quantity=300)))
    for _ in range(4):
        bench.quote(140.0, 140.02, size=60)
    paid = [event.commission for event in bench.of(ev.CommissionReported)]
    assert paid == [1.0, 0.0, 0.0, 0.2, 0.3], "180 shares are worth less than the dollar paid, 300 cost 1.50"
    cheap = Bench()
    cheap.quote(0.4, 0.41, size=60)
    cheap.paper.carry_out(fx.PlaceOrder(intent(quantity=300)))
    for _ in range(4):
        cheap.quote(0.4, 0.41, size=60)
    paid = [event.commission for event in cheap.of(ev.CommissionReported)]
    assert sum(filter(None, paid)) == pytest.approx(0.01 * 300 * 0.41)


def test_a_limit_waits_for_its_price_and_a_modify_moves_it() -> None:
    bench = Bench()
    bench.quote(140.0, 140.02)
    order = intent(limit=140.01)
    bench.paper.carry_out(fx.PlaceOrder(order))
    assert bench.fills == []
    bench.paper.carry_out(fx.ModifyOrder(order, 1, OrderType.LIMIT, 140.02))
    assert bench.fills == [(100, 140.02)]


def test_nobody_trades_on_half_a_quote_or_a_crossed_one() -> None:
    bench = Bench()
    bench.paper.carry_out(fx.PlaceOrder(intent()))
    bench.quote(None, 140.02)
    bench.quote(140.05, 140.02)
    bench.quote(140.0, 140.02, size=0)
    assert bench.fills == []


def test_a_cancelled_order_fills_no_more_and_an_unknown_one_is_said_to_be() -> None:
    bench = Bench()
    bench.paper.carry_out(fx.PlaceOrder(intent()))
    bench.paper.carry_out(fx.CancelOrder("BF1", 1, "x"))
    bench.paper.carry_out(fx.CancelOrder("BF1", 1, "x"))
    bench.quote(140.0, 140.02)
    assert bench.fills == [] and bench.statuses[-1] == ("Cancelled", 0)
    (error,) = bench.of(ev.OrderErrorReported)
    assert (error.order_ref, error.code) == ("BF1", 10147)


def test_without_a_link_nothing_rests() -> None:
    bench = Bench()
    bench.paper.carry_out(fx.PlaceOrder(intent()))
    bench.paper.watch(ev.LinkDown(AT, "gone"))
    bench.quote(140.0, 140.02)
    assert bench.fills == []


def test_everything_but_orders_goes_to_the_gateway_behind() -> None:
    bench = Bench()
    effects: list[Any] = [fx.FetchTruth(Trigger.PERIODIC), fx.RequestLine(STOCK), fx.FetchAccounts()]
    for effect in effects:
        bench.paper.carry_out(effect)
    assert bench.passed == effects and bench.events == []


def test_no_fill_while_market_time_is_unknown() -> None:
    bench = Bench()
    bench.now = lambda: replace(AT, market_s=None)  # type: ignore[method-assign]
    bench.paper.carry_out(fx.PlaceOrder(intent()))
    bench.quote(140.0, 140.02)
    assert bench.fills == []
