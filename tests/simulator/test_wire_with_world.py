"""Unmodified ib_insync, the real gateway and the real world together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from bifrost.config import load_scenario
from bifrost_simulator.build import build_world
from bifrost_simulator.journal import MessageJournal
from bifrost_simulator.state import StateStore
from bifrost_simulator.wire.gateway import Gateway
from bifrost_simulator.wire.session import SessionLimits
from bifrost_simulator.world import SimulatedWorld

from tests.simulator.wire_ib import ib_insync, quiet
from tests.simulator.wire_raw import RawClient
from tests.simulator.wire_support import run, until

ACCOUNT = "DU1234567"
SCENARIO = f"""
market: generated
seed: 7
symbol: NVDA
start: "2026-05-07 10:00:00"
speed: 10
always_open: true
generated: {{spot: 140.0, volatility: 0.35, implied_volatility: 0.35, spread_pct: 0.015, size_lots: 4}}
accounts:
  - id: {ACCOUNT}
    cash: 1000000
    positions:
      - {{contract_key: "NVDA|OPT|+28d|atm|C", quantity: 10}}
"""


class Desk:
    """A gateway over a real world that is stepped twenty times a second."""

    def __init__(self, folder: Path, version: int) -> None:
        file = folder / "wire.yaml"
        file.write_text(SCENARIO)
        self.world: SimulatedWorld = build_world(load_scenario(file), StateStore(folder / "state"))
        self.gateway = Gateway(self.world, port=0, limits=SessionLimits(version_cap=version))
        self.clients: list[Any] = []

    async def drive(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self.world.step(loop.time())
            await asyncio.sleep(0.05)

    async def client(self, client_id: int = 1) -> Any:
        ib = ib_insync.IB()
        ib.client.MaxRequests = 0
        await ib.connectAsync("127.0.0.1", self.gateway.port, clientId=client_id, timeout=4)
        self.clients.append(ib)
        return ib

    @property
    def journal(self) -> MessageJournal:
        return self.world.journal


@asynccontextmanager
async def desk(folder: Path, version: int = 176) -> AsyncIterator[Desk]:
    with quiet():
        made = Desk(folder, version)
        await made.gateway.start()
        driver = asyncio.create_task(made.drive())
        try:
            yield made
        finally:
            for ib in made.clients:
                ib.disconnect()
            driver.cancel()
            await made.gateway.stop()


async def qualified(ib: Any) -> Any:
    (stock,) = await ib.qualifyContractsAsync(ib_insync.Stock("NVDA", "SMART", "USD"))
    return stock


@pytest.mark.parametrize("version", [157, 176])
def test_a_day_of_an_ib_program(tmp_path: Path, version: int) -> None:
    """Connect, qualify, stream, trade, modify, cancel, be refused, lose the connection, find everything again."""

    async def main() -> None:
        async with desk(tmp_path, version) as sim:
            ib = await sim.client()
            assert (ib.client.serverVersion(), ib.managedAccounts()) == (version, [ACCOUNT])
            (held,) = ib.positions()
            assert (held.position, held.contract.secType) == (10.0, "OPT")
            stock = await qualified(ib)
            (option,) = await ib.qualifyContractsAsync(held.contract)
            (chain, *_) = await ib.reqSecDefOptParamsAsync("NVDA", "", "STK", stock.conId)
            assert option.lastTradeDateOrContractMonth in chain.expirations and option.strike in chain.strikes

            spot, call = ib.reqMktData(stock, "236"), ib.reqMktData(option)
            await until(lambda: spot.bid > 0 and spot.ask > 0 and call.modelGreeks, what="quotes and greeks")
            assert spot.bid < spot.ask and 0.3 < call.modelGreeks.delta < 0.7
            assert spot.shortableShares > 0

            market = ib.placeOrder(stock, ib_insync.MarketOrder("BUY", 50, orderRef="BFMKT", account=ACCOUNT))
            reports: list[Any] = []
            market.commissionReportEvent += lambda *args: reports.append(args[-1])
            await until(
                lambda: market.orderStatus.status == "Filled" and len(reports) == len(market.fills),
                what="the fill and its commissions",
            )
            assert sum(fill.execution.shares for fill in market.fills) == 50
            assert {fill.execution.orderRef for fill in market.fills} == {"BFMKT"}
            assert sum(report.commission for report in reports) == pytest.approx(1.0, abs=0.5)
            await until(lambda: any(p.contract.conId == stock.conId and p.position == 50 for p in ib.positions()))

            limit = ib.placeOrder(stock, ib_insync.LimitOrder("BUY", 20, round(spot.bid - 5, 2), orderRef="BFLMT"))
            await until(lambda: limit.orderStatus.status == "Submitted")
            limit.order.lmtPrice = round(spot.bid - 4, 2)
            ib.placeOrder(stock, limit.order)
            await until(lambda: limit.log[-1].message == "Modified", what="the modification")
            gone = ib.placeOrder(stock, ib_insync.LimitOrder("BUY", 20, round(spot.bid - 6, 2), orderRef="BFGONE"))
            await until(lambda: gone.orderStatus.status == "Submitted")
            ib.cancelOrder(gone.order)
            await until(lambda: gone.orderStatus.status == "Cancelled")

            sim.world.inject("order_rejected_201", {"count": 1})
            refused = ib.placeOrder(stock, ib_insync.MarketOrder("BUY", 5, orderRef="BFNO"))
            await until(lambda: refused.orderStatus.status == "Cancelled", what="the refusal")
            assert refused.log[-1].errorCode == 201
            state = await ib.whatIfOrderAsync(stock, ib_insync.MarketOrder("BUY", 100))
            assert float(state.initMarginChange) > 0

            sim.world.inject("disconnect", {})
            await until(lambda: not ib.isConnected(), what="the disconnect")
            again = await sim.client()
            (open_trade,) = again.openTrades()
            assert (open_trade.order.orderRef, open_trade.order.permId) == ("BFLMT", limit.order.permId)
            assert open_trade.order.lmtPrice == limit.order.lmtPrice
            assert {fill.execution.execId for fill in again.fills()} == {f.execution.execId for f in market.fills}
            assert all(fill.commissionReport.commission > 0 for fill in again.fills())
            assert {p.contract.conId: p.position for p in again.positions()}[stock.conId] == 50
            assert {"BFMKT", "BFGONE"} <= {trade.order.orderRef for trade in again.trades()}

    run(main)


def test_the_journal_has_each_order_and_each_execution_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as sim:
            ib = await sim.client()
            stock = await qualified(ib)
            trade = ib.placeOrder(stock, ib_insync.MarketOrder("SELL", 30, orderRef="BFONE", account=ACCOUNT))
            await until(lambda: trade.orderStatus.status == "Filled", what="the fill")
            (placed,) = sim.journal.entries(message="placeOrder")
            shown = {"orderId", "orderRef", "action", "totalQuantity", "orderType", "lmtPrice", "account"}
            fields = placed.fields
            assert {name: fields[name] for name in shown} == {
                "orderId": trade.order.orderId,
                "orderRef": "BFONE",
                "action": "SELL",
                "totalQuantity": 30.0,
                "orderType": "MKT",
                "lmtPrice": None,
                "account": ACCOUNT,
            }
            executed = [entry.fields for entry in sim.journal.entries(message="execDetails")]
            assert {row["execId"]: row["price"] for row in executed} == {
                fill.execution.execId: fill.execution.price for fill in trade.fills
            }
            assert len(executed) == len(trade.fills)
            assert {(row["orderRef"], row["side"], row["clientId"]) for row in executed} == {("BFONE", "SLD", 1)}

    run(main)


def test_cut_off_from_the_broker_the_order_waits_and_then_arrives(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as sim:
            ib = await sim.client()
            stock = await qualified(ib)
            codes: list[int] = []
            ib.errorEvent += lambda _, code, *__: codes.append(code)
            sim.world.inject("connectivity_lost_1100", {})
            await until(lambda: 1100 in codes)
            trade = ib.placeOrder(stock, ib_insync.MarketOrder("BUY", 10, orderRef="BFWAIT"))
            assert await ib.reqCurrentTimeAsync()
            assert trade.orderStatus.status == "PendingSubmit" and ib.isConnected()
            sim.world.inject("restored_1102", {})
            await until(lambda: trade.orderStatus.status == "Filled", what="the fill after the restoration")
            assert 1102 in codes

    run(main)


def test_an_order_whose_acknowledgement_is_lost_is_found_by_asking(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as sim:
            ib = await sim.client()
            stock = await qualified(ib)
            sim.world.inject("ack_lost", {"count": 1})
            trade = ib.placeOrder(stock, ib_insync.MarketOrder("BUY", 10, orderRef="BFLOST"))
            con_id = stock.conId
            await until(lambda: any(p.contract.con_id == con_id for p in sim.world.positions()), what="the silent fill")
            assert await ib.reqCurrentTimeAsync()
            assert (trade.orderStatus.status, trade.fills) == ("PendingSubmit", [])
            fills = await ib.reqExecutionsAsync()
            assert {(fill.execution.orderRef, fill.execution.cumQty) for fill in fills} == {("BFLOST", 10.0)}

    run(main)


def test_every_request_of_the_protocol_is_answered_by_the_world(tmp_path: Path) -> None:
    """Also with nothing but an id in it: an error frame is an answer, a defect inside the simulator is not."""
    from bifrost_simulator.wire.messages import REQUESTS

    async def main() -> None:
        async with desk(tmp_path) as sim:
            client = await RawClient.connect(sim.gateway.port, 9)
            for number, spec in enumerate(REQUESTS, start=1000):
                ids = dict.fromkeys(spec.field_names & {"reqId", "orderId", "marketRuleId"}, number)
                if spec.name != "startApi":
                    client.request(spec.name, **ids)
            for name in ("reqMktData", "reqContractDetails", "reqHistoricalData", "reqRealTimeBars", "placeOrder"):
                ids = {"orderId" if name == "placeOrder" else "reqId": 5000}
                client.request(name, **ids, symbol="NVDA", secType="OPT", strike=float("inf"), right="X")
                client.request(
                    name, **ids, symbol="NVDA", secType="OPT", lastTradeDateOrContractMonth="2026", right="?"
                )
                client.request(name, **ids, conId=-5, secType="BAG")
            await asyncio.sleep(0)
            client.request("reqCurrentTime")
            await client.expect("currentTime")
            await client.expect("currentTime")
            defects = [values for name, values in client.seen if "Error processing" in str(values.get("text"))]
            assert defects == []
            await client.close()

    run(main)


def test_a_restarted_gateway_knows_its_orders_and_executions(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as sim:
            ib = await sim.client()
            stock = await qualified(ib)
            market = ib.placeOrder(stock, ib_insync.MarketOrder("BUY", 10, orderRef="BFOLD"))
            limit = ib.placeOrder(stock, ib_insync.LimitOrder("BUY", 20, 100.5, orderRef="BFREST", tif="GTC"))
            await until(lambda: market.orderStatus.status == "Filled" and limit.orderStatus.status == "Submitted")
            old = {fill.execution.execId for fill in market.fills}
        async with desk(tmp_path) as sim:
            ib = await sim.client()
            (trade,) = ib.openTrades()
            assert (trade.order.orderRef, trade.order.permId, trade.order.tif) == ("BFREST", limit.order.permId, "GTC")
            assert {fill.execution.execId for fill in ib.fills()} == old
            assert ib.client.getReqId() > limit.order.orderId

    run(main)
