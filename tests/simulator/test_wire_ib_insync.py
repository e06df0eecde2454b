"""Unmodified ib_insync (or ib_async) against the gateway over a real socket, at the oldest and its newest version."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from bifrost_simulator.wire.gateway import Gateway

from tests.simulator.wire_ib import NEWEST, ib_insync, quiet
from tests.simulator.wire_raw import serving
from tests.simulator.wire_support import ACCOUNT, ASK, BID, OPTION, START, STOCK, FakeWorld, run, until

VERSIONS = sorted({157, 176, NEWEST})
CALL = ib_insync.Option("NVDA", "20260320", 140, "C", "SMART")


@asynccontextmanager
async def connected(version: int, client_id: int = 1) -> AsyncIterator[tuple[FakeWorld, Gateway, Any]]:
    with quiet():
        async with serving(version_cap=version) as (world, gateway):
            ib = ib_insync.IB()
            ib.client.MaxRequests = 0  # its own throttle would hide the gateway's pacing (gotcha G11)
            await ib.connectAsync("127.0.0.1", gateway.port, clientId=client_id, timeout=4)
            try:
                yield world, gateway, ib
            finally:
                ib.disconnect()


@pytest.mark.parametrize("version", VERSIONS)
def test_connecting_finds_the_account(version: int) -> None:
    async def main() -> None:
        async with connected(version) as (world, _, ib):
            assert ib.client.serverVersion() == version
            assert ib.managedAccounts() == [ACCOUNT]
            (position,) = ib.positions()
            assert (position.contract.conId, position.position, position.avgCost) == (OPTION.con_id, 20.0, 505.0)
            assert {value.tag: value.value for value in ib.accountValues()}["NetLiquidation"] == "1000000.00"
            (item,) = ib.portfolio()
            assert (item.marketPrice, item.marketValue) == (5.05, 10_100.0)
            summary = await ib.accountSummaryAsync()
            assert [(row.tag, row.value) for row in summary if row.tag == "NetLiquidation"]
            assert await ib.reqCurrentTimeAsync() == START
            asked = {name for direction, _, name, _ in world.journal.lines if direction == "in"}
            assert {"reqPositions", "reqOpenOrders", "reqCompletedOrders", "reqExecutions"} <= asked

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_contracts_chains_rules_and_symbols(version: int) -> None:
    async def main() -> None:
        async with connected(version) as (_, _, ib):
            (stock,) = await ib.qualifyContractsAsync(ib_insync.Stock("NVDA", "SMART", "USD"))
            assert (stock.conId, stock.primaryExchange) == (STOCK.con_id, "NASDAQ")
            (details,) = await ib.reqContractDetailsAsync(CALL)
            assert details.contract.conId == OPTION.con_id
            assert details.longName == "NVIDIA CORP – café"
            assert details.tradingSessions()[0].end.hour == 20
            (chain,) = await ib.reqSecDefOptParamsAsync("NVDA", "", "STK", stock.conId)
            assert (chain.expirations, chain.strikes) == (["20260320", "20260417"], [137.5, 140.0, 142.5])
            (match,) = await ib.reqMatchingSymbolsAsync("NVD")
            assert match.contract.symbol == "NVDA"
            rule = await ib.reqMarketRuleAsync(26)
            assert [(step.lowEdge, step.increment) for step in rule] == [(0.0, 0.01), (3.0, 0.05)]
            errors: list[int] = []
            ib.errorEvent += lambda _, code, *__: errors.append(code)
            assert await ib.reqContractDetailsAsync(ib_insync.Stock("NONE", "SMART", "USD")) == []
            assert errors == [200]

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_ticks_greeks_snapshots_and_bars(version: int) -> None:
    async def main() -> None:
        async with connected(version) as (world, _, ib):
            # Of their own, since qualifying fills them in; ib_async streams nothing without a conId (gotcha G13).
            nvda, call = (
                ib_insync.Stock("NVDA", "SMART", "USD"),
                ib_insync.Option("NVDA", "20260320", 140, "C", "SMART"),
            )
            await ib.qualifyContractsAsync(nvda, call)
            stock = ib.reqMktData(nvda, "236")
            option = ib.reqMktData(call)
            await until(lambda: option.modelGreeks is not None, what="greeks")
            assert (stock.bid, stock.bidSize, stock.ask, stock.askSize) == (BID, 300.0, ASK, 200.0)
            assert stock.volume == 123_456
            assert (option.modelGreeks.delta, option.modelGreeks.undPrice) == (0.52, 140.02)
            ib.cancelMktData(nvda)
            await until(lambda: len(world.subscribed) == 1)
            (snapshot,) = await ib.reqTickersAsync(nvda)
            assert snapshot.ask == ASK
            bars = await ib.reqHistoricalDataAsync(nvda, "", "1 D", "1 min", "TRADES", True, 1, True)
            assert [bar.open for bar in bars] == [140.0, 141.0, 142.0]
            assert bars[-1].date.astimezone(UTC) == datetime(2026, 3, 2, 14, 59, tzinfo=UTC)
            req_id = bars.reqId
            from bifrost_simulator.api import Bar

            world.tell.on_bar(1, req_id, Bar(START, 143, 144, 142, 143.5, 10, 143.2, 2))
            world.tell.on_flush()
            await until(lambda: len(bars) == 4, what="the next bar")
            assert (bars[-1].close, bars[-1].high, bars[-1].barCount) == (143.5, 144.0, 2)
            assert (await ib.reqHeadTimeStampAsync(nvda, "TRADES", True, 2)).year == 2025
            computed = await ib.calculateImpliedVolatilityAsync(call, 5.0, 140.0)
            assert (computed.impliedVol, computed.optPrice) == (0.4, 5.0)
            live = ib.reqRealTimeBars(nvda, 5, "TRADES", True)
            await until(lambda: len(live) == 1, what="a five-second bar")
            assert live[0].time == START

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_order_lives_its_whole_life(version: int) -> None:
    async def main() -> None:
        async with connected(version) as (world, _, ib):
            (stock,) = await ib.qualifyContractsAsync(ib_insync.Stock("NVDA", "SMART", "USD"))
            market = ib.placeOrder(stock, ib_insync.MarketOrder("BUY", 100, orderRef="BFMKT", account=ACCOUNT))
            reports: list[Any] = []
            market.commissionReportEvent += lambda *args: reports.append(args[-1])
            await until(lambda: reports, what="the commission report")
            assert market.orderStatus.status == "Filled"
            assert market.orderStatus.avgFillPrice == ASK
            (fill,) = market.fills
            assert (fill.execution.shares, fill.execution.orderRef) == (100.0, "BFMKT")
            assert fill.execution.time == START
            assert [row["reqId"] for row in world.journal.of("execDetails")] == [-1], "a live fill answers no request"
            assert (reports[0].execId, reports[0].commission) == (fill.execution.execId, 1.0)
            await until(lambda: len(ib.positions()) == 2, what="the new position")

            limit = ib.placeOrder(stock, ib_insync.LimitOrder("BUY", 50, 130.25, orderRef="BFLMT"))
            await until(lambda: limit.orderStatus.status == "Submitted")
            limit.order.lmtPrice = 131.5
            ib.placeOrder(stock, limit.order)
            await until(lambda: limit.log[-1].message == "Modified", what="the modification")
            assert world.orders[1, limit.order.orderId].request.limit_price == 131.5
            ib.cancelOrder(limit.order)
            await until(lambda: limit.orderStatus.status == "Cancelled")

            state = await ib.whatIfOrderAsync(stock, ib_insync.MarketOrder("BUY", 10))
            assert (float(state.initMarginChange), state.commission) == (7000.5, 1.0)
            rejected = ib.placeOrder(stock, ib_insync.MarketOrder("BUY", 0, orderRef="BFBAD"))
            await until(lambda: rejected.log[-1].errorCode == 201, what="the rejection")
            assert rejected.orderStatus.status == "Cancelled"

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_reconnect_finds_everything_again(version: int) -> None:
    async def main() -> None:
        async with connected(version) as (world, gateway, ib):
            (stock,) = await ib.qualifyContractsAsync(ib_insync.Stock("NVDA", "SMART", "USD"))
            ib.placeOrder(stock, ib_insync.MarketOrder("BUY", 100, orderRef="BFMKT"))
            limit = ib.placeOrder(stock, ib_insync.LimitOrder("BUY", 50, 130.25, orderRef="BFLMT"))
            await until(lambda: limit.orderStatus.status == "Submitted")
            world.tell.on_drop(1, "fault disconnect")
            await until(lambda: not ib.isConnected(), what="the disconnect")
            again = ib_insync.IB()
            await again.connectAsync("127.0.0.1", gateway.port, clientId=1, timeout=4)
            (open_trade,) = again.openTrades()
            assert (open_trade.order.orderRef, open_trade.order.lmtPrice) == ("BFLMT", 130.25)
            assert open_trade.order.permId == limit.order.permId
            (fill,) = again.fills()
            assert (fill.execution.orderRef, fill.commissionReport.commission) == ("BFMKT", 1.0)
            assert {trade.order.orderRef for trade in again.trades()} == {"BFMKT", "BFLMT"}
            assert len(again.positions()) == 2
            assert again.client.getReqId() > limit.order.orderId
            again.disconnect()

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_another_client_sees_all_orders_under_their_owner(version: int) -> None:
    async def main() -> None:
        async with connected(version) as (_, gateway, ib):
            (stock,) = await ib.qualifyContractsAsync(ib_insync.Stock("NVDA", "SMART", "USD"))
            limit = ib.placeOrder(stock, ib_insync.LimitOrder("BUY", 50, 130.25))
            await until(lambda: limit.orderStatus.status == "Submitted")
            other = ib_insync.IB()
            await other.connectAsync("127.0.0.1", gateway.port, clientId=2, timeout=4)
            assert other.openTrades() == []
            (seen,) = await other.reqAllOpenOrdersAsync()
            assert (seen.order.clientId, seen.order.orderId) == (1, limit.order.orderId)
            assert seen.orderStatus.status == "Submitted"
            other.reqGlobalCancel()
            await until(lambda: limit.orderStatus.status == "Cancelled")
            other.disconnect()

    run(main)


def test_profit_and_loss_streams() -> None:
    async def main() -> None:
        async with connected(176) as (_, _, ib):
            pnl = ib.reqPnL(ACCOUNT)
            single = ib.reqPnLSingle(ACCOUNT, "", OPTION.con_id)
            await until(lambda: pnl.dailyPnL == 12.5 and single.position == 20.0)
            assert (pnl.realizedPnL, single.value) == (3.25, 10_100.0)

    run(main)


def test_a_client_id_in_use_makes_the_second_client_fail() -> None:
    async def main() -> None:
        async with connected(176) as (_, gateway, ib):
            second = ib_insync.IB()
            with pytest.raises((asyncio.TimeoutError, ConnectionError)):
                await second.connectAsync("127.0.0.1", gateway.port, clientId=1, timeout=0.3)
            assert ib.isConnected()

    run(main)
