"""The order book, ticks one by one, and ticks of the past, by ib_insync over the wire."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest
from bifrost_simulator.api import HistoricalRequest
from bifrost_simulator.api.fine import (
    DepthOperation,
    HistoricalTicksRequest,
    QuoteTick,
    TickByTickType,
    TradeTick,
)

from tests.simulator.test_wire_with_world import desk, qualified
from tests.simulator.wire_ib import ib_insync
from tests.simulator.wire_support import run, until
from tests.simulator.world_support import CLIENT, STOCK, Stage, refused, request, scenario_file


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(scenario_file(tmp_path, speed=10))


def test_the_book_is_the_touch(stage: Stage) -> None:
    stage.world.subscribe_depth(CLIENT, 5, STOCK, True)
    stage.live(2.0)
    rows = [arguments[2] for arguments in stage.heard.of("depth")]
    assert [row.operation for row in rows[:2]] == [DepthOperation.INSERT] * 2
    assert {row.operation for row in rows[2:]} == {DepthOperation.UPDATE}
    quote = stage.world.board.quote(stage.world.universe.stock.con_id)
    last = {row.is_bid: (row.price, row.size) for row in rows}
    assert last == {True: (quote.bid, quote.bid_size), False: (quote.ask, quote.ask_size)}
    stage.world.cancel_depth(CLIENT, 5)
    stage.heard.clear()
    stage.live(1.0)
    assert stage.heard.of("depth") == [] and refused(stage.world.cancel_depth, CLIENT, 5).code == 310


def test_a_client_has_three_books_and_five_streams(stage: Stage) -> None:
    for req_id in range(3):
        stage.world.subscribe_depth(CLIENT, req_id, STOCK, False)
    assert refused(stage.world.subscribe_depth, CLIENT, 3, STOCK, False).code == 309
    stage.world.subscribe_depth(2, 3, STOCK, False)
    for req_id in range(5):
        stage.world.subscribe_tick_by_tick(CLIENT, req_id, STOCK, "Last")
    assert refused(stage.world.subscribe_tick_by_tick, CLIENT, 9, STOCK, "Last").code == 10190
    assert refused(stage.world.subscribe_tick_by_tick, 2, 9, STOCK, "Fast").code == 321
    stage.world.client_disconnected(CLIENT)
    stage.world.subscribe_tick_by_tick(CLIENT, 1, STOCK, "Last")


def test_single_ticks_are_the_publications(stage: Stage) -> None:
    for req_id, kind in enumerate(("Last", "BidAsk", "MidPoint")):
        stage.world.subscribe_tick_by_tick(CLIENT, req_id, STOCK, kind)
    stage.live(3.0)
    heard = stage.heard.of("tick_by_tick")
    types = {kind: {type(tick) for _, _, got, tick in heard if got is kind} for kind in TickByTickType}
    assert types[TickByTickType.LAST] == {TradeTick} and types[TickByTickType.BID_ASK] == {QuoteTick}
    mids = [tick.mid for _, _, kind, tick in heard if kind is TickByTickType.MID_POINT]
    quotes = [tick for _, _, kind, tick in heard if kind is TickByTickType.BID_ASK]
    assert len(mids) > 3 and all(one != other for one, other in pairwise(mids))
    assert all(tick.bid < tick.ask for tick in quotes)
    stage.world.cancel_tick_by_tick(CLIENT, 0)
    assert refused(stage.world.cancel_tick_by_tick, CLIENT, 0).code == 300


def past(**changes: object) -> HistoricalTicksRequest:
    given = {"contract": STOCK, "start": "", "end": "20260507 09:59:00", "count": 50, "what_to_show": "TRADES"}
    return HistoricalTicksRequest(**{**given, **changes})  # type: ignore[arg-type]


def test_past_ticks_end_or_begin_where_asked(stage: Stage) -> None:
    before = stage.world.historical_ticks(past())
    assert len(before) == 50
    times = [tick.time_s for tick in before]
    assert times == sorted(times)
    after = stage.world.historical_ticks(past(start="20260507 09:50:00", end="", count=20))
    assert len(after) == 20 and after[0].time_s < times[0]
    quotes = stage.world.historical_ticks(past(what_to_show="BID_ASK"))
    assert all(isinstance(tick, QuoteTick) and tick.bid < tick.ask for tick in quotes)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"count": 0}, 321),
        ({"count": 1001}, 321),
        ({"end": ""}, 321),
        ({"start": "20260507 09:50:00"}, 321),
        ({"what_to_show": "VOLUME"}, 321),
        ({"end": "yesterday"}, 321),
        ({"start": "20260507 11:00:00", "end": ""}, 162),
    ],
)
def test_past_ticks_that_cannot_be_asked(stage: Stage, changes: dict[str, object], code: int) -> None:
    assert refused(stage.world.historical_ticks, past(**changes)).code == code


@pytest.mark.parametrize("version", [157, 176])
def test_ib_insync_reads_books_and_ticks(tmp_path: Path, version: int) -> None:
    async def main() -> None:
        async with desk(tmp_path, version) as sim:
            ib = await sim.client()
            stock = await qualified(ib)
            book = ib.reqMktDepth(stock, 5, isSmartDepth=version == 176)
            await until(lambda: bool(book.domBids and book.domAsks), what="the book")
            assert book.domBids[0].price < book.domAsks[0].price
            ticker = ib.reqTickByTickData(stock, "BidAsk")
            await until(lambda: bool(ticker.tickByTicks), what="a tick")
            assert ticker.tickByTicks[0].bidPrice > 0
            end = sim.world.now()
            async with asyncio.timeout(5):
                ticks = await ib.reqHistoricalTicksAsync(stock, "", end, 30, "MIDPOINT", True)
                exchanges = await ib.reqMktDepthExchangesAsync()
            assert len(ticks) == 30 and ticks[-1].price == pytest.approx(140, rel=0.1)
            assert {one.secType for one in exchanges} == {"STK", "OPT"}

    run(main)


def test_ib_insync_trades_a_bracket_and_a_spread(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as sim:
            ib = await sim.client()
            stock = await qualified(ib)
            parent, target, stop = ib.bracketOrder("BUY", 100, 150.0, 190.0, 90.0)
            trades = [ib.placeOrder(stock, order) for order in (parent, target, stop)]
            await until(lambda: trades[0].orderStatus.status == "Filled", what="the parent's fill")
            await until(lambda: trades[1].orderStatus.status == "Submitted", what="the target")
            assert trades[2].orderStatus.status == "PreSubmitted" and trades[2].orderStatus.whyHeld == "trigger"
            ib.cancelOrder(target)
            await until(lambda: trades[2].orderStatus.status == "Cancelled", what="the other child")
            held = next(p.contract for p in ib.positions() if p.contract.secType == "OPT")
            other = ib_insync.Option("NVDA", held.lastTradeDateOrContractMonth, held.strike + 5, "C", "SMART")
            await ib.qualifyContractsAsync(other)
            legs = [
                ib_insync.ComboLeg(held.conId, 1, "BUY", "SMART"),
                ib_insync.ComboLeg(other.conId, 1, "SELL", "SMART"),
            ]
            spread = ib_insync.Contract(symbol="NVDA", secType="BAG", exchange="SMART", currency="USD", comboLegs=legs)
            trade = ib.placeOrder(spread, ib_insync.MarketOrder("BUY", 2))
            await until(lambda: trade.orderStatus.status == "Filled", what="the spread's fill")
            await until(lambda: sum(1 for fill in trade.fills if fill.commissionReport.execId) == 2, what="commissions")
            assert sorted(fill.contract.secType for fill in trade.fills) == ["BAG", "OPT", "OPT"]
            again = await sim.client(2)
            assert any(done.contract.secType == "BAG" for done in again.trades()), "completed orders keep the legs"

    run(main)


def bars(size: str, what: str = "TRADES", duration: str = "600 S") -> HistoricalRequest:
    return HistoricalRequest(STOCK, "", duration, size, what, True, False)


def test_small_bars_are_paced(stage: Stage) -> None:
    ask = stage.world.historical_bars
    ask(CLIENT, 1, bars("5 secs"))
    assert refused(ask, CLIENT, 2, bars("5 secs")).code == 162, "the same within fifteen seconds"
    ask(2, 1, bars("5 secs"))
    for number in range(5):
        ask(CLIENT, 10 + number, bars("5 secs", duration=f"{700 + number} S"))
    assert refused(ask, CLIENT, 20, bars("5 secs", duration="900 S")).code == 162, "a seventh within two seconds"
    for _ in range(3):
        ask(CLIENT, 30, bars("1 min"))
    stage.live(16.0)
    ask(CLIENT, 40, bars("5 secs"))


def test_sixty_small_requests_in_ten_minutes(stage: Stage) -> None:
    for number in range(60):
        stage.world.historical_bars(CLIENT, number, bars("30 secs", duration=f"{600 + number} S"))
        stage.live(0.5, step_s=0.5)
    assert refused(stage.world.historical_bars, CLIENT, 99, bars("30 secs", duration="900 S")).code == 162
    stage.world.history.pacing.enabled = False
    stage.world.historical_bars(CLIENT, 99, bars("30 secs", duration="900 S"))


def test_bars_of_both_sides(stage: Stage) -> None:
    found = stage.bars(bars("1 min", "BID_ASK")).bars
    assert found and all(bar.low <= bar.open < bar.close <= bar.high for bar in found)


def test_client_zero_owns_manual_orders_once_it_asks(stage: Stage) -> None:
    stage.world.place_manual(request("BUY", 100, 100.0))
    assert stage.world.open_orders(None)[0].order_id == 0
    (order,) = stage.world.open_orders(0)
    assert order.order_id < 0
    stage.world.place_order(0, order.order_id, request("BUY", 50, 101.0))
    (changed,) = stage.world.open_orders(None)
    assert (changed.request.quantity, changed.perm_id) == (50, order.perm_id)
    assert refused(stage.world.cancel_order, CLIENT, order.order_id).code == 10149
    stage.world.cancel_order(0, order.order_id)
    assert stage.world.open_orders(None) == ()
